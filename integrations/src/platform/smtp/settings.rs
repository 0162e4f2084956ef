//! What an owner enters.

use lettre::transport::smtp::extension::ClientId;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Host;

use crate::Secret;
use crate::mail;

/// The settings of a mail server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Name or address of the mail server, e.g. `smtp.example.org`.
    pub host: HostName,
    /// Its port; 465, 587 or 25 by the encryption when left out.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is encrypted. Without encryption the password can be read on the way.
    #[serde(default)]
    pub encryption: Encryption,
    /// The user to sign in as; left out for servers that know us by our address.
    #[serde(default)]
    pub user: Option<String>,
    /// Certificates (PEM) to trust besides those of the system, for a mail server of one's own.
    #[serde(default)]
    pub certificates: Option<Certificates>,
    /// The name that we greet the server with; the domain of the user when left out.
    #[serde(default)]
    pub hello_name: Option<HostName>,
    /// Where bounces go; the sender's address when left out. `{id}` in it becomes the id of the mail, e.g.
    /// `bounce+{id}@mail.example.org`.
    #[serde(default)]
    pub bounce_address: Option<BounceAddress>,
    /// How many connections are open at once, 1 to 50.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 50))]
    pub connections: Connections,
}

/// The secrets of a mail server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Secrets {
    /// The user's password.
    #[serde(default)]
    pub password: Option<Secret>,
}

/// How a connection is encrypted.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Hash)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Encryption {
    /// From the beginning (port 465).
    #[default]
    Tls,
    /// After the greeting, or not at all (port 587).
    Starttls,
    /// Not (port 25).
    None,
}

/// The name of a host.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Hash)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct HostName(String);

/// Certificates in PEM.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Certificates(pub String);

/// An address with a place for an id.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct BounceAddress(String);

/// A number of connections.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "u8")]
#[schemars(with = "u8")]
pub struct Connections(pub usize);

const fn four() -> Connections {
    Connections(4)
}

impl Settings {
    /// The port in force.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.encryption {
            Encryption::Tls => 465,
            Encryption::Starttls => 587,
            Encryption::None => 25,
        })
    }

    /// The name that we greet the server with.
    pub fn hello(&self) -> ClientId {
        let of_user = || {
            self.user
                .as_deref()?
                .rsplit_once('@')?
                .1
                .to_owned()
                .try_into()
                .ok()
        };
        match self.hello_name.clone().or_else(of_user) {
            Some(HostName(name)) => ClientId::Domain(name),
            None => ClientId::default(),
        }
    }
}

impl HostName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HostName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Host::parse(text.trim()) {
            Ok(Host::Ipv6(v6)) => Ok(Self(v6.to_string())),
            Ok(host) => Ok(Self(host.to_string())),
            Err(_) => Err("a host is a name like `smtp.example.org`, without `smtp://` and without a port"),
        }
    }
}

impl TryFrom<String> for Certificates {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.contains("PRIVATE KEY") {
            return Err("this is a private key: only certificates are needed");
        }
        if text.contains("-----BEGIN CERTIFICATE-----") {
            Ok(Self(text))
        } else {
            Err("certificates are in PEM, and begin with `-----BEGIN CERTIFICATE-----`")
        }
    }
}

impl TryFrom<String> for BounceAddress {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match mail::mailbox(&text.replace("{id}", "id")) {
            Ok(mailbox) if mailbox.name.is_none() => Ok(Self(text)),
            _ => Err("an address like `bounce@mail.example.org` or `bounce+{id}@mail.example.org`"),
        }
    }
}

impl BounceAddress {
    /// The address for a mail.
    pub fn of(&self, id: &str) -> String {
        self.0.replace("{id}", id)
    }
}

impl TryFrom<u8> for Connections {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        if (1..=50).contains(&number) {
            Ok(Self(number.into()))
        } else {
            Err("between 1 and 50 connections")
        }
    }
}
