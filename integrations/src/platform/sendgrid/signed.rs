//! Signatures of webhooks: ECDSA over P-256 with SHA-256, of the time in a header and the body.

use chrono::{DateTime, TimeDelta, Utc};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use schemars::JsonSchema;
use serde::Deserialize;

use super::settings::Settings;
use crate::facet::Inbound;
use crate::signature::from_base64;
use crate::{Error, Result};

/// What stands before the point in the DER of a key on P-256 (RFC 5480).
const HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";

/// How far the platform's clock may be ahead of ours, in minutes.
const AHEAD: i64 = 10;

/// A public key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct PublicKey(Vec<u8>);

impl TryFrom<String> for PublicKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text: String = text
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .flat_map(str::split_whitespace)
            .collect();
        let der = from_base64(&text).unwrap_or_default();
        match der.strip_prefix(&HEAD) {
            // 4 says that both coordinates follow.
            Some(point) if point.len() == 65 && point[0] == 4 => Ok(Self(point.to_vec())),
            _ => Err(
                "a public key as the platform shows it: base64, beginning with `MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE`",
            ),
        }
    }
}

/// Whether it brings a mail that came in, not events.
pub fn is_inbound(request: &Inbound) -> bool {
    request.header("content-type").is_some_and(|kind| {
        kind.trim_start()
            .to_ascii_lowercase()
            .starts_with("multipart/form-data")
    })
}

/// Whether a webhook is from the platform.
pub fn verify(settings: &Settings, request: &Inbound) -> Result<()> {
    let key = if is_inbound(request) {
        let is_signed = request.headers.contains_key(SIGNATURE);
        if settings.unsigned_inbound && !is_signed {
            return Ok(());
        }
        settings
            .inbound_public_key
            .as_ref()
            .or(settings.webhook_public_key.as_ref())
    } else {
        settings.webhook_public_key.as_ref()
    };
    let key = key.ok_or_else(Error::signature)?;
    let header = |name| request.header(name).ok_or_else(Error::signature);
    let (signature, timestamp) = (header(SIGNATURE)?, header(TIMESTAMP)?);
    let signature = from_base64(signature)?;
    let signed = [timestamp.as_bytes(), &request.body].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key.0)
        .verify(&signed, &signature)
        .map_err(|_| Error::signature())?;
    let at = timestamp
        .parse()
        .ok()
        .and_then(|unix| DateTime::<Utc>::from_timestamp(unix, 0));
    let age = at
        .ok_or_else(Error::signature)?
        .signed_duration_since(request.received_at);
    let oldest = TimeDelta::from_std(settings.webhook_age()).map_err(|_| Error::signature())?;
    if age > TimeDelta::minutes(AHEAD) || age < -oldest {
        return Err(Error::signature());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Method};
    use url::Url;

    use super::*;
    use crate::Kind;

    // Made with independent libraries after the platform's documentation.
    const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWs8LCtI64OQWScRzJiKcQlYSsCSGwi+ULM8dfy+nX1AwUrekGEhaPrexwKqLMfaCifd4otqdtY2AdSSz1sqdNw==";
    const SIGNED: &str =
        "MEYCIQC11+FotH2L23oDz5GHwb0UwqjV3l0FKpNBw5W/FUExNQIhAJlMIPwIWwWrIivUHgY9dkyOvTyEIWGuMQ/1zYlk3Mb2";
    const BODY: &str = "[{\"email\":\"a@example.test\",\"event\":\"delivered\",\"timestamp\":1700000000,\"sg_event_id\":\"e1\"}]\r\n";

    fn settings(more: &serde_json::Value) -> Settings {
        let mut settings = serde_json::json!({ "webhookPublicKey": KEY });
        for (name, value) in more.as_object().expect("fields") {
            settings[name] = value.clone();
        }
        serde_json::from_value(settings).expect("settings")
    }

    fn request(body: &str, timestamp: Option<&str>, signature: Option<&str>) -> Inbound {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        for (name, value) in [(TIMESTAMP, timestamp), (SIGNATURE, signature)] {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_str(value).expect("a value"));
            }
        }
        Inbound {
            method: Method::POST,
            url: Url::parse("https://leadline.example.org/hooks/1").expect("an address"),
            headers,
            body: Bytes::from(body.to_owned()),
            received_at: DateTime::from_timestamp(1_700_000_300, 0).expect("a moment"),
        }
    }

    #[test]
    fn what_the_platform_signed_is_taken_and_nothing_else() {
        let usual = settings(&serde_json::json!({}));
        assert_eq!(
            verify(&usual, &request(BODY, Some("1700000001"), Some(SIGNED))),
            Ok(())
        );
        let other_body = BODY.replace("e1", "e2");
        let other_key = settings(&serde_json::json!({
            "webhookPublicKey": super::super::sandbox::PUBLIC_KEY
        }));
        let no_key: Settings = serde_json::from_str("{}").unwrap();
        for (settings, request) in [
            (&usual, request(&other_body, Some("1700000001"), Some(SIGNED))),
            (&usual, request(BODY.trim_end(), Some("1700000001"), Some(SIGNED))),
            (&usual, request(BODY, Some("1700000002"), Some(SIGNED))),
            (&usual, request(BODY, Some("01700000001"), Some(SIGNED))),
            (&usual, request(BODY, None, Some(SIGNED))),
            (&usual, request(BODY, Some("1700000001"), None)),
            (&usual, request(BODY, Some("1700000001"), Some("?"))),
            (&usual, request(BODY, Some("1700000001"), Some("MEYC"))),
            (&other_key, request(BODY, Some("1700000001"), Some(SIGNED))),
            (&no_key, request(BODY, Some("1700000001"), Some(SIGNED))),
        ] {
            assert_eq!(verify(settings, &request).unwrap_err().kind, Kind::Signature);
        }
    }

    #[test]
    fn old_webhooks_are_not_taken() {
        let mut late = request(BODY, Some("1700000001"), Some(SIGNED));
        late.received_at += TimeDelta::hours(79);
        assert!(verify(&settings(&serde_json::json!({})), &late).is_ok());
        assert!(verify(&settings(&serde_json::json!({ "webhookHours": 24 })), &late).is_err());
        let mut early = request(BODY, Some("1700000001"), Some(SIGNED));
        early.received_at -= TimeDelta::hours(1);
        assert!(verify(&settings(&serde_json::json!({})), &early).is_err());
    }

    #[test]
    fn mails_that_come_in_without_a_signature_are_taken_only_where_that_is_set() {
        let mut mail = request("x", None, None);
        mail.headers.insert(
            "content-type",
            HeaderValue::from_static("multipart/form-data; boundary=x"),
        );
        assert!(verify(&settings(&serde_json::json!({})), &mail).is_err());
        let lax = settings(&serde_json::json!({ "unsignedInbound": true }));
        assert!(verify(&lax, &mail).is_ok());
        assert!(
            verify(&lax, &request(BODY, None, None)).is_err(),
            "events are signed in any case"
        );
        let mut wrong = mail;
        wrong.headers.insert(SIGNATURE, HeaderValue::from_static("MEYC"));
        wrong
            .headers
            .insert(TIMESTAMP, HeaderValue::from_static("1700000001"));
        assert!(
            verify(&lax, &wrong).is_err(),
            "a wrong signature is no missing one"
        );
    }

    #[test]
    fn keys_are_read_as_they_are_shown() {
        let armoured = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n",
            &KEY[..64],
            &KEY[64..]
        );
        assert!(PublicKey::try_from(armoured).is_ok());
        for wrong in ["", "x", "MFkw", &KEY[..100]] {
            assert!(PublicKey::try_from(wrong.to_owned()).is_err());
        }
    }
}
