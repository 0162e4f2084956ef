//! Who may ask for what: every field of the schema, for each kind of caller. What a field asks for stands in the schema; a
//! field without a decision, or one that is decided otherwise than the schema shows, fails here.

use std::collections::{BTreeMap, BTreeSet};

use entity::id::LeadId;
use entity::{Area, Timestamp};
use leadline::identity::role::built_in;
use leadline::identity::{Caller, Rows, Scope, Scopes, create_filtered_token, create_token, revoke_token};
use leadline::leads::visible::row_filter;
use serde_json::{Value, json};

use crate::every_field::{Field, Model, SOME_ID, operations};
use crate::support::{Backend, Database, Server, Setup, code, with_database};

/// A field that no type has.
const NOTHING: &str = "noSuchField";

/// Somebody who asks.
struct Asker {
    what: String,
    token: String,
    scopes: Scopes,
    is_user: bool,
    sees_all_rows: bool,
}

impl Asker {
    fn token(token: String, scopes: &str) -> Self {
        Self {
            what: format!("a token with {scopes}"),
            token,
            scopes: Scopes::parse(scopes).expect("scopes"),
            is_user: false,
            sees_all_rows: true,
        }
    }

    /// What `node` finds for them.
    fn finds(&self, ty: &str) -> bool {
        let found = crate::nodes::SCOPES.iter().find(|(name, _)| *name == ty);
        let (_, scope) =
            found.unwrap_or_else(|| panic!("`{ty}` is new to `node`: say here by which scope it is found"));
        self.scopes.allows(scope.parse().expect("a scope"))
    }

    /// The types that are there for them.
    fn types(&self, model: &Model) -> BTreeSet<String> {
        let mut types = model.reached(|field| self.may(field), |ty| self.finds(ty));
        // A type has fields: who may watch nothing has no subscriptions.
        types.retain(|ty| {
            model
                .fields
                .get(ty)
                .is_none_or(|fields| fields.iter().any(|field| self.may(field)))
        });
        types
    }

    /// What is to be there for them, by what the schema shows.
    fn may(&self, field: &Field) -> bool {
        field.need.as_ref().is_none_or(|need| {
            let who = match &need.scope[..] {
                "none" | "any" => true,
                "user" => self.is_user,
                scope => self.scopes.allows(scope.parse().expect("a scope")),
            };
            who && (self.sees_all_rows || !need.all_rows)
        })
    }
}

/// The names of all scopes.
fn all_scopes() -> Vec<String> {
    let areas = Area::ALL
        .iter()
        .flat_map(|area| [Scope::Read(*area), Scope::Write(*area)]);
    areas
        .chain([Scope::Admin])
        .map(|scope| scope.to_string())
        .collect()
}

async fn partner(server: &Server) -> String {
    let filter = row_filter(server.app(), r#"{"source":{"eq":"partner-x"}}"#)
        .await
        .expect("a filter");
    let scopes = ["admin".to_owned()];
    let operator = Caller::operator();
    let rows = Rows::Where(filter);
    let made = create_filtered_token(server.app(), &operator, "partner", &scopes, rows, None).await;
    made.expect("a token").secret
}

async fn revoked(server: &Server) -> String {
    let made = create_token(
        server.app(),
        &Caller::operator(),
        "gone",
        &["admin".to_owned()],
        None,
    )
    .await
    .expect("a token");
    revoke_token(server.app(), &Caller::operator(), made.token.id)
        .await
        .expect("it is there");
    made.secret
}

/// Each role, each scope alone, and one who sees a part of the leads.
async fn askers(server: &Server) -> Vec<Asker> {
    let mut askers = Vec::new();
    for role in built_in() {
        let email = format!("{}@example.com", role.key);
        crate::sessions::user(server, &email, &role.key).await;
        askers.push(Asker {
            what: format!("the role {}", role.key),
            token: crate::sessions::tokens(server, &email).await.0,
            scopes: role.scopes,
            is_user: true,
            sees_all_rows: true,
        });
    }
    for scope in all_scopes() {
        askers.push(Asker::token(server.token(&[&scope]).await, &scope));
    }
    askers.push(Asker {
        what: "a token with a row filter".to_owned(),
        sees_all_rows: false,
        ..Asker::token(partner(server).await, "admin")
    });
    askers
}

/// What an answer says of it: the messages with their places, without the id of the request.
fn told(answer: &Value) -> BTreeSet<String> {
    let errors = answer["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let told = errors.iter().map(|error| {
        format!(
            "{} {} {}",
            error["message"], error["locations"], error["extensions"]["code"]
        )
    });
    told.collect()
}

/// The fields that an answer calls unknown.
fn unknown(answer: &Value) -> BTreeSet<String> {
    let errors = answer["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let names = errors.iter().filter_map(|error| {
        let rest = error["message"].as_str()?.strip_prefix("Unknown field \"")?;
        Some(rest.split('"').next()?.to_owned())
    });
    names.collect()
}

fn without_limits() -> Setup {
    Setup::default()
        .setting("graphql_budget", "0")
        .setting("graphql_max_tokens", "20000")
}

/// With one database: what is refused here is refused before any is asked.
#[test]
fn what_is_hidden_is_answered_as_what_is_not_there() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, without_limits()).await;
        let model = Model::whole();
        let mut compared = 0;
        let absent = |name: &str, other: &str, text: String| {
            // Names stand in quotes, or behind `$`.
            text.replace(&format!("\\\"{name}\\\""), "…")
                .replace(&format!("\\\"{other}\\\""), "…")
        };
        for asker in askers(&server).await {
            let say = async |query: String| {
                let (status, answer) = server.post(Some(&asker.token), &query, json!({})).await;
                (status, told(&answer))
            };
            // What is said of a name that nothing has is asked once for each way to ask.
            let mut references: BTreeMap<String, (u16, BTreeSet<String>)> = BTreeMap::new();
            let mut same = async |ask: &dyn Fn(&str) -> String, name: &str| {
                const OTHER: &str = "NoSuchName";
                let reference = match references.get(&ask(OTHER)) {
                    Some(known) => known.clone(),
                    None => {
                        let said = say(ask(OTHER)).await;
                        references.insert(ask(OTHER), said.clone());
                        said
                    }
                };
                let plain = |(status, told): (u16, BTreeSet<String>)| {
                    let told: BTreeSet<_> = told.into_iter().map(|text| absent(name, OTHER, text)).collect();
                    (status, told)
                };
                assert_eq!(
                    plain(say(ask(name)).await),
                    plain(reference),
                    "{} asks {}",
                    asker.what,
                    ask(name)
                );
                compared += 1;
            };
            for root in ["Query", "Mutation", "Subscription"] {
                let keyword = root.to_lowercase();
                for field in model.fields[root].iter().filter(|field| !asker.may(field)) {
                    // Wrong arguments and too large a page are not told of either.
                    for rest in ["", "(first: 100000, no: 1) { nodes { x } ... on Lead { id } }"] {
                        same(&|name| format!("{keyword} {{\n{name}{rest} }}"), &field.name).await;
                    }
                }
            }
            let reached = asker.types(&model);
            for ty in model.fields.keys().filter(|ty| !reached.contains(*ty)) {
                same(&|name| format!("{{ version ...on {name} {{ id }} }}"), ty).await;
                same(
                    &|name| format!("{{ version ...F }} fragment F on {name} {{ id }}"),
                    ty,
                )
                .await;
                same(
                    &|name| format!("{{ version __type(name: \"{name}\") {{ name }} }}"),
                    ty,
                )
                .await;
            }
            for ty in model.inputs.keys().filter(|ty| !reached.contains(*ty)) {
                same(&|name| format!("query (\n$a: [{name}!]) {{ version }}"), ty).await;
            }
        }
        assert!(compared > 1_000, "{compared} answers were compared");
        server.stop().await;
    });
}

#[test]
fn each_field_at_the_root_has_a_decision() {
    let model = Model::whole();
    for root in ["Query", "Mutation", "Subscription"] {
        for Field { name, need, .. } in &model.fields[root] {
            assert!(
                need.is_some(),
                "{root}.{name} does not say what it asks of its caller: give it `#[scope(…)]`"
            );
        }
    }
    let tokens: BTreeSet<String> = all_scopes().into_iter().collect();
    for (ty, fields) in &model.fields {
        for Field { name, need, .. } in fields {
            let Some(need) = need else { continue };
            let is_known = ["none", "any", "user"].contains(&&need.scope[..]) || tokens.contains(&need.scope);
            assert!(
                is_known,
                "{ty}.{name} asks for `{}`, which nobody can have",
                need.scope
            );
        }
    }
    // All can be come to.
    let reached = model.reached(|_| true, |_| false);
    let apart: Vec<_> = model.fields.keys().filter(|ty| !reached.contains(*ty)).collect();
    assert_eq!(apart, [""; 0], "nothing leads to these");
}

on_both! {
    async fn every_field_is_there_for_those_who_may_ask_for_it_alone(database: &Database) {
        let server = Server::start(database, without_limits()).await;
        let model = Model::whole();
        let mut asked = 0;
        for asker in askers(&server).await {
            // Validation alone: nothing runs, since a field is asked for as well that is not there.
            for (ty, way) in model.ways(|field| asker.may(field)) {
                let fields = &model.fields[&ty];
                let calls: Vec<&str> = fields.iter().map(|field| &field.call[..]).collect();
                let query = way.replacen('…', &format!("{NOTHING} {}", calls.join(" ")), 1);
                let (status, answer) = server.post(Some(&asker.token), &query, json!({})).await;
                let hidden = fields.iter().filter(|field| !asker.may(field)).map(|field| field.name.clone());
                let expected: BTreeSet<String> = hidden.chain([NOTHING.to_owned()]).collect();
                assert_eq!(unknown(&answer), expected, "{} asks {ty}: {answer}", asker.what);
                assert_eq!((status, answer.get("data")), (200, None), "{answer}");
                asked += fields.len();
            }
        }
        assert!(asked > 5_000, "{asked} fields were asked for");
        server.stop().await;
    }

    async fn the_schema_that_is_shown_is_that_which_may_be_used(database: &Database) {
        let server = Server::start(database, without_limits()).await;
        let whole = Model::whole();
        for asker in askers(&server).await {
            let types = asker.types(&whole);
            let expected: BTreeMap<String, BTreeSet<String>> = whole
                .fields
                .iter()
                .filter(|(ty, _)| types.contains(*ty))
                .map(|(ty, fields)| {
                    let fields = fields.iter().filter(|field| asker.may(field));
                    (ty.clone(), fields.map(|field| field.name.clone()).collect())
                })
                .collect();
            let kinds: BTreeMap<&String, BTreeSet<&String>> = whole
                .kinds
                .iter()
                .filter(|(ty, _)| types.contains(*ty))
                .map(|(ty, kinds)| (ty, kinds.iter().filter(|kind| types.contains(*kind)).collect()))
                .collect();

            let query = "{ __schema { types { name fields(includeDeprecated: true) { name } possibleTypes { name } } } }";
            let shown = server.data_as(&asker.token, query, json!({})).await;
            let (mut fields, mut others, mut possible) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
            let names = |list: &Value| -> BTreeSet<String> {
                let list = list.as_array().unwrap().iter();
                list.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
            };
            for ty in shown["__schema"]["types"].as_array().unwrap() {
                let name = ty["name"].as_str().unwrap().to_owned();
                if name.starts_with("__") {
                    continue;
                }
                if ty["fields"].is_array() {
                    fields.insert(name.clone(), names(&ty["fields"]));
                } else {
                    others.insert(name.clone());
                }
                if ty["possibleTypes"].is_array() {
                    possible.insert(name, names(&ty["possibleTypes"]));
                }
            }
            assert_eq!(fields, expected, "introspection by {}", asker.what);
            let apart: BTreeSet<&String> = whole.inputs.keys().filter(|ty| types.contains(*ty)).collect();
            let built_in = ["Boolean", "Float", "ID", "Int", "String"];
            let others = others.iter().filter(|name| !built_in.contains(&&name[..]));
            assert_eq!(others.collect::<BTreeSet<_>>(), apart, "introspection by {}", asker.what);
            let possible: BTreeMap<_, BTreeSet<_>> = possible.iter().map(|(ty, kinds)| (ty, kinds.iter().collect())).collect();
            assert_eq!(possible, kinds, "introspection by {}", asker.what);

            let (status, text) = written(&server, Some(&asker.token), "/schema.graphql").await;
            assert_eq!(status, 200);
            let read = Model::read(&text);
            let fields: BTreeMap<String, BTreeSet<String>> = read
                .fields
                .iter()
                .map(|(ty, fields)| (ty.clone(), fields.iter().map(|field| field.name.clone()).collect()))
                .collect();
            assert_eq!(fields, expected, "`schema.graphql` of {}", asker.what);
            assert_eq!(read.inputs.keys().collect::<BTreeSet<_>>(), apart, "`schema.graphql` of {}", asker.what);
            let kinds: BTreeMap<_, _> = kinds.into_iter().filter(|(_, kinds)| !kinds.is_empty()).collect();
            let read_kinds: BTreeMap<_, BTreeSet<_>> = read.kinds.iter().map(|(ty, kinds)| (ty, kinds.iter().collect())).collect();
            assert_eq!(read_kinds, kinds, "`schema.graphql` of {}", asker.what);
            if asker.scopes == Scopes::admin() && asker.is_user {
                assert_eq!(text, leadline::api::sdl());
            }
        }
        server.stop().await;
    }

    async fn the_schema_as_text_is_for_those_who_are_somebody(server: &Server) {
        let token = server.token(&["jobs:read"]).await;
        let (status, by_header) = written(server, Some(&token), "/schema.graphql").await;
        assert_eq!(status, 200);
        let (status, by_address) = written(server, None, &format!("/schema.graphql?token={token}")).await;
        assert_eq!((status, by_address), (200, by_header));
        let gone = revoked(server).await;
        for (address, header, expected) in [
            ("/schema.graphql".to_owned(), None, 401),
            ("/schema.graphql?token=".to_owned(), None, 401),
            ("/schema.graphql?token=%0a".to_owned(), None, 400),
            (format!("/schema.graphql?token={gone}"), None, 401),
            (format!("/schema.graphql?token={token}"), Some(&token), 400),
            (format!("/schema.graphql?tokens={token}"), None, 400),
        ] {
            let (status, body) = written(server, header.map(String::as_str), &address).await;
            assert_eq!(status, expected, "{address}: {body}");
            assert!(!body.contains(&token), "{body}");
            let code = serde_json::from_str::<Value>(&body).unwrap()["errors"][0]["extensions"]["code"].clone();
            assert_eq!(code, if expected == 401 { "UNAUTHENTICATED" } else { "BAD_USER_INPUT" });
        }
    }

    async fn who_is_nobody_or_no_more_is_told_nothing(database: &Database) {
        let server = Server::start(database, without_limits()).await;
        let gone = revoked(&server).await;
        let model = Model::whole();
        let mut socket = server.knock(None).await;
        socket.let_in().await;
        for root in ["Query", "Mutation", "Subscription"] {
            let fields = operations(root);
            assert!(!fields.is_empty(), "{root} has fields");
            for (field, operation) in fields {
                let (status, answer) = server.post(Some(&gone), &operation, json!({})).await;
                assert_eq!((status, code(&answer)), (401, "UNAUTHENTICATED"), "{field}");
                let need = model.fields[root].iter().find(|known| known.name == field).unwrap().need.as_ref();
                if need.is_some_and(|need| need.scope == "none") {
                    continue;
                }
                // Ids are malformed here: who has no token is told that first.
                let answer = if root == "Subscription" {
                    socket.subscribe(&operation, json!({})).await.next().await
                } else {
                    server.graphql_as(None, &operation, json!({})).await
                };
                assert_eq!(code(&answer), "UNAUTHENTICATED", "{field}: {operation}: {answer}");
            }
        }
        // And deeper.
        for (ty, way) in model.ways(|_| true) {
            for field in &model.fields[&ty] {
                let query = way.replacen('…', &format!("{} {{ __typename }}", field.call), 1);
                let (status, answer) = server.post(Some(&gone), &query, json!({})).await;
                assert_eq!((status, code(&answer)), (401, "UNAUTHENTICATED"), "{ty}.{}", field.name);
            }
        }
        // Nor by the back door of validation.
        for hidden in ["ApiToken", "Lead", "Mail"] {
            let ask = async |name: &str| {
                let query = format!("{{ version ...F }} fragment F on {name} {{ nothing }}");
                told(&server.graphql_as(None, &query, json!({})).await)
            };
            let plain = |said: BTreeSet<String>, name: &str| {
                let said = said.into_iter().map(|text| text.replace(name, "…"));
                said.collect::<BTreeSet<_>>()
            };
            assert_eq!(plain(ask(hidden).await, hidden), plain(ask("NoSuchType").await, "NoSuchType"));
        }
        let answer = server.graphql_as(None, "query ($a: LeadFilter) { version }", json!({})).await;
        assert!(answer["errors"].to_string().contains("Unknown type"), "{answer}");
        for introspection in ["{ __schema { types { name } } }", "{ __type(name: \"Lead\") { name } }"] {
            assert_eq!(code(&server.graphql_as(None, introspection, json!({})).await), "UNAUTHENTICATED");
            assert_eq!(code(&server.graphql_as(Some(&gone), introspection, json!({})).await), "UNAUTHENTICATED");
        }
        assert_eq!(server.graphql_as(None, "{ version }", json!({})).await["data"], json!({ "version": env!("CARGO_PKG_VERSION") }));
        server.stop().await;
    }

    async fn who_has_the_scope_of_a_field_is_let_in(database: &Database) {
        let server = Server::start(database, without_limits()).await;
        let model = Model::whole();
        for root in ["Query", "Mutation", "Subscription"] {
            for (field, operation) in operations(root) {
                let known = model.fields[root].iter().find(|known| known.name == field).unwrap();
                let scope = &known.need.as_ref().unwrap().scope;
                if ["none", "any", "user"].contains(&&scope[..]) {
                    continue;
                }
                let alone = server.token(&[scope]).await;
                let mut socket = server.socket(&alone).await;
                let mut ask = async |operation: &str| {
                    if root == "Subscription" {
                        // One that is let in says nothing.
                        let cut = operation.replacen('(', "(after: \"x\", ", 1);
                        let cut = if cut == operation {
                            operation.replacen(&field, &format!("{field}(after: \"x\")"), 1)
                        } else {
                            cut
                        };
                        return socket.subscribe(&cut, json!({})).await.next().await;
                    }
                    server.graphql_as(Some(&alone), operation, json!({})).await
                };
                let mut answer = ask(&operation).await;
                // Of which kind an id has to be is told by the refusal of another.
                let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
                if let Some(prefix) = message.split("expected `").nth(1).and_then(|rest| rest.split('`').next()) {
                    let lead = LeadId::at(Timestamp::from_micros(1)).to_string();
                    let id = lead.replace("lead_", prefix);
                    answer = ask(&operation.replace(SOME_ID, &id)).await;
                }
                assert_eq!(unknown(&answer), BTreeSet::new(), "{field}: {answer}");
                // Behind its own scope a field may ask for another one.
                let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
                assert!(!message.contains(&format!("`{scope}`")), "{field} shows {scope}: {answer}");
            }
        }
        server.stop().await;
    }
}

/// The answer of a page, and its status.
async fn written(server: &Server, token: Option<&str>, path: &str) -> (u16, String) {
    let mut request = server.http().get(server.url(path));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.text().await.expect("a text"))
}
