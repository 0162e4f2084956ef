//! An address that requests go to.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use url::Url;

/// The address of an API, without a slash at its end.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    /// An address that is known to be one.
    pub(crate) fn known(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The address of a path, which begins with a slash.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The host, and the port where it is not the usual one.
    pub(crate) fn authority(&self) -> &str {
        let rest = self.0.split_once("://").map_or(self.0.as_str(), |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default()
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let url = Url::parse(text.trim()).map_err(|_| "not an address, e.g. https://llm.example.com/v1")?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err("an address begins with https:// or http://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address without name and password: keys are entered as secrets");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("an address without `?` and `#`");
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl JsonSchema for BaseUrl {
    fn schema_name() -> Cow<'static, str> {
        "BaseUrl".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "uri" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_with_and_without_its_slash() {
        for text in ["http://localhost:11434/v1", "http://localhost:11434/v1/"] {
            let url = BaseUrl::try_from(text.to_owned()).unwrap();
            assert_eq!(url.at("/models"), "http://localhost:11434/v1/models");
            assert_eq!(url.authority(), "localhost:11434");
        }
        for text in [
            "localhost",
            "ftp://a.example",
            "https://me:pw@a.example",
            "https://a.example/v1?key=1",
        ] {
            assert!(BaseUrl::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
