//! The guide for integrators shows code that is there: each block that is marked with a file is a part of it. What it shows is
//! compiled and run by the conformance suite, which holds the example to the same promises as all platforms.

use std::fs;
use std::path::{Path, PathBuf};

use leadline_integrations::all;

fn guide() -> (PathBuf, String) {
    let path = root().join("../docs/adding-an-integration.md");
    let text = fs::read_to_string(&path).expect("the guide can be read");
    (path, text)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A block of code: what stands behind the fence, and what is in it.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(mark), None) => open = Some((mark.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, code))) => {
                code.push_str(line);
                code.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// With one space wherever there is any.
fn normalised(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_the_guide_shows_is_there() {
    let (_, text) = guide();
    let mut shown = 0;
    for (mark, code) in blocks(&text) {
        let (language, file) = mark.split_once(' ').unwrap_or((&mark, ""));
        if !["rust", "json"].contains(&language) {
            assert_eq!(file, "", "only Rust and JSON are held against files");
            continue;
        }
        assert!(!file.is_empty(), "a block says which file it is from:\n{code}");
        let file_text =
            fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("`{file}`: {error}"));
        assert!(
            !code.trim().is_empty() && normalised(&file_text).contains(&normalised(&code)),
            "`{file}` does not have:\n{code}"
        );
        shown += 1;
    }
    assert!(shown >= 10, "blocks are found: {shown}");
}

#[test]
fn what_the_guide_leads_to_is_there() {
    let (path, text) = guide();
    let links: Vec<&str> = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.starts_with("https://"))
        .collect();
    assert!(!links.is_empty(), "there are links");
    for link in links {
        let folder = path.parent().expect("it is in a folder");
        assert!(folder.join(link).exists(), "`{link}` is not there");
    }
}

#[test]
fn the_guide_knows_all_facets() {
    let (_, text) = guide();
    for integration in all() {
        for facet in integration.facets().names() {
            assert!(text.contains(&format!("| `{facet}` |")), "`{facet}` is missing");
        }
    }
}
