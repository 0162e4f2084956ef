//! Engagements are recorded.

use std::sync::Arc;

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::id::LeadId;
use entity::{Area, Channel, Device, EngagementType, IdentityKind, SourceKind, Timestamp};

use super::types::EngagementNode;
use crate::api::types::{Access, Json, MoneyInput, scoped, user_errors};
use crate::db::CallKey;
use crate::error::{Error, Problem};
use crate::identity::Scope;
use crate::insight::engagement::{
    self as room, Answer, EngagementDraft, EngagementProblem, LeadKey, MOST_AT_ONCE, NewEngagement,
};
use crate::leads::contact::normalise_namespace;
use crate::leads::lead::Identity;

user_errors!(
    /// An expected failure of a call about engagements.
    EngagementUserError,
    EngagementProblem
);

/// By what a lead is known.
#[derive(InputObject, Debug)]
pub struct KnownLeadInput {
    /// An e-mail address, a phone number or an outside identifier.
    pub kind: IdentityKind,
    /// Of an outside identifier: whose, e.g. the name of the import or connection.
    #[graphql(default)]
    pub namespace: String,
    /// The address, number or identifier.
    pub value: String,
}

impl KnownLeadInput {
    /// In the form in which identities are compared.
    ///
    /// # Errors
    /// A namespace that no outside identifier has.
    pub fn identity(&self) -> std::result::Result<Identity, Problem<EngagementProblem>> {
        if self.kind == IdentityKind::External {
            normalise_namespace(&self.namespace).map_err(|error| {
                Problem::new(
                    "identity.namespace",
                    EngagementProblem::Malformed,
                    error.to_string(),
                )
            })?;
        }
        Ok(Identity::given(self.kind, &self.namespace, &self.value))
    }
}

/// What brought an engagement about.
#[derive(InputObject, Debug)]
struct EngagementSourceInput {
    /// What kind of thing.
    kind: SourceKind,
    /// Its id there, up to 200 characters.
    id: Option<String>,
    /// Its name there, up to 200 characters.
    name: Option<String>,
}

/// An interaction with a lead, which is named by `leadId` or by `identity`.
#[derive(InputObject, Debug)]
struct EngagementInput {
    /// The lead's id.
    lead_id: Option<LeadId>,
    /// By what the lead is known, instead of its id.
    identity: Option<KnownLeadInput>,
    /// What happened.
    #[graphql(name = "type")]
    engagement_type: EngagementType,
    /// When it happened; now when absent. At most five minutes ahead; as late as it may be.
    occurred_at: Option<Timestamp>,
    /// The same key twice is one engagement, and answers with the first. Up to 200 characters.
    dedupe_key: Option<String>,
    /// By which way; the type's own channel when absent.
    channel: Option<Channel>,
    /// Name of a `CUSTOM` engagement, up to 100 characters.
    custom_name: Option<String>,
    /// What brought it about.
    source: Option<EngagementSourceInput>,
    /// Groups the engagements of one message to this lead, e.g. its delivery and clicks. Up to 200 characters.
    message_id: Option<String>,
    /// How many links that message has: when all are clicked within 5 s it was a scanner.
    message_link_count: Option<i32>,
    /// The page or link, up to 2,000 characters.
    url: Option<String>,
    /// The page's title, the mail's subject …, up to 500 characters.
    title: Option<String>,
    /// Worth given by the source, 0–100.
    value: Option<i32>,
    /// Revenue; negative for a refund.
    revenue: Option<MoneyInput>,
    /// The device it came from.
    device: Option<Device>,
    /// ISO 3166-1 alpha-2, e.g. `DE`.
    country: Option<String>,
    /// State, province or region.
    region: Option<String>,
    /// City.
    city: Option<String>,
    /// IPv4 or IPv6 address.
    ip: Option<String>,
    /// Browser or client, as it named itself.
    user_agent: Option<String>,
    /// More, a JSON object up to 16 KiB.
    metadata: Option<Json>,
}

impl EngagementInput {
    fn read(self, now: Timestamp) -> std::result::Result<NewEngagement, Problem<EngagementProblem>> {
        let Self {
            lead_id,
            identity,
            engagement_type,
            occurred_at,
            dedupe_key,
            channel,
            custom_name,
            source,
            message_id,
            message_link_count,
            url,
            title,
            value,
            revenue,
            device,
            country,
            region,
            city,
            ip,
            user_agent,
            metadata,
        } = self;
        let lead = match (lead_id, identity) {
            (Some(id), None) => LeadKey::Id(id),
            (None, Some(known)) => LeadKey::Known(known.identity()?),
            (None, None) => {
                let message = "the lead is needed: its `leadId`, or the `identity` that it is known by";
                return Err(Problem::new("leadId", EngagementProblem::Missing, message));
            }
            (Some(_), Some(_)) => {
                let message = "give `leadId` or `identity`, not both";
                return Err(Problem::new("identity", EngagementProblem::NotAllowed, message));
            }
        };
        let (revenue_minor, currency) = match revenue {
            Some(money) => {
                let minor = money.to_minor().map_err(|message| {
                    Problem::new("revenue.amount", EngagementProblem::OutOfRange, message)
                })?;
                (Some(minor), Some(money.currency_code))
            }
            None => (None, None),
        };
        let (source_kind, source_id, source_name) = match source {
            Some(EngagementSourceInput { kind, id, name }) => (Some(kind), id, name),
            None => (None, None, None),
        };
        let draft = EngagementDraft {
            kind: engagement_type,
            custom_name,
            channel,
            source_kind,
            source_id,
            source_name,
            message_id,
            message_link_count,
            url,
            title,
            value,
            revenue_minor,
            currency,
            device,
            country,
            region,
            city,
            ip,
            user_agent,
            metadata: metadata.map(|Json(value)| value),
            occurred_at: occurred_at.unwrap_or(now),
            dedupe_key,
        };
        Ok(NewEngagement { lead, draft })
    }
}

/// Input of `engagementRecord`.
#[derive(InputObject, Debug)]
struct EngagementRecordInput {
    /// The interaction.
    #[graphql(flatten)]
    engagement: EngagementInput,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// The interactions to record.
#[derive(InputObject, Debug)]
struct EngagementsRecordInput {
    /// Up to 1,000 of them.
    items: Vec<EngagementInput>,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// The answer to one engagement handed in.
struct EngagementRecordPayload(Answer);

#[Object]
impl EngagementRecordPayload {
    /// The engagement; null when there are user errors.
    async fn engagement(&self) -> Option<EngagementNode> {
        match &self.0 {
            Answer::Recorded(row) | Answer::Duplicate(row) => Some(EngagementNode(Arc::clone(row))),
            Answer::Refused(_) => None,
        }
    }
    /// Whether an engagement with its dedupe key was there already; it is the one shown.
    async fn duplicate(&self) -> bool {
        matches!(self.0, Answer::Duplicate(_))
    }
    /// What was wrong with the input.
    async fn user_errors(&self) -> Vec<EngagementUserError> {
        match &self.0 {
            Answer::Refused(problems) => problems.iter().cloned().map(Into::into).collect(),
            _ => Vec::new(),
        }
    }
}

/// The answer of `engagementsRecord`.
#[derive(SimpleObject)]
struct EngagementsRecordPayload {
    /// One answer for each item, in their order; empty when there are user errors of the whole.
    results: Vec<EngagementRecordPayload>,
    /// How many were stored.
    recorded: i32,
    /// How many had the dedupe key of one that was there already.
    duplicates: i32,
    /// How many were refused.
    refused: i32,
    /// What was wrong with the input as a whole.
    user_errors: Vec<EngagementUserError>,
}

async fn record(
    ctx: &Context<'_>,
    items: Vec<EngagementInput>,
    key: Option<CallKey>,
) -> Result<Vec<Answer>, Error> {
    let now = ctx.app().clock().now();
    let mut answers: Vec<Option<Answer>> = Vec::with_capacity(items.len());
    let mut read = Vec::with_capacity(items.len());
    for item in items {
        answers.push(match item.read(now) {
            Ok(item) => {
                read.push(item);
                None
            }
            Err(problem) => Some(Answer::Refused(vec![problem])),
        });
    }
    let recorded = room::record_keyed(ctx.app(), ctx.caller()?, read, key.as_ref()).await?;
    let mut recorded = recorded.into_iter();
    Ok(answers
        .into_iter()
        .map(|answer| answer.unwrap_or_else(|| recorded.next().expect("one answer for each item")))
        .collect())
}

/// Changes of engagements.
#[derive(Default)]
pub struct EngagementMutation;

#[scoped]
#[Object]
impl EngagementMutation {
    /// Records an interaction with a lead.
    #[scope("engagement:write")]
    async fn engagement_record(
        &self,
        ctx: &Context<'_>,
        input: EngagementRecordInput,
    ) -> Result<EngagementRecordPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let mut answers = record(ctx, vec![input.engagement], key).await?;
        Ok(EngagementRecordPayload(
            answers.pop().expect("one answer for one item"),
        ))
    }

    /// Records up to 1,000 interactions and answers for each.
    #[scope("engagement:write")]
    async fn engagements_record(
        &self,
        ctx: &Context<'_>,
        input: EngagementsRecordInput,
    ) -> Result<EngagementsRecordPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let items = input.items;
        if items.len() > MOST_AT_ONCE {
            ctx.caller()?.require(Scope::Write(Area::Engagement))?;
            let message = format!("{} are too many: at most {} at once", items.len(), MOST_AT_ONCE);
            let problem = Problem::new("items", EngagementProblem::TooMany, message);
            return Ok(EngagementsRecordPayload {
                results: Vec::new(),
                recorded: 0,
                duplicates: 0,
                refused: 0,
                user_errors: vec![problem.into()],
            });
        }
        let (mut recorded, mut duplicates, mut refused) = (0, 0, 0);
        let answers = record(ctx, items, key).await?;
        for answer in &answers {
            match answer {
                Answer::Recorded(_) => recorded += 1,
                Answer::Duplicate(_) => duplicates += 1,
                Answer::Refused(_) => refused += 1,
            }
        }
        Ok(EngagementsRecordPayload {
            results: answers.into_iter().map(EngagementRecordPayload).collect(),
            recorded,
            duplicates,
            refused,
            user_errors: Vec::new(),
        })
    }
}
