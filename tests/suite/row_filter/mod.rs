//! Tokens that show a part of the leads: two leads of a partner, two of others, with every kind of thing hanging on them.

mod nested;
mod reads;
mod rows;
mod subscriptions;
mod transfers;
mod writes;

pub use transfers::upload;

use leadline::identity::{Caller, Rows, create_filtered_token};
use leadline::leads::visible::row_filter;
use serde_json::{Value, json};

use crate::support::Server;

/// Which leads the partner sees.
pub const PARTNER: &str = r#"{"source":{"eq":"partner-x"}}"#;
/// When it is.
const NOW: &str = "2026-03-10T12:00:00Z";

const TAGGED: &str =
    "mutation ($input: LeadsTagInput!) { it: leadsTag(input: $input) { userErrors { code } results {
    leadId addedIds removedIds userErrors { code message } } } }";
const UPDATE: &str =
    "mutation ($input: LeadUpdateInput!) { it: leadUpdate(input: $input) { outcome lead { id }
    userErrors { field code message } } }";
const ENGAGE: &str = "mutation ($input: EngagementRecordInput!) { it: engagementRecord(input: $input) { duplicate engagement { id }
    userErrors { field code message } } }";
const CONVERT: &str = "mutation ($input: ConversionRecordInput!) { it: conversionRecord(input: $input) { duplicate conversion { id }
    userErrors { field code message } } }";
const DEAL: &str = "mutation ($input: DealCreateInput!) { it: dealCreate(input: $input) { deal { id } userErrors { field code message } } }";
const MOVE: &str =
    "mutation ($input: LeadStageChangeInput!) { it: leadStageChange(input: $input) { stay { id } lead { id }
    userErrors { field code message } } }";
const CONSENT: &str =
    "mutation ($input: ConsentRecordInput!) { it: consentRecord(input: $input) { record { id }
    userErrors { field code message } } }";
const NOTE: &str = "mutation ($input: NoteAddInput!) { it: noteAdd(input: $input) { note { id } userErrors { field code message } } }";

/// Makes a token of some scopes that shows the leads for which a filter holds.
pub async fn partner(server: &Server, scopes: &[&str], filter: &str) -> String {
    let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let filter = row_filter(server.app(), filter).await.expect("a filter");
    let rows = Rows::Where(filter);
    let made = create_filtered_token(server.app(), &Caller::operator(), "partner", &scopes, rows, None).await;
    made.expect("a token").secret
}

/// Does something as the holder of a token; answers the payload.
async fn does(server: &Server, token: &str, mutation: &str, input: Value) -> Value {
    server.data_as(token, mutation, json!({ "input": input })).await["it"].take()
}

/// Does something as admin that is in order; answers what is at a place of the payload.
async fn done(server: &Server, mutation: &str, input: Value, place: &str) -> String {
    let payload = does(server, server.admin(), mutation, input).await;
    let found = payload.pointer(place).and_then(Value::as_str);
    found
        .unwrap_or_else(|| panic!("no {place} in {payload}"))
        .to_owned()
}

/// A lead and what hangs on it.
struct Family {
    lead: String,
    note: String,
    consent: String,
    engagement: String,
    conversion: String,
    deal: String,
    stay: String,
}

impl Family {
    fn ids(&self) -> [&str; 7] {
        let Self {
            lead,
            note,
            consent,
            engagement,
            conversion,
            deal,
            stay,
        } = self;
        [lead, note, consent, engagement, conversion, deal, stay].map(String::as_str)
    }
}

/// What is there.
struct Scene {
    inside: [Family; 2],
    outside: [Family; 2],
    tag: String,
}

impl Scene {
    async fn new(server: &Server) -> Self {
        let tag = "mutation ($input: TagCreateInput!) { it: tagCreate(input: $input) { tag { id } } }";
        let tag = done(server, tag, json!({ "name": "both" }), "/tag/id").await;
        let of = async |name: &str, source: &str| family(server, &tag, name, source).await;
        Self {
            inside: [of("ann", "partner-x").await, of("bob", "Partner-X").await],
            outside: [of("cyd", "other").await, of("dan", "partner-xy").await],
            tag: tag.clone(),
        }
    }

    fn is_inside(&self, lead: &Value) -> bool {
        self.inside.iter().any(|family| *lead == family.lead)
    }
}

async fn family(server: &Server, tag: &str, name: &str, source: &str) -> Family {
    let create = "mutation ($input: LeadCreateInput!) { it: leadCreate(input: $input) { lead { id } } }";
    let external = json!([{ "namespace": format!("crm:{name}"), "value": name }]);
    let input = json!({ "email": format!("{name}@example.com"), "firstName": name, "source": source, "externalIds": external });
    let lead = done(server, create, input, "/lead/id").await;
    does(
        server,
        server.admin(),
        TAGGED,
        json!({ "leadIds": [lead], "add": [tag] }),
    )
    .await;
    let engagement = json!({ "leadId": lead, "type": "PURCHASE_MADE", "occurredAt": "2026-03-09T10:00:00Z",
        "revenue": { "amount": "10", "currencyCode": "EUR" }, "dedupeKey": format!("key of {name}") });
    Family {
        note: done(
            server,
            NOTE,
            json!({ "leadId": lead, "body": format!("of {name}") }),
            "/note/id",
        )
        .await,
        consent: done(
            server,
            CONSENT,
            json!({ "leadId": lead, "channel": "EMAIL", "state": "GRANTED" }),
            "/record/id",
        )
        .await,
        engagement: done(server, ENGAGE, engagement, "/engagement/id").await,
        conversion: done(
            server,
            CONVERT,
            json!({ "leadId": lead, "kind": "QUALIFIED", "dedupeKey": format!("key of {name}") }),
            "/conversion/id",
        )
        .await,
        deal: deal(server, &lead, name).await,
        stay: done(
            server,
            MOVE,
            json!({ "leadId": lead, "stage": "ENGAGED", "reason": "because" }),
            "/stay/id",
        )
        .await,
        lead,
    }
}

/// An open deal of a lead, which nobody is told of: its stage is as it was.
async fn deal(server: &Server, lead: &str, name: &str) -> String {
    use entity::id::{DealId, LeadId};
    use entity::{DealState, Timestamp, deal, deal_move, deal_stage};
    use sea_orm::{EntityTrait as _, IntoActiveModel as _};
    let db = server.app().db();
    let stage = deal_stage::Entity::find().one(db.read()).await;
    let stage = stage.expect("stages are there").expect("a stage").id;
    let at = Timestamp(1);
    let row = deal::Model {
        id: DealId::at(at),
        lead_id: lead.parse::<LeadId>().expect("a lead's id"),
        name: format!("of {name}"),
        folded_name: format!("of {name}"),
        stage_id: stage,
        value_minor: Some(1_000),
        currency: Some("EUR".to_owned()),
        reporting_minor: Some(1_000),
        reporting_currency: Some("EUR".to_owned()),
        state: DealState::Open,
        reason: None,
        expected_close: None,
        owner: None,
        opened_at: at,
        closed_at: None,
        wins: 0,
        conversion_id: None,
        version: 1,
        created_by: "operator".to_owned(),
        created_at: at,
        updated_at: at,
    };
    let begun = deal_move::Model {
        deal_id: row.id,
        version: 1,
        at,
        from_stage: None,
        to_stage: stage,
        from_state: None,
        to_state: DealState::Open,
        reason: Some(format!("of {name}")),
        actor: "operator".to_owned(),
    };
    let id = row.id.to_string();
    let put = deal::Entity::insert(row.into_active_model());
    put.exec_without_returning(db.write()).await.expect("a deal");
    let put = deal_move::Entity::insert(begun.into_active_model());
    put.exec_without_returning(db.write()).await.expect("a move");
    id
}
