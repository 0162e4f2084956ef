//! Signatures of webhooks and callbacks: over the bytes as they came, compared in constant time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac};

use crate::{Error, Result};

/// Whether `tag` is the HMAC-SHA256 of a message.
///
/// # Errors
/// [`Kind::Signature`](crate::Kind::Signature) when it is not.
pub fn hmac_sha256(key: &[u8], message: &[u8], tag: &[u8]) -> Result<()> {
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), message, tag).map_err(|_| Error::signature())
}

/// Whether `tag` is the HMAC-SHA1 of a message; for platforms that sign no better.
///
/// # Errors
/// [`Kind::Signature`](crate::Kind::Signature) when it is not.
pub fn hmac_sha1(key: &[u8], message: &[u8], tag: &[u8]) -> Result<()> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    hmac::verify(&key, message, tag).map_err(|_| Error::signature())
}

/// The HMAC-SHA256 of a message.
#[must_use]
pub fn sign_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message).as_ref().to_vec()
}

/// The HMAC-SHA1 of a message.
#[must_use]
pub fn sign_sha1(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    hmac::sign(&key, message).as_ref().to_vec()
}

/// The SHA-256 of a message in lower-case hex.
#[must_use]
pub fn sha256_hex(message: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, message))
}

/// Whether two byte strings are the same, in a time that does not tell where they differ.
#[must_use]
pub fn same(left: &[u8], right: &[u8]) -> bool {
    // The MAC of each under one throw-away key: comparing MACs tells nothing of what they are of.
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"leadline");
    hmac::verify(&key, left, hmac::sign(&key, right).as_ref()).is_ok()
}

/// A signature that is sent in base64.
///
/// # Errors
/// [`Kind::Signature`](crate::Kind::Signature) when it is not base64.
pub fn from_base64(text: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text.trim()).map_err(|_| Error::signature())
}

/// Bytes in base64.
#[must_use]
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A signature that is sent in hex.
///
/// # Errors
/// [`Kind::Signature`](crate::Kind::Signature) when it is not hex.
pub fn from_hex(text: &str) -> Result<Vec<u8>> {
    hex::decode(text.trim()).map_err(|_| Error::signature())
}
