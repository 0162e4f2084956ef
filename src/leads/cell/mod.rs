//! Cells of CSV, NDJSON and Excel files: what stands in them (`value`), how Excel has it (`excel`), and that a spreadsheet
//! program takes no text for a formula.
//!
//! A text that could be one gets an apostrophe before it, and whoever reads the file takes it off again. A text that
//! begins with an apostrophe and could then be one gets a further apostrophe, so that nothing is lost on the way.

mod excel;
mod value;

use std::borrow::Cow;

pub use excel::{MOST_UNITS, put};
pub use value::Value;

/// With what a cell begins that some spreadsheet program takes for a formula (OWASP, "CSV Injection").
const BEGINNINGS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

fn may_be_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(BEGINNINGS)
}

/// A text as it stands in a cell: one that could be a formula gets an apostrophe before it.
#[must_use]
pub fn guarded(text: &str) -> Cow<'_, str> {
    if may_be_formula(text) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The text that [`guarded`] made a cell of; other cells are what they are.
#[must_use]
pub fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if may_be_formula(text) => text,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_be_a_formula_is_guarded() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("+4915112345678", "'+4915112345678"),
            ("-3", "'-3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("'=1", "''=1"),
            ("''+1", "'''+1"),
            ("", ""),
            ("'", "'"),
            ("'quoted'", "'quoted'"),
            ("a=b", "a=b"),
            ("O'Hara", "O'Hara"),
        ] {
            assert_eq!(guarded(text), cell);
            assert_eq!(unguarded(cell), text);
        }
    }

    #[test]
    fn cells_of_others_keep_their_apostrophes() {
        assert_eq!(unguarded("'t Hooft"), "'t Hooft");
        assert_eq!(unguarded("''"), "''");
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "['=+@\t\ra-]{0,6}|\\PC{0,12}") {
            let cell = guarded(&text);
            prop_assert!(!cell.starts_with(BEGINNINGS), "{cell:?}");
            prop_assert_eq!(unguarded(&cell), text.as_str());
        }

        #[test]
        fn two_texts_never_share_a_cell(one in "['=a]{0,4}", other in "['=a]{0,4}") {
            prop_assert_eq!(guarded(&one) == guarded(&other), one == other);
        }
    }
}
