//! Identifiers: a newtype over UUIDv7 for each kind, shown with its prefix as a [TypeID](https://github.com/jetify-com/typeid).

use std::borrow::Cow;

use async_graphql::{InputType, InputValueError, InputValueResult, OutputType, Value, registry::Registry};
use uuid::Uuid;

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The id has another kind's prefix, or none.
    #[error("`{given}` is not the id of {kind}: expected `{prefix}_` and 26 characters")]
    WrongPrefix {
        /// What was given, shortened.
        given: String,
        /// The kind in words, with its article.
        kind: &'static str,
        /// The prefix that was expected.
        prefix: &'static str,
    },
    /// The prefix fits but the rest is no id.
    #[error(
        "`{given}` is not a valid id: after `{prefix}_` come 26 characters of 0-9 and a-z without i, l, o, u"
    )]
    Malformed {
        /// What was given, shortened.
        given: String,
        /// The prefix that was expected.
        prefix: &'static str,
    },
}

fn shortened(text: &str) -> String {
    text.chars().take(48).collect()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $tag:ident, $prefix:literal, $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sea_orm::DeriveValueType)]
        pub struct $name(pub Uuid);

        #[derive(Default)]
        struct $tag;
        impl type_safe_id::StaticType for $tag {
            const TYPE: &'static str = $prefix;
        }

        impl $name {
            /// What stands before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id that sorts by the given moment (milliseconds since the epoch); the rest is random.
            #[must_use]
            pub fn at(now: crate::Timestamp) -> Self {
                let micros = now.micros().max(0).unsigned_abs();
                let ts = uuid::Timestamp::from_unix(
                    uuid::NoContext,
                    micros / 1_000_000,
                    u32::try_from(micros % 1_000_000).expect("below a million") * 1_000,
                );
                Self(Uuid::new_v7(ts))
            }

            /// Reads the text form.
            ///
            /// # Errors
            /// [`IdError`] when the prefix is another one or the rest is malformed.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                if !text.strip_prefix($prefix).is_some_and(|rest| rest.starts_with('_')) {
                    return Err(IdError::WrongPrefix { given: shortened(text), kind: $kind, prefix: $prefix });
                }
                text.parse::<type_safe_id::TypeSafeId<$tag>>()
                    .map(|id| Self(id.uuid()))
                    .map_err(|_| IdError::Malformed { given: shortened(text), prefix: $prefix })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}", type_safe_id::TypeSafeId::<$tag>::from_uuid(self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{self}")
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }

        // `ID` in GraphQL, with the prefix checked on the way in: a wrong prefix is the client's error, not a not-found.
        impl InputType for $name {
            type RawValueType = Self;
            fn type_name() -> Cow<'static, str> {
                Cow::Borrowed("ID")
            }
            fn create_type_info(registry: &mut Registry) -> String {
                <async_graphql::ID as InputType>::create_type_info(registry)
            }
            fn parse(value: Option<Value>) -> InputValueResult<Self> {
                match value.unwrap_or_default() {
                    Value::String(text) => Self::parse(&text).map_err(InputValueError::custom),
                    other => Err(InputValueError::expected_type(other)),
                }
            }
            fn to_value(&self) -> Value {
                Value::String(self.to_string())
            }
            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
        }
        impl OutputType for $name {
            fn type_name() -> Cow<'static, str> {
                Cow::Borrowed("ID")
            }
            fn create_type_info(registry: &mut Registry) -> String {
                <async_graphql::ID as OutputType>::create_type_info(registry)
            }
            async fn resolve(
                &self,
                _: &async_graphql::ContextSelectionSet<'_>,
                _: &async_graphql::Positioned<async_graphql::parser::types::Field>,
            ) -> async_graphql::ServerResult<Value> {
                Ok(Value::String(self.to_string()))
            }
        }
    )*

        /// An id of any kind, for `node(id)`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum AnyId {
            $(#[doc = concat!("The id of ", $kind, ".")] $name($name),)*
        }

        impl AnyId {
            /// Reads the id of whatever kind its prefix names.
            ///
            /// # Errors
            /// A message that lists the known prefixes, or says what is malformed.
            pub fn parse(text: &str) -> Result<Self, String> {
                let prefix = text.rsplit_once('_').map_or("", |(prefix, _)| prefix);
                match prefix {
                    $($prefix => $name::parse(text).map(Self::$name).map_err(|error| error.to_string()),)*
                    _ => Err(format!(
                        "`{}` is not an id: expected one of the prefixes {}",
                        shortened(text),
                        [$(concat!($prefix, "_")),*].join(", ")
                    )),
                }
            }
        }
    };
}

ids! {
    /// A lead.
    LeadId, LeadTag, "lead", "a lead";
    /// A tag.
    TagId, TagTag, "tag", "a tag";
    /// A note on a lead.
    NoteId, NoteTag, "note", "a note";
    /// The definition of a custom field.
    CustomFieldId, CustomFieldTag, "field", "a custom field";
    /// One entry of a lead's consent history.
    ConsentId, ConsentTag, "consent", "a consent record";
    /// An engagement.
    EngagementId, EngagementTag, "eng", "an engagement";
    /// A conversion.
    ConversionId, ConversionTag, "conv", "a conversion";
    /// A deal.
    DealId, DealTag, "deal", "a deal";
    /// A stage of deals.
    DealStageId, DealStageTag, "dealstage", "a stage of deals";
    /// A cost.
    CostId, CostTag, "cost", "a cost";
    /// A stay of a lead in a stage.
    StageStayId, StageStayTag, "stay", "a stage stay";
    /// A version of the scoring model.
    ScoreModelId, ScoreModelTag, "model", "a score model";
    /// An entry of a lead's score history.
    ScoreEntryId, ScoreEntryTag, "score", "a score history entry";
    /// A piece of background work.
    JobId, JobTag, "job", "a job";
    /// An uploaded file.
    UploadId, UploadTag, "upload", "an upload";
    /// An API token.
    TokenId, TokenTag, "token", "an API token";
    /// A user of the deployment.
    UserId, UserTag, "user", "a user";
    /// A session of a user.
    SessionId, SessionTag, "session", "a session";
    /// An invitation to become a user.
    InvitationId, InvitationTag, "invite", "an invitation";
    /// A mail to a user.
    MailId, MailTag, "mail", "a mail";
    /// An entry of the audit log.
    AuditEntryId, AuditEntryTag, "audit", "an audit entry";
    /// A connection to an outside platform.
    ConnectionId, ConnectionTag, "conn", "a connection";
    /// A reading of a platform.
    SyncId, SyncTag, "sync", "a sync";
    /// A webhook that came.
    WebhookDeliveryId, WebhookDeliveryTag, "hook", "a webhook delivery";
    /// An order.
    OrderId, OrderTag, "order", "an order";
    /// A product.
    ProductId, ProductTag, "product", "a product";
    /// An abandoned checkout.
    CheckoutId, CheckoutTag, "checkout", "an abandoned checkout";
    /// An audience for advertisements.
    AudienceId, AudienceTag, "aud", "an audience";
    /// One time that a platform was told of an audience.
    AudienceSyncId, AudienceSyncTag, "audsync", "a sync of an audience";
    /// A happening that is told to a platform.
    ConversionDeliveryId, ConversionDeliveryTag, "cdel", "a conversion delivery";
    /// A message.
    MessageId, MessageTag, "msg", "a message";
    /// An address that is not written to.
    SuppressionId, SuppressionTag, "supp", "a suppression";
    /// A text that a model wrote.
    TextId, TextTag, "text", "a generated text";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn text_form_round_trips_and_sorts_by_time() {
        let early = LeadId::at(Timestamp::from_micros(1_700_000_000_000_000));
        let late = LeadId::at(Timestamp::from_micros(1_700_000_001_000_000));
        assert_eq!(LeadId::parse(&early.to_string()), Ok(early));
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
        assert!(early.to_string().starts_with("lead_"));
    }

    #[test]
    fn another_prefix_is_named() {
        let tag = TagId::at(Timestamp::from_micros(1)).to_string();
        let error = LeadId::parse(&tag).expect_err("a tag is no lead").to_string();
        assert!(
            error.contains("is not the id of a lead: expected `lead_`"),
            "{error}"
        );
        for (error, says) in [
            (
                TokenId::parse("foo").expect_err("no id"),
                "`foo` is not the id of an API token: ",
            ),
            (
                UserId::parse("foo").expect_err("no id"),
                "`foo` is not the id of a user: ",
            ),
        ] {
            assert!(error.to_string().starts_with(says), "{error}");
        }
        let error = LeadId::parse("lead_nonsense").expect_err("malformed").to_string();
        assert!(error.contains("is not a valid id"), "{error}");
        assert!(AnyId::parse("what_1").expect_err("unknown").contains("lead_"));
        assert!(matches!(AnyId::parse(&tag), Ok(AnyId::TagId(_))));
    }
}
