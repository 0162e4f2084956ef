//! Documents that were asked before.

use std::sync::Arc;

use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Request, ServerError};
use moka::sync::Cache;

use super::document;
use super::shape::{self, Asks};
use crate::config::GraphqlLimits;
use crate::identity::Caller;

/// Longest text of a document that is remembered.
const MOST_BYTES: usize = 8 * 1024;

/// Bytes of all remembered texts together; a document takes about twenty times its text.
const ALL_BYTES: u64 = 512 * 1024;

/// Parsed documents by their text: programs ask the same again and again, and parsing is a tenth of answering.
#[derive(Clone)]
pub(super) struct Documents {
    known: Cache<Arc<str>, Arc<Known>>,
    limits: GraphqlLimits,
}

/// A document that was parsed.
struct Known {
    document: Arc<ExecutableDocument>,
    asks: Asks,
}

/// What a request asks.
pub(super) struct Read {
    /// What is run: where something of it is hidden from the caller, with names for that which nothing has.
    pub(super) document: Arc<ExecutableDocument>,
    pub(super) is_concealed: bool,
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
    pub(super) fn read(&self, request: &mut Request, caller: Option<&Caller>) -> Result<Read, ServerError> {
        let remembered = self.known.get(request.query.as_str());
        let is_new = remembered.is_none();
        let known = match remembered {
            Some(known) => known,
            None => {
                let document = Arc::new(request.parsed_query()?.clone());
                let asks = Asks::of(&document);
                Arc::new(Known { document, asks })
            }
        };
        let nobody = caller.is_none();
        // What nobody asks for at a root is answered with the word that a token is needed, not as what is not there.
        if nobody {
            document::check(&known.document, &request.variables, nobody, &self.limits)?;
        }
        let is_concealed = known.asks.are_beyond(caller);
        let document = if is_concealed {
            let mut document = ExecutableDocument::clone(&known.document);
            shape::conceal(&mut document, caller);
            Arc::new(document)
        } else {
            Arc::clone(&known.document)
        };
        if !nobody {
            document::check(&document, &request.variables, nobody, &self.limits)?;
        }
        if !is_new || is_concealed {
            request.set_parsed_query(ExecutableDocument::clone(&document));
        }
        // Nobody's documents are not worth the room.
        if is_new && !nobody && request.query.len() <= MOST_BYTES {
            self.known.insert(Arc::from(request.query.as_str()), known);
        }
        Ok(Read {
            document,
            is_concealed,
        })
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
        let caller = Caller::operator();
        documents.read(&mut first, Some(&caller)).unwrap();
        assert_eq!(documents.known.iter().count(), 1);
        let mut second = Request::new(query);
        documents.read(&mut second, Some(&caller)).unwrap();
        let shown = |request: &mut Request| format!("{:?}", request.parsed_query().unwrap());
        assert_eq!(shown(&mut second), shown(&mut first));
    }

    #[test]
    fn what_is_refused_is_refused_again() {
        let caller = Caller::operator();
        let documents = Documents::new(GraphqlLimits::default());
        for _ in 0..2 {
            assert!(
                documents
                    .read(&mut Request::new("{ leads { "), Some(&caller))
                    .is_err()
            );
            let deep = format!("{}id{}", "{ lead ".repeat(40), "}".repeat(40));
            assert!(documents.read(&mut Request::new(deep), Some(&caller)).is_err());
        }
        // What one may ask, nobody may not.
        let schema = "{ __schema { types { name } } }";
        assert!(documents.read(&mut Request::new(schema), Some(&caller)).is_ok());
        assert!(documents.read(&mut Request::new(schema), None).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let caller = Caller::operator();
        let documents = Documents::new(GraphqlLimits::default());
        for n in 0..2_000 {
            let query = format!("{{ lead(id: \"{n}\") {{ id {} }} }}", "email ".repeat(400));
            documents.read(&mut Request::new(query), Some(&caller)).unwrap();
        }
        documents
            .read(
                &mut Request::new(format!("{{ a {} }}", " ".repeat(MOST_BYTES))),
                Some(&caller),
            )
            .unwrap();
        documents.known.run_pending_tasks();
        assert!(documents.known.weighted_size() <= ALL_BYTES);
        assert!(documents.known.iter().all(|(text, _)| text.len() <= MOST_BYTES));
    }
}
