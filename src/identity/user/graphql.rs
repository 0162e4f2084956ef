//! Users in GraphQL.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use entity::Timestamp;
use entity::id::UserId;

use super::{ORDER, Profile, UserProblem};
use crate::api::types::{
    Access, EmailAddress, Listed, Pages, TimeZone, WebAddress, connection, page_request, scoped, user_errors,
};
use crate::identity::role::graphql::Role;
use crate::identity::session::graphql::Session;
use crate::identity::{role, session};

/// A person who uses the deployment.
pub struct User {
    row: super::User,
    /// Whether it is they who just came in: their own record, before there is a caller.
    own: bool,
}

impl User {
    /// As who asks may see them.
    #[must_use]
    pub const fn of(row: super::User) -> Self {
        Self { row, own: false }
    }

    /// As they see themselves.
    #[must_use]
    pub const fn own(row: super::User) -> Self {
        Self { row, own: true }
    }
}

#[scoped]
#[Object]
impl User {
    /// The user's id.
    async fn id(&self) -> UserId {
        self.row.id
    }
    /// Their e-mail address.
    async fn email(&self) -> EmailAddress {
        EmailAddress(self.row.email.clone())
    }
    /// When it was shown that the address is theirs; null when it was not.
    async fn email_verified_at(&self) -> Option<Timestamp> {
        self.row.email_verified_at
    }
    /// What they are called; may be empty.
    async fn name(&self) -> &str {
        &self.row.name
    }
    /// The address of their picture.
    async fn avatar_url(&self) -> Option<WebAddress> {
        self.row.avatar_url.clone().map(WebAddress)
    }
    /// Their time zone, e.g. `Europe/Berlin`.
    async fn time_zone(&self) -> TimeZone {
        TimeZone(self.row.time_zone.clone())
    }
    /// Their language as a tag (BCP 47), e.g. `pt-BR`.
    async fn language(&self) -> &str {
        &self.row.language
    }
    /// Their role; null when it is gone, which allows nothing.
    #[graphql(complexity = 2)]
    async fn role(&self, ctx: &Context<'_>) -> Result<Option<Role>> {
        Ok(role::find(ctx.app().db().read(), &self.row.role).await?.map(Role))
    }
    /// Whether they sign in with a second factor.
    async fn has_second_factor(&self) -> bool {
        self.row.totp_confirmed_at.is_some()
    }
    /// How many recovery codes of their second factor are left. One's own without a scope, others' with `users:read`.
    #[graphql(complexity = 5)]
    async fn recovery_codes_left(&self, ctx: &Context<'_>) -> Result<u64> {
        let caller = match self.own {
            true => None,
            false => Some(ctx.caller()?),
        };
        Ok(session::recovery_codes_left(ctx.app(), caller, self.row.id).await?)
    }
    /// When they were created.
    async fn created_at(&self) -> Timestamp {
        self.row.created_at
    }
    /// When they last signed in; null when they never did.
    async fn last_sign_in_at(&self) -> Option<Timestamp> {
        self.row.last_sign_in_at
    }
    /// When they were shut out; null when they were not.
    async fn deactivated_at(&self) -> Option<Timestamp> {
        self.row.deactivated_at
    }
    /// Where they are signed in, newest first. One's own without a scope, others' with `users:read`.
    #[graphql(complexity = "5 + 10 * child_complexity")]
    async fn sessions(&self, ctx: &Context<'_>) -> Result<Vec<Session>> {
        let caller = match self.own {
            true => None,
            false => Some(ctx.caller()?),
        };
        let sessions = match caller {
            None => session::list(ctx.app(), self.row.id).await?,
            Some(caller) => session::live(ctx.app(), caller, self.row.id).await?,
        };
        let current = caller.and_then(|caller| caller.session);
        Ok(sessions
            .into_iter()
            .map(|session| Session::new(session, current))
            .collect())
    }
}

user_errors!(
    /// An expected failure of a call about a user.
    UserUserError,
    UserProblem
);

/// The answer of calls about a user.
#[derive(SimpleObject)]
pub struct UserPayload {
    /// The user; null when there are user errors.
    pub user: Option<User>,
    /// What was wrong with the input.
    pub user_errors: Vec<UserUserError>,
}

impl UserPayload {
    /// The answer to a use case.
    ///
    /// # Errors
    /// What is not an expected failure.
    pub fn of(outcome: crate::error::Outcome<super::User, UserProblem>) -> Result<Self> {
        let (user, user_errors) = UserUserError::split(outcome)?;
        Ok(Self {
            user: user.map(User::of),
            user_errors,
        })
    }
}

/// A change of one's own profile; what is absent stays.
#[derive(InputObject)]
struct ProfileUpdateInput {
    /// What you are called, up to 100 characters.
    name: Option<String>,
    /// The address of your picture; null removes it.
    avatar_url: MaybeUndefined<WebAddress>,
    /// Your time zone, e.g. `Europe/Berlin`.
    time_zone: Option<TimeZone>,
    /// Your language as a tag (BCP 47), e.g. `pt-BR`.
    language: Option<String>,
}

/// Queries of users.
#[derive(Default)]
pub struct UserQuery;

#[scoped]
#[Object]
impl UserQuery {
    /// Who asks; null for an API token, which is nobody in person.
    #[scope("any")]
    #[graphql(complexity = "2 + child_complexity")]
    async fn me(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        let caller = ctx.caller()?;
        match caller.user {
            Some(id) => Ok(super::get(ctx.app(), caller, id).await?.map(User::of)),
            None => Ok(None),
        }
    }

    /// A user by id; null when there is none.
    #[scope("users:read", all_rows)]
    #[graphql(complexity = "2 + child_complexity")]
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id, `user_…`.")] id: UserId,
    ) -> Result<Option<User>> {
        Ok(super::get(ctx.app(), ctx.caller()?, id).await?.map(User::of))
    }

    /// All users, the oldest first.
    #[scope("users:read", all_rows)]
    #[graphql(complexity = "5 + first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<User>> {
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, ORDER)?;
        let page = super::list(ctx.app(), ctx.caller()?, &page).await?;
        Ok(connection(page, |user| (super::keyset(&user), User::of(user))))
    }
}

/// Changes of one's own record.
#[derive(Default)]
pub struct UserMutation;

#[scoped]
#[Object]
impl UserMutation {
    /// Changes your own profile.
    #[scope("user")]
    async fn profile_update(&self, ctx: &Context<'_>, input: ProfileUpdateInput) -> Result<UserPayload> {
        let caller = ctx.caller()?;
        let id = caller.require_user()?;
        let before = super::get(ctx.app(), caller, id).await?;
        let Some(before) = before else {
            return Err(crate::error::Error::NotFound("the user is gone".to_owned()).into());
        };
        let ProfileUpdateInput {
            name,
            avatar_url,
            time_zone,
            language,
        } = input;
        let profile = Profile {
            name: name.unwrap_or(before.name),
            avatar_url: match avatar_url {
                MaybeUndefined::Undefined => before.avatar_url,
                MaybeUndefined::Null => None,
                MaybeUndefined::Value(url) => Some(url.0),
            },
            time_zone: time_zone.map_or(before.time_zone, |zone| zone.0),
            language: language.unwrap_or(before.language),
        };
        UserPayload::of(super::change_profile(ctx.app(), caller, profile).await)
    }
}
