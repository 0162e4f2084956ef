//! Signed links: who asks for what until when, with a keyed hash over it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entity::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Caller, Credential, caller_again};
use crate::app::App;
use crate::db;
use crate::error::Error;

/// How long a signed link can be opened, in seconds.
pub const LINK_SECONDS: i64 = 15 * 60;
/// Longest signed link, in characters: what servers and proxies take without asking.
pub const MOST_LINK: usize = 6_000;

/// A signed link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What to give to [`open_link`].
    pub link: String,
    /// Until when it can be opened.
    pub expires_at: Timestamp,
}

/// A link by which the holder of a token, or whoever is given it, can ask for something for 15 minutes without the token.
/// `purpose` stands before what is signed: a signature for one thing is none for another. It may be longer than [`MOST_LINK`].
///
/// # Errors
/// A caller without a token; the database's.
pub async fn sign_link<T: Serialize>(
    app: &App,
    caller: &Caller,
    purpose: &str,
    request: T,
) -> Result<Link, Error> {
    let Some(credential) = caller.credential() else {
        return Err(Error::Forbidden(
            "links are for holders of tokens and for users".into(),
        ));
    };
    let now = app.clock().now();
    let expires_at = now.plus_seconds(LINK_SECONDS);
    let key = db::deployment_key(app.db(), now).await?;
    let claims = Claims {
        credential,
        until: expires_at,
        request,
    };
    let link = sign(&key, purpose, &claims)?;
    Ok(Link { link, expires_at })
}

/// Who asks for what by a link made by [`sign_link`] for the same purpose, with the rights that they have now.
///
/// # Errors
/// [`Error::Forbidden`] for a link that is forged or has expired, or whose token was revoked or has expired; the database's.
pub async fn open_link<T: DeserializeOwned>(
    app: &App,
    purpose: &str,
    link: &str,
) -> Result<(Caller, T), Error> {
    let now = app.clock().now();
    let key = db::deployment_key(app.db(), now).await?;
    let Claims {
        credential,
        until: _,
        request,
    } = verify(&key, purpose, link, now).map_err(|fault| Error::Forbidden(fault.to_string()))?;
    let caller = caller_again(app, credential).await.map_err(|error| match error {
        Error::Unauthenticated(why) => Error::Forbidden(format!("the link is good no more: {why}")),
        error => error,
    })?;
    Ok((caller, request))
}

/// What a link says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims<T> {
    /// In whose name.
    credential: Credential,
    /// Until when.
    until: Timestamp,
    /// What is asked for.
    request: T,
}

/// Why a link is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum LinkFault {
    /// It was not made here, or it was changed.
    #[error("the link was not made by this deployment, or it was changed or cut")]
    Forged,
    /// It is past its time.
    #[error("the link has expired; ask for a new one")]
    Expired,
}

fn sign<T: Serialize>(
    key: &[u8; 32],
    purpose: &str,
    claims: &Claims<T>,
) -> Result<String, serde_json::Error> {
    let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?);
    let signature = URL_SAFE_NO_PAD.encode(signature(key, purpose, &body).as_bytes());
    Ok(format!("{body}.{signature}"))
}

/// What a link says, once its signature and its time are good.
fn verify<T: DeserializeOwned>(
    key: &[u8; 32],
    purpose: &str,
    link: &str,
    now: Timestamp,
) -> Result<Claims<T>, LinkFault> {
    let (body, given) = link.split_once('.').ok_or(LinkFault::Forged)?;
    let given: [u8; 32] = URL_SAFE_NO_PAD
        .decode(given)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(LinkFault::Forged)?;
    // The comparison of hashes takes the same time wherever they differ.
    if signature(key, purpose, body) != blake3::Hash::from_bytes(given) {
        return Err(LinkFault::Forged);
    }
    let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| LinkFault::Forged)?;
    let claims: Claims<T> = serde_json::from_slice(&body).map_err(|_| LinkFault::Forged)?;
    if claims.until <= now {
        return Err(LinkFault::Expired);
    }
    Ok(claims)
}

fn signature(key: &[u8; 32], purpose: &str, body: &str) -> blake3::Hash {
    blake3::Hasher::new_keyed(key)
        .update(purpose.as_bytes())
        .update(b"\n")
        .update(body.as_bytes())
        .finalize()
}

#[cfg(test)]
mod tests {
    use entity::id::TokenId;

    use super::*;

    const PURPOSE: &str = "leadline test link 1";

    fn claims() -> Claims<Vec<String>> {
        Claims {
            credential: Credential::Token(TokenId::at(Timestamp::from_micros(5))),
            until: Timestamp::from_micros(1_000),
            request: vec!["e-mail".into(), "größer".into()],
        }
    }

    fn read(key: &[u8; 32], link: &str, now: Timestamp) -> Result<Claims<Vec<String>>, LinkFault> {
        verify(key, PURPOSE, link, now)
    }

    #[test]
    fn what_was_signed_is_read_until_its_time() {
        let claims = claims();
        let link = sign(&[7; 32], PURPOSE, &claims).unwrap();
        assert!(
            link.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
            "{link}"
        );
        assert_eq!(read(&[7; 32], &link, Timestamp::from_micros(999)), Ok(claims));
        for now in [1_000, 1_001] {
            let now = Timestamp::from_micros(now);
            assert_eq!(read(&[7; 32], &link, now), Err(LinkFault::Expired));
        }
    }

    #[test]
    fn whatever_is_changed_is_forged() {
        let (key, now) = ([7; 32], Timestamp::from_micros(1));
        let link = sign(&key, PURPOSE, &claims()).unwrap();
        assert_eq!(read(&[8; 32], &link, now), Err(LinkFault::Forged));
        for at in 0..link.len() {
            let mut changed = link.clone().into_bytes();
            // The last character of unpadded base64 has bits that stand for nothing: the next letter but four differs.
            changed[at] = if changed[at] == b'A' { b'Q' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            if changed != link {
                assert_eq!(read(&key, &changed, now), Err(LinkFault::Forged), "at {at}");
            }
        }
        for cut in ["", ".", "a", "a.b", &link[..link.len() - 1], &link[1..]] {
            assert_eq!(read(&key, cut, now), Err(LinkFault::Forged), "{cut}");
        }
        // Signed for something else with the same key.
        let body = link.split_once('.').unwrap().0;
        let other = blake3::Hasher::new_keyed(&key).update(body.as_bytes()).finalize();
        let other = format!("{body}.{}", URL_SAFE_NO_PAD.encode(other.as_bytes()));
        assert_eq!(read(&key, &other, now), Err(LinkFault::Forged));
        let other = sign(&key, "leadline other link 1", &claims()).unwrap();
        assert_eq!(read(&key, &other, now), Err(LinkFault::Forged));
    }
}
