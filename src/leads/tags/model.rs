//! What a tag's fields may hold.

use crate::leads::text::{folded, line};

/// Longest name and category, in characters.
const MOST_NAME: usize = 50;
/// Between the tags of a lead in files; no name may contain one of them.
const SEPARATORS: [char; 2] = [';', '|'];

/// A tag's name as it is shown.
///
/// # Errors
/// What is wrong.
pub fn checked_name(name: &str) -> Result<String, String> {
    let name = line("a tag's name", name, MOST_NAME)?;
    if name.contains(SEPARATORS) {
        return Err(format!(
            "the tag name `{name}` contains `;` or `|`, which stand between tags in files"
        ));
    }
    Ok(name)
}

/// A tag's name folded for comparison: `VIP` and ` vip` are one tag.
#[must_use]
pub fn name_key(name: &str) -> String {
    folded(name)
}

/// A colour in its normal form.
///
/// # Errors
/// What is wrong.
pub(super) fn checked_colour(colour: &str) -> Result<String, String> {
    let colour = colour.trim().to_lowercase();
    let fits = colour
        .strip_prefix('#')
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if fits {
        Ok(colour)
    } else {
        let given: String = colour.chars().take(48).collect();
        Err(format!(
            "`{given}` is not a colour: expected `#rrggbb` such as `#1e90ff`"
        ))
    }
}

/// A tag's category.
///
/// # Errors
/// What is wrong.
pub(super) fn checked_category(category: &str) -> Result<String, String> {
    line("a category", category, MOST_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_colours_and_categories_are_checked() {
        assert_eq!(checked_name("  Very Important "), Ok("Very Important".into()));
        assert_eq!(name_key("  VERY  important "), "very important");
        assert_eq!(
            checked_name("a;b"),
            Err("the tag name `a;b` contains `;` or `|`, which stand between tags in files".into())
        );
        assert_eq!(
            checked_name(" "),
            Err("a tag's name has 1 to 50 characters; this has 0".into())
        );
        assert_eq!(checked_colour(" #1E90FF"), Ok("#1e90ff".into()));
        for colour in ["1e90ff", "#1e90f", "#1e90fg", "red", "#1e90ff0"] {
            assert_eq!(
                checked_colour(colour),
                Err(format!(
                    "`{colour}` is not a colour: expected `#rrggbb` such as `#1e90ff`"
                ))
            );
        }
        assert_eq!(checked_category("Sport"), Ok("Sport".into()));
    }
}
