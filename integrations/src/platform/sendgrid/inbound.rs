//! Mails that come in by Inbound Parse: a form with the parts of a mail, or with the whole of it.

use std::collections::BTreeMap;
use std::convert::Infallible;

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8};
use futures_util::{FutureExt as _, stream};
use multer::Multipart;
use serde::Deserialize;

use crate::facet::{Inbound, WebhookEvent};
use crate::mail::{Part, Received};
use crate::{Error, Result};

struct Field {
    name: String,
    kind: Option<String>,
    bytes: Bytes,
}

/// Who sent it to whom.
#[derive(Debug, Default, Deserialize)]
struct Envelope {
    #[serde(default)]
    to: Vec<String>,
    from: Option<String>,
}

/// What a mail that came in tells.
pub fn events(request: &Inbound) -> Result<Vec<WebhookEvent>> {
    let fields = fields(request)?;
    let raw = |name: &str| {
        fields
            .iter()
            .find(|field| field.name == name)
            .map(|field| &field.bytes)
    };
    let charsets: BTreeMap<String, String> = raw("charsets")
        .and_then(|bytes| serde_json::from_slice(bytes).ok())
        .unwrap_or_default();
    let text = |name: &str| {
        let charset = charsets
            .get(name)
            .and_then(|label| Encoding::for_label(label.as_bytes()));
        raw(name).map(|bytes| charset.unwrap_or(UTF_8).decode(bytes).0.into_owned())
    };
    let envelope: Envelope = raw("envelope")
        .and_then(|bytes| serde_json::from_slice(bytes).ok())
        .unwrap_or_default();
    let received = match raw("email") {
        Some(mime) => Received::read(mime)?,
        None => {
            let header = match raw("headers") {
                Some(header) => with_end(header),
                None => written(text("from"), text("to"), text("subject"))?,
            };
            Received::of(
                &header,
                text("text"),
                text("html").as_deref(),
                attachments(&fields),
            )?
        }
    };
    let received = match &envelope.from {
        Some(sender) => received.from_envelope(sender),
        None => received,
    };
    Ok(received.events(envelope.to.first().map(String::as_str)))
}

/// The fields of the form, in their bytes: each has a charset of its own.
fn fields(request: &Inbound) -> Result<Vec<Field>> {
    let malformed = |error: multer::Error| Error::malformed(format!("the form: {error}"));
    let boundary = request.header("content-type").unwrap_or_default();
    let boundary = multer::parse_boundary(boundary).map_err(malformed)?;
    let body = request.body.clone();
    let body = stream::iter([Ok::<_, Infallible>(body)]);
    let read = async move {
        let mut form = Multipart::new(body, boundary);
        let mut fields = Vec::new();
        while let Some(field) = form.next_field().await? {
            fields.push(Field {
                name: field.name().unwrap_or_default().to_owned(),
                kind: field
                    .content_type()
                    .map(|kind| kind.essence_str().to_ascii_lowercase()),
                bytes: field.bytes().await?,
            });
        }
        Ok(fields)
    };
    // All of it is there, so there is nothing to wait for.
    read.now_or_never()
        .unwrap_or(Err(multer::Error::IncompleteStream))
        .map_err(malformed)
}

fn attachments(fields: &[Field]) -> Vec<Part> {
    fields
        .iter()
        .filter(|field| {
            let number = field.name.strip_prefix("attachment");
            number
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .filter_map(|field| {
            Some(Part {
                kind: field.kind.clone()?,
                bytes: field.bytes.to_vec(),
            })
        })
        .collect()
}

fn with_end(header: &[u8]) -> Vec<u8> {
    let mut whole = header.trim_ascii_end().to_vec();
    whole.extend_from_slice(b"\r\n\r\n");
    whole
}

/// A header of what is told of it.
fn written(from: Option<String>, to: Option<String>, subject: Option<String>) -> Result<Vec<u8>> {
    let from =
        from.ok_or_else(|| Error::malformed("the form has neither `email` nor `headers` nor `from`"))?;
    let mut header = String::new();
    for (name, value) in [("From", Some(from)), ("To", to), ("Subject", subject)] {
        if let Some(value) = value {
            let value = value.split(['\r', '\n']).collect::<Vec<_>>().join(" ");
            header.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    header.push_str("\r\n");
    Ok(header.into_bytes())
}
