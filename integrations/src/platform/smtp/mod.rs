//! A mail server of one's own, by SMTP (RFC 5321). It carries mail and tells nothing of it afterwards: bounces come back as
//! mail, which [`crate::mail`] reads.

mod pool;
mod sandbox;
mod session;
mod settings;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lettre::Address;
use tracing::{Instrument as _, debug, info_span};

use self::pool::{Key, Pool};
pub use self::sandbox::{HeldMail, SmtpSandbox};
use self::session::{Failed, Session};
use self::settings::{Secrets, Settings};
use crate::facet::{Channel, DeliveryState, Facets, Limits, Message, Messenger, Receipt, Reconciled};
use crate::mail::{Letter, mailbox};
use crate::sandbox::Sandbox;
use crate::signature::sha256_hex;
use crate::{
    Account, Authentication, Category, Clock, Context, Error, Form, Integration, Kind, Manifest, Result,
    Secret,
};

static MANIFEST: Manifest = Manifest {
    key: "smtp",
    name: "SMTP",
    category: Category::Email,
    summary: "Sends mail by a mail server of your own or of your provider. The server tells nothing of what becomes of a \
              mail; bounces come back as mail to the address you set for them.",
    docs: "https://www.rfc-editor.org/rfc/rfc5321",
    authentication: Authentication::Basic,
    settings: Form::of::<Settings>(),
    secrets: Form::of::<Secrets>(),
    addresses: &["host", "port", "encryption", "certificates"],
    scopes: &[],
    topics: &[],
    fields: &[],
};

/// Mail by SMTP. Keeps connections for the next mail, for each set of credentials apart.
#[derive(Default)]
pub struct Smtp {
    pool: Pool,
}

/// A mail server and who signs in there.
struct Server {
    settings: Settings,
    password: Option<Secret>,
}

/// Who sends to whom.
struct Envelope {
    id: String,
    from: Address,
    to: Address,
}

impl Envelope {
    fn is_ascii(&self) -> bool {
        self.from.user().is_ascii() && self.to.user().is_ascii()
    }
}

impl Server {
    fn of(context: &Context) -> Result<Self> {
        let Secrets { password } = context.secrets.read()?;
        let settings: Settings = context.settings.read()?;
        if settings.user.is_some() && password.as_ref().is_none_or(Secret::is_empty) {
            return Err(Error::new(Kind::Settings, "there is a user, but no password"));
        }
        Ok(Self { settings, password })
    }

    fn name(&self) -> String {
        format!("`{}`", self.settings.host.as_str())
    }

    fn key(&self) -> Key {
        let Self { settings, password } = self;
        let rest = (
            password.as_ref().map(Secret::expose),
            settings.certificates.as_ref().map(|pem| &pem.0),
            settings.hello_name.as_ref().map(|name| name.as_str()),
            settings.connections.0,
        );
        Key {
            host: settings.host.as_str().to_owned(),
            port: settings.port(),
            encryption: settings.encryption,
            user: settings.user.clone(),
            hash: sha256_hex(format!("{rest:?}").as_bytes()),
        }
    }

    fn envelope(&self, letter: &Letter<'_>) -> Result<Envelope> {
        let from = match &self.settings.bounce_address {
            Some(address) => mailbox(&address.of(letter.id)).map_err(Error::refused)?.email,
            None => letter.from.email.clone(),
        };
        Ok(Envelope {
            id: letter.id.to_owned(),
            from,
            to: letter.to.email.clone(),
        })
    }
}

impl Smtp {
    async fn hand_over(&self, context: &Context, message: &Message) -> Result<Receipt> {
        let server = Server::of(context)?;
        let letter = Letter::of(message)?;
        let envelope = server.envelope(&letter)?;
        let mut mime = letter.mime(context.clock.now())?;
        // The end of the last line is written with the final dot.
        if mime.ends_with(b"\r\n") {
            mime.truncate(mime.len() - 2);
        }
        let place = self.pool.enter(&server, context.http.policy().patience).await?;
        let mut kept = self.pool.take(&place);
        loop {
            let is_kept = kept.is_some();
            let mut session = match kept.take() {
                Some(session) => session,
                None => Session::open(context, &server, place.tls()).await?,
            };
            match session.send(context, &server, &envelope, &mime).await {
                Ok(said) => {
                    self.pool.give(&place, session);
                    return Ok(Receipt::Taken {
                        id: queue_id(&said),
                        state: DeliveryState::Queued,
                        segments: None,
                    });
                }
                Err(Failed::Unknown(reason)) => {
                    let reason = context.http.redact(&reason);
                    return Ok(Receipt::Unknown { reason });
                }
                Err(Failed::Not {
                    error, stale: true, ..
                }) if is_kept => {
                    debug!(reason = %error, "a connection that was kept has ended; a new one is made");
                    self.pool.forget(&place);
                }
                Err(Failed::Not { error, usable, .. }) => {
                    if usable {
                        self.pool.give(&place, session);
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn look(context: &Context) -> Result<Account> {
        let server = Server::of(context)?;
        let tls = match server.settings.encryption {
            settings::Encryption::None => None,
            _ => Some(session::tls(&server)?),
        };
        let mut session = Session::open(context, &server, tls).await?;
        session.noop(context, &server).await?;
        let Settings { host, user, .. } = &server.settings;
        let address = format!("{}:{}", host.as_str(), server.settings.port());
        let mut details = vec![("encrypted", session.is_encrypted().to_string())];
        if let Some(largest) = session.largest() {
            details.push(("largestMail", largest.to_string()));
        }
        session.quit().await;
        Ok(Account {
            id: match user {
                Some(user) => format!("{user}@{address}"),
                None => address.clone(),
            },
            name: user.clone().unwrap_or(address),
            url: None,
            scopes: None,
            details,
        })
    }
}

/// The name that a server says it has given to a mail, e.g. in `2.0.0 Ok: queued as 4F2`. There is no rule for it.
fn queue_id(said: &str) -> Option<String> {
    let lower = said.to_ascii_lowercase();
    let behind = ["queued as ", "queued mail for delivery as ", " id="]
        .iter()
        .find_map(|words| Some(lower.find(words)? + words.len()))?;
    let id = said.get(behind..)?.split_whitespace().next()?;
    let id = id.trim_matches(['<', '>', ',', '.', ';', '(', ')']);
    (!id.is_empty() && id.len() <= 200).then(|| id.to_owned())
}

async fn counted<T>(context: &Context, asked: impl Future<Output = Result<T>>) -> Result<T> {
    let begun = Instant::now();
    let outcome = asked.await.map_err(|error| Error {
        message: context.http.redact(&error.message),
        ..error
    });
    context.http.count(
        outcome.as_ref().map_or_else(|error| error.kind.name(), |_| "OK"),
        begun,
    );
    outcome
}

#[async_trait]
impl Integration for Smtp {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn facets(&self) -> Facets<'_> {
        Facets {
            messenger: Some(self),
            ..Facets::default()
        }
    }

    async fn check(&self, context: &Context) -> Result<Account> {
        counted(context, Self::look(context))
            .instrument(info_span!("platform request", platform = "smtp", method = "NOOP"))
            .await
    }

    fn sandbox(&self, clock: Arc<dyn Clock>) -> Arc<dyn Sandbox> {
        Arc::new(SmtpSandbox::new(clock))
    }
}

#[async_trait]
impl Messenger for Smtp {
    fn channels(&self) -> &'static [Channel] {
        &[Channel::Email]
    }

    fn limits(&self, _: Channel) -> Limits {
        Limits {
            // The server tells its own; most take as much.
            length: 10 << 20,
            per_second: None,
        }
    }

    fn usual_sender(&self, context: &Context, _: Channel) -> Option<String> {
        let Settings { user, .. } = context.settings.read().ok()?;
        user.filter(|user| mailbox(user).is_ok())
    }

    async fn send(&self, context: &Context, message: &Message) -> Result<Receipt> {
        counted(context, self.hand_over(context, message))
            .instrument(info_span!("platform request", platform = "smtp", method = "DATA"))
            .await
    }

    async fn reconcile(&self, _: &Context, _: &Message, _: DateTime<Utc>) -> Result<Reconciled> {
        Ok(Reconciled::CannotTell)
    }
}
