//! What is looked at before the document of a request is parsed, by all transports alike: which document it is, whether it
//! is expected, whether it is too long.

mod manifest;
mod persisted;

use std::sync::Arc;

use async_graphql::{Request, ServerError};

use self::manifest::Manifest;
use self::persisted::Persisted;
use super::gateway::coded_error;
use crate::api::{fingerprint, scan};
use crate::config::{GraphqlLimits, GraphqlSettings, Safelist, SettingsError};
use crate::identity::{Caller, Scope};

/// How many times as many tokens the holders of `admin` may send: their programs are the deployment's own.
const ADMIN_TOKENS: usize = 10;

/// The rules of the settings. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Intake {
    limits: GraphqlLimits,
    safelist: Safelist,
    manifest: Arc<Manifest>,
    persisted: Persisted,
}

impl Intake {
    /// By the settings of the endpoint; reads the manifest.
    ///
    /// # Errors
    /// A manifest that cannot be read.
    pub fn new(settings: &GraphqlSettings) -> Result<Self, SettingsError> {
        let manifest = match &settings.safelist_manifest {
            Some(path) => Manifest::read(path)?,
            None => Manifest::default(),
        };
        if settings.safelist != Safelist::Off {
            let documents = manifest.len();
            tracing::info!(documents, safelist = %settings.safelist, "documents are compared with the manifest");
        }
        Ok(Self {
            limits: settings.limits,
            safelist: settings.safelist,
            manifest: Arc::new(manifest),
            persisted: Persisted::new(),
        })
    }

    /// What the settings say of documents that are not expected.
    #[must_use]
    pub fn safelist(&self) -> Safelist {
        self.safelist
    }

    /// Looks at a request of a caller; `None` is nobody.
    ///
    /// # Errors
    /// What is refused, with its code.
    pub fn take(
        &self,
        mut request: Request,
        caller: Option<&Caller>,
        account: &str,
        safelist: Safelist,
    ) -> Result<Request, ServerError> {
        let listed = |id: &str| self.manifest.document(id);
        let asked = self.persisted.resolve(&mut request, listed)?;
        let mut limits = self.limits;
        if caller.is_some_and(|caller| caller.scopes.allows(Scope::Admin)) {
            limits.tokens = limits.tokens.saturating_mul(ADMIN_TOKENS);
        }
        scan(&request.query, &limits)?;
        if safelist != Safelist::Off && !self.manifest.has(&request.query) {
            outside(&request, account, safelist)?;
        }
        // Nobody's documents are not worth the room: one who has no token could fill it.
        if let (Some(asked), Some(_)) = (&asked, caller) {
            self.persisted.keep(asked, &request.query);
        }
        Ok(request)
    }
}

/// Counts and logs a document that the manifest does not have.
///
/// # Errors
/// Its refusal, where that is the rule.
fn outside(request: &Request, account: &str, safelist: Safelist) -> Result<(), ServerError> {
    let refused = safelist == Safelist::Enforce;
    let way = if refused { "refused" } else { "run" };
    metrics::counter!("leadline_graphql_outside_safelist_total", "outcome" => way).increment(1);
    let fingerprint = fingerprint(&request.query);
    let document: String = fingerprint[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let operation = request.operation_name.as_deref().unwrap_or_default();
    tracing::warn!(
        account,
        operation,
        document,
        refused,
        "a document is not in the manifest"
    );
    if refused {
        let message =
            "the document is not one that this server expects; the manifest of its clients has them";
        return Err(coded_error("FORBIDDEN", message));
    }
    Ok(())
}
