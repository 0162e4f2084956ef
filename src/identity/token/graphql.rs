//! API tokens in GraphQL.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use entity::id::TokenId;
use entity::{Day, Safelist, Timestamp};

use super::{TokenChange, TokenDraft, TokenProblem};
use crate::api::types::{Access, Json, scoped, user_errors};
use crate::app::App;
use crate::error::{Error, Failure, Outcome, Problem};
use crate::identity::Rows;
use crate::leads::filter::LeadFilter;
use crate::leads::visible::row_filter;

/// A key for a program, a partner's say. Its secret is shown once, when it is made.
pub struct ApiToken(super::Token);

/// What a token may spend on queries.
#[derive(SimpleObject)]
struct TokenBudget {
    /// Points at most.
    limit: i32,
    /// Points that come back each second.
    restore_per_second: i32,
}

/// What a token may spend on queries.
#[derive(InputObject, Debug)]
struct TokenBudgetInput {
    /// Points at most, from 1 on.
    limit: i32,
    /// Points that come back each second, from 1 on.
    restore_per_second: i32,
}

/// A day on which a token was used.
#[derive(SimpleObject)]
struct TokenUse {
    /// The UTC day.
    day: Day,
    /// Requests; a live connection counts once.
    requests: i64,
}

fn words(text: Option<&String>) -> Vec<String> {
    text.map(|text| text.split_whitespace().map(str::to_owned).collect())
        .unwrap_or_default()
}

#[Object]
impl ApiToken {
    /// The token's id.
    async fn id(&self) -> TokenId {
        self.0.id
    }
    /// What its owner calls it.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// The first characters of its secret, to tell it from others.
    async fn hint(&self) -> &str {
        &self.0.hint
    }
    /// What it may do, e.g. `leads:read`.
    async fn scopes(&self) -> Vec<String> {
        words(Some(&self.0.scopes))
    }
    /// Which leads it shows, as a `LeadFilter`; null: all of them.
    async fn row_filter(&self) -> Option<Json> {
        let filter = self.0.row_filter.as_deref()?;
        Some(Json(serde_json::from_str(filter).unwrap_or_default()))
    }
    /// Networks it may be used from; empty stands for all.
    async fn networks(&self) -> Vec<String> {
        words(self.0.networks.as_ref())
    }
    /// Web origins whose pages may use it; empty: it is bound to none.
    async fn origins(&self) -> Vec<String> {
        words(self.0.origins.as_ref())
    }
    /// What it may spend on queries; null: what the settings say.
    async fn budget(&self) -> Option<TokenBudget> {
        let (limit, restore_per_second) = self.0.budget_limit.zip(self.0.budget_restore)?;
        Some(TokenBudget {
            limit,
            restore_per_second,
        })
    }
    /// What happens to its documents that are not in the server's manifest, where the settings say less; null: what they say.
    async fn safelist(&self) -> Option<Safelist> {
        self.0.safelist
    }
    /// When it was made.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// Who made it: `user_…`, `token_…`, `operator`; null for one of before this was noted.
    async fn created_by(&self) -> Option<&str> {
        self.0.created_by.as_deref()
    }
    /// When it lapses; null: never.
    async fn expires_at(&self) -> Option<Timestamp> {
        self.0.expires_at
    }
    /// When it was last used, to about a minute; null when it never was.
    async fn last_used_at(&self) -> Option<Timestamp> {
        self.0.last_used_at
    }
    /// Until when its secret before the last rotation is good; null when there is none.
    async fn previous_secret_until(&self) -> Option<Timestamp> {
        self.0.previous_until
    }
    /// When it was revoked; null when it was not.
    async fn revoked_at(&self) -> Option<Timestamp> {
        self.0.revoked_at
    }
    /// The days on which it was used, newest first. What is not older than a few seconds may be missing.
    #[graphql(complexity = "5 + days.clamp(1, 366) as usize")]
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many days back, 1–366.", default = 30)] days: i32,
    ) -> Result<Vec<TokenUse>> {
        if !(1..=366).contains(&days) {
            return Err(Error::BadInput(format!("`days` is 1 to 366, not {days}")).into());
        }
        let from = Day(ctx.app().clock().now().day().0 - days + 1);
        let found = super::days(ctx.app(), ctx.caller()?, self.0.id, from).await?;
        Ok(found
            .into_iter()
            .map(|day| TokenUse {
                day: day.day,
                requests: day.requests,
            })
            .collect())
    }
}

user_errors!(
    /// An expected failure of a call about tokens.
    TokenUserError,
    TokenProblem
);

/// A token that is to be made. It may do no more than you may.
#[derive(InputObject)]
struct ApiTokenCreateInput {
    /// What it is for, up to 100 characters.
    name: String,
    /// What it may do, e.g. `["leads:read", "engagement:write"]`.
    scopes: Vec<String>,
    /// When it lapses; never without one.
    expires_at: Option<Timestamp>,
    /// Which leads it shows; all of them without one.
    row_filter: Option<LeadFilter>,
    /// Networks it may be used from, e.g. `["192.0.2.0/24"]`; all of them without one.
    #[graphql(default)]
    networks: Vec<String>,
    /// Web origins whose pages may use it, e.g. `["https://app.example.com"]`; with one, nothing else may.
    #[graphql(default)]
    origins: Vec<String>,
    /// What it may spend on queries; what the settings say without one.
    budget: Option<TokenBudgetInput>,
    /// What happens to its documents that are not in the server's manifest (`graphql_safelist_manifest`), where the settings say
    /// less.
    safelist: Option<Safelist>,
}

/// A change of a token; what is absent stays, null takes a bound away.
#[derive(InputObject)]
struct ApiTokenUpdateInput {
    /// The token's id.
    id: TokenId,
    /// What it is for.
    name: Option<String>,
    /// What it may do.
    scopes: Option<Vec<String>>,
    /// When it lapses.
    expires_at: MaybeUndefined<Timestamp>,
    /// Which leads it shows.
    row_filter: MaybeUndefined<LeadFilter>,
    /// Networks it may be used from; an empty list stands for all.
    networks: Option<Vec<String>>,
    /// Web origins whose pages may use it; an empty list binds it to none.
    origins: Option<Vec<String>>,
    /// What it may spend on queries.
    budget: MaybeUndefined<TokenBudgetInput>,
    /// What happens to its documents that are not in the server's manifest.
    safelist: MaybeUndefined<Safelist>,
}

/// Which token gets a new secret.
#[derive(InputObject)]
struct ApiTokenRotateInput {
    /// The token's id.
    id: TokenId,
    /// For how long the secret before is good beside the new one, in seconds, 0 to 2,592,000 (30 days).
    #[graphql(default = 86400)]
    overlap_seconds: i32,
}

/// Which token to revoke.
#[derive(InputObject)]
struct ApiTokenRevokeInput {
    /// The token's id.
    id: TokenId,
}

/// The answer of calls that make a secret.
#[derive(SimpleObject)]
struct ApiTokenSecretPayload {
    /// The token; null when there are user errors.
    token: Option<ApiToken>,
    /// The secret, `leadline_…`; shown only now.
    secret: Option<String>,
    /// What was wrong with the input.
    user_errors: Vec<TokenUserError>,
}

/// The answer of calls about a token.
#[derive(SimpleObject)]
struct ApiTokenPayload {
    /// The token; null when there are user errors.
    token: Option<ApiToken>,
    /// What was wrong with the input.
    user_errors: Vec<TokenUserError>,
}

/// Queries of tokens.
#[derive(Default)]
pub struct TokenQuery;

#[scoped]
#[Object]
impl TokenQuery {
    /// API tokens without their secrets, newest first, at most 1,000.
    #[scope("tokens:read", all_rows)]
    #[graphql(complexity = "5 + 25 * child_complexity")]
    async fn api_tokens(&self, ctx: &Context<'_>) -> Result<Vec<ApiToken>> {
        let tokens = super::list_tokens(ctx.app(), ctx.caller()?).await?;
        Ok(tokens.into_iter().map(ApiToken).collect())
    }

    /// An API token by id; null when there is none.
    #[scope("tokens:read", all_rows)]
    #[graphql(complexity = "2 + child_complexity")]
    async fn api_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token's id, `token_…`.")] id: TokenId,
    ) -> Result<Option<ApiToken>> {
        Ok(super::get(ctx.app(), ctx.caller()?, id).await?.map(ApiToken))
    }
}

/// Changes of tokens.
#[derive(Default)]
pub struct TokenMutation;

#[scoped]
#[Object]
impl TokenMutation {
    /// Makes an API token. Its secret is in the answer, and nowhere else.
    #[scope("tokens:write", all_rows)]
    async fn api_token_create(
        &self,
        ctx: &Context<'_>,
        input: ApiTokenCreateInput,
    ) -> Result<ApiTokenSecretPayload> {
        let ApiTokenCreateInput {
            name,
            scopes,
            expires_at,
            row_filter,
            networks,
            origins,
            budget,
            safelist,
        } = input;
        let outcome = match rows(ctx.app(), row_filter).await {
            Ok(rows) => {
                let draft = TokenDraft {
                    name,
                    scopes,
                    expires_at,
                    rows,
                    networks,
                    origins,
                    budget: budget.map(points),
                    safelist,
                };
                super::create(ctx.app(), ctx.caller()?, draft).await
            }
            Err(failure) => Err(failure),
        };
        with_secret(outcome)
    }

    /// Changes an API token. What it loses it loses at once: its live connections are closed, and come back with what holds.
    #[scope("tokens:write", all_rows)]
    async fn api_token_update(
        &self,
        ctx: &Context<'_>,
        input: ApiTokenUpdateInput,
    ) -> Result<ApiTokenPayload> {
        let ApiTokenUpdateInput {
            id,
            name,
            scopes,
            expires_at,
            row_filter,
            networks,
            origins,
            budget,
            safelist,
        } = input;
        let filter = match row_filter {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(filter) => Some(Some(filter)),
        };
        let rows = match filter {
            None => Ok(None),
            Some(filter) => rows(ctx.app(), filter).await.map(Some),
        };
        let outcome = match rows {
            Err(failure) => Err(failure),
            Ok(rows) => {
                let change = TokenChange {
                    name,
                    scopes,
                    expires_at: maybe(expires_at),
                    rows,
                    networks,
                    origins,
                    budget: maybe(budget).map(|budget| budget.map(points)),
                    safelist: maybe(safelist),
                };
                super::update(ctx.app(), ctx.caller()?, id, change).await
            }
        };
        payload(outcome)
    }

    /// Gives an API token a new secret; the one before is good for a while beside it.
    #[scope("tokens:write", all_rows)]
    async fn api_token_rotate(
        &self,
        ctx: &Context<'_>,
        input: ApiTokenRotateInput,
    ) -> Result<ApiTokenSecretPayload> {
        let ApiTokenRotateInput { id, overlap_seconds } = input;
        with_secret(super::rotate(ctx.app(), ctx.caller()?, id, overlap_seconds.into()).await)
    }

    /// Revokes an API token at once and on every server; its live connections are closed.
    #[scope("tokens:write", all_rows)]
    async fn api_token_revoke(
        &self,
        ctx: &Context<'_>,
        input: ApiTokenRevokeInput,
    ) -> Result<ApiTokenPayload> {
        payload(super::revoke_token(ctx.app(), ctx.caller()?, input.id).await)
    }
}

fn points(budget: TokenBudgetInput) -> (i32, i32) {
    (budget.limit, budget.restore_per_second)
}

fn maybe<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

/// The rows of a filter; one that is none is the client's mistake in the input.
async fn rows(app: &App, filter: Option<LeadFilter>) -> Outcome<Rows, TokenProblem> {
    let Some(filter) = filter else {
        return Ok(Rows::All);
    };
    match row_filter(app, &serde_json::to_string(&filter)?).await {
        Ok(filter) => Ok(Rows::Where(filter)),
        Err(Error::BadInput(message)) => {
            Err(Problem::new("rowFilter", TokenProblem::InvalidRowFilter, message).into())
        }
        Err(error) => Err(Failure::Error(error)),
    }
}

fn with_secret(outcome: Outcome<super::CreatedToken, TokenProblem>) -> Result<ApiTokenSecretPayload> {
    let (created, user_errors) = TokenUserError::split(outcome)?;
    let (token, secret) = created
        .map(|created| (ApiToken(created.token), created.secret))
        .unzip();
    Ok(ApiTokenSecretPayload {
        token,
        secret,
        user_errors,
    })
}

fn payload(outcome: Outcome<super::Token, TokenProblem>) -> Result<ApiTokenPayload> {
    let (token, user_errors) = TokenUserError::split(outcome)?;
    Ok(ApiTokenPayload {
        token: token.map(ApiToken),
        user_errors,
    })
}
