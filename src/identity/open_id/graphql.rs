//! Sign-in elsewhere in GraphQL.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use super::{Begun, OpenIdProblem};
use crate::api::types::{Access, WebAddress, scoped, user_errors};

user_errors!(
    /// An expected failure of a sign-in elsewhere.
    OpenIdUserError,
    OpenIdProblem
);

/// A sign-in at the OpenID Connect provider.
#[derive(InputObject)]
struct OpenIdBeginInput {
    /// The path of this server that the browser comes back to.
    #[graphql(default = "/")]
    redirect_path: String,
}

/// The answer of `openIdBegin`.
#[derive(SimpleObject)]
struct OpenIdBeginPayload {
    /// Where to send the browser; null when there are user errors.
    url: Option<WebAddress>,
    /// What was wrong with the input.
    user_errors: Vec<OpenIdUserError>,
}

/// Signing in elsewhere.
#[derive(Default)]
pub struct OpenIdMutation;

#[scoped]
#[Object]
impl OpenIdMutation {
    /// Begins a sign-in at the OpenID Connect provider of the deployment. The browser that asks is the one that has to come
    /// back; it is signed in by cookies then.
    #[scope("none")]
    #[graphql(complexity = "500 + child_complexity")]
    async fn open_id_begin(&self, ctx: &Context<'_>, input: OpenIdBeginInput) -> Result<OpenIdBeginPayload> {
        let outcome = super::begin(ctx.app(), ctx.public_url(), &input.redirect_path).await;
        let (begun, user_errors) = OpenIdUserError::split(outcome)?;
        let url = match begun {
            Some(Begun { url, state, .. }) => {
                ctx.door().keep_state(ctx, &state)?;
                Some(WebAddress(url))
            }
            None => None,
        };
        Ok(OpenIdBeginPayload { url, user_errors })
    }
}
