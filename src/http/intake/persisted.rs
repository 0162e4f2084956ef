//! Persisted queries: a client sends the SHA-256 of a document instead of its text.
//!
//! By the protocol of Apollo's automatic persisted queries: `extensions.persistedQuery { version: 1, sha256Hash }`. A hash
//! that is not known is answered with `PERSISTED_QUERY_NOT_FOUND`, upon which the client sends hash and text, once. What is
//! kept is kept by this process alone and bounded: another server, or this one later, asks again.

use std::sync::Arc;

use async_graphql::{Request, ServerError, Value};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

use crate::http::gateway::coded_error;

/// Longest document that is kept.
const MOST_BYTES: usize = 64 * 1024;

/// Bytes of all documents that are kept.
const ALL_BYTES: u64 = 8 * 1024 * 1024;

/// The documents of one process by their hashes.
#[derive(Clone, Debug)]
pub(super) struct Persisted(Cache<[u8; 32], Arc<str>>);

/// A hash that came with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) hash: [u8; 32],
    /// The text came with it and is kept when it is found good.
    with_text: bool,
}

impl Persisted {
    pub(super) fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(ALL_BYTES)
            .weigher(|_, text: &Arc<str>| u32::try_from(text.len()).unwrap_or(u32::MAX));
        Self(cache.build())
    }

    /// Reads the hash of a request, if it has one, and puts the text into the request that it stands for, as `listed` or
    /// this process knows it.
    ///
    /// # Errors
    /// What is not of the protocol, a hash that is not that of the text, a hash that is not known.
    pub(super) fn resolve(
        &self,
        request: &mut Request,
        listed: impl FnOnce(&str) -> Option<Arc<str>>,
    ) -> Result<Option<Asked>, ServerError> {
        let Some(extension) = request.extensions.get("persistedQuery") else {
            return Ok(None);
        };
        let Some((text, hash)) = read(extension) else {
            return Err(coded_error(
                "BAD_USER_INPUT",
                "`extensions.persistedQuery` is not { version: 1, sha256Hash: 64 hexadecimal digits }",
            ));
        };
        if request.query.is_empty() {
            let known = listed(&text).or_else(|| self.0.get(&hash));
            // The message is what clients look for.
            let known =
                known.ok_or_else(|| coded_error("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"))?;
            request.query = known.to_string();
            return Ok(Some(Asked {
                hash,
                with_text: false,
            }));
        }
        if <[u8; 32]>::from(Sha256::digest(&request.query)) != hash {
            return Err(coded_error(
                "BAD_USER_INPUT",
                "provided sha does not match query: `sha256Hash` is not the SHA-256 of `query`",
            ));
        }
        Ok(Some(Asked {
            hash,
            with_text: true,
        }))
    }

    /// Keeps the text that came with a hash.
    pub(super) fn keep(&self, asked: &Asked, text: &str) {
        if asked.with_text && text.len() <= MOST_BYTES && !self.0.contains_key(&asked.hash) {
            self.0.insert(asked.hash, text.into());
        }
    }
}

/// The hash as text and as bytes.
fn read(extension: &Value) -> Option<(String, [u8; 32])> {
    let Value::Object(extension) = extension else {
        return None;
    };
    let version = extension.get("version")?;
    let (Value::Number(version), Value::String(text)) = (version, extension.get("sha256Hash")?) else {
        return None;
    };
    if version.as_u64() != Some(1) || text.len() != 64 {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digits = [
            char::from(pair[0]).to_digit(16)?,
            char::from(pair[1]).to_digit(16)?,
        ];
        *byte = u8::try_from(digits[0] * 16 + digits[1]).ok()?;
    }
    Some((text.to_ascii_lowercase(), hash))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use async_graphql::{Extensions, value};

    use super::*;

    /// Of `{__typename}`; the example of Apollo's documentation.
    const HASH: &str = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";

    fn request(query: &str, extension: Value) -> Request {
        let mut request = Request::new(query);
        request.extensions = Extensions(HashMap::from([("persistedQuery".to_owned(), extension)]));
        request
    }

    fn of(hash: &str) -> Value {
        value!({ "version": 1, "sha256Hash": hash })
    }

    fn code(error: &ServerError) -> Option<&Value> {
        error
            .extensions
            .as_ref()
            .and_then(|extensions| extensions.get("code"))
    }

    #[test]
    fn a_text_is_kept_under_its_hash_and_found_again() {
        let persisted = Persisted::new();
        let error = persisted
            .resolve(&mut request("", of(HASH)), |_| None)
            .unwrap_err();
        assert_eq!(error.message, "PersistedQueryNotFound");
        assert_eq!(code(&error), Some(&value!("PERSISTED_QUERY_NOT_FOUND")));
        let mut full = request("{__typename}", of(HASH));
        let asked = persisted.resolve(&mut full, |_| None).unwrap().unwrap();
        persisted.keep(&asked, &full.query);
        let mut short = request("", of(&HASH.to_uppercase()));
        let again = persisted.resolve(&mut short, |_| None).unwrap().unwrap();
        assert_eq!((short.query.as_str(), again.with_text), ("{__typename}", false));
    }

    #[test]
    fn a_list_is_asked_first() {
        let mut short = request("", of(HASH));
        let listed = |id: &str| (id == HASH).then(|| Arc::from("{ version }"));
        Persisted::new().resolve(&mut short, listed).unwrap();
        assert_eq!(short.query, "{ version }");
    }

    #[test]
    fn what_is_not_of_the_protocol_is_refused() {
        let persisted = Persisted::new();
        for extension in [
            value!(true),
            value!({ "sha256Hash": HASH }),
            value!({ "version": 2, "sha256Hash": HASH }),
            value!({ "version": 1, "sha256Hash": "ecf4" }),
            of(&"g".repeat(64)),
            of(&"é".repeat(32)),
        ] {
            let error = persisted
                .resolve(&mut request("{__typename}", extension), |_| None)
                .unwrap_err();
            assert_eq!(code(&error), Some(&value!("BAD_USER_INPUT")), "{}", error.message);
        }
        let error = persisted
            .resolve(&mut request("{ __typename }", of(HASH)), |_| None)
            .unwrap_err();
        assert!(error.message.starts_with("provided sha does not match query"));
        let without = persisted.resolve(&mut Request::new("{ a }"), |_| None).unwrap();
        assert_eq!(without, None);
    }

    #[test]
    fn memory_is_bounded() {
        let persisted = Persisted::new();
        let long = "x".repeat(MOST_BYTES);
        for n in 0..1_000_u32 {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&n.to_be_bytes());
            let asked = Asked {
                hash,
                with_text: true,
            };
            persisted.keep(&asked, &long);
        }
        let asked = Asked {
            hash: [1; 32],
            with_text: true,
        };
        persisted.keep(&asked, &format!("{long}x"));
        persisted.0.run_pending_tasks();
        assert!(persisted.0.weighted_size() <= ALL_BYTES);
        assert!(!persisted.0.contains_key(&[1; 32]));
    }
}
