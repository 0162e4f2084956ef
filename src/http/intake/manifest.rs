//! The documents that a deployment expects, from the manifest that the build of its clients writes.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use async_graphql::parser::parse_query;
use serde_json::Value;

use crate::api::fingerprint;
use crate::config::SettingsError;

/// Documents by their ids, and what tells them whatever their blanks and comments.
#[derive(Clone, Debug, Default)]
pub(super) struct Manifest {
    by_id: HashMap<String, Arc<str>>,
    known: HashSet<[u8; 32]>,
}

impl Manifest {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, for whoever starts the server.
    pub(super) fn read(path: &Path) -> Result<Self, SettingsError> {
        let problem = |what: String| {
            SettingsError::new(
                format!("`graphql_safelist_manifest` = `{}`: {what}", path.display()),
                "name a manifest of Apollo (`format`: `apollo-persisted-query-manifest`, `version`: 1) or a JSON object of \
                 documents by their hashes, as Relay and GraphQL Code Generator write it",
            )
        };
        let text =
            std::fs::read_to_string(path).map_err(|error| problem(format!("it cannot be read: {error}")))?;
        Self::parse(&text).map_err(problem)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        let Value::Object(file) = file else {
            return Err("it is no JSON object".to_owned());
        };
        let mut manifest = Self::default();
        if let Some(format) = file.get("format") {
            if format != "apollo-persisted-query-manifest" || file.get("version") != Some(&Value::from(1)) {
                return Err(format!(
                    "its format is {format} in version {}",
                    file.get("version").unwrap_or(&Value::Null)
                ));
            }
            let operations = file.get("operations").and_then(Value::as_array);
            for (place, operation) in operations
                .ok_or("it has no list `operations`")?
                .iter()
                .enumerate()
            {
                match (&operation["id"], &operation["body"]) {
                    (Value::String(id), Value::String(body)) => manifest.add(id, body)?,
                    _ => return Err(format!("operation {place} has no `id` and `body`")),
                }
            }
        } else {
            for (id, document) in &file {
                let Value::String(document) = document else {
                    return Err(format!("what stands under `{id}` is no document"));
                };
                manifest.add(id, document)?;
            }
        }
        Ok(manifest)
    }

    fn add(&mut self, id: &str, document: &str) -> Result<(), String> {
        parse_query(document).map_err(|error| format!("the document of `{id}` cannot be parsed: {error}"))?;
        let other = self.by_id.insert(id.to_ascii_lowercase(), document.into());
        if other.is_some_and(|other| fingerprint(&other) != fingerprint(document)) {
            return Err(format!("two documents have the id `{id}`"));
        }
        self.known.insert(fingerprint(document));
        Ok(())
    }

    /// The document of an id.
    pub(super) fn document(&self, id: &str) -> Option<Arc<str>> {
        self.by_id.get(id).cloned()
    }

    /// Whether a document is on the list.
    pub(super) fn has(&self, document: &str) -> bool {
        self.known.contains(&fingerprint(document))
    }

    /// How many documents it has.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_are_read() {
        let apollo = json!({
            "format": "apollo-persisted-query-manifest",
            "version": 1,
            "operations": [{ "id": "AB12", "name": "Leads", "type": "query", "body": "query Leads {\n  leads { nodes { id } }\n}" }],
        });
        let plain = json!({ "ab12": "query Leads { leads { nodes { id } } }" });
        for file in [apollo, plain] {
            let manifest = Manifest::parse(&file.to_string()).expect("a manifest");
            assert_eq!(manifest.len(), 1);
            assert!(
                manifest
                    .document("ab12")
                    .is_some_and(|text| text.contains("leads"))
            );
            assert!(manifest.has("query Leads { leads { nodes { id, } } } # the same"));
            assert!(!manifest.has("query Leads { leads { nodes { id email } } }"));
            assert!(!manifest.has(""));
        }
        assert_eq!(Manifest::parse("{}").expect("an empty one").len(), 0);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (file, problem) in [
            ("[]", "it is no JSON object"),
            ("{", "it is no JSON: "),
            (
                r#"{"format":"other","version":1}"#,
                "its format is \"other\" in version 1",
            ),
            (
                r#"{"format":"apollo-persisted-query-manifest","version":2,"operations":[]}"#,
                "its format is \"apollo-persisted-query-manifest\" in version 2",
            ),
            (
                r#"{"format":"apollo-persisted-query-manifest","version":1}"#,
                "it has no list `operations`",
            ),
            (
                r#"{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"a"}]}"#,
                "operation 0 has no `id` and `body`",
            ),
            (
                r#"{"a":{"query":"{ a }"}}"#,
                "what stands under `a` is no document",
            ),
            (r#"{"a":"{ a"}"#, "the document of `a` cannot be parsed: "),
            (r#"{"a":"{ a }","A":"{ b }"}"#, "two documents have the id `"),
        ] {
            let said = Manifest::parse(file).expect_err("no manifest");
            assert!(said.starts_with(problem), "{said}");
        }
        let error = Manifest::read(Path::new("/nowhere/manifest.json")).expect_err("no file");
        assert!(error.to_string().contains("/nowhere/manifest.json"), "{error}");
        assert!(error.hint().contains("apollo-persisted-query-manifest"));
    }
}
