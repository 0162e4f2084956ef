//! Into how many parts a text message is cut, as carriers count: GSM-7 (3GPP TS 23.038) where every character is in its
//! alphabet, UCS-2 otherwise. For estimates; what the platform counted is what is billed.

/// What a text takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// In what it is sent.
    pub encoding: Encoding,
    /// Septets, or UTF-16 code units.
    pub units: usize,
    /// Parts; none for an empty text.
    pub segments: usize,
}

/// In what a text message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Septets of the GSM default alphabet and its extension.
    Gsm7,
    /// UTF-16 code units, for whatever has a character that is not in the alphabet.
    Ucs2,
}

impl Encoding {
    /// How many units fit into a message that is not cut.
    #[must_use]
    pub const fn single(self) -> usize {
        match self {
            Self::Gsm7 => 160,
            Self::Ucs2 => 70,
        }
    }

    /// How many units fit into each part of a message that is cut: a header takes the rest.
    #[must_use]
    pub const fn part(self) -> usize {
        match self {
            Self::Gsm7 => 153,
            Self::Ucs2 => 67,
        }
    }

    /// The units of a character. What GSM-7 cannot say is two septets here and is never asked for.
    const fn units(self, character: char) -> usize {
        match self {
            Self::Gsm7 if is_basic(character) => 1,
            Self::Gsm7 => 2,
            Self::Ucs2 => character.len_utf16(),
        }
    }
}

/// What a text takes.
#[must_use]
pub fn count(text: &str) -> Segments {
    let encoding = encoding(text);
    Segments {
        encoding,
        units: text.chars().map(|character| encoding.units(character)).sum(),
        segments: split(text).len(),
    }
}

/// The parts of a text. No character is cut in two: one that does not fit goes into the next part.
#[must_use]
pub fn split(text: &str) -> Vec<&str> {
    let encoding = encoding(text);
    let units: usize = text.chars().map(|character| encoding.units(character)).sum();
    let room = if units <= encoding.single() {
        encoding.single()
    } else {
        encoding.part()
    };
    let mut parts = Vec::new();
    let (mut start, mut filled) = (0, 0);
    for (at, character) in text.char_indices() {
        let units = encoding.units(character);
        if filled + units > room {
            parts.push(&text[start..at]);
            (start, filled) = (at, 0);
        }
        filled += units;
    }
    if start < text.len() {
        parts.push(&text[start..]);
    }
    parts
}

fn encoding(text: &str) -> Encoding {
    if text
        .chars()
        .all(|character| is_basic(character) || is_extended(character))
    {
        Encoding::Gsm7
    } else {
        Encoding::Ucs2
    }
}

/// Of the default alphabet. Of ASCII it lacks the backtick, and what the extension has.
const fn is_basic(character: char) -> bool {
    matches!(
        character,
        '\n' | '\r' | ' '..='Z' | 'a'..='z' | '_'
            | '£' | '¥' | 'è' | 'é' | 'ù' | 'ì' | 'ò' | 'Ç' | 'Ø' | 'ø' | 'Å' | 'å'
            | 'Δ' | 'Φ' | 'Γ' | 'Λ' | 'Ω' | 'Π' | 'Ψ' | 'Σ' | 'Θ' | 'Ξ'
            | 'Æ' | 'æ' | 'ß' | 'É' | '¤' | '¡' | 'Ä' | 'Ö' | 'Ñ' | 'Ü' | '§' | '¿'
            | 'ä' | 'ö' | 'ñ' | 'ü' | 'à'
    )
}

/// Of the extension: an escape and a septet.
const fn is_extended(character: char) -> bool {
    matches!(
        character,
        '\u{c}' | '^' | '{' | '}' | '\\' | '[' | '~' | ']' | '|' | '€'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_take_what_the_documentation_says() {
        let table = [
            ("a".repeat(160), Encoding::Gsm7, 160, 1),
            ("a".repeat(161), Encoding::Gsm7, 161, 2),
            ("a".repeat(306), Encoding::Gsm7, 306, 2),
            ("a".repeat(307), Encoding::Gsm7, 307, 3),
            ("€".repeat(80), Encoding::Gsm7, 160, 1),
            ("€".repeat(81), Encoding::Gsm7, 162, 2),
            (format!("{0}€{0}", "a".repeat(152)), Encoding::Gsm7, 306, 3),
            ("я".repeat(70), Encoding::Ucs2, 70, 1),
            ("я".repeat(71), Encoding::Ucs2, 71, 2),
            ("я".repeat(134), Encoding::Ucs2, 134, 2),
            ("я".repeat(135), Encoding::Ucs2, 135, 3),
            ("😀".repeat(35), Encoding::Ucs2, 70, 1),
            ("😀".repeat(36), Encoding::Ucs2, 72, 2),
            ("😀".repeat(67), Encoding::Ucs2, 134, 3),
            ("It’s".to_owned(), Encoding::Ucs2, 4, 1),
            (String::new(), Encoding::Gsm7, 0, 0),
        ];
        for (text, encoding, units, segments) in table {
            let expected = Segments {
                encoding,
                units,
                segments,
            };
            assert_eq!(count(&text), expected, "{text}");
        }
    }

    #[test]
    fn the_alphabet_is_that_of_the_standard() {
        let basic = (0..=0x10_ffff)
            .filter_map(char::from_u32)
            .filter(|c| is_basic(*c))
            .count();
        let extended = (0..=0x10_ffff)
            .filter_map(char::from_u32)
            .filter(|c| is_extended(*c))
            .count();
        assert_eq!((basic, extended), (127, 10));
        for character in ['`', 'ç', '\t', '–', '…', '´', '“', '\u{1b}'] {
            assert_eq!(
                count(&character.to_string()).encoding,
                Encoding::Ucs2,
                "{character:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn parts_hold_all_of_the_text_and_none_is_too_long(text in "[a-z€\\[éя😀`]{0,700}") {
            let parts = split(&text);
            prop_assert_eq!(parts.concat(), text.clone());
            let Segments { encoding, units, segments } = count(&text);
            prop_assert_eq!(parts.len(), segments);
            let room = if segments <= 1 { encoding.single() } else { encoding.part() };
            for part in &parts {
                let taken: usize = part.chars().map(|c| encoding.units(c)).sum();
                prop_assert!(taken <= room && taken > 0);
            }
            // Each part but the last lacks at most the one unit that half a pair would have taken.
            prop_assert!(segments >= units.div_ceil(room));
            prop_assert!(segments <= 1 || segments <= units.div_ceil(room - 1));
        }

        #[test]
        fn texts_of_septets_alone_take_as_many_as_they_have_characters(text in "[a-zA-Z0-9 ,.?!]{1,500}") {
            let expected = if text.len() <= 160 { 1 } else { text.len().div_ceil(153) };
            prop_assert_eq!(count(&text).segments, expected);
        }
    }
}
