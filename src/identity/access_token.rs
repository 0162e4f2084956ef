//! Access tokens of users: JWTs (RFC 7519) that live 15 minutes, signed with Ed25519 (RFC 8037) or HMAC-SHA-256.
//!
//! The head names the key (`kid`). A key that another took the place of is still known for as long as its tokens live
//! ([`OVERLAP_SECONDS`]). A token says who its holder is and which session it belongs to, and nothing of what they may do:
//! that is asked of the database, so a change of role needs no new token.

use std::sync::{Arc, Once};
use std::time::Duration;

use entity::id::{SessionId, UserId};
use entity::{SigningAlgorithm, Timestamp, signing_key};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result as JwtResult};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rand::TryRng;
use ring::hmac;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::caller::Caller;
use super::scope::Scope;
use super::{keys, store};
use crate::app::App;
use crate::db::{ConnectionTrait, Tx};
use crate::error::Error;
use crate::vault::Place;

/// How long an access token lives.
pub const ACCESS_SECONDS: i64 = 15 * 60;
/// How long a key that was replaced is still known: its last token's life and a minute for clocks.
const OVERLAP_SECONDS: i64 = ACCESS_SECONDS + 60;
/// Difference of clocks between servers that does no harm.
const LEEWAY_SECONDS: u64 = 5;
/// Whom tokens are for.
const AUDIENCE: &str = "leadline";
const KEY_LEN: usize = 32;

/// What a token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    /// Whom it is for.
    aud: String,
    /// The user.
    pub(super) sub: UserId,
    /// The session.
    pub(super) sid: SessionId,
    /// When it was made, in seconds.
    iat: i64,
    /// When it ends, in seconds.
    pub(super) exp: i64,
}

/// A key ready for use.
struct Ready {
    algorithm: Algorithm,
    signs: EncodingKey,
    verifies: DecodingKey,
    retired_at: Option<Timestamp>,
}

/// How long a key is believed to be as it was read: another process may put a new one in its place.
const BELIEVED: Duration = Duration::from_secs(30);

/// The keys that this process knows.
struct Keys(moka::sync::Cache<Uuid, Arc<Ready>>);

impl Default for Keys {
    fn default() -> Self {
        let cache = moka::sync::Cache::builder()
            .max_capacity(100)
            .time_to_live(BELIEVED);
        Self(cache.build())
    }
}

/// Signs for `jsonwebtoken`, with ring, which the program has for TLS already.
struct Signer {
    algorithm: Algorithm,
    key: Zeroizing<Vec<u8>>,
}

/// Checks for `jsonwebtoken`.
struct Verifier {
    algorithm: Algorithm,
    key: Vec<u8>,
}

fn pair(seed: &[u8]) -> Result<Ed25519KeyPair, ring::error::KeyRejected> {
    Ed25519KeyPair::from_seed_unchecked(seed)
}

impl jsonwebtoken::signature::Signer<Vec<u8>> for Signer {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, jsonwebtoken::signature::Error> {
        match self.algorithm {
            Algorithm::EdDSA => {
                let pair = pair(&self.key).map_err(|_| jsonwebtoken::signature::Error::new())?;
                Ok(pair.sign(message).as_ref().to_vec())
            }
            _ => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
                Ok(hmac::sign(&key, message).as_ref().to_vec())
            }
        }
    }
}

impl JwtSigner for Signer {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl jsonwebtoken::signature::Verifier<Vec<u8>> for Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), jsonwebtoken::signature::Error> {
        let fits = match self.algorithm {
            Algorithm::EdDSA => UnparsedPublicKey::new(&ED25519, &self.key)
                .verify(message, signature)
                .is_ok(),
            _ => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
                hmac::verify(&key, message, signature).is_ok()
            }
        };
        if fits {
            Ok(())
        } else {
            Err(jsonwebtoken::signature::Error::new())
        }
    }
}

impl JwtVerifier for Verifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory,
    verifier_factory,
    key_utils: KeyUtils::new_unimplemented(),
};

fn known(algorithm: Algorithm) -> JwtResult<Algorithm> {
    match algorithm {
        Algorithm::EdDSA | Algorithm::HS256 => Ok(algorithm),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

fn signer_factory(algorithm: &Algorithm, key: &EncodingKey) -> JwtResult<Box<dyn JwtSigner>> {
    Ok(Box::new(Signer {
        algorithm: known(*algorithm)?,
        key: Zeroizing::new(key.as_bytes().to_vec()),
    }))
}

fn verifier_factory(algorithm: &Algorithm, key: &DecodingKey) -> JwtResult<Box<dyn JwtVerifier>> {
    Ok(Box::new(Verifier {
        algorithm: known(*algorithm)?,
        key: key.try_get_as_bytes()?.to_vec(),
    }))
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Nobody else installs one in this process.
        let _ = PROVIDER.install_default();
    });
}

fn ready(row: &signing_key::Model, secret: &[u8]) -> Result<Ready, Error> {
    let (algorithm, signs, verifies) = match row.algorithm {
        SigningAlgorithm::EdDsa => {
            let pair =
                pair(secret).map_err(|_| Error::internal(anyhow::anyhow!("a signing key is no seed")))?;
            (
                Algorithm::EdDSA,
                EncodingKey::from_ed_der(secret),
                DecodingKey::from_ed_der(pair.public_key().as_ref()),
            )
        }
        SigningAlgorithm::Hs256 => (
            Algorithm::HS256,
            EncodingKey::from_secret(secret),
            DecodingKey::from_secret(secret),
        ),
    };
    Ok(Ready {
        algorithm,
        signs,
        verifies,
        retired_at: row.retired_at,
    })
}

async fn read(app: &App, db: &impl ConnectionTrait, row: &signing_key::Model) -> Result<Arc<Ready>, Error> {
    let keys = app.memory::<Keys>();
    let secret = app
        .vault()
        .open(db, Place::SIGNING_KEY, row.id, &row.secret)
        .await?;
    let ready = Arc::new(ready(row, &secret)?);
    keys.0.insert(row.id, Arc::clone(&ready));
    Ok(ready)
}

async fn new_key(app: &App, tx: &Tx, algorithm: SigningAlgorithm) -> Result<(), Error> {
    let now = app.clock().now();
    let mut secret = Zeroizing::new([0_u8; KEY_LEN]);
    rand::rngs::SysRng
        .try_fill_bytes(&mut *secret)
        .map_err(Error::internal)?;
    let id = Uuid::new_v4();
    let sealed = app
        .vault()
        .seal(tx, now, Place::SIGNING_KEY, id, &*secret)
        .await?;
    let row = signing_key::Model {
        id,
        algorithm,
        secret: sealed,
        created_at: now,
        retired_at: None,
    };
    // Of servers that begin at once one is first; its key is everybody's.
    Ok(store::add_signing_key(tx, row).await?)
}

/// The key that signs; made when there is none yet.
async fn in_use(app: &App, tx: &Tx) -> Result<(Uuid, Arc<Ready>), Error> {
    let algorithm = app.access().access_token_algorithm;
    for _ in 0..2 {
        if let Some(row) = store::signing_key_in_use(&**tx, algorithm).await? {
            let ready = match app.memory::<Keys>().0.get(&row.id) {
                Some(ready) => ready,
                None => read(app, &**tx, &row).await?,
            };
            return Ok((row.id, ready));
        }
        new_key(app, tx, algorithm).await?;
    }
    Err(Error::internal(anyhow::anyhow!(
        "a signing key was made and is not there"
    )))
}

/// Puts a new key in place of the one in use, whose tokens are still good until they end.
///
/// # Errors
/// A missing scope `admin`; the database's and the vault's.
pub async fn rotate_signing_key(app: &App, caller: &Caller) -> Result<(), Error> {
    caller.require(Scope::Admin)?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    store::retire_signing_keys(&tx, now).await?;
    store::delete_signing_keys(&tx, now.plus_seconds(-OVERLAP_SECONDS)).await?;
    in_use(app, &tx).await?;
    keys::rotated(&tx, caller, now, "signing").await?;
    tx.commit().await?;
    Ok(())
}

/// Makes an access token, in the transaction that its session lives by; answers when it ends, too.
pub(super) async fn sign(
    app: &App,
    tx: &Tx,
    user: UserId,
    session: SessionId,
) -> Result<(String, Timestamp), Error> {
    install();
    let (id, key) = in_use(app, tx).await?;
    let now = app.clock().now();
    let seconds = now.micros() / 1_000_000;
    let claims = Claims {
        aud: AUDIENCE.to_owned(),
        sub: user,
        sid: session,
        iat: seconds,
        exp: seconds + ACCESS_SECONDS,
    };
    let mut header = Header::new(key.algorithm);
    header.kid = Some(id.to_string());
    let token = jsonwebtoken::encode(&header, &claims, &key.signs).map_err(Error::internal)?;
    Ok((token, Timestamp::from_micros(claims.exp * 1_000_000)))
}

/// Reads an access token.
///
/// # Errors
/// [`Error::Unauthenticated`] says whether it is malformed, was not made here, or has expired; the database's.
pub(super) async fn verify(app: &App, token: &str) -> Result<Claims, Error> {
    install();
    let refuse = |message: &str| Error::Unauthenticated(message.to_owned());
    let malformed = || refuse("the access token is malformed: it was cut or mistyped");
    let header = jsonwebtoken::decode_header(token).map_err(|_| malformed())?;
    let id = header
        .kid
        .as_deref()
        .and_then(|id| Uuid::parse_str(id).ok())
        .ok_or_else(malformed)?;
    let unknown = || refuse("the access token was not made here, or its key is gone; sign in again");
    let key = match app.memory::<Keys>().0.get(&id) {
        Some(key) => key,
        None => {
            let row = store::signing_key(app.db().read(), id)
                .await?
                .ok_or_else(unknown)?;
            read(app, app.db().read(), &row).await?
        }
    };
    let now = app.clock().now();
    if key
        .retired_at
        .is_some_and(|at| at.plus_seconds(OVERLAP_SECONDS) < now)
    {
        return Err(unknown());
    }
    // The key says the algorithm, never the token.
    let mut validation = Validation::new(key.algorithm);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "aud", "sub"]);
    // By the clock of the application instead.
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &key.verifies, &validation)
        .map_err(|_| unknown())?
        .claims;
    let seconds = now.micros() / 1_000_000;
    if claims.exp + i64::try_from(LEEWAY_SECONDS).expect("small") <= seconds {
        return Err(refuse(
            "the access token has expired: refresh the session by `sessionRefresh`",
        ));
    }
    Ok(claims)
}

/// Whether a text looks like an access token rather than an API token.
#[must_use]
pub(super) fn looks_like_one(text: &str) -> bool {
    text.starts_with("ey") && text.matches('.').count() == 2
}
