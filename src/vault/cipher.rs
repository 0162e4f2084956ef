//! XChaCha20-Poly1305 and the form of sealed values.

use std::fmt;
use std::ops::Deref;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRng;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::Error;

pub(super) const KEY_LEN: usize = 32;
const VERSION: u8 = 1;
const NONCE_LEN: usize = 24;
const HEAD_LEN: usize = 1 + 16 + NONCE_LEN;

/// Bytes that were sealed; wiped from memory when dropped.
pub struct Unsealed(Zeroizing<Vec<u8>>);

impl Deref for Unsealed {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Unsealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unsealed(***)")
    }
}

/// A key; wiped from memory when dropped.
pub(super) struct Key(Zeroizing<[u8; KEY_LEN]>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

/// The id of the data key that a value is sealed under.
pub(super) fn key_of(sealed: &[u8]) -> Result<Uuid, Error> {
    match sealed {
        [VERSION, rest @ ..] if sealed.len() >= HEAD_LEN => {
            let id: [u8; 16] = rest[..16].try_into().expect("16 bytes");
            Ok(Uuid::from_bytes(id))
        }
        _ => Err(broken()),
    }
}

fn broken() -> Error {
    Error::internal(anyhow::anyhow!(
        "a sealed value cannot be opened: it was changed, cut, or moved from another place"
    ))
}

impl Key {
    pub(super) fn random() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0_u8; KEY_LEN]);
        rand::rngs::SysRng
            .try_fill_bytes(&mut *bytes)
            .map_err(Error::internal)?;
        Ok(Self(bytes))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }

    /// Seals under this key, whose id is `id`.
    pub(super) fn seal(&self, id: Uuid, associated: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut nonce = [0_u8; NONCE_LEN];
        rand::rngs::SysRng
            .try_fill_bytes(&mut nonce)
            .map_err(Error::internal)?;
        let payload = Payload {
            msg: plain,
            aad: associated,
        };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Error::internal(anyhow::anyhow!("a value is too long to be sealed")))?;
        let mut bytes = Vec::with_capacity(HEAD_LEN + sealed.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(bytes)
    }

    /// Opens what this key sealed.
    pub(super) fn open(&self, associated: &[u8], sealed: &[u8]) -> Result<Unsealed, Error> {
        if sealed.len() < HEAD_LEN || sealed[0] != VERSION {
            return Err(broken());
        }
        let nonce: [u8; NONCE_LEN] = sealed[17..HEAD_LEN].try_into().expect("24 bytes");
        let payload = Payload {
            msg: &sealed[HEAD_LEN..],
            aad: associated,
        };
        let plain = self.cipher().decrypt(&XNonce::from(nonce), payload);
        plain
            .map(|plain| Unsealed(Zeroizing::new(plain)))
            .map_err(|_| broken())
    }
}
