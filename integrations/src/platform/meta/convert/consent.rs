//! Boxes of forms that are consent to marketing. Only a tick that the person made says something; a box left empty takes
//! nothing back that was given elsewhere.

use chrono::{DateTime, Utc};

use crate::facet::{ConsentRecord, ConsentState, ContactChannel};
use crate::platform::meta::settings::{ConsentBox, Number};
use crate::platform::meta::wire::{Checkbox, Form, Lead, Ticked};

/// Words that make a box one about marketing.
const MARKETING: &[&str] = &[
    "marketing",
    "newsletter",
    "promotion",
    "offers",
    "advertis",
    "werbung",
    "angebote",
    "publicit",
    "offres",
    "ofertas",
];
/// Words that name a channel. A newsletter without further words is mail.
const CHANNELS: &[(&str, ContactChannel)] = &[
    ("e-mail", ContactChannel::Email),
    ("email", ContactChannel::Email),
    ("e-post", ContactChannel::Email),
    ("correo electrónico", ContactChannel::Email),
    ("courriel", ContactChannel::Email),
    ("newsletter", ContactChannel::Email),
    ("sms", ContactChannel::Sms),
    ("text message", ContactChannel::Sms),
    ("whatsapp", ContactChannel::WhatsApp),
    ("phone call", ContactChannel::Voice),
    ("by phone", ContactChannel::Voice),
    ("by telephone", ContactChannel::Voice),
    ("telefonisch", ContactChannel::Voice),
    ("par téléphone", ContactChannel::Voice),
];
/// A box with such a word is not guessed about: "I do not want the newsletter" would be read the wrong way round.
const NEGATIONS: &[&str] = &[
    " not ",
    "n't ",
    "n’t ",
    "no longer",
    "opt out",
    "opt-out",
    " nicht ",
    " kein",
    " ne ",
    " no deseo",
    " no quiero",
];

/// What the ticks of a lead allow.
pub(super) fn consents(
    lead: &Lead,
    form: Option<&Form>,
    at: Option<DateTime<Utc>>,
    boxes: &[ConsentBox],
) -> Vec<ConsentRecord> {
    let mut all: Vec<ConsentRecord> = Vec::new();
    for ticked in lead
        .custom_disclaimer_responses
        .iter()
        .filter(|ticked| is_checked(ticked))
    {
        let shown = form.and_then(|form| {
            let boxes = &form.legal_content.custom_disclaimer.checkboxes;
            boxes.iter().find(|shown| shown.key == ticked.checkbox_key)
        });
        // A tick that was there already is none of theirs.
        if shown.is_some_and(|shown| shown.is_checked_by_default) {
            continue;
        }
        let form_id = lead.form_id.as_ref().map(|id| id.0.as_str());
        let named = boxes.iter().find(|named| {
            named.key == ticked.checkbox_key
                && named
                    .form_id
                    .as_ref()
                    .is_none_or(|id| form_id == Some(Number::as_str(id)))
        });
        let channels = match (named, shown) {
            (Some(named), _) => named.channels.iter().map(|channel| (*channel).into()).collect(),
            (None, Some(shown)) => guessed(shown),
            (None, None) => Vec::new(),
        };
        let proof = match shown {
            Some(shown) if !shown.text.trim().is_empty() => shown.text.trim().to_owned(),
            _ => format!(
                "box {} of form {}",
                ticked.checkbox_key,
                form_id.unwrap_or("unknown")
            ),
        };
        for channel in channels {
            if all.iter().all(|one| one.channel != channel) {
                all.push(ConsentRecord {
                    channel,
                    state: ConsentState::Granted,
                    at,
                    proof: Some(proof.clone()),
                });
            }
        }
    }
    all
}

pub(super) fn is_checked(ticked: &Ticked) -> bool {
    let value = &ticked.is_checked;
    value == true
        || value == 1
        || value
            .as_str()
            .is_some_and(|text| text == "1" || text.eq_ignore_ascii_case("true"))
}

fn guessed(shown: &Checkbox) -> Vec<ContactChannel> {
    let text = format!(" {} ", shown.text.to_lowercase());
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if !has(MARKETING) || has(NEGATIONS) {
        return Vec::new();
    }
    let named = CHANNELS.iter().filter(|(word, _)| text.contains(word));
    named.map(|(_, channel)| *channel).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(
        ticked: &serde_json::Value,
        checkbox: &serde_json::Value,
        boxes: &[ConsentBox],
    ) -> Vec<ContactChannel> {
        let lead: Lead = serde_json::from_value(json!({
            "id": 1, "form_id": "77", "custom_disclaimer_responses": [{ "checkbox_key": "optional_1", "is_checked": ticked }],
        }))
        .expect("a lead");
        let form: Form = serde_json::from_value(json!({
            "id": "77", "legal_content": { "custom_disclaimer": { "checkboxes": [checkbox] } },
        }))
        .expect("a form");
        let found = consents(&lead, Some(&form), None, boxes);
        found.iter().map(|one| one.channel).collect()
    }

    #[test]
    fn only_a_tick_about_marketing_is_consent() {
        use ContactChannel::{Email, Sms, Voice};
        let shown = |text: &str| json!({ "key": "optional_1", "text": text });
        for (text, channels) in [
            ("Send me the newsletter", vec![Email]),
            ("Offers by e-mail and SMS, please", vec![Email, Sms]),
            ("Ich möchte telefonisch Werbung bekommen", vec![Voice]),
            ("I have read the terms", vec![]),
            ("Answer me by e-mail", vec![]),
            ("Do not send me the newsletter", vec![]),
        ] {
            assert_eq!(given(&json!("1"), &shown(text), &[]), channels, "{text}");
            assert_eq!(given(&json!(""), &shown(text), &[]), [], "{text}");
        }
        let ticked_before =
            json!({ "key": "optional_1", "text": "newsletter", "is_checked_by_default": true });
        assert_eq!(given(&json!(true), &ticked_before, &[]), []);
    }

    #[test]
    fn the_owner_knows_better() {
        let named =
            |value: serde_json::Value| -> Vec<ConsentBox> { serde_json::from_value(value).expect("boxes") };
        let newsletter = json!({ "key": "optional_1", "text": "newsletter" });
        let sms = named(json!([{ "key": "optional_1", "formId": "77", "channels": ["SMS"] }]));
        assert_eq!(given(&json!("1"), &newsletter, &sms), [ContactChannel::Sms]);
        let none = named(json!([{ "key": "optional_1", "channels": [] }]));
        assert_eq!(given(&json!("1"), &newsletter, &none), []);
        let elsewhere = named(json!([{ "key": "optional_1", "formId": "78", "channels": ["SMS"] }]));
        assert_eq!(
            given(&json!("1"), &newsletter, &elsewhere),
            [ContactChannel::Email]
        );
    }
}
