//! A look at the text of a document before it is parsed: what is too much is refused at the price of reading it once.
//!
//! The parser builds the whole tree first and has no limits of its own but one for nested selections; it has no lexer
//! that could be asked either, so the few tokens of GraphQL are read here. What is no GraphQL is the parser's to refuse.

use std::collections::HashMap;

use async_graphql::ServerError;
use sha2::{Digest as _, Sha256};

use super::document::too_complex;
use crate::config::GraphqlLimits;

/// How deep brackets may stand within each other: the parser goes down a level of its stack for each.
const MOST_NESTED: usize = 100;

/// A token, without those that mean nothing: blanks, commas, comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'t> {
    Name(&'t str),
    /// `{`, `:` and the like; `.` stands for `...`.
    Sign(u8),
    /// Text, a number, or what no token begins with.
    Other(&'t str),
}

/// How far an inline fragment is read: `...`, `... on`, `... on Type`, each with directives behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fragment {
    None,
    Begun,
    On,
    Typed,
}

impl Fragment {
    fn then(self, name: &str) -> Self {
        match self {
            Self::Begun if name == "on" => Self::On,
            Self::On => Self::Typed,
            // The name of a fragment that stands elsewhere, or a field.
            _ => Self::None,
        }
    }

    const fn opens(self) -> bool {
        matches!(self, Self::Begun | Self::Typed)
    }
}

struct Tokens<'t> {
    text: &'t str,
    place: usize,
}

impl<'t> Tokens<'t> {
    /// Goes on as long as bytes are such, and answers what lies between.
    fn take(&mut self, begin: usize, such: impl Fn(u8) -> bool) -> &'t str {
        let bytes = self.text.as_bytes();
        while self.place < bytes.len() && such(bytes[self.place]) {
            self.place += 1;
        }
        &self.text[begin..self.place]
    }

    /// The end of a text between quotes, or of what there is.
    fn text(&mut self, begin: usize) -> &'t str {
        let rest = &self.text.as_bytes()[begin..];
        let mut length;
        if rest.starts_with(b"\"\"\"") {
            length = 3;
            while length < rest.len() && !rest[length..].starts_with(b"\"\"\"") {
                length += if rest[length..].starts_with(b"\\\"\"\"") {
                    4
                } else {
                    1
                };
            }
            length += 3;
        } else {
            length = 1;
            while length < rest.len() && !matches!(rest[length], b'"' | b'\n' | b'\r') {
                length += if rest[length] == b'\\' { 2 } else { 1 };
            }
            length += 1;
        }
        // A backslash may have stood before a character of several bytes.
        self.place = self.text.ceil_char_boundary(begin + length.min(rest.len()));
        &self.text[begin..self.place]
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        loop {
            let begin = self.place;
            let byte = *self.text.as_bytes().get(begin)?;
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => self.place += 1,
                b'#' => {
                    self.take(begin, |byte| !matches!(byte, b'\n' | b'\r'));
                }
                b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                    let name = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
                    return Some(Token::Name(self.take(begin, name)));
                }
                b'"' => return Some(Token::Other(self.text(begin))),
                b'-' | b'0'..=b'9' => {
                    self.place += 1;
                    let number = |byte: u8| byte.is_ascii_digit() || b".eE+-".contains(&byte);
                    return Some(Token::Other(self.take(begin, number)));
                }
                b'.' => {
                    self.place += if self.text[begin..].starts_with("...") {
                        3
                    } else {
                        1
                    };
                    return Some(Token::Sign(b'.'));
                }
                0..=127 => {
                    self.place += 1;
                    return Some(Token::Sign(byte));
                }
                _ => {
                    self.place = self.text.ceil_char_boundary(begin + 1);
                    // The mark of the order of bytes means nothing.
                    if &self.text[begin..self.place] != "\u{feff}" {
                        return Some(Token::Other(&self.text[begin..self.place]));
                    }
                }
            }
        }
    }
}

/// Refuses a text with too many tokens, directives, or aliases of one field in one selection.
///
/// # Errors
/// What there is too much of, with `TOO_COMPLEX`.
pub fn scan(text: &str, limits: &GraphqlLimits) -> Result<(), ServerError> {
    let GraphqlLimits {
        tokens,
        directives,
        aliases,
        ..
    } = *limits;
    let (mut count, mut marks, mut nested, mut arguments) = (0, 0, 0_usize, 0_usize);
    // For each open selection, how often fields have an alias in it; `None` for an inline fragment, which goes on with the
    // selection around it.
    let mut selections: Vec<Option<HashMap<&str, usize>>> = Vec::new();
    let mut fragment = Fragment::None;
    let mut before = [Token::Sign(b' '); 2];
    for token in (Tokens { text, place: 0 }) {
        count += 1;
        if count > tokens {
            return Err(too_complex(format!("the document has more than {tokens} tokens")));
        }
        match token {
            Token::Sign(b'@') => {
                marks += 1;
                if marks > directives {
                    let problem = format!("the document has more than {directives} directives");
                    return Err(too_complex(problem));
                }
            }
            Token::Sign(sign @ (b'(' | b'[' | b'{')) => {
                nested += 1;
                if nested > MOST_NESTED {
                    let problem = format!("brackets are nested deeper than {MOST_NESTED}");
                    return Err(too_complex(problem));
                }
                match sign {
                    b'(' => arguments += 1,
                    b'{' if arguments == 0 => {
                        let goes_on = fragment.opens() && !selections.is_empty();
                        selections.push((!goes_on).then(HashMap::new));
                        fragment = Fragment::None;
                    }
                    _ => {}
                }
            }
            Token::Sign(sign @ (b')' | b']' | b'}')) => {
                nested = nested.saturating_sub(1);
                match sign {
                    b')' => arguments = arguments.saturating_sub(1),
                    b'}' if arguments == 0 => {
                        selections.pop();
                    }
                    _ => {}
                }
            }
            Token::Sign(b'.') if arguments == 0 => fragment = Fragment::Begun,
            Token::Name(name) if arguments == 0 => {
                if before[1] != Token::Sign(b'@') {
                    fragment = fragment.then(name);
                }
                let around = selections.iter_mut().rev().flatten().next();
                if let (Some(selection), [Token::Name(_), Token::Sign(b':')]) = (around, before) {
                    let count = selection.entry(name).or_default();
                    *count += 1;
                    if *count > aliases {
                        return Err(too_complex(format!(
                            "`{name}` is asked for under more than {aliases} aliases"
                        )));
                    }
                }
            }
            _ => {}
        }
        before = [before[1], token];
    }
    Ok(())
}

/// The same for texts that differ in blanks, commas and comments alone.
#[must_use]
pub fn fingerprint(text: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    for token in (Tokens { text, place: 0 }) {
        match token {
            Token::Name(text) | Token::Other(text) => digest.update(text),
            Token::Sign(sign) => digest.update([sign]),
        }
        // Names and numbers do not hold it, and all else tells its own end.
        digest.update([0]);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use proptest::prelude::*;

    use super::*;

    fn limits() -> GraphqlLimits {
        GraphqlLimits::default()
    }

    fn refused(text: &str) -> Option<String> {
        scan(text, &limits()).err().map(|error| error.message)
    }

    fn tokens(text: &str) -> Vec<Token<'_>> {
        Tokens { text, place: 0 }.collect()
    }

    #[test]
    fn tokens_are_those_of_graphql() {
        use Token::{Name, Other, Sign};
        assert_eq!(
            tokens(
                "\u{feff}query Q($a: [Int!] = [-1.5e+3, 2]) @x { # not { this\n b: c(d: \"}\\\"\", e: \"\"\" \" \\\"\"\" \"\"\") ...F }"
            ),
            [
                Name("query"),
                Name("Q"),
                Sign(b'('),
                Sign(b'$'),
                Name("a"),
                Sign(b':'),
                Sign(b'['),
                Name("Int"),
                Sign(b'!'),
                Sign(b']'),
                Sign(b'='),
                Sign(b'['),
                Other("-1.5e+3"),
                Other("2"),
                Sign(b']'),
                Sign(b')'),
                Sign(b'@'),
                Name("x"),
                Sign(b'{'),
                Name("b"),
                Sign(b':'),
                Name("c"),
                Sign(b'('),
                Name("d"),
                Sign(b':'),
                Other("\"}\\\"\""),
                Name("e"),
                Sign(b':'),
                Other("\"\"\" \" \\\"\"\" \"\"\""),
                Sign(b')'),
                Sign(b'.'),
                Name("F"),
                Sign(b'}'),
            ]
        );
        assert_eq!(tokens("\"\\é"), [Other("\"\\é")]);
        assert_eq!(tokens("é\"\"\""), [Other("é"), Other("\"\"\"")]);
    }

    #[test]
    fn a_thousand_tokens_are_the_end() {
        let document = |fields: usize| format!("{{{}}}", " a".repeat(fields));
        assert_eq!(refused(&document(998)), None);
        assert_eq!(
            refused(&document(999)).as_deref(),
            Some("the document has more than 1000 tokens")
        );
        let much = document(512 * 1024);
        let begun = std::time::Instant::now();
        assert!(refused(&much).is_some());
        assert!(
            begun.elapsed().as_millis() < 50,
            "the rest is not read: {:?}",
            begun.elapsed()
        );
    }

    #[test]
    fn fifty_directives_are_the_end() {
        let document = |count: usize| format!("{{ a {} }}", "@skip(if: false) ".repeat(count));
        assert_eq!(refused(&document(50)), None);
        assert_eq!(
            refused(&document(51)).as_deref(),
            Some("the document has more than 50 directives")
        );
        assert_eq!(
            refused("{ a(b: \"@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\") }"),
            None
        );
    }

    #[test]
    fn ten_aliases_of_a_field_in_one_selection_are_the_end() {
        let fields = |count: usize| (0..count).map(|n| format!("a{n}: version ")).collect::<String>();
        assert_eq!(refused(&format!("{{ {} }}", fields(10))), None);
        assert_eq!(
            refused(&format!("{{ {} }}", fields(11))).as_deref(),
            Some("`version` is asked for under more than 10 aliases")
        );
        assert_eq!(
            refused(&format!("{{ {} a {{ {} }} }}", fields(6), fields(6))),
            None,
            "in two selections"
        );
        for open in [
            "...",
            "... on Query",
            "... @include(if: true)",
            "... on Query @a @b(c: 1)",
        ] {
            let one = format!("{{ {} {open} {{ {} }} }}", fields(6), fields(6));
            let two = format!("{{ {} {open} {{ {open} {{ {} }} }} }}", fields(6), fields(6));
            for document in [one, two] {
                assert!(
                    refused(&document).is_some(),
                    "an inline fragment is of the selection around it: {document}"
                );
            }
        }
        assert_eq!(
            refused(&format!("{{ {} ...F a {{ {} }} }}", fields(6), fields(6))),
            None,
            "a fragment that stands elsewhere"
        );
        let arguments: String = (0..20).map(|n| format!("a{n}: red ")).collect();
        assert_eq!(
            refused(&format!(
                "{{ paint({arguments} more: {{ {arguments} }}) {{ id }} }}"
            )),
            None
        );
        assert_eq!(
            refused(&format!("query ($a: A = {{ {arguments} }}) {{ id }}")),
            None,
            "values are no fields"
        );
    }

    #[test]
    fn brackets_do_not_eat_the_stack() {
        let nested = |open: &str, close: &str, count: usize| {
            format!("{{ a(b: {}{}) }}", open.repeat(count), close.repeat(count))
        };
        assert_eq!(refused(&nested("[", "]", 98)), None);
        assert!(refused(&nested("[", "]", 99)).is_some_and(|problem| problem.contains("nested")));
        assert!(refused(&"{a".repeat(101)).is_some_and(|problem| problem.contains("nested")));
    }

    #[test]
    fn blanks_and_comments_leave_the_fingerprint() {
        let one = fingerprint("query A { lead(id: \"a b\", n: 1) { id name } }");
        assert_eq!(fingerprint("query A{lead(id:\"a b\"n:1){id,name}}"), one);
        assert_eq!(
            fingerprint("# Leads\nquery A { lead(id: \"a b\" n: 1) { id, # both\n name } }"),
            one
        );
        for other in [
            "query A{lead(id:\"a  b\"n:1){id,name}}",
            "query A{lead(id:\"a b\"n:1){idname}}",
        ] {
            assert_ne!(fingerprint(other), one, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_an_end(text in ".{0,200}") {
            prop_assert!(tokens(&text).len() <= text.chars().count());
            let _ = (scan(&text, &limits()), fingerprint(&text));
        }

        /// What the parser takes for a document has as many directives here.
        #[test]
        fn nothing_is_hidden_from_it(text in "\\{ a\\(b: (\"[@{}(#]{0,3}\"|\"\"\"[@{}(#\"]{0,3}\"\"\"|1)\\) (@x ?|#@\\n|, ){0,4}\\}") {
            if let Ok(document) = parse_query(&text) {
                let counted = tokens(&text).iter().filter(|token| **token == Token::Sign(b'@')).count();
                let mut parsed = 0;
                for (_, operation) in document.operations.iter() {
                    for selection in &operation.node.selection_set.node.items {
                        parsed += selection.node.directives().len();
                    }
                }
                prop_assert_eq!(counted, parsed, "{}", text);
            }
        }
    }
}
