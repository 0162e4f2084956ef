//! How the sandbox signs.

use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};

use crate::signature::{from_base64, to_base64};

/// What the private key is made from: it is the same for all sandboxes, so that connections to a demo outlive it.
const SEED: &[u8] = b"leadline sandbox of sendgrid: key of the event webhook";
/// The public key that belongs to it, as the platform shows it: DER in base64.
pub(in super::super) const PUBLIC_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEcLe4JLCLkyViZ5e9FEQAwfSdp+xsqyXW5SZDUSGF7R7oCAArqlzTtsnfIc+EbTDavWSaTqwNmfsy4bVQkdcLGg==";

/// The headers of a webhook that is sent at a moment.
pub(super) fn headers(unix: i64, body: &[u8]) -> Vec<(&'static str, String)> {
    let timestamp = unix.to_string();
    let random = SystemRandom::new();
    let public = from_base64(PUBLIC_KEY).expect("base64");
    // The last 65 bytes are the point.
    let point = &public[public.len() - 65..];
    let private = digest(&SHA256, SEED);
    let pair = EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        private.as_ref(),
        point,
        &random,
    )
    .expect("the two keys belong together");
    let signature = pair
        .sign(&random, &[timestamp.as_bytes(), body].concat())
        .expect("there is randomness");
    vec![
        (
            "x-twilio-email-event-webhook-signature",
            to_base64(signature.as_ref()),
        ),
        ("x-twilio-email-event-webhook-timestamp", timestamp),
    ]
}
