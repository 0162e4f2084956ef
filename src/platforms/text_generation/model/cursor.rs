//! Where somebody stands in a text.

use std::fmt;
use std::str::FromStr;

use entity::id::TextId;

use crate::error::Error;

/// Behind how much of which text somebody stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextCursor {
    /// The text.
    pub id: TextId,
    /// How much of it was told, in bytes.
    pub read: usize,
}

impl TextCursor {
    /// Before the first word of a text.
    #[must_use]
    pub fn start(id: TextId) -> Self {
        Self { id, read: 0 }
    }
}

impl fmt::Display for TextCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.read)
    }
}

impl FromStr for TextCursor {
    type Err = Error;

    /// The id of a text alone is its start.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            let message = "`after` is no cursor of `textGenerating` and no id of a text (`text_…`)";
            Error::BadInput(message.to_owned())
        };
        let (id, read) = text.split_once(':').unwrap_or((text, "0"));
        let is_number = !read.is_empty() && read.bytes().all(|byte| byte.is_ascii_digit());
        match (id.parse(), read.parse()) {
            (Ok(id), Ok(read)) if is_number => Ok(Self { id, read }),
            _ => Err(wrong()),
        }
    }
}

/// What comes behind a place of a text; `None` when it has no such place.
pub(in super::super) fn behind(text: &str, read: usize) -> Option<&str> {
    text.get(read..)
}

#[cfg(test)]
mod tests {
    use entity::Timestamp;

    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written_and_an_id_is_the_start() {
        let id = TextId::at(Timestamp(1));
        let cursor = TextCursor { id, read: 1_234 };
        assert_eq!(cursor.to_string().parse::<TextCursor>().unwrap(), cursor);
        assert_eq!(
            id.to_string().parse::<TextCursor>().unwrap(),
            TextCursor::start(id)
        );
        for wrong in [
            String::new(),
            "ev7".to_owned(),
            format!("{id}:"),
            format!("{id}:-1"),
            format!("{id}:+1"),
            format!("{id}:1:2"),
            format!("{id}:99999999999999999999999"),
        ] {
            assert!(wrong.parse::<TextCursor>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_place_within_a_letter_or_behind_the_end_is_none() {
        assert_eq!(behind("für", 0), Some("für"));
        assert_eq!(behind("für", 3), Some("r"));
        assert_eq!(behind("für", 4), Some(""));
        assert_eq!((behind("für", 2), behind("für", 5)), (None, None));
    }
}
