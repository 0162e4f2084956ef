//! Rules for texts that people type: names, labels, notes.

/// A name or label: trimmed, one line, 1 to `most` characters. `what` begins the message, e.g. `a tag's name`.
///
/// # Errors
/// What is wrong, naming `what`.
pub(super) fn line(what: &str, text: &str, most: usize) -> Result<String, String> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        return Err(format!("{what} is one line of text, without control characters"));
    }
    counted(what, text, most)
}

/// A text of several lines, trimmed, 1 to `most` characters.
///
/// # Errors
/// What is wrong, naming `what`.
pub(super) fn block(what: &str, text: &str, most: usize) -> Result<String, String> {
    let text = text.trim();
    // PostgreSQL keeps no zero character in a text.
    if text.contains('\0') {
        return Err(format!("{what} must not contain a zero character"));
    }
    counted(what, text, most)
}

fn counted(what: &str, text: &str, most: usize) -> Result<String, String> {
    match text.chars().count() {
        count if count == 0 || count > most => Err(format!(
            "{what} has 1 to {} characters; this has {}",
            grouped(most),
            grouped(count)
        )),
        _ => Ok(text.to_owned()),
    }
}

/// A number with its thousands set apart: `20,000`.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text folded for comparison: lower case, blanks at the ends dropped and those between made one.
pub(super) fn folded(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_in_characters_after_trimming() {
        assert_eq!(line("a name", "  Ünal ", 4), Ok("Ünal".into()));
        assert_eq!(
            line("a name", "Ünal.", 4),
            Err("a name has 1 to 4 characters; this has 5".into())
        );
        assert_eq!(
            block("a note", &"x".repeat(20_001), 20_000),
            Err("a note has 1 to 20,000 characters; this has 20,001".into())
        );
        assert_eq!(block("a note", "a\nb", 9), Ok("a\nb".into()));
        assert_eq!(
            block("a note", "a\0b", 9),
            Err("a note must not contain a zero character".into())
        );
        assert_eq!(
            line("a name", "a\nb", 9),
            Err("a name is one line of text, without control characters".into())
        );
        assert_eq!(grouped(1_048_575), "1,048,575");
        assert_eq!(folded("  Very \t Important "), "very important");
    }
}
