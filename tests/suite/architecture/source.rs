//! Reads a source file into the module paths it names, with their lines.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path that a file names: from `crate` on (`super` and `self` resolved), or beginning with another crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Its segments; `crate` is left out for our own.
    pub(super) segments: Vec<String>,
    /// Whether it begins at our own crate.
    pub(super) own: bool,
    /// The line, from 1.
    pub(super) line: usize,
    /// Whether it stands in code for tests.
    pub(super) test: bool,
}

/// A string literal with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) line: usize,
    pub(super) test: bool,
}

#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) named: Vec<Named>,
    pub(super) texts: Vec<Text>,
}

/// Reads a file. `module` is where it stands in the crate: `src/leads/lead/store.rs` is `leads`, `lead`, `store`.
pub(super) fn read(module: &[String], text: &str, test: bool) -> Source {
    let tokens: TokenStream = text.parse().expect("sources of the project are Rust");
    let mut source = Source::default();
    walk(tokens, module, test, &mut source);
    source
}

fn walk(tokens: TokenStream, module: &[String], test: bool, source: &mut Source) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    let mut test_next = false;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Punct(punct) if punct.as_char() == '#' && is_test_attribute(tokens.get(at + 1)) => {
                test_next = true;
                at += 2;
                continue;
            }
            TokenTree::Ident(word) if word == "mod" => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    let inner = [module, &[name.to_string()]].concat();
                    walk(body.stream(), &inner, test || test_next, source);
                    test_next = false;
                    at += 3;
                    continue;
                }
            }
            TokenTree::Ident(_) if !follows_separator(&tokens, at) => {
                let end = path(&tokens, at, &[], module, test || test_next, source);
                if end > at {
                    at = end;
                    continue;
                }
            }
            TokenTree::Group(group) => {
                walk(group.stream(), module, test || test_next, source);
                if group.delimiter() == Delimiter::Brace {
                    test_next = false;
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => test_next = false,
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                if text.contains('"') {
                    source.texts.push(Text {
                        text,
                        line: literal.span().start().line,
                        test: test || test_next,
                    });
                }
            }
            _ => {}
        }
        at += 1;
    }
}

fn is_test_attribute(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.stream().to_string().replace(' ', "") == "cfg(test)")
}

/// Whether `::` stands at a place.
fn separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon =
        |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(tokens.get(at)) && colon(tokens.get(at + 1))
}

fn follows_separator(tokens: &[TokenTree], at: usize) -> bool {
    at >= 2 && separator(tokens, at - 2)
}

/// Reads a path or a tree of paths from `at` on and gives the place behind it; `at` itself when there is none.
fn path(
    tokens: &[TokenTree],
    at: usize,
    before: &[String],
    module: &[String],
    test: bool,
    source: &mut Source,
) -> usize {
    let mut segments = before.to_vec();
    let mut here = at;
    let line = tokens[at].span().start().line;
    loop {
        match tokens.get(here) {
            Some(TokenTree::Ident(word)) => segments.push(word.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace && here > at => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let mut start = true;
                for (index, token) in inner.iter().enumerate() {
                    if start {
                        path(&inner, index, &segments, module, test, source);
                    }
                    start = matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
                }
                return here + 1;
            }
            _ => break,
        }
        here += 1;
        if !separator(tokens, here) {
            break;
        }
        here += 2;
    }
    if segments.len() < 2 {
        return at;
    }
    source.named.push(resolve(segments, module, line, test));
    here
}

fn resolve(segments: Vec<String>, module: &[String], line: usize, test: bool) -> Named {
    let mut rest = segments.as_slice();
    let mut base: Option<&[String]> = None;
    while let Some((first, tail)) = rest.split_first() {
        base = match (first.as_str(), base) {
            ("crate", None) => Some(&[]),
            ("self", None) => Some(module),
            ("super", None) => Some(&module[..module.len().saturating_sub(1)]),
            ("super", Some(base)) => Some(&base[..base.len().saturating_sub(1)]),
            _ => break,
        };
        rest = tail;
    }
    Named {
        segments: [base.unwrap_or(&[]), rest].concat(),
        own: base.is_some(),
        line,
        test,
    }
}
