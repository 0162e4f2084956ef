//! What fields ask of their caller, as `#[scoped]` of `leadline-macros` names it.

use async_graphql::{Context, TypeDirective};
use entity::Area;

use super::CallerData;
use crate::error::Error;
use crate::identity::{Caller, Scope};

/// What the field needs of its caller. A field without it needs what the field that led to it needs.
#[TypeDirective(location = "FieldDefinition")]
pub fn scope(
    #[graphql(
        desc = "A scope, e.g. `leads:read`; `leads:write` and `admin` include it. `any`: a token or a user, whatever the scopes; `user`: a signed-in user; `none`: anybody."
    )]
    requires: String,
) {
}

/// The field concerns the whole deployment: it is not for tokens with a row filter.
#[TypeDirective(location = "FieldDefinition", name = "allRows")]
pub fn allRows() {}

/// What a field asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Need {
    /// Who the caller has to be.
    pub who: Who,
    /// Whether the caller has to see all rows.
    pub all_rows: bool,
}

/// Who a caller has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// Signed in or not.
    Anybody,
    /// The holder of a token or a user, whatever the scopes.
    Somebody,
    /// A user.
    User,
    /// Somebody with a scope.
    With(Scope),
}

impl Need {
    /// To read an area.
    pub(in crate::api) const fn to_read(area: Area) -> Self {
        Self {
            who: Who::With(Scope::Read(area)),
            all_rows: false,
        }
    }

    /// What is shown by the directives: a `requires` of `@scope`, and whether there is `@allRows`. `None` for a text that
    /// is none.
    #[must_use]
    pub fn read(requires: &str, all_rows: bool) -> Option<Self> {
        let who = match requires {
            "none" => Who::Anybody,
            "any" => Who::Somebody,
            "user" => Who::User,
            name => Who::With(name.parse().ok()?),
        };
        Some(Self { who, all_rows })
    }

    /// The one place where it is decided who may ask for a field: by its guard before it runs, by introspection, and
    /// for the schema as text.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for nobody, [`Error::Forbidden`] with what is missing.
    pub fn check(self, caller: Option<&Caller>) -> Result<(), Error> {
        if self.who == Who::Anybody {
            return Ok(());
        }
        let caller = caller.ok_or_else(Error::no_token)?;
        match self.who {
            Who::Anybody | Who::Somebody => {}
            Who::User => {
                caller.require_user()?;
            }
            Who::With(wanted) => caller.require(wanted)?,
        }
        if self.all_rows {
            caller.require_all_rows()?;
        }
        Ok(())
    }
}

fn check(ctx: &Context<'_>, need: Need) -> Result<(), Error> {
    let caller = ctx.data_opt::<CallerData>();
    need.check(caller.and_then(|data| data.0.as_deref()))
}

macro_rules! door {
    ($who:expr, $all_rows:literal) => {
        /// What it asks for.
        pub(in crate::api) const NEED: crate::api::types::permission::Need =
            crate::api::types::permission::Need {
                who: $who,
                all_rows: $all_rows,
            };

        /// Asks for it.
        pub struct Guard;

        impl async_graphql::Guard for Guard {
            async fn check(&self, ctx: &async_graphql::Context<'_>) -> async_graphql::Result<()> {
                Ok(crate::api::types::permission::check(ctx, NEED)?)
            }
        }

        /// Whether introspection shows the field.
        #[must_use]
        pub fn is_visible(ctx: &async_graphql::Context<'_>) -> bool {
            crate::api::types::permission::check(ctx, NEED).is_ok()
        }
    };
}

macro_rules! scopes {
    ($($module:ident, $who:expr, $name:literal;)*) => {
        /// One module for each scope.
        pub mod scopes {
            use super::Who::{Anybody, Somebody, User, With};
            use crate::identity::Scope::{Admin, Read, Write};
            use entity::Area;

            $(
                #[doc = concat!("`", $name, "`.")]
                pub mod $module {
                    use super::*;

                    /// As the directive shows it.
                    pub const NAME: &str = $name;

                    door!($who, false);

                    /// The same, for who sees all rows.
                    pub mod all_rows {
                        use super::super::*;

                        door!($who, true);
                    }
                }
            )*

            #[cfg(test)]
            #[test]
            fn what_the_schema_shows_is_what_is_asked_for() {
                use crate::api::types::permission::Need;
                $(
                    assert_eq!(Need::read($module::NAME, false), Some($module::NEED));
                    assert_eq!(Need::read($module::NAME, true), Some($module::all_rows::NEED));
                )*
            }
        }
    };
}

scopes! {
    none, Anybody, "none";
    any, Somebody, "any";
    user, User, "user";
    admin, With(Admin), "admin";
    leads_read, With(Read(Area::Leads)), "leads:read";
    leads_write, With(Write(Area::Leads)), "leads:write";
    engagement_read, With(Read(Area::Engagement)), "engagement:read";
    engagement_write, With(Write(Area::Engagement)), "engagement:write";
    lifecycle_read, With(Read(Area::Lifecycle)), "lifecycle:read";
    lifecycle_write, With(Write(Area::Lifecycle)), "lifecycle:write";
    scoring_read, With(Read(Area::Scoring)), "scoring:read";
    scoring_write, With(Write(Area::Scoring)), "scoring:write";
    journeys_read, With(Read(Area::Journeys)), "journeys:read";
    revenue_read, With(Read(Area::Revenue)), "revenue:read";
    revenue_write, With(Write(Area::Revenue)), "revenue:write";
    events_read, With(Read(Area::Events)), "events:read";
    jobs_read, With(Read(Area::Jobs)), "jobs:read";
    jobs_write, With(Write(Area::Jobs)), "jobs:write";
    users_read, With(Read(Area::Users)), "users:read";
    users_write, With(Write(Area::Users)), "users:write";
    audit_read, With(Read(Area::Audit)), "audit:read";
    connections_read, With(Read(Area::Connections)), "connections:read";
    connections_write, With(Write(Area::Connections)), "connections:write";
    commerce_read, With(Read(Area::Commerce)), "commerce:read";
    commerce_write, With(Write(Area::Commerce)), "commerce:write";
    audiences_read, With(Read(Area::Audiences)), "audiences:read";
    audiences_write, With(Write(Area::Audiences)), "audiences:write";
    messages_read, With(Read(Area::Messages)), "messages:read";
    messages_write, With(Write(Area::Messages)), "messages:write";
    content_read, With(Read(Area::Content)), "content:read";
    content_write, With(Write(Area::Content)), "content:write";
    settings_write, With(Write(Area::Settings)), "settings:write";
    tokens_read, With(Read(Area::Tokens)), "tokens:read";
    tokens_write, With(Write(Area::Tokens)), "tokens:write";
}
