//! Accounts in GraphQL.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::Timestamp;
use entity::id::{InvitationId, UserId};

use super::{InvitationProblem, SignUpDraft};
use crate::api::types::{Access, EmailAddress, scoped, user_errors};
use crate::config::SignUp;
use crate::error::Outcome;
use crate::identity::passwords::Password;
use crate::identity::role;
use crate::identity::role::graphql::Role;
use crate::identity::session::SignedIn;
use crate::identity::session::graphql::{Session, SessionTokens, SignInPayload, TokenTransport};
use crate::identity::user::UserProblem;
use crate::identity::user::graphql::{User, UserPayload, UserUserError};

/// An invitation to become a user.
pub struct Invitation(super::Invitation);

#[Object]
impl Invitation {
    /// The invitation's id.
    async fn id(&self) -> InvitationId {
        self.0.id
    }
    /// Whom.
    async fn email(&self) -> EmailAddress {
        EmailAddress(self.0.email.clone())
    }
    /// The role that they get; null when it is gone.
    #[graphql(complexity = 2)]
    async fn role(&self, ctx: &Context<'_>) -> Result<Option<Role>> {
        Ok(role::find(ctx.app().db().read(), &self.0.role).await?.map(Role))
    }
    /// Who invited them: `user_…`, `token_…`, `operator`.
    async fn invited_by(&self) -> &str {
        &self.0.invited_by
    }
    /// When.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// Until when it is open.
    async fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }
}

user_errors!(
    /// An expected failure of a call about invitations.
    InvitationUserError,
    InvitationProblem
);

/// Who signs up.
#[derive(InputObject)]
struct SignUpInput {
    /// Your e-mail address; with an invitation it is the invitation's.
    email: Option<EmailAddress>,
    /// The password you choose: 10 to 256 characters.
    #[graphql(secret)]
    password: String,
    /// What you are called.
    #[graphql(default)]
    name: String,
    /// The code of your invitation.
    #[graphql(secret)]
    invitation: Option<String>,
    /// How the tokens travel.
    #[graphql(default)]
    transport: TokenTransport,
}

/// The first user.
#[derive(InputObject)]
struct SetUpInput {
    /// The code that the server printed at its start.
    #[graphql(secret)]
    code: String,
    /// Your e-mail address.
    email: EmailAddress,
    /// The password you choose: 10 to 256 characters.
    #[graphql(secret)]
    password: String,
    /// What you are called.
    #[graphql(default)]
    name: String,
    /// How the tokens travel.
    #[graphql(default)]
    transport: TokenTransport,
}

/// The answer of `signUp` and `setUp`.
#[derive(SimpleObject)]
struct SignUpPayload {
    /// The new user, signed in; null when there are user errors, or when a mail was written first, whose link shows that the
    /// address is yours.
    user: Option<User>,
    /// The session.
    session: Option<Session>,
    /// The tokens; null in cookie mode, where they are cookies.
    tokens: Option<SessionTokens>,
    /// What was wrong with the input.
    user_errors: Vec<UserUserError>,
}

/// For whom a new password is asked.
#[derive(InputObject)]
struct PasswordForgotInput {
    /// The e-mail address.
    email: String,
}

/// The answer of calls that tell nothing but what was wrong.
#[derive(SimpleObject)]
struct AccountPayload {
    /// What was wrong with the input.
    user_errors: Vec<UserUserError>,
}

/// A new password in place of a forgotten one.
#[derive(InputObject)]
struct PasswordResetInput {
    /// The code of the mail.
    #[graphql(secret)]
    code: String,
    /// The password you choose: 10 to 256 characters.
    #[graphql(secret)]
    password: String,
}

/// A new password in place of the current one.
#[derive(InputObject)]
struct PasswordChangeInput {
    /// The current password.
    #[graphql(secret)]
    current_password: String,
    /// The password you choose: 10 to 256 characters.
    #[graphql(secret)]
    new_password: String,
}

/// A proof that an e-mail address is yours.
#[derive(InputObject)]
struct EmailVerifyInput {
    /// The code of the mail.
    #[graphql(secret)]
    code: String,
    /// The password that was chosen at sign-up.
    password: String,
}

/// Whom to invite.
#[derive(InputObject)]
struct InvitationCreateInput {
    /// Their e-mail address.
    email: EmailAddress,
    /// The key of the role that they get; not more than you may.
    role: String,
}

/// Which invitation to take back.
#[derive(InputObject)]
struct InvitationRevokeInput {
    /// The invitation's id.
    id: InvitationId,
}

/// The answer of calls about an invitation.
#[derive(SimpleObject)]
struct InvitationPayload {
    /// The invitation; null when there are user errors.
    invitation: Option<Invitation>,
    /// What was wrong with the input.
    user_errors: Vec<InvitationUserError>,
}

/// Which user.
#[derive(InputObject)]
struct UserIdInput {
    /// The user's id.
    id: UserId,
}

/// Another role for a user.
#[derive(InputObject)]
struct UserRoleChangeInput {
    /// The user's id.
    id: UserId,
    /// The key of the role; not more than you may.
    role: String,
}

/// The ways to come in, beside an e-mail address and a password.
#[derive(SimpleObject)]
struct SignInOptions {
    /// Whether `openIdBegin` leads to an OpenID Connect provider.
    open_id: bool,
    /// Whether `signUp` takes everybody, not only who was invited.
    sign_up: bool,
}

/// Queries of accounts.
#[derive(Default)]
pub struct AccountQuery;

#[scoped]
#[Object]
impl AccountQuery {
    /// By which ways one comes in here, for the page that shows them.
    #[scope("none")]
    async fn sign_in_options(&self, ctx: &Context<'_>) -> SignInOptions {
        let access = ctx.app().access();
        SignInOptions {
            open_id: access.open_id.is_some(),
            sign_up: access.sign_up == SignUp::Open,
        }
    }

    /// Invitations that are open, newest first, at most 1,000.
    #[scope("users:read", all_rows)]
    #[graphql(complexity = "5 + 25 * child_complexity")]
    async fn invitations(&self, ctx: &Context<'_>) -> Result<Vec<Invitation>> {
        let found = super::invitations(ctx.app(), ctx.caller()?).await?;
        Ok(found.into_iter().map(Invitation).collect())
    }
}

/// Changes of accounts.
#[derive(Default)]
pub struct AccountMutation;

#[scoped]
#[Object]
impl AccountMutation {
    /// Makes the first user, an administrator, by the code that the server printed at its start.
    #[scope("none")]
    #[graphql(complexity = "100 + child_complexity")]
    async fn set_up(&self, ctx: &Context<'_>, input: SetUpInput) -> Result<SignUpPayload> {
        let SetUpInput {
            code,
            email,
            password,
            name,
            transport,
        } = input;
        SignInPayload::check(ctx, transport)?;
        let password = Password::new(password);
        let outcome = super::set_up(ctx.app(), &ctx.door().origin, &code, &email.0, name, &password).await;
        came_in(ctx, outcome.map(Some), transport)
    }

    /// Makes a user of you: with an invitation at once; without one, where that is open to everybody, by a mail whose link
    /// shows that the address is yours. Who has an account already gets a mail that says so.
    #[scope("none")]
    #[graphql(complexity = "100 + child_complexity")]
    async fn sign_up(&self, ctx: &Context<'_>, input: SignUpInput) -> Result<SignUpPayload> {
        let SignUpInput {
            email,
            password,
            name,
            invitation,
            transport,
        } = input;
        SignInPayload::check(ctx, transport)?;
        let draft = SignUpDraft {
            email: email.map(|email| email.0),
            password: Password::new(password),
            name,
            invitation,
        };
        let outcome = super::sign_up(ctx.app(), &ctx.door().origin, ctx.public_url(), draft).await;
        came_in(ctx, outcome, transport)
    }

    /// Writes a mail with a link for a new password, if the address has a user. The answer is the same if not.
    #[scope("none")]
    #[graphql(complexity = "50 + child_complexity")]
    async fn password_forgot(&self, ctx: &Context<'_>, input: PasswordForgotInput) -> Result<AccountPayload> {
        let (app, origin) = (ctx.app(), &ctx.door().origin);
        let outcome = super::forgot_password(app, origin, ctx.public_url(), &input.email).await;
        let (_, user_errors) = UserUserError::split(outcome)?;
        Ok(AccountPayload { user_errors })
    }

    /// Chooses a new password by the code of a mail. All sessions of the user end.
    #[scope("none")]
    #[graphql(complexity = "100 + child_complexity")]
    async fn password_reset(&self, ctx: &Context<'_>, input: PasswordResetInput) -> Result<AccountPayload> {
        let PasswordResetInput { code, password } = input;
        let outcome = super::reset_password(ctx.app(), &code, &Password::new(password)).await;
        let (_, user_errors) = UserUserError::split(outcome)?;
        Ok(AccountPayload { user_errors })
    }

    /// Takes the code of a mail for a proof that the address is yours.
    #[scope("none")]
    #[graphql(complexity = "100 + child_complexity")]
    async fn email_verify(&self, ctx: &Context<'_>, input: EmailVerifyInput) -> Result<AccountPayload> {
        let outcome = super::verify_email(
            ctx.app(),
            &ctx.door().origin,
            &input.code,
            &Password::new(input.password),
        )
        .await;
        let (_, user_errors) = UserUserError::split(outcome)?;
        Ok(AccountPayload { user_errors })
    }

    /// Changes your password. Your other sessions end.
    #[scope("user")]
    #[graphql(complexity = "100 + child_complexity")]
    async fn password_change(&self, ctx: &Context<'_>, input: PasswordChangeInput) -> Result<UserPayload> {
        let PasswordChangeInput {
            current_password,
            new_password,
        } = input;
        let (current, new) = (Password::new(current_password), Password::new(new_password));
        UserPayload::of(super::change_password(ctx.app(), ctx.caller()?, &current, &new).await)
    }

    /// Invites somebody by mail.
    #[scope("users:write", all_rows)]
    async fn invitation_create(
        &self,
        ctx: &Context<'_>,
        input: InvitationCreateInput,
    ) -> Result<InvitationPayload> {
        let InvitationCreateInput { email, role } = input;
        let (app, caller) = (ctx.app(), ctx.caller()?);
        invitation(super::invite(app, caller, ctx.public_url(), &email.0, &role).await)
    }

    /// Takes an invitation back.
    #[scope("users:write", all_rows)]
    async fn invitation_revoke(
        &self,
        ctx: &Context<'_>,
        input: InvitationRevokeInput,
    ) -> Result<InvitationPayload> {
        invitation(super::revoke_invitation(ctx.app(), ctx.caller()?, input.id).await)
    }

    /// Gives a user another role. It holds from their next request on; their open sockets are closed, and come back with it.
    #[scope("users:write", all_rows)]
    async fn user_role_change(&self, ctx: &Context<'_>, input: UserRoleChangeInput) -> Result<UserPayload> {
        let UserRoleChangeInput { id, role } = input;
        UserPayload::of(super::change_role(ctx.app(), ctx.caller()?, id, &role).await)
    }

    /// Shuts a user out: their sessions end at once, their sockets are closed.
    #[scope("users:write", all_rows)]
    async fn user_deactivate(&self, ctx: &Context<'_>, input: UserIdInput) -> Result<UserPayload> {
        UserPayload::of(super::deactivate(ctx.app(), ctx.caller()?, input.id).await)
    }

    /// Lets a user in again.
    #[scope("users:write", all_rows)]
    async fn user_reactivate(&self, ctx: &Context<'_>, input: UserIdInput) -> Result<UserPayload> {
        UserPayload::of(super::reactivate(ctx.app(), ctx.caller()?, input.id).await)
    }
}

fn came_in(
    ctx: &Context<'_>,
    outcome: Outcome<Option<SignedIn>, UserProblem>,
    transport: TokenTransport,
) -> Result<SignUpPayload> {
    let (signed_in, user_errors) = UserUserError::split(outcome)?;
    let signed_in = signed_in.flatten();
    let payload = signed_in
        .map(|signed_in| SignInPayload::signed_in(ctx, signed_in, transport))
        .transpose()?;
    let (user, session, tokens) = match payload {
        Some(SignInPayload {
            user,
            session,
            tokens,
            ..
        }) => (user, session, tokens),
        None => (None, None, None),
    };
    Ok(SignUpPayload {
        user,
        session,
        tokens,
        user_errors,
    })
}

fn invitation(outcome: Outcome<super::Invitation, InvitationProblem>) -> Result<InvitationPayload> {
    let (invitation, user_errors) = InvitationUserError::split(outcome)?;
    Ok(InvitationPayload {
        invitation: invitation.map(Invitation),
        user_errors,
    })
}
