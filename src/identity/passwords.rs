//! Passwords: Argon2id, on threads of their own.
//!
//! Parameters by [OWASP's cheat sheet](https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html):
//! two passes over at least 19 MiB, one lane. A hash says its parameters, so those of the settings may change: at the next
//! sign-in the password is hashed anew.
//!
//! Hashing takes memory and time on purpose. A few threads do it, with few calls waiting before them; one more is refused at
//! once, and the threads let others go first, so that a flood of sign-ins takes neither the memory nor the processors of
//! everybody else.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use thread_priority::{ThreadPriority, ThreadPriorityValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use zeroize::Zeroizing;

use crate::app::App;
use crate::error::Error;

/// Passes over the memory.
const PASSES: u32 = 2;
/// Calls that wait for a thread.
const WAITING: usize = 32;

/// Fewest characters of a password, by NIST SP 800-63B where it may be the only factor it asks for 15; with rate limits and a
/// second factor on offer, 10 is the choice here.
pub const LEAST_PASSWORD: usize = 10;
/// Most characters: what is longer costs more than it gives.
pub const MOST_PASSWORD: usize = 256;

/// A password as somebody typed it; wiped from memory when dropped, never shown.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password as it was typed.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Whether it may be chosen, by somebody with this e-mail address.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, email: &str) -> Result<(), String> {
        let text = self.0.as_str();
        let length = text.chars().count();
        if !(LEAST_PASSWORD..=MOST_PASSWORD).contains(&length) {
            return Err(format!(
                "a password has {LEAST_PASSWORD} to {MOST_PASSWORD} characters, this one has {length}"
            ));
        }
        let mut different: Vec<char> = text.chars().collect();
        different.sort_unstable();
        different.dedup();
        if different.len() < 5 {
            return Err("a password has at least 5 different characters".to_owned());
        }
        let name = email.split('@').next().unwrap_or_default();
        let lower = text.to_lowercase();
        if lower == email || (name.len() > 3 && lower.trim_matches(|ch: char| !ch.is_alphabetic()) == name) {
            return Err("the password is the e-mail address".to_owned());
        }
        Ok(())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The outcome of comparing a password with a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another password.
    Wrong,
    /// The password.
    Right,
    /// The password, hashed with parameters other than those of the settings.
    RightButOld,
}

type Work = Box<dyn FnOnce() + Send>;

/// The threads that hash; begun with the first password.
#[derive(Debug)]
struct Hashers {
    sender: OnceLock<mpsc::Sender<Work>>,
    turns: Arc<Semaphore>,
}

impl Default for Hashers {
    fn default() -> Self {
        Self {
            sender: OnceLock::new(),
            turns: Arc::new(Semaphore::new(WAITING)),
        }
    }
}

/// A turn at hashing, given back when the password is hashed or the turn dropped.
#[derive(Debug)]
pub struct Turn {
    _place: OwnedSemaphorePermit,
}

/// Waits in line for a turn at hashing. Taken before a guess is counted: who finds no place has guessed nothing, and no more
/// guesses are open at once than there are places.
///
/// # Errors
/// [`Error::RateLimited`] when too many wait already.
pub fn turn(app: &App) -> Result<Turn, Error> {
    let turns = Arc::clone(&app.memory::<Hashers>().turns);
    let place = turns.try_acquire_owned().map_err(|_| too_many())?;
    Ok(Turn { _place: place })
}

impl Hashers {
    fn sender(&self) -> &mpsc::Sender<Work> {
        self.sender.get_or_init(|| {
            let (sender, receiver) = mpsc::channel::<Work>(WAITING);
            let receiver = Arc::new(Mutex::new(receiver));
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            for n in 0..(cores / 2).max(1) {
                let receiver = Arc::clone(&receiver);
                let thread = std::thread::Builder::new().name(format!("passwords-{n}"));
                let spawned = thread.spawn(move || {
                    give_way();
                    loop {
                        let next = receiver
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .blocking_recv();
                        let Some(work) = next else { return };
                        work();
                    }
                });
                if let Err(error) = spawned {
                    tracing::error!(%error, "could not start a thread for passwords");
                }
            }
            sender
        })
    }
}

/// Lets other threads go before this one, without starving it: about a tenth of a core that all want.
fn give_way() {
    // Niceness 10 on Linux, of −20 to 19.
    const PRIORITY: u8 = 24;
    let priority = ThreadPriorityValue::try_from(PRIORITY).map(ThreadPriority::Crossplatform);
    let set = priority.map(thread_priority::set_current_thread_priority);
    if !matches!(set, Ok(Ok(()))) {
        tracing::warn!(
            ?set,
            "threads for passwords have the priority of all others: sign-ins slow requests down"
        );
    }
}

fn too_many() -> Error {
    Error::RateLimited {
        message: "too many sign-ins at the moment; try again in a few seconds".to_owned(),
        retry_after_seconds: 5,
    }
}

async fn on_hasher<T: Send + 'static>(
    app: &App,
    turn: Turn,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let hashers = app.memory::<Hashers>();
    let (answer, answered) = oneshot::channel();
    let work: Work = Box::new(move || {
        // Who asked may be gone.
        let _ = answer.send(work());
        drop(turn);
    });
    hashers.sender().try_send(work).map_err(|_| too_many())?;
    answered.await.map_err(Error::internal)
}

fn parameters(app: &App) -> Result<Params, Error> {
    Params::new(app.access().password_memory_kib, PASSES, 1, None)
        .map_err(|error| Error::internal(anyhow::anyhow!("parameters of Argon2: {error}")))
}

/// Hashes a password.
///
/// # Errors
/// [`Error::RateLimited`] when too many wait already.
pub async fn hash(app: &App, password: &Password) -> Result<String, Error> {
    let turn = turn(app)?;
    let parameters = parameters(app)?;
    let password = password.clone();
    let hashed = on_hasher(app, turn, move || {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
            .hash_password(password.0.as_bytes())
            .map(|hash| hash.to_string())
    });
    hashed
        .await?
        .map_err(|error| Error::internal(anyhow::anyhow!("a password could not be hashed: {error}")))
}

/// Compares a password with a hash; without a hash it takes the same time and is wrong, so that nobody learns by the clock
/// which accounts there are.
///
/// # Errors
/// When the settings' parameters are none.
pub async fn verify(
    app: &App,
    turn: Turn,
    password: &Password,
    hash: Option<&str>,
) -> Result<Verdict, Error> {
    let parameters = parameters(app)?;
    let password = password.clone();
    let hash = hash.map(str::to_owned);
    on_hasher(app, turn, move || {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters.clone());
        let known = hash.as_deref().and_then(|hash| PasswordHash::new(hash).ok());
        let Some(known) = known else {
            let _ = argon2.hash_password(password.0.as_bytes());
            return Verdict::Wrong;
        };
        if argon2.verify_password(password.0.as_bytes(), &known).is_err() {
            return Verdict::Wrong;
        }
        let of_hash = Params::try_from(&known).ok();
        let same = of_hash.is_some_and(|of_hash| {
            of_hash.m_cost() == parameters.m_cost()
                && of_hash.t_cost() == parameters.t_cost()
                && of_hash.p_cost() == parameters.p_cost()
        });
        if same {
            Verdict::Right
        } else {
            Verdict::RightButOld
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_not_the_address() {
        let check = |text: &str| Password::new(text.to_owned()).check("ada.lovelace@example.com");
        assert_eq!(check("correct horse"), Ok(()));
        assert_eq!(check("äöüßéèêñçå"), Ok(()), "characters count, not bytes");
        for (text, says) in [
            ("short", "10 to 256 characters, this one has 5"),
            ("aaaaaaaaaaaa", "different characters"),
            ("Ada.Lovelace@example.com", "e-mail address"),
            ("ada.lovelace1", "e-mail address"),
        ] {
            let error = check(text).expect_err(text);
            assert!(error.contains(says), "{error}");
        }
        assert!(check(&"a1B2c3".repeat(50)).is_err(), "too long");
        assert_eq!(format!("{:?}", Password::new("secret".into())), "***");
    }
}
