//! From a platform's lead to ours: pure.

use entity::{ConsentChannel, ConsentPurpose, ConsentState, Timestamp};
use integrations::facet::{ConsentRecord, ContactChannel, LeadTrail};
use serde_json::{Value, json};

use crate::leads::import::Said;

/// What a platform has on record of consent, as ours.
pub(super) fn said(record: &ConsentRecord) -> Said {
    let ConsentRecord {
        channel,
        state,
        at,
        proof,
    } = record;
    Said {
        channel: match channel {
            ContactChannel::Email => ConsentChannel::Email,
            ContactChannel::Sms => ConsentChannel::Sms,
            ContactChannel::WhatsApp => ConsentChannel::Whatsapp,
            ContactChannel::Voice => ConsentChannel::Voice,
        },
        purpose: ConsentPurpose::Marketing,
        state: match state {
            integrations::facet::ConsentState::Granted => ConsentState::Granted,
            integrations::facet::ConsentState::Denied => ConsentState::Denied,
            integrations::facet::ConsentState::Pending => ConsentState::Pending,
        },
        at: at.map(Timestamp::from),
        wording: proof.clone(),
    }
}

/// What is known of where a lead came from.
pub(super) fn source_detail(trail: &LeadTrail) -> Vec<(String, Value)> {
    let LeadTrail {
        medium,
        campaign,
        ad_group,
        ad,
        form,
        organic,
    } = trail;
    let mut detail = Vec::new();
    let mut put = |key: &str, value: Value| detail.push((key.to_owned(), value));
    if let Some(medium) = medium {
        put("medium", json!(medium));
    }
    for (key, pair) in [
        ("campaign", campaign),
        ("adGroup", ad_group),
        ("ad", ad),
        ("form", form),
    ] {
        if let Some((id, name)) = pair {
            put(&format!("{key}Id"), json!(id));
            if !name.is_empty() {
                put(key, json!(name));
            }
        }
    }
    if let Some(organic) = organic {
        put("organic", json!(organic));
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_tells_ids_and_names() {
        let trail = LeadTrail {
            medium: Some("ig".into()),
            campaign: Some(("12".into(), "Spring".into())),
            form: Some(("7".into(), String::new())),
            organic: Some(false),
            ..LeadTrail::default()
        };
        let expected = [
            ("medium", json!("ig")),
            ("campaignId", json!("12")),
            ("campaign", json!("Spring")),
            ("formId", json!("7")),
            ("organic", json!(false)),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        assert_eq!(source_detail(&trail), expected);
    }
}
