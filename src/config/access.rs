//! Settings of who comes in, and how.

use std::path::PathBuf;

use entity::SigningAlgorithm;
use ipnet::IpNet;

use super::check::{self, Checked};
use super::secret::{SecretText, SecretUrl};

/// Who may become a user without an administrator making them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignUp {
    /// Nobody, not even who was invited before.
    Off,
    /// Who was invited.
    Invitation,
    /// Everybody, with [`AccessSettings::sign_up_role`].
    Open,
}

impl SignUp {
    /// As it is written in the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Invitation => "invitation",
            Self::Open => "open",
        }
    }
}

/// An OpenID Connect provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenIdSettings {
    /// Its issuer, exactly as it names itself.
    pub issuer: String,
    /// What Leadline is called there.
    pub client_id: String,
    /// Shared with it; none for a public client, which PKCE protects.
    pub client_secret: Option<SecretText>,
}

/// Who comes in, and how.
#[derive(Clone, Debug)]
pub struct AccessSettings {
    /// The file of the vault's master key; in the data directory when not set.
    pub master_key_file: Option<PathBuf>,
    /// What signs access tokens.
    pub access_token_algorithm: SigningAlgorithm,
    /// Days after which a session that nobody refreshes ends, 1 to 365.
    pub session_days: u32,
    /// Memory that hashing one password takes, in KiB, 19 MiB to 1 GiB.
    pub password_memory_kib: u32,
    /// Who may sign up.
    pub sign_up: SignUp,
    /// The role of who signs up without an invitation.
    pub sign_up_role: String,
    /// The mail server; none: mails are kept in the outbox.
    pub smtp_url: Option<SecretUrl>,
    /// Whom mails are from.
    pub mail_from: String,
    /// Sign-in elsewhere.
    pub open_id: Option<OpenIdSettings>,
    /// Points that who has no budget of their own may spend at once on queries, and that come back each second; none: any
    /// number.
    pub budget: Option<(u64, u64)>,
    /// Networks of reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self {
            master_key_file: None,
            access_token_algorithm: SigningAlgorithm::EdDsa,
            session_days: 30,
            password_memory_kib: LEAST_PASSWORD_MEMORY_KIB,
            sign_up: SignUp::Invitation,
            sign_up_role: "viewer".to_owned(),
            smtp_url: None,
            mail_from: DEFAULT_FROM.to_owned(),
            open_id: None,
            budget: None,
            trusted_proxies: Vec::new(),
        }
    }
}

/// What OWASP's password storage cheat sheet asks of Argon2id with two passes.
pub const LEAST_PASSWORD_MEMORY_KIB: u32 = 19 * 1024;

/// Whom mails are from when nothing is set.
pub(super) const DEFAULT_FROM: &str = "Leadline <leadline@localhost>";

pub(super) fn sign_up(text: &str) -> Checked<SignUp> {
    match text.trim() {
        "off" => Ok(SignUp::Off),
        "invitation" => Ok(SignUp::Invitation),
        "open" => Ok(SignUp::Open),
        other => Err(check::problem(
            format!("unknown way to sign up `{other}`"),
            "write `off`, `invitation` or `open`",
        )),
    }
}

pub(super) fn algorithm(text: &str) -> Checked<SigningAlgorithm> {
    text.parse()
        .map_err(|_| check::problem(format!("unknown algorithm `{text}`"), "write `EdDSA` or `HS256`"))
}

pub(super) fn password_memory(text: &str) -> Checked<u32> {
    let kib = check::bytes(text)? / 1024;
    u32::try_from(kib)
        .ok()
        .filter(|kib| (LEAST_PASSWORD_MEMORY_KIB..=1 << 20).contains(kib))
        .ok_or_else(|| {
            check::problem(
                format!("`{text}` is out of range"),
                "write a size from 19MiB to 1GiB",
            )
        })
}

pub(super) fn mail_from(text: &str) -> Checked<String> {
    text.trim()
        .parse::<lettre::message::Mailbox>()
        .map(|mailbox| mailbox.to_string())
        .map_err(|error| {
            check::problem(
                format!("`{text}` is not a sender: {error}"),
                "write `Name <name@example.com>`",
            )
        })
}

pub(super) fn networks(text: &str) -> Checked<Vec<IpNet>> {
    text.split(',')
        .map(str::trim)
        .filter(|network| !network.is_empty())
        .map(network)
        .collect()
}

fn network(text: &str) -> Checked<IpNet> {
    let one_address = || text.parse::<std::net::IpAddr>().map(IpNet::from).ok();
    text.parse::<IpNet>().ok().or_else(one_address).ok_or_else(|| {
        check::problem(
            format!("`{text}` is not a network"),
            "write networks such as 10.0.0.0/8 or fd00::/8, or single addresses, comma-separated",
        )
    })
}
