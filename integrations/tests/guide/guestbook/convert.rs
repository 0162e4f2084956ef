//! Theirs to ours: pure.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::wire::{Book, Consent, Entry};
use crate::facet::{ConsentRecord, ConsentState, ContactChannel, LeadForm, LeadRecord, LeadTrail};

/// A book is a form.
pub(super) fn form(book: Book) -> LeadForm {
    let questions = book.questions.into_iter();
    LeadForm {
        id: book.id,
        name: book.title,
        parent: None,
        active: book.open,
        fields: questions.map(|question| (question.key, question.label)).collect(),
    }
}

/// An entry is a lead.
pub(super) fn lead(entry: Entry) -> LeadRecord {
    let created_at = moment(entry.created_at.as_deref());
    LeadRecord {
        id: entry.id,
        created_at,
        updated_at: moment(entry.updated_at.as_deref()),
        fields: fields(entry.answers),
        consents: entry
            .consents
            .into_iter()
            .filter_map(|said| consent(said, created_at))
            .collect(),
        tags: None,
        trail: LeadTrail {
            form: entry.book.map(|book| (book.id, book.title)),
            ..LeadTrail::default()
        },
        test: entry.test,
    }
}

/// Texts are trimmed. An empty one was left out by who signed: it is not known, which is not the same as emptied (null).
fn fields(answers: Map<String, Value>) -> Map<String, Value> {
    let trimmed = answers.into_iter().filter_map(|(key, value)| match value {
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => Some((key, text.trim().into())),
        other => Some((key, other)),
    });
    trimmed.collect()
}

/// A box that was not ticked says nothing: it is no refusal.
fn consent(said: Consent, at: Option<DateTime<Utc>>) -> Option<ConsentRecord> {
    let channel = match said.channel.as_str() {
        "email" => ContactChannel::Email,
        "sms" => ContactChannel::Sms,
        _ => return None,
    };
    said.agreed.then_some(ConsentRecord {
        channel,
        state: ConsentState::Granted,
        at,
        proof: said.text,
    })
}

fn moment(text: Option<&str>) -> Option<DateTime<Utc>> {
    let moment = DateTime::parse_from_rfc3339(text?).ok()?;
    Some(moment.to_utc())
}
