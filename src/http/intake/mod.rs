//! What is looked at before the document of a request is parsed, by all transports alike.

use async_graphql::{Request, ServerError};

use crate::api::scan;
use crate::config::{GraphqlLimits, GraphqlSettings};
use crate::identity::{Caller, Scope};

/// How many times as many tokens the holders of `admin` may send: their programs are the deployment's own.
const ADMIN_TOKENS: usize = 10;

/// The rules of the settings.
#[derive(Clone, Debug)]
pub struct Intake {
    limits: GraphqlLimits,
}

impl Intake {
    /// By the settings of the endpoint.
    #[must_use]
    pub fn new(settings: &GraphqlSettings) -> Self {
        Self {
            limits: settings.limits,
        }
    }

    /// Looks at a request of a caller; `None` is nobody.
    ///
    /// # Errors
    /// What is refused, with its code.
    pub fn take(&self, request: Request, caller: Option<&Caller>) -> Result<Request, ServerError> {
        let mut limits = self.limits;
        if caller.is_some_and(|caller| caller.scopes.allows(Scope::Admin)) {
            limits.tokens = limits.tokens.saturating_mul(ADMIN_TOKENS);
        }
        scan(&request.query, &limits)?;
        Ok(request)
    }
}
