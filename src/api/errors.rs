//! The top-level errors: a code for programs, the request id for support, no detail of an internal fault.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, Response, ServerError};

use crate::error::Error;

/// What the library says of a query with too many points. It does not tell how many they are.
const TOO_COMPLEX: &str = "Query is too complex.";

/// What follows this in a message of the library are names that are like an unknown one.
const SUGGESTION: &str = " Did you mean ";

/// What errors tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// Most points of a query.
    pub(super) most_points: usize,
    /// Whether names are told that are like an unknown one.
    pub(super) suggestions: bool,
}

/// Gives each error of a response its code; logs internal ones once and hides what they say.
pub(super) fn finish(mut response: Response, request_id: &str, told: Told) -> Response {
    let Told {
        most_points,
        suggestions,
    } = told;
    for error in &mut response.errors {
        let (code, message, retry_after) = match known(error) {
            Some(known) => {
                if let Error::Internal(source) = known {
                    tracing::error!(request_id, path = ?error.path, "internal error: {source:?}");
                }
                let retry_after = match known {
                    Error::RateLimited {
                        retry_after_seconds, ..
                    } => Some(*retry_after_seconds),
                    _ => None,
                };
                (Some(known.code()), Some(known.to_string()), retry_after)
            }
            None => (None, None, None),
        };
        if let Some(message) = message {
            error.message = message;
        }
        let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
        if let Some(seconds) = retry_after {
            extensions.set("retryAfterSeconds", seconds);
        }
        if let Some(code) = code {
            extensions.set("code", code);
        } else if extensions.get("code").is_none() {
            // Errors of our own carry their source; what is left is the library's about the request itself.
            let code = if error.message == TOO_COMPLEX {
                error.message = format!(
                    "the document has more than {most_points} points; a field is one, a list as many as its page has \
                     rows times the fields of a row"
                );
                "TOO_COMPLEX"
            } else {
                // The schema can be told to keep them to itself, all but those for arguments of directives.
                if !suggestions && let Some(place) = error.message.find(SUGGESTION) {
                    error.message.truncate(place);
                }
                "BAD_USER_INPUT"
            };
            extensions.set("code", code);
        }
        extensions.set("requestId", request_id);
    }
    response
}

fn known(error: &ServerError) -> Option<&Error> {
    error
        .source::<Error>()
        .or_else(|| error.source::<Arc<Error>>().map(AsRef::as_ref))
}
