//! `leadline schema`: prints the GraphQL schema, or says where a file drifts from it.

use std::path::PathBuf;

use super::failure::Failure;
use super::output::print;
use crate::api::sdl;

/// Print the GraphQL schema (SDL)
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Compare a file with the schema instead; exit code 1 where it drifts
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let current = sdl();
    let Some(path) = &arguments.check else {
        return print(current);
    };
    let file = path.display();
    let written = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(format!("cannot read `{file}`: {error}"))
            .with_hint(format!("write it by `leadline schema > {file}`"))
    })?;
    match drift(&written, current) {
        None => print(&format!("`{file}` is the schema\n")),
        Some(Drift {
            line,
            written,
            current,
        }) => Err(Failure::new(format!(
            "`{file}` drifts from the schema in line {line}: it has `{written}` where the schema has `{current}`"
        ))
        .with_hint(format!("write it anew by `leadline schema > {file}`, here `make schema`"))),
    }
}

/// The first difference.
#[derive(Debug, PartialEq, Eq)]
struct Drift {
    /// From 1.
    line: usize,
    written: String,
    current: String,
}

fn drift(written: &str, current: &str) -> Option<Drift> {
    if written == current {
        return None;
    }
    let (mut left, mut right) = (written.split('\n'), current.split('\n'));
    for line in 1.. {
        let pair = (left.next(), right.next());
        if pair.0 != pair.1 {
            let shown =
                |text: Option<&str>| text.map_or_else(|| "the end".to_owned(), |text| text.trim().to_owned());
            return Some(Drift {
                line,
                written: shown(pair.0),
                current: shown(pair.1),
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        assert_eq!(drift("a\nb\n", "a\nb\n"), None);
        let found = drift("a\n  b\n", "a\n  c\n").expect("they differ");
        assert_eq!(
            (found.line, found.written.as_str(), found.current.as_str()),
            (2, "b", "c")
        );
        let found = drift("a\n", "a\nb\n").expect("they differ");
        assert_eq!(
            (found.line, found.written.as_str(), found.current.as_str()),
            (2, "", "b")
        );
        let found = drift("a", "a\nb").expect("they differ");
        assert_eq!(
            (found.line, found.written.as_str(), found.current.as_str()),
            (2, "the end", "b")
        );
    }
}
