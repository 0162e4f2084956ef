//! Signed links: who asks for what until when, with a keyed hash over it. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entity::Timestamp;
use serde::{Deserialize, Serialize};

use super::request::ExportRequest;
use crate::identity::Credential;

/// Stands before what is signed: a signature for one thing is none for another.
const PURPOSE: &[u8] = b"leadline export link 1\n";

/// What a link says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    /// In whose name.
    pub(super) credential: Credential,
    /// Until when.
    pub(super) until: Timestamp,
    /// What is asked for.
    pub(super) request: ExportRequest,
}

/// Why a link is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LinkFault {
    /// It was not made here, or it was changed.
    #[error("the link was not made by this deployment, or it was changed or cut")]
    Forged,
    /// It is past its time.
    #[error("the link has expired; ask for a new one by `leadsExport`")]
    Expired,
}

/// Signs what a link says.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn sign(key: &[u8; 32], claims: &Claims) -> Result<String, serde_json::Error> {
    let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?);
    let signature = URL_SAFE_NO_PAD.encode(signature(key, &body).as_bytes());
    Ok(format!("{body}.{signature}"))
}

/// What a link says, once its signature and its time are good.
///
/// # Errors
/// See [`LinkFault`].
pub(super) fn verify(key: &[u8; 32], link: &str, now: Timestamp) -> Result<Claims, LinkFault> {
    let (body, given) = link.split_once('.').ok_or(LinkFault::Forged)?;
    let given: [u8; 32] = URL_SAFE_NO_PAD
        .decode(given)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(LinkFault::Forged)?;
    // The comparison of hashes takes the same time wherever they differ.
    if signature(key, body) != blake3::Hash::from_bytes(given) {
        return Err(LinkFault::Forged);
    }
    let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| LinkFault::Forged)?;
    let claims: Claims = serde_json::from_slice(&body).map_err(|_| LinkFault::Forged)?;
    if claims.until <= now {
        return Err(LinkFault::Expired);
    }
    Ok(claims)
}

fn signature(key: &[u8; 32], body: &str) -> blake3::Hash {
    blake3::Hasher::new_keyed(key)
        .update(PURPOSE)
        .update(body.as_bytes())
        .finalize()
}

#[cfg(test)]
mod tests {
    use super::super::request::ExportFormat;
    use entity::id::TokenId;

    use super::*;

    fn claims() -> Claims {
        Claims {
            credential: Credential::Token(TokenId::at(Timestamp::from_micros(5))),
            until: Timestamp::from_micros(1_000),
            request: ExportRequest {
                format: ExportFormat::Xlsx,
                columns: Some(vec!["email".into()]),
                ..ExportRequest::default()
            },
        }
    }

    #[test]
    fn what_was_signed_is_read_until_its_time() {
        let claims = claims();
        let link = sign(&[7; 32], &claims).unwrap();
        assert!(
            link.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
            "{link}"
        );
        assert_eq!(verify(&[7; 32], &link, Timestamp::from_micros(999)), Ok(claims));
        for now in [1_000, 1_001] {
            let now = Timestamp::from_micros(now);
            assert_eq!(verify(&[7; 32], &link, now), Err(LinkFault::Expired));
        }
    }

    #[test]
    fn whatever_is_changed_is_forged() {
        let (key, now) = ([7; 32], Timestamp::from_micros(1));
        let link = sign(&key, &claims()).unwrap();
        assert_eq!(verify(&[8; 32], &link, now), Err(LinkFault::Forged));
        for at in 0..link.len() {
            let mut changed = link.clone().into_bytes();
            // The last character of unpadded base64 has bits that stand for nothing: the next letter but four differs.
            changed[at] = if changed[at] == b'A' { b'Q' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            if changed != link {
                assert_eq!(verify(&key, &changed, now), Err(LinkFault::Forged), "at {at}");
            }
        }
        for cut in ["", ".", "a", "a.b", &link[..link.len() - 1], &link[1..]] {
            assert_eq!(verify(&key, cut, now), Err(LinkFault::Forged), "{cut}");
        }
        // Signed for something else with the same key.
        let body = link.split_once('.').unwrap().0;
        let other = blake3::Hasher::new_keyed(&key).update(body.as_bytes()).finalize();
        let other = format!("{body}.{}", URL_SAFE_NO_PAD.encode(other.as_bytes()));
        assert_eq!(verify(&key, &other, now), Err(LinkFault::Forged));
    }
}
