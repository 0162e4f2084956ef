//! Sessions in GraphQL.

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};
use entity::Timestamp;
use entity::id::SessionId;

use super::{SecondFactorProblem, SessionProblem, SignInProblem, SignedIn, Step, Tokens};
use crate::api::types::{Access, scoped, user_errors};
use crate::error::{Error, Outcome};
use crate::identity::device::device;
use crate::identity::passwords::Password;
use crate::identity::user;
use crate::identity::user::graphql::User;

/// A user signed in on a device.
pub struct Session {
    row: super::Session,
    current: bool,
}

impl Session {
    /// As somebody sees it who came in by a session.
    #[must_use]
    pub fn new(row: super::Session, by: Option<SessionId>) -> Self {
        let current = by == Some(row.id);
        Self { row, current }
    }
}

#[Object]
impl Session {
    /// The session's id.
    async fn id(&self) -> SessionId {
        self.row.id
    }
    /// The device as far as it can be told, e.g. `Firefox on Linux`.
    async fn device(&self) -> String {
        device(&self.row.user_agent)
    }
    /// The browser or program, as it names itself.
    async fn user_agent(&self) -> &str {
        &self.row.user_agent
    }
    /// The network address it was last used from.
    async fn address(&self) -> &str {
        &self.row.address
    }
    /// Whether it is the one that asks.
    async fn current(&self) -> bool {
        self.current
    }
    /// When it began.
    async fn created_at(&self) -> Timestamp {
        self.row.created_at
    }
    /// When it was last used, to about a minute.
    async fn last_seen_at(&self) -> Timestamp {
        self.row.last_seen_at
    }
    /// When it ends by itself unless it is refreshed.
    async fn expires_at(&self) -> Timestamp {
        self.row.expires_at
    }
}

/// How tokens travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum TokenTransport {
    /// In the answer, for the `Authorization` header: for programs and apps.
    #[default]
    Bearer,
    /// As cookies that no script reads: for pages in browsers, on the same site as the server.
    Cookie,
}

/// The tokens of a session.
#[derive(SimpleObject)]
pub struct SessionTokens {
    /// For `Authorization: Bearer …`, and `authorization` in `connection_init`.
    access_token: String,
    /// When the access token ends: 15 minutes after it was made.
    access_token_expires_at: Timestamp,
    /// For `sessionRefresh`, once.
    refresh_token: String,
    /// When the refresh token ends.
    refresh_token_expires_at: Timestamp,
}

impl From<Tokens> for SessionTokens {
    fn from(tokens: Tokens) -> Self {
        let Tokens {
            access,
            access_expires_at,
            refresh,
            refresh_expires_at,
        } = tokens;
        Self {
            access_token: access,
            access_token_expires_at: access_expires_at,
            refresh_token: refresh,
            refresh_token_expires_at: refresh_expires_at,
        }
    }
}

user_errors!(
    /// An expected failure of a sign-in.
    SignInUserError,
    SignInProblem
);

user_errors!(
    /// An expected failure of a call about sessions.
    SessionUserError,
    SessionProblem
);

user_errors!(
    /// An expected failure of a call about the second factor.
    SecondFactorUserError,
    SecondFactorProblem
);

/// The second step of a sign-in.
#[derive(SimpleObject)]
pub struct SecondFactorChallenge {
    /// Comes back with the code, by `signInConfirm`.
    challenge: String,
    /// Until when.
    expires_at: Timestamp,
}

/// The answer of a sign-in.
#[derive(SimpleObject, Default)]
pub struct SignInPayload {
    /// Who came in; null when nobody did yet.
    pub user: Option<User>,
    /// The session.
    pub session: Option<Session>,
    /// The tokens; null in cookie mode, where they are cookies.
    pub tokens: Option<SessionTokens>,
    /// The second step, when the user has a second factor.
    second_factor: Option<SecondFactorChallenge>,
    /// What was wrong with the input.
    user_errors: Vec<SignInUserError>,
}

impl SignInPayload {
    /// The answer to somebody who came in; their tokens travel as they asked for.
    ///
    /// # Errors
    /// Where no cookies can be set.
    /// Whether tokens can be handed over in this way: asked before anything is done.
    ///
    /// # Errors
    /// [`Error::BadInput`] for cookies where none can be set.
    pub fn check(ctx: &Context<'_>, transport: TokenTransport) -> Result<()> {
        if transport == TokenTransport::Cookie {
            ctx.door().cookies()?;
        }
        Ok(())
    }

    pub fn signed_in(ctx: &Context<'_>, signed_in: SignedIn, transport: TokenTransport) -> Result<Self> {
        let SignedIn {
            user,
            session,
            tokens,
        } = signed_in;
        let tokens = match transport {
            TokenTransport::Bearer => Some(tokens.into()),
            TokenTransport::Cookie => {
                ctx.door().keep(ctx, &tokens)?;
                None
            }
        };
        Ok(Self {
            user: Some(User::own(user)),
            session: Some(Session {
                row: session,
                current: true,
            }),
            tokens,
            ..Self::default()
        })
    }
}

/// A sign-in by password.
#[derive(InputObject)]
struct SignInInput {
    /// The e-mail address.
    email: String,
    /// The password.
    #[graphql(secret)]
    password: String,
    /// How the tokens travel.
    #[graphql(default)]
    transport: TokenTransport,
}

/// The second step of a sign-in.
#[derive(InputObject)]
struct SignInConfirmInput {
    /// What `signIn` answered.
    #[graphql(secret)]
    challenge: String,
    /// The six digits of the app, or a recovery code.
    #[graphql(secret)]
    code: String,
    /// How the tokens travel.
    #[graphql(default)]
    transport: TokenTransport,
}

/// A refresh of a session.
#[derive(InputObject)]
struct SessionRefreshInput {
    /// The refresh token; in cookie mode it is left out.
    #[graphql(secret)]
    refresh_token: Option<String>,
}

/// Which session to end.
#[derive(InputObject)]
struct SessionRevokeInput {
    /// The session's id.
    id: SessionId,
}

/// The answer of `sessionRevoke`.
#[derive(SimpleObject)]
struct SessionPayload {
    /// The session as it was; null when there are user errors.
    pub session: Option<Session>,
    /// What was wrong with the input.
    user_errors: Vec<SessionUserError>,
}

/// The answer of `signOut`.
#[derive(SimpleObject)]
struct SignOutPayload {
    /// Whether the session is over now; always true.
    signed_out: bool,
}

/// The beginning of a second factor.
#[derive(InputObject)]
struct SecondFactorBeginInput {
    /// Your password, to show that it is you.
    #[graphql(secret)]
    password: String,
}

/// The answer of `secondFactorBegin`.
#[derive(SimpleObject)]
struct SecondFactorBeginPayload {
    /// For typing into an app: base32.
    secret: Option<String>,
    /// For a QR code that an app reads: `otpauth://…`.
    url: Option<String>,
    /// What was wrong with the input.
    user_errors: Vec<SecondFactorUserError>,
}

/// The first code of an app.
#[derive(InputObject)]
struct SecondFactorConfirmInput {
    /// The six digits that the app shows.
    #[graphql(secret)]
    code: String,
}

/// A change that asks for the password and a code.
#[derive(InputObject)]
struct SecondFactorProofInput {
    /// Your password.
    #[graphql(secret)]
    password: String,
    /// The six digits of the app, or a recovery code.
    #[graphql(secret)]
    code: String,
}

/// Recovery codes, each good once; shown only now.
#[derive(SimpleObject)]
struct RecoveryCodesPayload {
    /// The codes; empty when there are user errors.
    recovery_codes: Vec<String>,
    /// What was wrong with the input.
    user_errors: Vec<SecondFactorUserError>,
}

/// The answer of `secondFactorDisable`.
#[derive(SimpleObject)]
struct SecondFactorDisablePayload {
    /// The user; null when there are user errors.
    pub user: Option<User>,
    /// What was wrong with the input.
    user_errors: Vec<SecondFactorUserError>,
}

/// Signing in and out.
#[derive(Default)]
pub struct SessionMutation;

#[scoped]
#[Object]
impl SessionMutation {
    /// Signs in by password. After too many failures of an account or from a network address it is `RATE_LIMITED`.
    #[scope("none")]
    #[graphql(complexity = "100 + child_complexity")]
    async fn sign_in(&self, ctx: &Context<'_>, input: SignInInput) -> Result<SignInPayload> {
        let SignInInput {
            email,
            password,
            transport,
        } = input;
        SignInPayload::check(ctx, transport)?;
        let password = Password::new(password);
        let outcome = super::sign_in(ctx.app(), &ctx.door().origin, &email, &password).await;
        let (step, user_errors) = SignInUserError::split(outcome)?;
        Ok(match step {
            None => SignInPayload {
                user_errors,
                ..SignInPayload::default()
            },
            Some(Step::SignedIn(signed_in)) => SignInPayload::signed_in(ctx, *signed_in, transport)?,
            Some(Step::SecondFactor {
                challenge,
                expires_at,
            }) => SignInPayload {
                second_factor: Some(SecondFactorChallenge {
                    challenge,
                    expires_at,
                }),
                ..SignInPayload::default()
            },
        })
    }

    /// The second step of a sign-in: a code of the app, or a recovery code.
    #[scope("none")]
    #[graphql(complexity = "50 + child_complexity")]
    async fn sign_in_confirm(&self, ctx: &Context<'_>, input: SignInConfirmInput) -> Result<SignInPayload> {
        let SignInConfirmInput {
            challenge,
            code,
            transport,
        } = input;
        SignInPayload::check(ctx, transport)?;
        let outcome = super::sign_in_confirm(ctx.app(), &ctx.door().origin, &challenge, &code).await;
        let (signed_in, user_errors) = SignInUserError::split(outcome)?;
        Ok(match signed_in {
            Some(signed_in) => SignInPayload::signed_in(ctx, signed_in, transport)?,
            None => SignInPayload {
                user_errors,
                ..SignInPayload::default()
            },
        })
    }

    /// Takes a refresh token for new tokens. A refresh token is good once: one that comes back later ends its session, since
    /// somebody else may have it.
    #[scope("none")]
    #[graphql(complexity = "20 + child_complexity")]
    async fn session_refresh(&self, ctx: &Context<'_>, input: SessionRefreshInput) -> Result<SignInPayload> {
        let (token, transport) = match (input.refresh_token, ctx.door().refresh_cookie()) {
            (Some(token), _) => (token, TokenTransport::Bearer),
            (None, Some(token)) => (token.to_owned(), TokenTransport::Cookie),
            (None, None) => {
                let message = "there is no refresh token, neither in the input nor as a cookie; sign in";
                return Err(Error::Unauthenticated(message.to_owned()).into());
            }
        };
        SignInPayload::check(ctx, transport)?;
        let refreshed = super::refresh(ctx.app(), &ctx.door().origin, &token).await?;
        SignInPayload::signed_in(ctx, refreshed, transport)
    }

    /// Ends your session: its tokens are good for nothing any more, its sockets are closed.
    #[scope("user")]
    async fn sign_out(&self, ctx: &Context<'_>) -> Result<SignOutPayload> {
        super::sign_out(ctx.app(), ctx.caller()?).await?;
        ctx.door().forget(ctx);
        Ok(SignOutPayload { signed_out: true })
    }

    /// Ends a session: your own, or with `users:write` anybody's.
    #[scope("any")]
    async fn session_revoke(&self, ctx: &Context<'_>, input: SessionRevokeInput) -> Result<SessionPayload> {
        let caller = ctx.caller()?;
        let outcome = super::end(ctx.app(), caller, input.id).await;
        let (session, user_errors) = SessionUserError::split(outcome)?;
        Ok(SessionPayload {
            session: session.map(|session| Session::new(session, caller.session)),
            user_errors,
        })
    }

    /// Makes a seed for an app that shows codes. The second factor is on after `secondFactorConfirm`.
    #[scope("user")]
    #[graphql(complexity = "100 + child_complexity")]
    async fn second_factor_begin(
        &self,
        ctx: &Context<'_>,
        input: SecondFactorBeginInput,
    ) -> Result<SecondFactorBeginPayload> {
        let password = Password::new(input.password);
        let outcome = super::begin_second_factor(ctx.app(), ctx.caller()?, &password).await;
        let (new, user_errors) = SecondFactorUserError::split(outcome)?;
        let (secret, url) = new.map(|new| (new.secret, new.url)).unzip();
        Ok(SecondFactorBeginPayload {
            secret,
            url,
            user_errors,
        })
    }

    /// Switches the second factor on, by the first code that the app shows; answers ten recovery codes.
    #[scope("user")]
    #[graphql(complexity = "50 + child_complexity")]
    async fn second_factor_confirm(
        &self,
        ctx: &Context<'_>,
        input: SecondFactorConfirmInput,
    ) -> Result<RecoveryCodesPayload> {
        codes(super::confirm_second_factor(ctx.app(), ctx.caller()?, &input.code).await)
    }

    /// Switches the second factor off.
    #[scope("user")]
    #[graphql(complexity = "100 + child_complexity")]
    async fn second_factor_disable(
        &self,
        ctx: &Context<'_>,
        input: SecondFactorProofInput,
    ) -> Result<SecondFactorDisablePayload> {
        let SecondFactorProofInput { password, code } = input;
        let password = Password::new(password);
        let outcome = super::disable_second_factor(ctx.app(), ctx.caller()?, &password, &code).await;
        let (found, user_errors): (Option<user::User>, _) = SecondFactorUserError::split(outcome)?;
        Ok(SecondFactorDisablePayload {
            user: found.map(User::of),
            user_errors,
        })
    }

    /// Makes ten new recovery codes in place of those that are left.
    #[scope("user")]
    #[graphql(complexity = "100 + child_complexity")]
    async fn recovery_codes_renew(
        &self,
        ctx: &Context<'_>,
        input: SecondFactorProofInput,
    ) -> Result<RecoveryCodesPayload> {
        let SecondFactorProofInput { password, code } = input;
        let password = Password::new(password);
        codes(super::new_recovery_codes(ctx.app(), ctx.caller()?, &password, &code).await)
    }
}

fn codes(outcome: Outcome<Vec<String>, SecondFactorProblem>) -> Result<RecoveryCodesPayload> {
    let (codes, user_errors) = SecondFactorUserError::split(outcome)?;
    Ok(RecoveryCodesPayload {
        recovery_codes: codes.unwrap_or_default(),
        user_errors,
    })
}
