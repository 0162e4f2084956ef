//! The facts of leads, from what is stored of them.

use std::collections::{HashMap, HashSet};

use entity::ConsentChannel;
use entity::id::LeadId;

use super::model::{Field, Fields, ScoreFacts, ScoreModel};
use super::store::{self, LeadRow};
use crate::app::App;
use crate::error::Error;

/// Whether a JSON array or object, or a value in one, holds anything.
fn holds_something(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => items.iter().any(holds_something),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn has_custom(custom: &str, key: &str) -> bool {
    // Most leads have no custom fields, and parsing is the dear part.
    custom.contains(key)
        && serde_json::from_str::<serde_json::Value>(custom)
            .is_ok_and(|custom| custom.get(key).is_some_and(holds_something))
}

/// Takes the lead's own row into its facts: fields, stage, since when it is.
pub(super) fn take_row(facts: &mut ScoreFacts, row: &LeadRow, model: &ScoreModel) {
    let given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
    let kept = |text: &Option<String>| {
        text.as_deref()
            .filter(|text| !text.trim().is_empty())
            .map(Into::into)
    };
    let LeadRow {
        id: _,
        email,
        first_name,
        last_name,
        phone,
        country,
        region,
        city,
        customer_type,
        interests,
        custom,
        source,
        stage,
        created_at,
    } = row;
    let mut fields = Fields::default();
    fields.set(Field::Email, given(email));
    fields.set(Field::FirstName, given(first_name));
    fields.set(Field::LastName, given(last_name));
    fields.set(Field::Phone, given(phone));
    fields.set(Field::Location, given(country) || given(region) || given(city));
    fields.set(Field::CustomerType, given(customer_type));
    let key = &model.demographic.primary_interest_field;
    fields.set(Field::PrimaryInterest, has_custom(custom, key));
    let interested = interests.len() > 2
        && serde_json::from_str::<serde_json::Value>(interests).is_ok_and(|list| holds_something(&list));
    fields.set(Field::Interests, interested);
    facts.fields = fields;
    facts.country = kept(country);
    facts.region = kept(region);
    facts.city = kept(city);
    facts.customer_type = kept(customer_type);
    facts.source = kept(source);
    facts.stage = *stage;
    facts.created_at = *created_at;
}

/// Takes the consents of a lead into its facts.
pub(super) fn take_consents(facts: &mut ScoreFacts, id: LeadId, granted: &HashSet<(LeadId, ConsentChannel)>) {
    facts.email_consent = granted.contains(&(id, ConsentChannel::Email));
    facts.sms_consent = granted.contains(&(id, ConsentChannel::Sms));
}

/// Gathers all facts of leads from their rows, engagements among them: what a reader needs whose lead is stale.
/// Three statements, whatever the number of leads. A lead that is not there is left out.
pub(super) async fn gather(
    app: &App,
    ids: &[LeadId],
    model: &ScoreModel,
) -> Result<HashMap<LeadId, ScoreFacts>, Error> {
    let db = app.db();
    let mut gathered: HashMap<LeadId, ScoreFacts> = HashMap::with_capacity(ids.len());
    for row in store::leads(db.read(), db.backend(), ids).await? {
        let mut facts = ScoreFacts::new(row.created_at);
        take_row(&mut facts, &row, model);
        gathered.insert(row.id, facts);
    }
    let granted = store::consents(db.read(), ids).await?;
    for (id, facts) in &mut gathered {
        take_consents(facts, *id, &granted);
    }
    for (id, kind, at, confidence) in store::engagements(db.read(), ids).await? {
        if let Some(facts) = gathered.get_mut(&id) {
            facts.observe(kind, at, confidence);
        }
    }
    let now = app.clock().now();
    for facts in gathered.values_mut() {
        facts.trim(now);
    }
    Ok(gathered)
}
