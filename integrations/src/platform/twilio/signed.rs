//! Whether a webhook is from Twilio.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use url::{Position, Url};

use super::settings::TwilioSecrets;
use crate::facet::Inbound;
use crate::{Error, Result, signature};

/// Checks `X-Twilio-Signature` over the address and, where a form was posted, its fields. Anything else that was posted
/// must have the hash that the signed address names.
///
/// # Errors
/// [`Kind::Signature`](crate::Kind::Signature).
pub fn verify(request: &Inbound, secrets: &TwilioSecrets) -> Result<()> {
    let tag = request
        .header("x-twilio-signature")
        .ok_or_else(Error::signature)?;
    let tag = signature::from_base64(tag)?;
    let fields = signed_fields(request)?;
    let algorithm = algorithm(request)?;
    let keys = match algorithm {
        Algorithm::Sha1 => [Some(&secrets.auth_token), secrets.secondary_auth_token.as_ref()],
        Algorithm::Sha256 => [secrets.webhook_secret.as_ref(), None],
    };
    // An empty key would let anybody sign.
    let keys = keys.into_iter().flatten().filter(|key| !key.is_empty());
    let messages: Vec<String> = spellings(&request.url)
        .into_iter()
        .map(|url| url + &fields)
        .collect();
    let mut found = false;
    for key in keys {
        for message in &messages {
            let (key, message) = (key.expose().as_bytes(), message.as_bytes());
            let checked = match algorithm {
                Algorithm::Sha1 => signature::hmac_sha1(key, message, &tag),
                Algorithm::Sha256 => signature::hmac_sha256(key, message, &tag),
            };
            found |= checked.is_ok();
        }
    }
    if found { Ok(()) } else { Err(Error::signature()) }
}

#[derive(Clone, Copy)]
enum Algorithm {
    Sha1,
    Sha256,
}

/// By what it is signed: `key=<id>,algorithm=HMAC_SHA256` in a header of its own, HMAC-SHA1 without.
fn algorithm(request: &Inbound) -> Result<Algorithm> {
    if !request
        .headers
        .contains_key("x-twilio-webhooks-signature-settings")
    {
        return Ok(Algorithm::Sha1);
    }
    let settings = request.header("x-twilio-webhooks-signature-settings");
    let named = settings
        .into_iter()
        .flat_map(|settings| settings.split(','))
        .find_map(|part| {
            let (name, value) = part.split_once('=')?;
            (name.trim() == "algorithm").then(|| value.trim())
        });
    match named {
        Some("HMAC_SHA1") => Ok(Algorithm::Sha1),
        Some("HMAC_SHA256") => Ok(Algorithm::Sha256),
        _ => Err(Error::signature()),
    }
}

/// What is signed behind the address.
fn signed_fields(request: &Inbound) -> Result<String> {
    if request.method == Method::GET {
        return Ok(String::new());
    }
    if is_form(request) {
        return Ok(joined(&request.form()));
    }
    let hash = request
        .url
        .query_pairs()
        .find_map(|(name, value)| (name == "bodySHA256").then_some(value));
    match hash {
        Some(hash) => {
            let found = signature::sha256_hex(&request.body);
            if signature::same(found.as_bytes(), hash.to_ascii_lowercase().as_bytes()) {
                Ok(String::new())
            } else {
                Err(Error::signature())
            }
        }
        None if request.body.is_empty() => Ok(String::new()),
        None => Err(Error::signature()),
    }
}

/// Whether a form was posted.
pub fn is_form(request: &Inbound) -> bool {
    request.header("content-type").is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

/// Names with their values, each pair once, sorted by code point, without anything in between.
fn joined(fields: &[(String, String)]) -> String {
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in fields {
        sorted.entry(name).or_default().insert(value);
    }
    let mut text = String::new();
    for (name, values) in sorted {
        for value in values {
            text.push_str(name);
            text.push_str(value);
        }
    }
    text
}

/// The address as it is, and with or without its port: Twilio's servers differ in that.
fn spellings(url: &Url) -> Vec<String> {
    let mut spellings = vec![url.as_str().to_owned()];
    let host = &url[..Position::AfterHost];
    let rest = &url[Position::BeforePath..];
    match (url.port(), url.port_or_known_default()) {
        (Some(_), _) => spellings.push(format!("{host}{rest}")),
        (None, Some(port)) => spellings.push(format!("{host}:{port}{rest}")),
        (None, None) => {}
    }
    spellings
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::DateTime;
    use http::HeaderMap;

    use super::*;
    use crate::Kind;

    const KEY: &str = "test_token_0123456789abcdef";
    const FORM: &str = "AccountSid=AC0000&Body=STOP&From=%2B15550001111&MessageSid=SM0001&To=%2B15550002222";
    const SMS: &str = "https://hooks.example.test/twilio/sms?tenant=42";
    const SHA1: &str = "dJCkaF+v5ICF0NoZzroHACbcAoY=";
    const SHA256: &str = "yocp4aVx84KWThYNfMTqHGGHoIyKcKFn2Clyd0ddCdQ=";
    const JSON: &str = "https://hooks.example.test/twilio/json?bodySHA256=\
                        ebc2c4ea03938ee05e18c1a712d9fa02de923d6f2db34b68fe1f8dcf651e479d";

    fn request(url: &str, headers: &[(&'static str, &str)], body: &'static str) -> Inbound {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header"));
        }
        Inbound {
            method: Method::POST,
            url: Url::parse(url).expect("an address"),
            headers: map,
            body: Bytes::from_static(body.as_bytes()),
            received_at: DateTime::UNIX_EPOCH,
        }
    }

    fn form(url: &str, tag: &str, body: &'static str) -> Inbound {
        let kind = "application/x-www-form-urlencoded; charset=UTF-8";
        request(url, &[("content-type", kind), ("x-twilio-signature", tag)], body)
    }

    fn secrets() -> TwilioSecrets {
        TwilioSecrets {
            auth_token: KEY.into(),
            secondary_auth_token: None,
            api_key_secret: None,
            webhook_secret: None,
        }
    }

    fn refused(request: &Inbound) -> bool {
        verify(request, &secrets()).is_err_and(|error| error.kind == Kind::Signature)
    }

    #[test]
    fn the_documented_form_is_taken_and_nothing_near_it() {
        assert_eq!(verify(&form(SMS, SHA1, FORM), &secrets()), Ok(()));
        assert!(refused(&form(
            "https://hooks.example.test/twilio/sms?tenant=43",
            SHA1,
            FORM
        )));
        assert!(refused(&form(
            "http://hooks.example.test/twilio/sms?tenant=42",
            SHA1,
            FORM
        )));
        assert!(refused(&form(SMS, "dJCkaF+v5ICF0NoZzroHACbcAoZ=", FORM)));
        assert!(refused(&form(SMS, "", FORM)));
        assert!(refused(&form(SMS, "no base64!", FORM)));
        assert!(refused(&form(
            SMS,
            SHA1,
            "AccountSid=AC0000&Body=START&From=%2B15550001111&MessageSid=SM0001&To=%2B15550002222"
        )));
        // A raw plus is a space.
        assert!(refused(&form(
            SMS,
            SHA1,
            "AccountSid=AC0000&Body=STOP&From=+15550001111&MessageSid=SM0001&To=%2B15550002222"
        )));
        assert!(refused(&request(
            SMS,
            &[("content-type", "application/x-www-form-urlencoded")],
            FORM
        )));
        let other = TwilioSecrets {
            auth_token: "another_token".into(),
            ..secrets()
        };
        assert!(verify(&form(SMS, SHA1, FORM), &other).is_err());
    }

    #[test]
    fn the_order_and_the_repetition_of_fields_do_not_matter() {
        let shuffled =
            "To=%2B15550002222&MessageSid=SM0001&Body=STOP&Body=STOP&From=%2B15550001111&AccountSid=AC0000";
        assert_eq!(verify(&form(SMS, SHA1, shuffled), &secrets()), Ok(()));
    }

    #[test]
    fn an_empty_token_verifies_nothing() {
        let empty = TwilioSecrets {
            auth_token: "".into(),
            ..secrets()
        };
        let tag = signature::to_base64(&signature::sign_sha1(
            b"",
            format!("{SMS}{}", "BodySTOP").as_bytes(),
        ));
        assert!(verify(&form(SMS, &tag, "Body=STOP"), &empty).is_err());
    }

    #[test]
    fn the_token_that_replaces_another_is_taken_too() {
        let rotating = TwilioSecrets {
            auth_token: "old_token".into(),
            secondary_auth_token: Some(KEY.into()),
            ..secrets()
        };
        assert_eq!(verify(&form(SMS, SHA1, FORM), &rotating), Ok(()));
    }

    #[test]
    fn sha256_has_a_secret_of_its_own() {
        let mut asked = form(SMS, SHA256, FORM);
        assert!(refused(&asked));
        let named = "key=WK01,algorithm=HMAC_SHA256".parse().unwrap();
        asked
            .headers
            .insert("x-twilio-webhooks-signature-settings", named);
        assert!(refused(&asked), "the token is not that secret");
        let with_secret = TwilioSecrets {
            auth_token: "another_token".into(),
            webhook_secret: Some(KEY.into()),
            ..secrets()
        };
        assert_eq!(verify(&asked, &with_secret), Ok(()));
        let other = "key=WK01,algorithm=NONE".parse().unwrap();
        asked
            .headers
            .insert("x-twilio-webhooks-signature-settings", other);
        assert!(verify(&asked, &with_secret).is_err());
    }

    #[test]
    fn json_is_held_to_the_hash_in_the_signed_address() {
        let tag = "j9a+RH7tDnIO568XzTHGBRny08M=";
        let headers = [("content-type", "application/json"), ("x-twilio-signature", tag)];
        assert_eq!(
            verify(&request(JSON, &headers, "{\"event\":\"x\"}"), &secrets()),
            Ok(())
        );
        assert!(refused(&request(JSON, &headers, "{\"event\":\"y\"}")));
        assert!(refused(&request(JSON, &headers, "")));
        // A signed address without a hash carries nothing but itself.
        let bare = "https://hooks.example.test/twilio/json";
        let tag = signature::to_base64(&signature::sign_sha1(KEY.as_bytes(), bare.as_bytes()));
        let headers = [
            ("content-type", "application/json"),
            ("x-twilio-signature", tag.as_str()),
        ];
        assert!(refused(&request(bare, &headers, "{\"event\":\"x\"}")));
        assert_eq!(verify(&request(bare, &headers, ""), &secrets()), Ok(()));
    }

    #[test]
    fn the_port_may_be_there_or_not() {
        let sign = |url: &str| signature::to_base64(&signature::sign_sha1(KEY.as_bytes(), url.as_bytes()));
        let get = |url: &str, tag: &str| Inbound {
            method: Method::GET,
            ..request(url, &[("x-twilio-signature", tag)], "")
        };
        let (plain, with_port) = ("https://h.example.test/a?b=c", "https://h.example.test:443/a?b=c");
        assert_eq!(verify(&get(plain, &sign(with_port)), &secrets()), Ok(()));
        assert_eq!(verify(&get(plain, &sign(plain)), &secrets()), Ok(()));
        let (odd, without) = ("http://h.example.test:8080/a", "http://h.example.test/a");
        assert_eq!(verify(&get(odd, &sign(without)), &secrets()), Ok(()));
        assert!(refused(&get(plain, &sign("https://h.example.test:8443/a?b=c"))));
    }
}
