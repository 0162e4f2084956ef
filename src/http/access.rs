//! Who may speak, for all doors: API tokens and sessions of users, as `Authorization` or as cookies.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Request, ServerError};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use entity::id::{SessionId, TokenId, UserId};
use entity::{EventKind, Safelist};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::gateway::{Admission, Entrance, Gateway, Refusal, RequestId, Share, account_of_address};
use super::intake::{Budget, Intake, Sender};
use super::origin::{Surroundings, cookie};
use crate::api::types::{ACCESS_COOKIE, Cookies, Door, REFRESH_COOKIE};
use crate::api::{Shared, shared_by, with_caller};
use crate::app::App;
use crate::error::Error;
use crate::events::{Event, Filter};
use crate::identity::token::Usage;
use crate::identity::{Authenticator, Caller, Credential, Holder};
use crate::origin::Origin;

/// How often the holder of an open socket is looked at again: the bound for when a change could not be heard of.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The same for one who has run out, when it cannot be told whether they go on.
const LOOK_SOON: Duration = Duration::from_millis(200);

/// What ends or narrows what somebody may do.
const CHANGES: &[EventKind] = &[
    EventKind::TokenChanged,
    EventKind::TokenRevoked,
    EventKind::SessionEnded,
    EventKind::UserChanged,
    EventKind::UserActivityChanged,
    EventKind::RoleChanged,
];

/// A door beside GraphQL's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// A file goes out.
    Export,
    /// A file comes in.
    Upload,
    /// The schema as text.
    Contract,
}

impl Beside {
    /// What a request costs, as documents do: about what it takes to answer it.
    const fn points(self) -> u64 {
        match self {
            Self::Export => 500,
            Self::Upload => 100,
            Self::Contract => 20,
        }
    }
}

/// Whom a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changed {
    Token(TokenId),
    Session(SessionId),
    User(UserId),
    /// Of a role: any user may hold it.
    Users,
}

impl Changed {
    fn of(event: &Event) -> Option<Self> {
        let subject = event.subject.as_str();
        match event.kind {
            EventKind::TokenRevoked | EventKind::TokenChanged => {
                TokenId::parse(subject).ok().map(Self::Token)
            }
            EventKind::SessionEnded => SessionId::parse(subject).ok().map(Self::Session),
            EventKind::UserChanged | EventKind::UserActivityChanged => {
                UserId::parse(subject).ok().map(Self::User)
            }
            EventKind::RoleChanged => Some(Self::Users),
            _ => None,
        }
    }

    fn concerns(self, credential: Credential) -> bool {
        match (self, credential) {
            (Self::Token(id), Credential::Token(of)) => id == of,
            (Self::Session(id), Credential::Session(of, _)) => id == of,
            (Self::User(id), Credential::Session(_, of)) => id == of,
            (Self::Users, Credential::Session(..)) => true,
            _ => false,
        }
    }
}

/// The gateway of the server.
#[derive(Clone, Debug)]
pub struct ServerGateway {
    app: App,
    authenticator: Authenticator,
    surroundings: Arc<Surroundings>,
    intake: Intake,
    usage: Arc<Usage>,
    changed: broadcast::Sender<Changed>,
}

/// Who speaks, if anybody, and by which door.
#[derive(Debug)]
pub struct Speaker {
    caller: Option<Arc<Caller>>,
    door: Door,
    /// What the caller's token says of its budget.
    budget: Option<Budget>,
    /// What it says of documents that are not expected.
    safelist: Option<Safelist>,
}

impl ServerGateway {
    /// A gateway that knows nobody yet; changes are heard of while [`Self::hear_of_changes`] runs.
    #[must_use]
    pub fn new(app: App, surroundings: Surroundings, intake: Intake) -> Self {
        Self {
            usage: app.memory(),
            authenticator: Authenticator::new(app.clone()),
            app,
            surroundings: Arc::new(surroundings),
            intake,
            changed: broadcast::Sender::new(64),
        }
    }

    /// What the server knows of its surroundings.
    #[must_use]
    pub fn surroundings(&self) -> Arc<Surroundings> {
        Arc::clone(&self.surroundings)
    }

    /// Forgets who changed as soon as the event log says so, until cancelled.
    pub async fn hear_of_changes(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let mut events = std::pin::pin!(self.app.bus().stream(Filter::kinds(CHANGES), None));
            loop {
                let event = tokio::select! {
                    () = stop.cancelled() => return,
                    event = events.next() => event,
                };
                match event {
                    Some(Ok(event)) => {
                        if let Some(changed) = Changed::of(&event) {
                            self.forget(changed);
                            // No open socket is no error.
                            let _ = self.changed.send(changed);
                        }
                    }
                    Some(Err(error)) => {
                        tracing::warn!(%error, "could not follow the changes of tokens and users; trying again");
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

    fn forget(&self, changed: Changed) {
        match changed {
            Changed::Token(id) => self.authenticator.forget(Credential::Token(id)),
            Changed::Session(id) => self.authenticator.forget_session(id),
            Changed::User(id) => self.authenticator.forget_user(id),
            Changed::Users => self.authenticator.forget_users(),
        }
    }

    /// Who sends a request to one of the doors beside GraphQL's, and pays so many points for it.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for nobody, and for what is good no more; [`Error::Forbidden`] for cookies of another
    /// site's page; [`Error::RateLimited`] for who has too few points.
    pub async fn caller(&self, parts: &Parts, door: Beside) -> Result<Arc<Caller>, Error> {
        let origin = self.surroundings.origin(parts);
        let shown = authorization(parts)?;
        let holder = match shown {
            Some(authorization) => self.authenticator.bearer(Some(&authorization), &origin).await?,
            None => match self.by_cookie(parts, &origin, false).await? {
                Some(holder) => holder,
                None => return Err(Error::no_token()),
            },
        };
        self.count(&holder);
        // Whoever is bound to the documents of the manifest is not to have all by another door.
        let is_bound = self
            .intake
            .safelist()
            .max(holder.terms.safelist.unwrap_or(Safelist::Off))
            == Safelist::Enforce;
        if is_bound && door == Beside::Export {
            return Err(Error::Forbidden(
                "this token may ask the documents of the manifest alone; `leadsExport` may be one of them"
                    .to_owned(),
            ));
        }
        let budget = budget_of(&holder).unwrap_or_else(|| self.intake.budget());
        let caller = holder.from(&origin);
        let account = caller.actor.id.as_str().into();
        self.intake.budgets().charge(&account, budget, door.points())?;
        Ok(caller)
    }

    /// Counts a use of a token.
    fn count(&self, holder: &Holder) {
        if let Credential::Token(id) = holder.credential {
            self.usage.count(id, self.app.clock().now().day());
        }
    }

    /// The user of the cookie. One that is good no more is none: the page refreshes it.
    async fn by_cookie(
        &self,
        parts: &Parts,
        origin: &Origin,
        is_socket: bool,
    ) -> Result<Option<Holder>, Error> {
        let Some(token) = cookie(&parts.headers, ACCESS_COOKIE) else {
            return Ok(None);
        };
        // Browsers open sockets to anywhere and send the cookies along.
        if !self
            .surroundings
            .is_own_page(&parts.headers)
            .unwrap_or(!is_socket)
        {
            return Err(Error::Forbidden(
                "cookies are taken from pages of this server and of `cors_origins` alone".to_owned(),
            ));
        }
        match self.authenticator.shown(token, origin).await {
            Ok(holder) => Ok(Some(holder)),
            Err(Error::Unauthenticated(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Resolves when the holder may speak no longer, or not as before.
    async fn ended(self, holder: Holder, origin: Arc<Origin>, mut changed: broadcast::Receiver<Changed>) {
        let mut until = holder.expires_at;
        loop {
            let left = until.map_or(LOOK_AGAIN, |at| {
                let micros = at.micros() - self.app.clock().now().micros();
                Duration::from_micros(micros.max(0).unsigned_abs()).clamp(LOOK_SOON, LOOK_AGAIN)
            });
            tokio::select! {
                heard = changed.recv() => match heard {
                    Ok(changed) if changed.concerns(holder.credential) => {}
                    Ok(_) => continue,
                    // Some were missed: ask.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    // The server is stopping, which closes the socket in its own way.
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                },
                () = tokio::time::sleep(left) => {}
            }
            match self.authenticator.again(&holder, &origin).await {
                Ok(now) => {
                    let may_not = now.terms.allow(&origin).is_err();
                    let is_over = may_not || now.expires_at.is_some_and(|at| at <= self.app.clock().now());
                    // What they may do is settled when a socket opens.
                    let is_other = now.caller.scopes != holder.caller.scopes
                        || now.caller.rows != holder.caller.rows
                        || now.terms != holder.terms;
                    if is_over || is_other {
                        return;
                    }
                    // A session that was refreshed ends later.
                    until = now.expires_at;
                }
                Err(Error::Unauthenticated(_)) => return,
                // An answer that cannot be had now is none: the socket stays.
                Err(_) => {}
            }
        }
    }
}

/// What the holder's token says of their budget.
fn budget_of(holder: &Holder) -> Option<Budget> {
    let (limit, restore) = holder.terms.budget?;
    Some(Budget {
        limit: u64::from(limit.unsigned_abs()),
        restore_per_second: u64::from(restore.unsigned_abs()),
    })
}

/// The `Authorization` header.
fn authorization(parts: &Parts) -> Result<Option<String>, Error> {
    match parts.headers.get(AUTHORIZATION) {
        None => Ok(None),
        Some(value) => value.to_str().map(|text| Some(text.to_owned())).map_err(|_| {
            Error::Unauthenticated("the Authorization header is not of the form `Bearer leadline_…`".into())
        }),
    }
}

/// The `Authorization` value of a client. On a socket that of `connection_init` goes before the header's, since
/// browsers cannot send the header; there the word `Bearer` may be left out.
fn shown(parts: &Parts, entrance: Entrance<'_>) -> Result<Option<String>, Error> {
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
                return Err(Error::Unauthenticated(
                    "`authorization` in the payload of `connection_init` is not a text".into(),
                ));
            }
        }
    }
    authorization(parts)
}

fn refusal(error: Error) -> Refusal {
    match error {
        Error::Unauthenticated(why) => Refusal::Unauthenticated(why),
        Error::Forbidden(why) => Refusal::Forbidden(why),
        Error::Unavailable(why) => Refusal::Unavailable(why),
        error => {
            tracing::error!(?error, "could not tell who calls");
            Refusal::Unavailable(
                "it cannot be told at the moment whose token this is; try again shortly".into(),
            )
        }
    }
}

impl Gateway for ServerGateway {
    type Caller = Speaker;

    async fn admit(&self, parts: &Parts, entrance: Entrance<'_>) -> Result<Admission<Speaker>, Refusal> {
        let is_socket = matches!(entrance, Entrance::Socket(_));
        // What lives on is ended when its holder may speak no longer.
        let is_live = is_socket || matches!(entrance, Entrance::Stream);
        let origin = self.surroundings.origin(parts);
        let door = Door {
            origin: Arc::clone(&origin),
            // Where no cookie can be set, none that is good once is taken.
            refresh: cookie(&parts.headers, REFRESH_COOKIE)
                .filter(|_| !is_live && self.surroundings.is_own_page(&parts.headers) != Some(false))
                .map(str::to_owned),
            cookies: (!is_live).then_some(Cookies {
                secure: !self.surroundings.on_loopback,
            }),
        };
        // Listening begins before asking, so that a change in between is heard.
        let changed = self.changed.subscribe();
        let holder = match shown(parts, entrance).map_err(refusal)? {
            Some(authorization) => Some(
                self.authenticator
                    .bearer(Some(&authorization), &origin)
                    .await
                    .map_err(refusal)?,
            ),
            None => self.by_cookie(parts, &origin, is_socket).await.map_err(refusal)?,
        };
        let caller = holder.as_ref().map(|holder| holder.from(&origin));
        let budget = holder.as_ref().and_then(budget_of);
        let safelist = holder.as_ref().and_then(|holder| holder.terms.safelist);
        if let Some(holder) = &holder {
            self.count(holder);
        }
        let account = match &caller {
            Some(caller) => caller.actor.id.as_str().into(),
            None => account_of_address(origin.address),
        };
        let revoked = match holder {
            Some(holder) if is_live => Some(self.clone().ended(holder, origin, changed).boxed()),
            _ => None,
        };
        Ok(Admission {
            caller: Arc::new(Speaker {
                caller,
                door,
                budget,
                safelist,
            }),
            account,
            revoked,
        })
    }

    async fn prepare(
        &self,
        speaker: &Arc<Speaker>,
        account: &Arc<str>,
        request: Request,
        request_id: &RequestId,
    ) -> Result<Request, ServerError> {
        let sender = Sender {
            caller: speaker.caller.as_deref(),
            account,
            safelist: self.safelist(speaker),
            budget: self.budget(speaker),
        };
        let request = self.intake.take(request, sender)?;
        let request = with_caller(request, speaker.caller.clone(), request_id.as_str());
        Ok(request.data(speaker.door.clone()))
    }

    fn safelist(&self, speaker: &Arc<Speaker>) -> Safelist {
        // A token is bound by more than the server's rule, never by less.
        let own = speaker.safelist.unwrap_or(Safelist::Off);
        self.intake.safelist().max(own)
    }

    fn budget(&self, speaker: &Arc<Speaker>) -> Budget {
        speaker.budget.unwrap_or_else(|| self.intake.budget())
    }

    fn share(&self, speaker: &Arc<Speaker>, request: &mut Request) -> Option<Share> {
        let caller = speaker.caller.as_ref()?;
        let begin = self.app.bus().position()?;
        let Shared { rights, is_state } = shared_by(caller, request)?;
        Some(Share {
            rights,
            begin,
            is_state,
        })
    }
}
