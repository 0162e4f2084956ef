//! Secrets that Leadline hands out: 256 random bits under a prefix that tells their kind, with a checksum behind them, so that
//! one that was cut or mistyped is told apart without asking the database, and scanners of leaks can know them.
//!
//! Form: the prefix, 43 characters (32 random bytes, base64url), 6 characters of checksum. The database keeps a hash alone;
//! with 256 random bits nothing slower than BLAKE3 is needed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng;

use crate::error::Error;

const BODY_LEN: usize = 43;
const CHECKSUM_LEN: usize = 6;

/// The kinds of secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// Of a partner's API token.
    ApiToken,
    /// Of a session's refresh token.
    Refresh,
    /// Of a code that is good once.
    Code,
    /// Of an invitation.
    Invitation,
}

impl SecretKind {
    /// What stands before it.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::ApiToken => "leadline_",
            Self::Refresh => "leadline_refresh_",
            Self::Code => "leadline_code_",
            Self::Invitation => "leadline_invite_",
        }
    }
}

fn checksum(body: &str) -> String {
    let hash = blake3::hash(body.as_bytes());
    URL_SAFE_NO_PAD
        .encode(&hash.as_bytes()[..5])
        .chars()
        .take(CHECKSUM_LEN)
        .collect()
}

/// Makes a secret.
///
/// # Errors
/// When the machine has no random numbers.
pub fn make(kind: SecretKind) -> Result<String, Error> {
    let mut bytes = [0_u8; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(Error::internal)?;
    let body = URL_SAFE_NO_PAD.encode(bytes);
    Ok(format!("{}{body}{}", kind.prefix(), checksum(&body)))
}

/// Whether a text has the form of a kind.
#[must_use]
pub fn is_well_formed(kind: SecretKind, text: &str) -> bool {
    text.is_ascii()
        && text.strip_prefix(kind.prefix()).is_some_and(|rest| {
            rest.len() == BODY_LEN + CHECKSUM_LEN && checksum(&rest[..BODY_LEN]) == rest[BODY_LEN..]
        })
}

/// What is kept of a secret.
#[must_use]
pub fn hash(secret: &str) -> [u8; 32] {
    *blake3::hash(secret.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_tells_a_mistyped_one() {
        for kind in [
            SecretKind::ApiToken,
            SecretKind::Refresh,
            SecretKind::Code,
            SecretKind::Invitation,
        ] {
            let secret = make(kind).expect("random numbers");
            assert!(is_well_formed(kind, &secret), "{secret}");
            assert!(!is_well_formed(kind, &secret[..secret.len() - 1]));
            assert!(!is_well_formed(kind, kind.prefix()));
            let at = kind.prefix().len();
            let other = if secret.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &secret[..at], &secret[at + 1..]);
            assert!(!is_well_formed(kind, &changed), "{changed}");
        }
        assert!(!is_well_formed(SecretKind::ApiToken, "leadline_äöü"));
        let refresh = make(SecretKind::Refresh).expect("random numbers");
        assert!(
            !is_well_formed(SecretKind::ApiToken, &refresh),
            "kinds are told apart"
        );
    }
}
