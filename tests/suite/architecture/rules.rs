//! Who may know whom: the rules of `docs/architecture.md`, applied to source files.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{self, Named};

/// Known by all; they know only one another.
const BASE: &[&str] = &["config", "error", "clock", "origin", "telemetry"];
/// The layers below the wings.
const FOUNDATION: &[&str] = &["db", "vault", "events", "jobs"];
/// The wings with the wings each may know.
const WINGS: &[(&str, &[&str])] = &[
    ("identity", &[]),
    ("media", &["identity"]),
    ("leads", &["identity", "media"]),
    ("insight", &["identity", "leads"]),
    ("platforms", &["identity", "leads", "insight", "media"]),
    (
        "outreach",
        &["identity", "leads", "insight", "media", "platforms"],
    ),
    (
        "automation",
        &["identity", "leads", "insight", "outreach", "platforms", "media"],
    ),
];
/// The rooms of `insight` from the bottom up: a room knows only rooms of lower steps.
const INSIGHT: &[&[&str]] = &[
    &["calendar", "together"],
    &["engagement"],
    &["lifecycle", "scoring"],
    &["journeys", "report"],
    &["revenue"],
    &["attribution"],
    &["analytics"],
];
/// What stands above the wings, from the bottom up.
const UPPER: &[&str] = &["api", "http", "assembly", "demo", "cli"];
/// The files of a room that only the room knows.
const ROOM_FILES: &[&str] = &["model", "service", "store", "graphql", "jobs"];
const NAMELESS: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc"];

/// A breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Breach {
    pub(super) place: String,
    pub(super) rule: String,
    pub(super) mend: String,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.rule, self.mend)
    }
}

fn wing(name: &str) -> Option<&'static [&'static str]> {
    WINGS
        .iter()
        .find(|(wing, _)| *wing == name)
        .map(|(_, knows)| *knows)
}

/// Checks source files: path from `src/` on, and text.
pub(super) fn check(files: &[(String, String)]) -> Vec<Breach> {
    let modules: BTreeSet<Vec<String>> = files.iter().map(|(path, _)| module_of(path)).collect();
    let mut breaches = Vec::new();
    let mut edges: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (path, text) in files {
        let module = module_of(path);
        name_is_telling(path, &mut breaches);
        let own_test = module.iter().any(|part| part == "tests");
        let source = source::read(&module, text, own_test);
        for named in &source.named {
            let place = format!("src/{path}:{}", named.line);
            if named.own {
                let mut add = |rule: String, mend: &str| {
                    breaches.push(Breach {
                        place: place.clone(),
                        rule,
                        mend: mend.to_owned(),
                    });
                };
                layers(&module, named, &mut add);
                past_the_door(&module, named, &modules, &mut add);
                if let (Some(from), Some(to)) = (room(&module, &modules), room(&named.segments, &modules))
                    && from != to
                    && !named.test
                    && !in_graphql_layer(&module)
                {
                    edges.entry(from).or_default().entry(to).or_insert(place);
                }
            } else if !named.test && !may_hold_sql(&module) && is_sql_crate(&named.segments[0]) {
                breaches.push(Breach {
                    place,
                    rule: format!("`{}` outside of a store", named.segments.join("::")),
                    mend: "move the SQL into the room's store.rs; take connections and transactions from `crate::db`".into(),
                });
            }
        }
        for text in source
            .texts
            .iter()
            .filter(|text| !text.test && !may_hold_sql(&module) && is_sql(&text.text))
        {
            breaches.push(Breach {
                place: format!("src/{path}:{}", text.line),
                rule: "a SQL statement outside of a store".into(),
                mend: "move it into the room's store.rs".into(),
            });
        }
    }
    breaches.extend(circles(&edges));
    breaches.sort_by(|a, b| (&a.place, &a.rule).cmp(&(&b.place, &b.rule)));
    breaches.dedup();
    breaches
}

fn module_of(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = path
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if parts
        .last()
        .is_some_and(|part| matches!(part.as_str(), "mod" | "lib" | "main"))
    {
        parts.pop();
    }
    parts
}

fn name_is_telling(path: &str, breaches: &mut Vec<Breach>) {
    if let Some(name) = path
        .trim_end_matches(".rs")
        .split('/')
        .find(|part| NAMELESS.contains(part))
    {
        breaches.push(Breach {
            place: format!("src/{path}:1"),
            rule: format!("nothing is called `{name}`"),
            mend: "name it after what it does".into(),
        });
    }
}

fn layers(module: &[String], named: &Named, add: &mut impl FnMut(String, &str)) {
    let (Some(from), Some(to)) = (module.first(), named.segments.first()) else {
        return;
    };
    let (from, to) = (from.as_str(), to.as_str());
    // A path of one segment may be an item of the crate root; a module is what the tree knows.
    if from == to {
        return room_order(module, named, add);
    }
    if rank(to).is_none() || rank(from).is_none() {
        let stranger = if rank(from).is_none() { from } else { to };
        if stranger.starts_with(char::is_lowercase) {
            add(
                format!("`{stranger}` has no place in the architecture"),
                "give it one in tests/suite/architecture/rules.rs and docs/architecture.md",
            );
        }
        return;
    }
    if BASE.contains(&to) || (to == "app" && !BASE.contains(&from)) {
        return;
    }
    // A graph has circles, so the graphql.rs files form one layer with `api`: they know all wings and each other.
    let shared_types = from == "api" && module.get(1).is_some_and(|part| part == "types");
    if in_graphql_layer(module) && !shared_types && rank(to) <= rank("api") {
        return;
    }
    if to == "api" && wing(from).is_some() {
        add(
            format!("`{}` used outside of graphql.rs", named.segments.join("::")),
            "only a room's graphql.rs knows GraphQL",
        );
        return;
    }
    if to == "assembly" && from == "http" && named.test {
        return;
    }
    let allowed = match (wing(from), wing(to)) {
        (Some(knows), Some(_)) => knows.contains(&to),
        _ if from == "api" && module.get(1).is_some_and(|part| part == "types") => {
            FOUNDATION.contains(&to) || to == "identity"
        }
        _ if to == "assembly" => from == "cli",
        // Whoever queues or cancels a job is a caller.
        _ if from == "jobs" && to == "identity" => true,
        _ if FOUNDATION.contains(&from) && FOUNDATION.contains(&to) => from != "db",
        _ => rank(to) < rank(from),
    };
    if !allowed {
        add(
            format!("`{from}` may not know `{to}`"),
            "turn the call round, or let the lower one append an event and listen to it",
        );
    }
}

/// Whether a module is part of the GraphQL layer: `api`, or a room's graphql.rs.
fn in_graphql_layer(module: &[String]) -> bool {
    module.first().is_some_and(|first| first == "api") || module.iter().any(|part| part == "graphql")
}

fn rank(name: &str) -> Option<usize> {
    if BASE.contains(&name) {
        return Some(0);
    }
    if FOUNDATION.contains(&name) {
        return Some(1);
    }
    match name {
        "app" => Some(2),
        _ if wing(name).is_some() => Some(3),
        _ => UPPER.iter().position(|upper| *upper == name).map(|step| step + 4),
    }
}

fn room_order(module: &[String], named: &Named, add: &mut impl FnMut(String, &str)) {
    if module[0] != "insight" || in_graphql_layer(module) {
        return;
    }
    let (Some(from), Some(to)) = (module.get(1), named.segments.get(1)) else {
        return;
    };
    let step = |name: &str| INSIGHT.iter().position(|rooms| rooms.contains(&name));
    if from != to
        && let (Some(above), Some(below)) = (step(from), step(to))
        && below >= above
    {
        add(
            format!("`insight::{from}` may not know `insight::{to}`"),
            "turn the call round, or listen to its events",
        );
    }
}

/// The room a path belongs to: `leads::lead`; the wing itself where it is one room.
fn room(segments: &[String], modules: &BTreeSet<Vec<String>>) -> Option<String> {
    let first = segments.first()?;
    if FOUNDATION.contains(&first.as_str()) {
        return Some(first.clone());
    }
    wing(first)?;
    let second = segments.get(1)?;
    let is_room = !ROOM_FILES.contains(&second.as_str()) && modules.contains(&segments[..2].to_vec());
    Some(if is_room {
        format!("{first}::{second}")
    } else {
        first.clone()
    })
}

fn past_the_door(
    module: &[String],
    named: &Named,
    modules: &BTreeSet<Vec<String>>,
    add: &mut impl FnMut(String, &str),
) {
    let path = &named.segments;
    let Some(first) = path.first() else { return };
    if wing(first).is_none() {
        return;
    }
    if path.iter().any(|part| part == "graphql") {
        if !in_graphql_layer(module) && !module.starts_with(&path[..path.len() - 1]) {
            add(
                format!("`crate::{}` used outside of the GraphQL layer", path.join("::")),
                "only `api` and graphql.rs files know GraphQL",
            );
        }
        return;
    }
    let depth = room(path, modules).map_or(1, |room| room.split("::").count());
    if module.starts_with(&path[..depth.min(path.len())]) || path.len() <= depth {
        return;
    }
    if modules.contains(&path[..=depth].to_vec()) && path.len() > depth + 1 {
        add(
            format!(
                "`crate::{}` reaches past `{}/mod.rs`",
                path.join("::"),
                path[..depth].join("/")
            ),
            "use what the room's mod.rs offers, or let it offer this",
        );
    }
}

fn may_hold_sql(module: &[String]) -> bool {
    module
        .first()
        .is_some_and(|first| FOUNDATION.contains(&first.as_str()))
        || module.iter().any(|part| part == "store")
}

fn is_sql_crate(name: &str) -> bool {
    matches!(name, "sea_orm" | "sea_query" | "sqlx")
}

fn is_sql(literal: &str) -> bool {
    let text = literal.trim_start_matches(['r', '#', '"', ' ', '\\', '\n']);
    ["SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE "]
        .iter()
        .any(|start| text.starts_with(start))
        || (text.starts_with("UPDATE ") && text.contains(" SET "))
}

/// Rooms that know each other in a circle.
fn circles(edges: &BTreeMap<String, BTreeMap<String, String>>) -> Vec<Breach> {
    let mut found = Vec::new();
    for (from, targets) in edges {
        for (to, place) in targets {
            if reaches(edges, to, from) {
                found.push(Breach {
                    place: place.clone(),
                    rule: format!("`{from}` and `{to}` know each other in a circle"),
                    mend: "let one of them append an event and the other listen to it".into(),
                });
            }
        }
    }
    found
}

fn reaches(edges: &BTreeMap<String, BTreeMap<String, String>>, from: &str, goal: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(room) = open.pop() {
        if room == goal {
            return true;
        }
        if seen.insert(room) {
            open.extend(
                edges
                    .get(room)
                    .into_iter()
                    .flat_map(|targets| targets.keys().map(String::as_str)),
            );
        }
    }
    false
}

/// Checks that a member crate depends on nothing it must not know.
pub(super) fn check_manifest(member: &str, text: &str) -> Vec<Breach> {
    let mut forbidden = vec![
        "leadline",
        "leadline-entity",
        "leadline-migration",
        "leadline-integrations",
        "leadline-macros",
        "entity",
        "migration",
        "integrations",
    ];
    if member == "entity" {
        // A macro stands below all: it knows names and no code.
        forbidden.retain(|name| *name != "leadline-macros");
    }
    if member == "integrations" {
        forbidden.extend(["sea-orm", "sqlx", "async-graphql", "axum"]);
    }
    let mut breaches = Vec::new();
    let mut section = "";
    for (number, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            section = line.trim();
        }
        // A sandbox and a test may serve HTTP; what is shipped may not.
        let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
        if section == "[dependencies]" && forbidden.contains(&name) {
            breaches.push(Breach {
                place: format!("{member}/Cargo.toml:{}", number + 1),
                rule: format!("`{member}` may not depend on `{name}`"),
                mend: "move the code to the crate that may".into(),
            });
        }
    }
    breaches
}
