//! Leads and forms.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Map, Value};

use super::consent;
use crate::FieldDefault;
use crate::facet::{LeadForm, LeadRecord, LeadTrail};
use crate::platform::meta::settings::ConsentBox;
use crate::platform::meta::wire::{Form, Id, Lead};

const fn default(theirs: &'static str, ours: &'static str) -> FieldDefault {
    FieldDefault { theirs, ours }
}

/// The platform's own questions; those that owners write themselves are mapped by them.
pub(in crate::platform::meta) const FIELDS: &[FieldDefault] = &[
    default("email", "email"),
    default("work_email", "email"),
    default("phone_number", "phone"),
    default("phone", "phone"),
    default("work_phone_number", "phone"),
    default("full_name", "display_name"),
    default("first_name", "first_name"),
    default("last_name", "last_name"),
    default("company_name", "company_name"),
    default("job_title", "job_title"),
    default("street_address", "street"),
    default("city", "city"),
    default("state", "region"),
    default("province", "region"),
    default("zip_code", "postal_code"),
    default("post_code", "postal_code"),
    default("country", "country"),
    default("website", "website"),
];

/// A moment as the platform writes it: with an offset without a colon, or as RFC 3339.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    let read =
        DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%z").or_else(|_| DateTime::parse_from_rfc3339(text));
    read.ok().map(|at| at.with_timezone(&Utc))
}

/// A form of a page.
pub(in crate::platform::meta) fn form(form: Form, page: &str) -> LeadForm {
    LeadForm {
        id: form.id.0,
        name: form.name,
        parent: Some(page.to_owned()),
        active: form.status == "ACTIVE",
        fields: form
            .questions
            .into_iter()
            .map(|question| (question.key, question.label))
            .collect(),
    }
}

/// A lead, with what is known of its form.
pub(in crate::platform::meta) fn lead(lead: &Lead, form: Option<&Form>, boxes: &[ConsentBox]) -> LeadRecord {
    let created_at = lead.created_time.as_deref().and_then(moment);
    let mut fields = Map::new();
    let mut test = false;
    for answered in &lead.field_data {
        let mut values: Vec<Value> = answered
            .values
            .iter()
            .map(|value| tidy(&answered.name, value))
            .collect();
        test |= values.iter().any(is_dummy);
        let value = match values.len() {
            0 => continue,
            1 => values.remove(0),
            _ => Value::Array(values),
        };
        fields.insert(answered.name.clone(), value);
    }
    for ticked in &lead.custom_disclaimer_responses {
        let name = format!("disclaimer_{}", ticked.checkbox_key);
        fields.insert(name, consent::is_checked(ticked).into());
    }
    if let Some(partner) = &lead.partner_name {
        fields.insert("partner_name".to_owned(), partner.trim().into());
    }
    if let Some(item) = &lead.retailer_item_id {
        fields.insert("retailer_item_id".to_owned(), item.0.clone().into());
    }
    LeadRecord {
        id: lead.id.0.clone(),
        created_at,
        // A lead never changes.
        updated_at: created_at,
        fields,
        consents: if test {
            Vec::new()
        } else {
            consent::consents(lead, form, created_at, boxes)
        },
        tags: None,
        trail: LeadTrail {
            medium: lead.platform.clone(),
            campaign: named(lead.campaign_id.as_ref(), lead.campaign_name.as_ref()),
            ad_group: named(lead.adset_id.as_ref(), lead.adset_name.as_ref()),
            ad: named(lead.ad_id.as_ref(), lead.ad_name.as_ref()),
            form: named(lead.form_id.as_ref(), form.map(|form| &form.name)),
            organic: lead.is_organic,
        },
        test,
    }
}

/// An id that says something, and the name to it.
fn named(id: Option<&Id>, name: Option<&String>) -> Option<(String, String)> {
    let id = &id?.0;
    // Organic leads have 0 for advertisements.
    (!id.is_empty() && id != "0").then(|| (id.clone(), name.cloned().unwrap_or_default()))
}

/// An answer without spaces around it; days and moments by ISO 8601.
fn tidy(name: &str, value: &Value) -> Value {
    let Value::String(text) = value else {
        return value.clone();
    };
    let text = text.trim();
    if name == "date_of_birth"
        && let Ok(day) = NaiveDate::parse_from_str(text, "%m/%d/%Y")
    {
        return day.to_string().into();
    }
    match moment(text) {
        Some(at) => at.to_rfc3339_opts(SecondsFormat::Secs, true).into(),
        None => text.into(),
    }
}

fn is_dummy(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.starts_with("<test lead: dummy data"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facet::{ConsentState, ContactChannel};

    fn read(value: Value) -> Lead {
        serde_json::from_value(value).expect("a lead")
    }

    #[test]
    fn a_lead_of_the_documentation() {
        let theirs = read(json!({
            "id": "1234567890123456", "created_time": "2026-09-01T10:00:00+0000", "platform": "fb", "is_organic": false,
            "form_id": 624_049_654_589_u64, "ad_id": "12020", "ad_name": "Ad", "campaign_id": "12021", "campaign_name": "C",
            "field_data": [
                { "name": "email", "values": [" a@b.c "] },
                { "name": "full_name", "values": ["Ada L"] },
                { "name": "date_of_birth", "values": ["12/10/1985"] },
                { "name": "appointment", "values": ["2026-09-03T09:30:00+0200"] },
                { "name": "interests", "values": ["x", "y"] },
                { "name": "nothing", "values": [] },
            ],
            "custom_disclaimer_responses": [{ "checkbox_key": "optional_1", "is_checked": "1" }],
            "something_new": { "a": 1 },
        }));
        let form: Form = serde_json::from_value(json!({
            "id": "624049654589", "name": "Offer", "legal_content": { "custom_disclaimer": { "checkboxes": [
                { "key": "optional_1", "text": "Newsletter by e-mail" },
            ] } },
        }))
        .unwrap();
        let ours = lead(&theirs, Some(&form), &[]);
        assert_eq!(
            Value::Object(ours.fields),
            json!({
                "email": "a@b.c", "full_name": "Ada L", "date_of_birth": "1985-12-10",
                "appointment": "2026-09-03T07:30:00Z", "interests": ["x", "y"], "disclaimer_optional_1": true,
            })
        );
        assert_eq!(ours.created_at.map(|at| at.timestamp()), Some(1_788_256_800));
        assert_eq!(
            ours.trail.form,
            Some(("624049654589".to_owned(), "Offer".to_owned()))
        );
        assert_eq!(ours.trail.ad_group, None);
        assert_eq!((ours.trail.organic, ours.test), (Some(false), false));
        let [consent] = &ours.consents[..] else {
            panic!("{:?}", ours.consents);
        };
        assert_eq!(
            (consent.channel, consent.state),
            (ContactChannel::Email, ConsentState::Granted)
        );
        assert_eq!(consent.proof.as_deref(), Some("Newsletter by e-mail"));
        assert_eq!(consent.at, ours.created_at);
    }

    #[test]
    fn organic_leads_and_tests() {
        let organic = lead(
            &read(json!({ "id": 17, "ad_id": 0, "is_organic": true })),
            None,
            &[],
        );
        assert_eq!(
            (organic.id.as_str(), organic.trail.ad, organic.trail.organic),
            ("17", None, Some(true))
        );
        let dummy = json!({ "id": "1", "field_data": [{ "name": "email", "values": ["<test lead: dummy data for email>"] }] });
        assert!(lead(&read(dummy), None, &[]).test);
    }

    #[test]
    fn moments_without_a_colon() {
        let at = moment("2026-09-01T10:00:00+0000").unwrap();
        assert_eq!(at, moment("2026-09-01T12:00:00+02:00").unwrap());
        assert_eq!(moment("2026-09-01"), None);
        assert_eq!(moment("+491701234567"), None);
    }
}
