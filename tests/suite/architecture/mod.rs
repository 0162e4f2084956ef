//! Holds the project to its architecture: who may know whom, where SQL stands, what files are called.

mod rules;
mod source;

use std::fs;
use std::path::Path;
use std::process::Command;

use rules::Breach;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(directory: &Path, base: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).expect("the directory is readable") {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() {
            collect(&path, base, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path
                .strip_prefix(base)
                .expect("it lies below")
                .to_str()
                .expect("UTF-8")
                .to_owned();
            files.push((name, fs::read_to_string(&path).expect("the file is readable")));
        }
    }
}

fn shown(breaches: &[Breach]) -> String {
    breaches
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_sources_keep_the_architecture() {
    let mut files = Vec::new();
    collect(&root().join("src"), &root().join("src"), &mut files);
    assert!(
        files.iter().any(|(path, _)| path == "lib.rs"),
        "the sources were not found"
    );
    let breaches = rules::check(&files);
    assert!(
        breaches.is_empty(),
        "{} breaches of the architecture:\n{}",
        breaches.len(),
        shown(&breaches)
    );
}

#[test]
fn the_member_crates_stand_alone() {
    for member in ["entity", "migration", "integrations", "macros"] {
        let text =
            fs::read_to_string(root().join(member).join("Cargo.toml")).expect("the manifest is readable");
        assert_eq!(shown(&rules::check_manifest(member, &text)), "");
    }
}

/// The rules broken by invented files, each as `place: rule`.
fn broken(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect();
    rules::check(&files)
        .into_iter()
        .map(|breach| format!("{}: {}", breach.place, breach.rule))
        .collect()
}

#[test]
fn a_breach_says_where_what_and_how_to_mend_it() {
    let files = [(
        "leads/lead/service.rs".to_owned(),
        "fn f() {}\nuse crate::insight::scoring::Score;".to_owned(),
    )];
    assert_eq!(
        shown(&rules::check(&files)),
        "src/leads/lead/service.rs:2: `leads` may not know `insight`; turn the call round, or let the lower one append an event and listen to it"
    );
}

#[test]
fn what_is_allowed_passes() {
    let files = [
        (
            "http/mod.rs",
            "use crate::{api, leads::lead, config::Settings}; use crate::app::App;",
        ),
        (
            "insight/scoring/service.rs",
            "use crate::insight::engagement; use super::store; use crate::leads::lead::Lead;",
        ),
        (
            "insight/scoring/store.rs",
            "use sea_orm::EntityTrait; const Q: &str = \"SELECT 1\";",
        ),
        (
            "leads/lead/graphql.rs",
            "use crate::api::types::Connection; use super::service;",
        ),
        (
            "leads/lead/mod.rs",
            "mod store; #[cfg(test)] mod tests { use super::store::insert; use sqlx::query; }",
        ),
        ("events/relay.rs", "use sqlx::query; use crate::db::Pool;"),
        ("cli/serve.rs", "use crate::assembly; use crate::http;"),
        ("http/tests.rs", "use crate::assembly::build;"),
    ];
    assert_eq!(broken(&files), Vec::<String>::new());
}

#[test]
fn each_forbidden_acquaintance_is_found() {
    for (path, text, rule) in [
        (
            "db/mod.rs",
            "use crate::events::append;",
            "`db` may not know `events`",
        ),
        (
            "config/mod.rs",
            "use crate::db::Pool;",
            "`config` may not know `db`",
        ),
        (
            "app.rs",
            "fn f(x: crate::leads::lead::Lead) {}",
            "`app` may not know `leads`",
        ),
        (
            "platforms/shop/mod.rs",
            "use crate::outreach::mail;",
            "`platforms` may not know `outreach`",
        ),
        (
            "api/mod.rs",
            "use crate::http::Router;",
            "`api` may not know `http`",
        ),
        (
            "api/types/mod.rs",
            "use crate::leads::lead;",
            "`api` may not know `leads`",
        ),
        (
            "http/mod.rs",
            "use crate::assembly::build;",
            "`http` may not know `assembly`",
        ),
        (
            "leads/lead/graphql.rs",
            "use crate::http::server;",
            "`leads` may not know `http`",
        ),
        (
            "leads/lead/service.rs",
            "use crate::leads::tags::graphql;",
            "`crate::leads::tags::graphql` used outside of the GraphQL layer",
        ),
        (
            "leads/lead/service.rs",
            "use crate::api::types::Page;",
            "`api::types::Page` used outside of graphql.rs",
        ),
        (
            "leads/lead/service.rs",
            "use super::super::super::cli::print;",
            "`leads` may not know `cli`",
        ),
        (
            "leads/lead/service.rs",
            "fn f() { debug!(\"{}\", crate::http::PORT) }",
            "`leads` may not know `http`",
        ),
        (
            "insight/lifecycle/mod.rs",
            "use crate::insight::scoring::Score;",
            "`insight::lifecycle` may not know `insight::scoring`",
        ),
        (
            "insight/engagement/mod.rs",
            "use super::journeys::Journey;",
            "`insight::engagement` may not know `insight::journeys`",
        ),
        (
            "billing/mod.rs",
            "use crate::db::Pool;",
            "`billing` has no place in the architecture",
        ),
        (
            "leads/lead/service.rs",
            "use sea_orm::EntityTrait;",
            "`sea_orm::EntityTrait` outside of a store",
        ),
        (
            "leads/lead/service.rs",
            "const Q: &str = \"SELECT 1\";",
            "a SQL statement outside of a store",
        ),
        ("leads/helpers.rs", "", "nothing is called `helpers`"),
    ] {
        assert_eq!(broken(&[(path, text)]), [format!("src/{path}:1: {rule}")]);
    }
}

#[test]
fn reaching_past_a_room_is_found() {
    let rooms = [
        ("leads/lead/mod.rs", ""),
        ("leads/lead/store.rs", ""),
        ("identity/store.rs", ""),
        (
            "leads/tag/service.rs",
            "use crate::leads::lead::store::find;\nuse crate::identity::store::user;",
        ),
    ];
    assert_eq!(
        broken(&rooms),
        [
            "src/leads/tag/service.rs:1: `crate::leads::lead::store::find` reaches past `leads/lead/mod.rs`",
            "src/leads/tag/service.rs:2: `crate::identity::store::user` reaches past `identity/mod.rs`",
        ]
    );
}

#[test]
fn a_circle_of_rooms_is_found() {
    let rooms = [
        ("leads/lead/mod.rs", "use crate::leads::tag::Tag;"),
        ("leads/tag/mod.rs", "use crate::leads::note::Note;"),
        ("leads/note/mod.rs", "use crate::leads::lead::Lead;"),
    ];
    assert_eq!(broken(&rooms).len(), 3);
}

#[test]
fn comments_and_texts_are_not_taken_for_code() {
    let text = "// use crate::http::x;\n/// [`crate::http::x`]\nconst A: &str = \"crate::http::x\";";
    assert_eq!(broken(&[("leads/lead/model.rs", text)]), Vec::<String>::new());
}

#[test]
fn a_forbidden_dependency_of_a_member_is_found() {
    let text = "[package]\nname = \"x\"\n[dependencies]\naxum = \"0.8\"\nentity.workspace = true\n[dev-dependencies]\naxum = \"0.8\"\n";
    assert_eq!(
        rules::check_manifest("integrations", text)
            .iter()
            .map(|breach| breach.place.as_str())
            .collect::<Vec<_>>(),
        ["integrations/Cargo.toml:4", "integrations/Cargo.toml:5"]
    );
}

/// The file in the repository is what the program says it is: whoever changes the API sees it in the review.
#[test]
fn the_schema_file_is_the_schema() {
    let checked = Command::new(env!("CARGO_BIN_EXE_leadline"))
        .args(["schema", "--check", "schema.graphql"])
        .current_dir(root())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
}
