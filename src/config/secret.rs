//! Addresses that may carry a password.

use std::fmt;

use url::Url;

/// What stands in place of a secret wherever an address is shown.
const REDACTED: &str = "***";

/// A password or token; `Debug` and `Display` do not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for where it is needed and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// An address that may hold a password or a token.
///
/// `Debug` and `Display` show it without them; only [`SecretUrl::expose`] gives the whole text.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Wraps an address. The text is not checked here.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole address with its secrets, for opening the connection and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The part before the first colon, in lower case; empty when there is none.
    pub fn scheme(&self) -> String {
        self.0
            .split_once(':')
            .map(|(scheme, _)| scheme.to_ascii_lowercase())
            .unwrap_or_default()
    }

    /// The address with passwords, tokens and secret query parameters struck out.
    pub fn redacted(&self) -> String {
        if self.scheme() == "sqlite" {
            return self.0.clone();
        }
        let Ok(mut url) = Url::parse(&self.0) else {
            // What cannot be read cannot be struck out in part.
            return match self.scheme() {
                scheme if scheme.is_empty() || !self.0.contains("://") => REDACTED.to_owned(),
                scheme => format!("{scheme}://{REDACTED}"),
            };
        };
        if url.password().is_some() {
            let _ = url.set_password(Some(REDACTED));
        } else if !url.username().is_empty() && !is_postgres(url.scheme()) {
            // `nats://TOKEN@host` and `http://KEY@host`: a lone user name is the secret itself.
            let _ = url.set_username(REDACTED);
        }
        if url.query().is_some() {
            let pairs: Vec<(String, String)> = url
                .query_pairs()
                .map(|(key, value)| {
                    let value = if is_secret_name(&key) {
                        REDACTED.into()
                    } else {
                        value
                    };
                    (key.into_owned(), value.into_owned())
                })
                .collect();
            url.query_pairs_mut().clear().extend_pairs(pairs);
        }
        url.to_string()
    }
}

/// Whether a URL scheme names PostgreSQL.
pub(super) fn is_postgres(scheme: &str) -> bool {
    matches!(scheme, "postgres" | "postgresql")
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // `sslkey` and its like are paths of files, not keys.
    ["password", "token", "secret", "api-key", "api_key", "apikey"]
        .iter()
        .any(|word| name.contains(word))
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({})", self.redacted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_addresses_without_their_secrets() {
        for (given, shown) in [
            (
                "postgres://ann:s3cret@db:5432/leads",
                "postgres://ann:***@db:5432/leads",
            ),
            ("postgres://ann@db/leads", "postgres://ann@db/leads"),
            (
                "postgres://db/leads?password=s3cret&sslmode=require",
                "postgres://db/leads?password=***&sslmode=require",
            ),
            ("nats://s3cret@bus:4222", "nats://***@bus:4222"),
            (
                "https://collector.example/otlp?api-key=s3cret",
                "https://collector.example/otlp?api-key=***",
            ),
            ("sqlite:leadline.db", "sqlite:leadline.db"),
            ("postgres://ann:s3/cret@db/leads", "postgres://***"),
            ("s3cret", "***"),
        ] {
            assert_eq!(SecretUrl::new(given).to_string(), shown);
            let debug = format!("{:?}", SecretUrl::new(given));
            assert!(!debug.contains("s3"), "{debug}");
        }
    }

    #[test]
    fn exposes_the_whole_address_on_request() {
        assert_eq!(
            SecretUrl::new("postgres://ann:s3cret@db/leads").expose(),
            "postgres://ann:s3cret@db/leads"
        );
    }
}
