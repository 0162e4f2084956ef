//! No secret in any log: every line that the program logs in this process is looked at, whatever test runs.

use std::io;
use std::sync::{Mutex, Once, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Secrets that tests made up themselves; what the program makes is known by its form.
static KNOWN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Characters of what the program makes, behind its prefix: the random part and the checksum.
const MADE: usize = 49;
const PREFIXES: [&str; 4] = [
    "leadline_refresh_",
    "leadline_code_",
    "leadline_invite_",
    "leadline_",
];

/// Has the logs watched for a secret from now on.
pub fn is_secret(text: &str) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if !known.iter().any(|known| known == text) {
        known.push(text.to_owned());
    }
}

/// The first secret in a text.
pub fn secret_in(text: &str) -> Option<String> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known.iter().find(|secret| text.contains(secret.as_str())) {
        return Some(found.clone());
    }
    for prefix in PREFIXES {
        for (at, _) in text.match_indices(prefix) {
            let rest = &text[at + prefix.len()..];
            let body = rest
                .bytes()
                .take_while(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
            if body.count() == MADE {
                return Some(format!("{prefix}…"));
            }
        }
    }
    // A JSON web token: `eyJ…` is how a JSON object begins in base64.
    text.split(|ch: char| !ch.is_ascii_alphanumeric() && !"-_.".contains(ch))
        .find(|word| word.starts_with("eyJ") && word.matches('.').count() == 2 && word.len() > 80)
        .map(|_| "an access token".to_owned())
}

struct Watch;

impl io::Write for Watch {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(secret) = secret_in(&String::from_utf8_lossy(line)) {
            // Nothing that a test could swallow: the run has failed.
            eprintln!(
                "A SECRET WAS LOGGED ({secret}): {}",
                String::from_utf8_lossy(line)
            );
            std::process::abort();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Watch {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        Self
    }
}

/// Begins to look at what is logged.
pub fn watch_logs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = EnvFilter::new("info,leadline=trace,hyper=debug,tower_http=trace");
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(Watch);
        subscriber
            .with_ansi(false)
            .try_init()
            .expect("nobody else logs in the tests");
    });
}
