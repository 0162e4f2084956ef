//! Lets the holders of tokens in, and anybody without one as nobody.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Request, ServerError};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use entity::EventKind;
use entity::id::TokenId;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::gateway::{Admission, Entrance, Gateway, Refusal, RequestId, Share, account_of_address};
use super::intake::{Budget, Intake, Sender};
use crate::api::{reads_the_log_from_now_on, with_caller};
use crate::app::App;
use crate::config::Safelist;
use crate::error::Error;
use crate::events::Filter;
use crate::identity::{Authenticator, Caller, Holder};

/// How often the token of an open socket is looked at again: the bound for when its revocation could not be heard of.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The gateway of the server: API tokens.
#[derive(Clone, Debug)]
pub struct TokenGateway {
    app: App,
    authenticator: Authenticator,
    intake: Intake,
    revoked: broadcast::Sender<TokenId>,
}

/// Who speaks; `None` is nobody.
type Speaker = Option<Arc<Caller>>;

impl TokenGateway {
    /// A gateway that knows nobody yet; revocations are heard of while [`Self::hear_of_revocations`] runs.
    #[must_use]
    pub fn new(app: App, intake: Intake) -> Self {
        Self {
            authenticator: Authenticator::new(app.clone()),
            app,
            intake,
            revoked: broadcast::Sender::new(64),
        }
    }

    /// Tells the holders of tokens; hears of revocations with the gateway.
    #[must_use]
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// Forgets tokens as soon as the event log says that they were revoked, until cancelled.
    pub async fn hear_of_revocations(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let filter = Filter::kinds(&[EventKind::TokenRevoked]);
            let mut events = std::pin::pin!(self.app.bus().stream(filter, None));
            loop {
                let event = tokio::select! {
                    () = stop.cancelled() => return,
                    event = events.next() => event,
                };
                match event {
                    Some(Ok(event)) => {
                        if let Ok(id) = TokenId::parse(&event.subject) {
                            self.authenticator.forget(id);
                            // No open socket is no error.
                            let _ = self.revoked.send(id);
                        }
                    }
                    Some(Err(error)) => {
                        tracing::warn!(%error, "could not follow the revocations of tokens; trying again");
                        break;
                    }
                    None => break,
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }

    /// Resolves when the holder's token was revoked or has expired.
    async fn ended(self, authorization: String, holder: Holder, mut revoked: broadcast::Receiver<TokenId>) {
        loop {
            let left = holder.expires_at.map_or(LOOK_AGAIN, |at| {
                let micros = at.micros() - self.app.clock().now().micros();
                Duration::from_micros(micros.max(0).unsigned_abs()).min(LOOK_AGAIN)
            });
            tokio::select! {
                heard = revoked.recv() => match heard {
                    Ok(id) if id == holder.id => return,
                    Ok(_) => continue,
                    // Some were missed: ask.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    // The server is stopping, which closes the socket in its own way.
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                },
                () = tokio::time::sleep(left) => {}
            }
            // An answer that cannot be had now is none: the socket stays.
            if let Err(Error::Unauthenticated(_)) = self.authenticator.bearer(Some(&authorization)).await {
                return;
            }
        }
    }
}

/// The `Authorization` value of a client. On a socket that of `connection_init` goes before the header's, since
/// browsers cannot send the header; there the word `Bearer` may be left out.
fn authorization(parts: &Parts, entrance: Entrance<'_>) -> Result<Option<String>, Refusal> {
    if let Entrance::Socket(payload) = entrance {
        // Written small by ours, as in HTTP by others.
        let given = payload
            .get("authorization")
            .or_else(|| payload.get("Authorization"));
        match given {
            None | Some(serde_json::Value::Null) => {}
            Some(serde_json::Value::String(text)) if text.trim().is_empty() => {}
            Some(serde_json::Value::String(text)) => {
                let text = text.trim();
                return Ok(Some(if text.contains(' ') {
                    text.to_owned()
                } else {
                    format!("Bearer {text}")
                }));
            }
            Some(_) => {
                return Err(Refusal::Unauthenticated(
                    "`authorization` in the payload of `connection_init` is not a text".into(),
                ));
            }
        }
    }
    match parts.headers.get(AUTHORIZATION) {
        None => Ok(None),
        Some(value) => value.to_str().map(|text| Some(text.to_owned())).map_err(|_| {
            Refusal::Unauthenticated("the Authorization header is not of the form `Bearer ldl_…`".into())
        }),
    }
}

impl Gateway for TokenGateway {
    type Caller = Speaker;

    async fn admit(&self, parts: &Parts, entrance: Entrance<'_>) -> Result<Admission<Speaker>, Refusal> {
        let Some(authorization) = authorization(parts, entrance)? else {
            return Ok(Admission {
                caller: Arc::new(None),
                account: account_of_address(parts),
                revoked: None,
            });
        };
        // Listening begins before asking, so that a revocation in between is heard.
        let revoked = self.revoked.subscribe();
        let holder = match self.authenticator.bearer(Some(&authorization)).await {
            Ok(holder) => holder,
            Err(Error::Unauthenticated(why)) => return Err(Refusal::Unauthenticated(why)),
            Err(Error::Forbidden(why)) => return Err(Refusal::Forbidden(why)),
            Err(Error::Unavailable(why)) => return Err(Refusal::Unavailable(why)),
            Err(error) => {
                tracing::error!(?error, "could not tell who calls");
                return Err(Refusal::Unavailable(
                    "it cannot be told at the moment whose token this is; try again shortly".into(),
                ));
            }
        };
        let caller = Arc::new(Some(Arc::clone(&holder.caller)));
        let account = holder.caller.actor.id.as_str().into();
        let revoked = match entrance {
            Entrance::Http => None,
            Entrance::Socket(_) | Entrance::Stream => {
                Some(self.clone().ended(authorization, holder, revoked).boxed())
            }
        };
        Ok(Admission {
            caller,
            account,
            revoked,
        })
    }

    async fn prepare(
        &self,
        caller: &Arc<Speaker>,
        account: &Arc<str>,
        request: Request,
        request_id: &RequestId,
    ) -> Result<Request, ServerError> {
        let sender = Sender {
            caller: (**caller).as_deref(),
            account,
            safelist: self.safelist(caller),
            budget: self.budget(caller),
        };
        let request = self.intake.take(request, sender)?;
        Ok(with_caller(request, (**caller).clone(), request_id.as_str()))
    }

    fn safelist(&self, _caller: &Arc<Speaker>) -> Safelist {
        self.intake.safelist()
    }

    fn budget(&self, _caller: &Arc<Speaker>) -> Budget {
        self.intake.budget()
    }

    fn share(&self, caller: &Arc<Speaker>, request: &mut Request) -> Option<Share> {
        let caller = caller.as_ref().as_ref()?;
        let begin = self.app.bus().position()?;
        reads_the_log_from_now_on(request).then(|| Share {
            rights: format!("{:?} {:?}", caller.scopes, caller.rows),
            begin,
        })
    }
}
