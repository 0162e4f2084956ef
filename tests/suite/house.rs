//! What the tests of lifecycle and scoring share: a server whose clock stands, leads, engagements, conversions.

use entity::id::LeadId;
use entity::{ConsentChannel, ConversionKind, EngagementType, Timestamp};
use leadline::identity::Caller;
use leadline::leads::lead::{self, LeadChange, Patch, UpsertMode};
use serde_json::{Value, json};

use crate::support::{Database, Feed, Server, Setup, Socket};

/// 2026-03-01T12:00:00Z, a Sunday.
pub(crate) const NOW: Timestamp = Timestamp(1_772_366_400_000_000);

pub(crate) fn hours(count: i64) -> Timestamp {
    NOW.plus_seconds(count * 3_600)
}

pub(crate) fn days(count: i64) -> Timestamp {
    NOW.plus_days(count)
}

/// A server whose clock stands at [`NOW`].
pub(crate) struct House {
    pub(crate) server: Server,
}

/// A subscription.
pub(crate) struct Told {
    _socket: Socket,
    feed: Feed,
}

impl House {
    pub(crate) async fn open(database: &Database) -> Self {
        Self {
            server: Server::start(database, Setup::default().at(&NOW.to_rfc3339())).await,
        }
    }

    pub(crate) fn set_time(&self, moment: Timestamp) {
        self.server.set_time(&moment.to_rfc3339());
    }

    /// Asks as the holder of a token of some scopes; answers the whole response.
    pub(crate) async fn ask_as(&self, scopes: &str, query: &str, variables: Value) -> Value {
        let scopes: Vec<&str> = scopes.split(' ').collect();
        let token = self.server.token(&scopes).await;
        self.server.graphql_as(Some(&token), query, variables).await
    }

    /// The value at a path of an answer, e.g. `/lead/score`.
    pub(crate) async fn value(&self, query: &str, variables: Value, path: &str) -> Value {
        let answer = self.server.data(query, variables).await;
        answer
            .pointer(path)
            .unwrap_or_else(|| panic!("no {path} in {answer}"))
            .clone()
    }

    /// What a subscription tells from this moment on.
    pub(crate) async fn follow(&self, subscription: &str) -> Told {
        let mut socket = self.server.socket(self.server.admin()).await;
        let feed = socket.subscribe(subscription, json!({})).await;
        Told {
            _socket: socket,
            feed,
        }
    }

    /// Creates a lead that is known only by its e-mail address, and what else is said of it.
    pub(crate) async fn lead(&self, email: &str, change: LeadChange) -> LeadId {
        let change = LeadChange {
            email: Patch::Set(email.into()),
            ..change
        };
        lead::write_one(self.server.app(), &Caller::operator(), change, UpsertMode::Create)
            .await
            .expect("a lead")
    }

    pub(crate) async fn update(&self, change: LeadChange) {
        lead::write_one(self.server.app(), &Caller::operator(), change, UpsertMode::Update)
            .await
            .expect("a lead");
    }

    /// Records engagements by e-mail, at most 1,000.
    pub(crate) async fn engage(&self, engagements: &[(LeadId, EngagementType, Timestamp)]) {
        let items: Vec<_> = engagements
            .iter()
            .map(|(lead, kind, at)| json!({ "leadId": lead, "type": kind, "channel": "EMAIL", "occurredAt": at }))
            .collect();
        let mutation = "mutation ($items: [EngagementInput!]!) { engagementsRecord(input: { items: $items }) { recorded \
                        results { userErrors { field message } } } }";
        let done = self.server.data(mutation, json!({ "items": items })).await;
        assert_eq!(done["engagementsRecord"]["recorded"], items.len(), "{done}");
    }

    pub(crate) async fn convert(&self, lead_id: LeadId, kind: ConversionKind, at: Timestamp) {
        let input = json!({ "leadId": lead_id, "kind": kind, "occurredAt": at });
        let mutation = "mutation ($input: ConversionRecordInput!) { conversionRecord(input: $input) { \
                        userErrors { field message } } }";
        let done = self.server.data(mutation, json!({ "input": input })).await;
        assert_eq!(done["conversionRecord"]["userErrors"], json!([]));
    }

    /// Records that a lead permits marketing.
    pub(crate) async fn consent(&self, lead_id: LeadId, channel: ConsentChannel) {
        let input = json!({ "leadId": lead_id, "channel": channel, "state": "GRANTED" });
        let mutation = "mutation ($input: ConsentRecordInput!) { consentRecord(input: $input) { \
                        userErrors { field message } } }";
        let done = self.server.data(mutation, json!({ "input": input })).await;
        assert_eq!(done["consentRecord"]["userErrors"], json!([]));
    }
}

/// The next thing told that fits.
pub(crate) async fn until(told: &mut Told, fits: impl Fn(&Value) -> bool) -> Value {
    loop {
        let one = told.feed.data().await;
        if fits(&one) {
            return one;
        }
    }
}
