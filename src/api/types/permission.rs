//! The scopes that fields ask for, as `#[scoped]` of `leadline-macros` names them.

use async_graphql::{Context, TypeDirective};

use super::Access;
use crate::identity::Scope;

/// The scope that a token needs for the field. A field without it needs what the field that led to it needs.
#[TypeDirective(location = "FieldDefinition")]
pub fn scope(
    #[graphql(
        desc = "E.g. `leads:read`; `leads:write` and `admin` include it. `any`: a token, whatever its scopes; `none`: anybody."
    )]
    requires: String,
) {
}

fn require(ctx: &Context<'_>, wanted: Scope) -> async_graphql::Result<()> {
    Ok(ctx.caller()?.require(wanted)?)
}

macro_rules! scopes {
    ($($module:ident, $right:ident $area:ident, $name:literal;)*) => {
        /// One module for each scope.
        pub mod scopes {
            /// A token with any scope.
            pub mod any {
                /// As the directive shows it.
                pub const NAME: &str = "any";

                /// Asks for a token.
                pub struct Guard;

                impl async_graphql::Guard for Guard {
                    async fn check(&self, ctx: &async_graphql::Context<'_>) -> async_graphql::Result<()> {
                        use crate::api::types::Access as _;
                        ctx.caller()?;
                        Ok(())
                    }
                }

                /// Whether introspection shows the field.
                #[must_use]
                pub fn is_visible(ctx: &async_graphql::Context<'_>) -> bool {
                    use crate::api::types::Access as _;
                    ctx.caller().is_ok()
                }
            }

            /// Anybody, signed in or not.
            pub mod none {
                /// As the directive shows it.
                pub const NAME: &str = "none";

                /// Asks for nothing.
                pub struct Guard;

                impl async_graphql::Guard for Guard {
                    async fn check(&self, _: &async_graphql::Context<'_>) -> async_graphql::Result<()> {
                        Ok(())
                    }
                }

                /// Whether introspection shows the field.
                #[must_use]
                pub fn is_visible(_: &async_graphql::Context<'_>) -> bool {
                    true
                }
            }

            /// `admin`.
            pub mod admin {
                /// As scopes of tokens are written.
                pub const NAME: &str = "admin";

                /// Asks for the scope.
                pub struct Guard;

                impl async_graphql::Guard for Guard {
                    async fn check(&self, ctx: &async_graphql::Context<'_>) -> async_graphql::Result<()> {
                        super::super::require(ctx, crate::identity::Scope::Admin)
                    }
                }

                /// Whether introspection shows the field.
                #[must_use]
                pub fn is_visible(ctx: &async_graphql::Context<'_>) -> bool {
                    super::super::require(ctx, crate::identity::Scope::Admin).is_ok()
                }
            }

            $(
                #[doc = concat!("`", $name, "`.")]
                pub mod $module {
                    /// As scopes of tokens are written.
                    pub const NAME: &str = $name;

                    pub(super) const SCOPE: crate::identity::Scope =
                        crate::identity::Scope::$right(entity::Area::$area);

                    /// Asks for the scope.
                    pub struct Guard;

                    impl async_graphql::Guard for Guard {
                        async fn check(&self, ctx: &async_graphql::Context<'_>) -> async_graphql::Result<()> {
                            super::super::require(ctx, SCOPE)
                        }
                    }

                    /// Whether introspection shows the field.
                    #[must_use]
                    pub fn is_visible(ctx: &async_graphql::Context<'_>) -> bool {
                        super::super::require(ctx, SCOPE).is_ok()
                    }
                }
            )*

            #[cfg(test)]
            #[test]
            fn the_names_are_those_of_tokens() {
                $(assert_eq!($module::SCOPE.to_string(), $module::NAME);)*
            }
        }
    };
}

scopes! {
    leads_read, Read Leads, "leads:read";
    leads_write, Write Leads, "leads:write";
    engagement_read, Read Engagement, "engagement:read";
    engagement_write, Write Engagement, "engagement:write";
    lifecycle_read, Read Lifecycle, "lifecycle:read";
    lifecycle_write, Write Lifecycle, "lifecycle:write";
    scoring_read, Read Scoring, "scoring:read";
    scoring_write, Write Scoring, "scoring:write";
    journeys_read, Read Journeys, "journeys:read";
    events_read, Read Events, "events:read";
    jobs_read, Read Jobs, "jobs:read";
    jobs_write, Write Jobs, "jobs:write";
    users_read, Read Users, "users:read";
    users_write, Write Users, "users:write";
    audit_read, Read Audit, "audit:read";
    tokens_read, Read Tokens, "tokens:read";
    tokens_write, Write Tokens, "tokens:write";
}
