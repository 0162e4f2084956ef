//! What is looked at before the document of a request is parsed, by all transports alike: which document it is, whether it
//! is expected, whether it is too long, whether its caller has anything left to pay for it.

mod budget;
mod manifest;
mod persisted;
mod store;

use std::any::TypeId;
use std::sync::Arc;

use async_graphql::{Request, ServerError};
use entity::Safelist;

pub use self::budget::{Budget, Budgets};
use self::manifest::Manifest;
use self::persisted::Persisted;
use super::gateway::{Continued, coded_error};
use crate::api::{AT_THE_DOOR, fingerprint, scan, with_purse};
use crate::config::{GraphqlLimits, GraphqlSettings, SettingsError};
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
    budget: Budget,
    budgets: Budgets,
}

/// Who sends a request, and what holds for them.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'c> {
    /// Who; `None` is nobody.
    pub caller: Option<&'c Caller>,
    /// Under what they are counted.
    pub account: &'c Arc<str>,
    /// What happens to documents that are not expected.
    pub safelist: Safelist,
    /// What they may spend.
    pub budget: Budget,
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
            budget: Budget {
                limit: settings.budget,
                restore_per_second: settings.budget_restore,
            },
            budgets: Budgets::default(),
        })
    }

    /// What the settings say of documents that are not expected.
    #[must_use]
    pub fn safelist(&self) -> Safelist {
        self.safelist
    }

    /// What the settings say a caller may spend.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// What all callers have spent; it is to be kept ([`Budgets::keep`]).
    #[must_use]
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// Looks at a request, and has its sender pay for it.
    ///
    /// # Errors
    /// What is refused, with its code.
    pub fn take(&self, mut request: Request, sender: Sender<'_>) -> Result<Request, ServerError> {
        let Sender {
            caller,
            account,
            safelist,
            budget,
        } = sender;
        // What fell behind others that watch the same goes on alone: it has paid.
        let paid = request.data.contains_key(&TypeId::of::<Continued>());
        let purse = self.budgets.purse(account, budget).filter(|_| !paid);
        if let Some(purse) = &purse {
            purse.pay(AT_THE_DOOR)?;
        }
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
        Ok(match purse {
            Some(purse) => with_purse(request, purse),
            None => request,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_was_paid_for() {
        let settings = crate::config::Settings::from_pairs([])
            .expect("defaults fit")
            .graphql;
        let intake = Intake::new(&settings).expect("no manifest");
        let account = "token_1".into();
        let sender = Sender {
            caller: None,
            account: &account,
            safelist: Safelist::Off,
            budget: Budget {
                limit: 1,
                restore_per_second: 1,
            },
        };
        assert!(intake.take(Request::new("{ version }"), sender).is_ok());
        assert!(intake.take(Request::new("{ version }"), sender).is_err());
        assert!(
            intake
                .take(Request::new("{ version }").data(Continued), sender)
                .is_ok()
        );
    }
}
