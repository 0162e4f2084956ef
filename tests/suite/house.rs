//! What the tests of lifecycle and scoring share: a server whose clock stands, leads, engagements, conversions.

use entity::id::{ConsentId, ConversionId, EngagementId, LeadId};
use entity::{
    ConsentChannel, ConsentPurpose, ConsentState, ConversionKind, EngagementType, EventKind, Timestamp,
    consent, conversion, engagement,
};
use leadline::db::{Conflict, insert_many};
use leadline::events::{self, NewEvent};
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

    pub(crate) async fn engage(&self, engagements: &[(LeadId, EngagementType, Timestamp)]) {
        let app = self.server.app();
        let now = self.server.app().clock().now();
        let tx = app.db().begin().await.expect("a transaction");
        let mut rows = Vec::new();
        let mut told = Vec::new();
        for (lead_id, kind, at) in engagements {
            let row = engagement::Model {
                id: EngagementId::at(*at),
                lead_id: *lead_id,
                engagement_type: *kind,
                channel: entity::Channel::Email,
                custom_name: None,
                source_kind: None,
                source_id: None,
                source_name: None,
                message_id: None,
                message_link_count: None,
                url: None,
                title: None,
                value: None,
                revenue_minor: None,
                currency: None,
                device: None,
                country: None,
                region: None,
                city: None,
                ip: None,
                user_agent: None,
                metadata: None,
                confidence_milli: 1000,
                occurred_at: *at,
                received_at: now,
                dedupe_key: None,
            };
            told.push(NewEvent {
                kind: EventKind::EngagementRecorded,
                lead_id: Some(*lead_id),
                subject: row.id.to_string(),
                payload: json!({
                    "type": kind, "channel": "EMAIL", "occurredMicros": at.micros(), "confidenceMilli": 1000,
                }),
            });
            rows.push(row);
        }
        insert_many(&tx, &rows, Conflict::Fail).await.expect("inserts");
        events::append(&tx, "operator", now, told).await.expect("appends");
        tx.commit().await.expect("commits");
    }

    pub(crate) async fn convert(&self, lead_id: LeadId, kind: ConversionKind, at: Timestamp) {
        let app = self.server.app();
        let now = self.server.app().clock().now();
        let tx = app.db().begin().await.expect("a transaction");
        let row = conversion::Model {
            id: ConversionId::at(now),
            lead_id,
            kind,
            custom_name: None,
            value_minor: None,
            currency: None,
            metadata: "{}".into(),
            occurred_at: at,
            received_at: now,
            dedupe_key: None,
        };
        let event = NewEvent {
            kind: EventKind::ConversionRecorded,
            lead_id: Some(lead_id),
            subject: row.id.to_string(),
            payload: json!({ "kind": kind }),
        };
        insert_many(&tx, &[row], Conflict::Fail).await.expect("inserts");
        events::append(&tx, "operator", now, vec![event])
            .await
            .expect("appends");
        tx.commit().await.expect("commits");
    }

    pub(crate) async fn consent(&self, lead_id: LeadId, channel: ConsentChannel) {
        let app = self.server.app();
        let now = self.server.app().clock().now();
        let tx = app.db().begin().await.expect("a transaction");
        let row = consent::Model {
            lead_id,
            channel,
            purpose: ConsentPurpose::Marketing,
            state: ConsentState::Granted,
            at: now,
            record_id: ConsentId::at(now),
        };
        let event = NewEvent::of_lead(EventKind::ConsentChanged, lead_id, json!({}));
        insert_many(&tx, &[row], Conflict::Fail).await.expect("inserts");
        events::append(&tx, "operator", now, vec![event])
            .await
            .expect("appends");
        tx.commit().await.expect("commits");
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
