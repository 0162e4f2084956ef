//! Documents that were asked before.

use std::sync::Arc;

use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Request, ServerError};
use moka::sync::Cache;

use super::document;
use crate::config::GraphqlLimits;

/// Longest text of a document that is remembered.
const MOST_BYTES: usize = 8 * 1024;

/// Bytes of all remembered texts together; a document takes about twenty times its text.
const ALL_BYTES: u64 = 512 * 1024;

/// Parsed documents by their text: programs ask the same again and again, and parsing is a tenth of answering.
#[derive(Clone)]
pub(super) struct Documents {
    known: Cache<Arc<str>, Arc<ExecutableDocument>>,
    limits: GraphqlLimits,
}

impl Documents {
    pub(super) fn new(limits: GraphqlLimits) -> Self {
        let cache = Cache::builder()
            .max_capacity(ALL_BYTES)
            .weigher(|text: &Arc<str>, _| u32::try_from(text.len()).unwrap_or(u32::MAX));
        Self {
            known: cache.build(),
            limits,
        }
    }

    /// Parses the document of a request, looks whether it may run, and answers it.
    ///
    /// # Errors
    /// The text is no document; what [`document::check`] refuses.
    pub(super) fn read(
        &self,
        request: &mut Request,
        nobody: bool,
    ) -> Result<Arc<ExecutableDocument>, ServerError> {
        if let Some(known) = self.known.get(request.query.as_str()) {
            document::check(&known, &request.variables, nobody, &self.limits)?;
            request.set_parsed_query(ExecutableDocument::clone(&known));
            return Ok(known);
        }
        let text = (request.query.len() <= MOST_BYTES).then(|| Arc::from(request.query.as_str()));
        let parsed = Arc::new(request.parsed_query()?.clone());
        document::check(&parsed, &request.variables, nobody, &self.limits)?;
        if let Some(text) = text {
            self.known.insert(text, Arc::clone(&parsed));
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_document_is_the_one_that_was_parsed() {
        let documents = Documents::new(GraphqlLimits::default());
        let query = "query A($first: Int = 3) { leads(first: $first) { nodes { ...Names } } } fragment Names on Lead { id email }";
        let mut first = Request::new(query);
        documents.read(&mut first, false).unwrap();
        assert_eq!(documents.known.iter().count(), 1);
        let mut second = Request::new(query);
        documents.read(&mut second, false).unwrap();
        let shown = |request: &mut Request| format!("{:?}", request.parsed_query().unwrap());
        assert_eq!(shown(&mut second), shown(&mut first));
    }

    #[test]
    fn what_is_refused_is_refused_again() {
        let documents = Documents::new(GraphqlLimits::default());
        for _ in 0..2 {
            assert!(documents.read(&mut Request::new("{ leads { "), false).is_err());
            let deep = format!("{}id{}", "{ lead ".repeat(40), "}".repeat(40));
            assert!(documents.read(&mut Request::new(deep), false).is_err());
        }
        // What one may ask, nobody may not.
        let schema = "{ __schema { types { name } } }";
        assert!(documents.read(&mut Request::new(schema), false).is_ok());
        assert!(documents.read(&mut Request::new(schema), true).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let documents = Documents::new(GraphqlLimits::default());
        for n in 0..2_000 {
            let query = format!("{{ lead(id: \"{n}\") {{ id {} }} }}", "email ".repeat(400));
            documents.read(&mut Request::new(query), false).unwrap();
        }
        documents
            .read(
                &mut Request::new(format!("{{ a {} }}", " ".repeat(MOST_BYTES))),
                false,
            )
            .unwrap();
        documents.known.run_pending_tasks();
        assert!(documents.known.weighted_size() <= ALL_BYTES);
        assert!(documents.known.iter().all(|(text, _)| text.len() <= MOST_BYTES));
    }
}
