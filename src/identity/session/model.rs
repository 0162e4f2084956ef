//! Whether a refresh token may be used.
//!
//! Each use makes a new token of the next generation. A token that was used comes back in one of two ways: its holder never
//! got the answer (a lost connection, two tabs at once), or somebody has a copy. The first happens at once: the immediate
//! parent of the newest token is taken again within [`GRACE_SECONDS`]. All else ends the session, as [RFC 9700
//! §4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2) asks.

use entity::Timestamp;

/// How long the parent of the newest token may come again.
pub const GRACE_SECONDS: i64 = 10;

/// What to do with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// The newest: the session goes on to this generation.
    Next(i32),
    /// Its parent, at once: another token of the newest generation, which stays.
    Again(i32),
    /// An older one: somebody else may have it.
    Reused,
}

/// Judges a token of one generation, when the session has come to another one and was last refreshed at a moment.
#[must_use]
pub fn judge(token: i32, session: i32, refreshed_at: Timestamp, now: Timestamp) -> Refresh {
    if token == session {
        return Refresh::Next(session + 1);
    }
    if token + 1 == session && now <= refreshed_at.plus_seconds(GRACE_SECONDS) {
        return Refresh::Again(session);
    }
    Refresh::Reused
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp(1_772_323_200_000_000);

    #[test]
    fn the_newest_goes_on_and_its_parent_has_a_moment() {
        assert_eq!(judge(4, 4, AT, AT.plus_days(20)), Refresh::Next(5));
        assert_eq!(judge(4, 5, AT, AT.plus_seconds(GRACE_SECONDS)), Refresh::Again(5));
        assert_eq!(
            judge(4, 5, AT, AT.plus_seconds(GRACE_SECONDS + 1)),
            Refresh::Reused
        );
        assert_eq!(judge(3, 5, AT, AT), Refresh::Reused, "the parent alone");
    }
}
