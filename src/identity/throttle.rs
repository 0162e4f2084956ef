//! Guesses of passwords and codes are few: by account and by network address, alike for accounts that are not there.
//!
//! An attempt is counted before the password is looked at, and taken back when it was right, so that many at once are no
//! more than many one after the other. Who is over the limit is refused before anything is hashed.

use std::net::IpAddr;
use std::time::Duration;

use entity::Timestamp;

use super::store;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;

/// Attempts are counted for so long, and a block lasts so long, in seconds.
pub const WINDOW_SECONDS: i64 = 15 * 60;
/// Failures of one account within the window.
pub const ACCOUNT_LIMIT: i32 = 10;
/// Failures from one network address within the window; people in one office share one.
pub const ADDRESS_LIMIT: i32 = 50;

/// What is counted.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    keys: Vec<(Vec<u8>, i32)>,
}

fn key(kind: &str, of: &str) -> Vec<u8> {
    blake3::hash(format!("{kind}:{of}").as_bytes())
        .as_bytes()
        .to_vec()
}

/// IPv6 users have whole networks to themselves: all of a /64 are one.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}")
            }
        },
    }
}

impl Guess {
    /// A guess at the password of an account, which may not exist.
    pub(super) fn of_account(email: &str, address: Option<IpAddr>) -> Self {
        Self::new("account", email, address)
    }

    /// A guess at the second factor of a user.
    pub(super) fn of_second_factor(user: &str, address: Option<IpAddr>) -> Self {
        Self::new("second factor", user, address)
    }

    /// Mails that somebody asks for.
    pub(super) fn of_mails(email: &str, address: Option<IpAddr>) -> Self {
        Self::new("mail", email, address)
    }

    fn new(kind: &str, of: &str, address: Option<IpAddr>) -> Self {
        let mut keys = vec![(key(kind, of), ACCOUNT_LIMIT)];
        if let Some(address) = address {
            keys.push((key("address", &network(address)), ADDRESS_LIMIT));
        }
        // In one order, so that two transactions never wait for each other in a circle.
        keys.sort_unstable();
        Self { keys }
    }

    /// Counts the guess.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when there were too many; the database's.
    pub(super) async fn count(&self, app: &App) -> Result<(), Error> {
        let now = app.clock().now();
        let blocked = app.memory::<Blocked>();
        for (key, _) in &self.keys {
            if let Some(until) = blocked.0.get(key).filter(|until| *until > now) {
                return Err(refused(now, until));
            }
        }
        let tx = app.db().begin().await?;
        let mut refusal = None;
        for (key, limit) in &self.keys {
            let row = store::count_failure(&tx, key, now, WINDOW_SECONDS).await?;
            let until = match row.blocked_until.filter(|until| *until > now) {
                Some(until) => until,
                None if row.failures <= *limit => continue,
                None => {
                    let until = now.plus_seconds(WINDOW_SECONDS);
                    store::block(&tx, key, until).await?;
                    until
                }
            };
            blocked.0.insert(key.clone(), until);
            refusal = Some(until);
        }
        tx.commit().await?;
        match refusal {
            Some(until) => Err(refused(now, until)),
            None => Ok(()),
        }
    }

    /// Takes the guess back, since it was right: the account begins anew, the address is as it was.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn was_right(&self, tx: &Tx) -> Result<(), Error> {
        for (key, limit) in &self.keys {
            if *limit == ADDRESS_LIMIT {
                store::uncount_failure(tx, key).await?;
            } else {
                store::forget_failures(tx, key).await?;
            }
        }
        Ok(())
    }
}

fn refused(now: Timestamp, until: Timestamp) -> Error {
    let seconds = (until.micros() - now.micros()).max(0) / 1_000_000 + 1;
    Error::RateLimited {
        message: format!("too many attempts; try again in {} minutes", (seconds + 59) / 60),
        retry_after_seconds: seconds.unsigned_abs(),
    }
}

/// Who is blocked, so that a flood costs no statement.
#[derive(Debug)]
struct Blocked(moka::sync::Cache<Vec<u8>, Timestamp>);

impl Default for Blocked {
    fn default() -> Self {
        // Short, since an operator may lift a block.
        let cache = moka::sync::Cache::builder()
            .max_capacity(100_000)
            .time_to_live(Duration::from_secs(10))
            .build();
        Self(cache)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:3::1"), of("2001:db8:1:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
