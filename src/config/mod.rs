//! Settings: flags over environment (`LEADLINE_*`) over `leadline.toml`, checked before anything starts.
//!
//! [`DEFINITIONS`] is the one list they come from: the flags, the variables, the keys of the file, the
//! output of `leadline settings` and `docs/settings.md` all follow from it.

mod access;
mod check;
mod definition;
mod graphql;
mod layers;
mod secret;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use entity::SigningAlgorithm;
use phonenumber::country;

pub use self::access::{AccessSettings, LEAST_PASSWORD_MEMORY_KIB, OpenIdSettings, SignUp};
pub use self::definition::{DEFINITIONS, Definition};
pub use self::graphql::{GraphqlLimits, GraphqlSettings};
pub use self::layers::{Flags, Origin, flag};
pub use self::secret::{SecretText, SecretUrl};

use self::check::Checked;
use self::layers::{Given, Layers};

/// A setting that does not fit: one line that says what, and one that says how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SettingsError {
    what: String,
    hint: String,
}

impl SettingsError {
    /// An error that says `what` is wrong and by `hint` how to mend it. Neither may hold a secret.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// How to mend it.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

/// The kinds of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    /// An embedded SQLite file.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A sentence with its fields, for people.
    Text,
    /// One JSON object to a line, for machines.
    Json,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Outside platforms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformSettings {
    /// The keys of those that are not offered.
    pub off: Vec<String>,
    /// Whether connections may lead into private networks and to this machine.
    pub private_networks: bool,
    /// For how long texts of models are kept, in hours.
    pub text_kept_hours: u32,
}

/// The complete, checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Directory for the embedded database, uploads and generated files. It may not exist yet.
    pub data_dir: PathBuf,
    /// Database address: `sqlite:FILE` or `postgres://…`.
    pub database_url: SecretUrl,
    /// Read replica; only with PostgreSQL.
    pub database_replica_url: Option<SecretUrl>,
    /// Most connections to each database, 1 to 1000.
    pub database_max_connections: u32,
    /// Where the server listens; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Address under which others reach the server, without a slash at the end; see [`Settings::public_url`].
    public_url: Option<String>,
    /// NATS server that carries live events between processes.
    pub nats_url: Option<SecretUrl>,
    /// Tracing filter; it is known to parse.
    pub log: String,
    /// Form of a log line.
    pub log_format: LogFormat,
    /// OpenTelemetry collector (OTLP over HTTP), without `/v1/traces`.
    pub otlp_endpoint: Option<SecretUrl>,
    /// Days the event log is kept, 1 to 36500.
    pub event_retention_days: u32,
    /// Days the audit log is kept, 1 to 36500.
    pub audit_retention_days: u32,
    /// Largest upload in bytes, at least 1.
    pub upload_max_bytes: u64,
    /// Country of phone numbers written without a country code.
    pub default_region: Option<country::Id>,
    /// Web origins that may call the API from a browser; `*` stands for all.
    pub cors_origins: Vec<String>,
    /// Who comes in, and how.
    pub access: AccessSettings,
    /// Outside platforms.
    pub platforms: PlatformSettings,
    /// How long running requests and jobs get to end at shutdown, in whole seconds.
    pub shutdown_grace: Duration,
    /// How long the headers of a request may take, and a connection is kept between two; whole seconds.
    pub http_header_time: Duration,
    /// Most connections at once.
    pub http_connections: usize,
    /// What the GraphQL endpoint takes.
    pub graphql: GraphqlSettings,
    origins: BTreeMap<&'static str, Origin>,
}

/// One line of the settings in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The setting.
    pub key: &'static str,
    /// Its value without secrets; empty when it is not set and has no default.
    pub value: String,
    /// Where it came from, in words.
    pub origin: String,
}

impl Settings {
    /// Reads the settings of this process.
    ///
    /// # Errors
    /// The first value that does not fit, and any unknown key or `LEADLINE_*` variable.
    pub fn load(flags: &Flags) -> Result<Self, SettingsError> {
        Self::read(flags, std::env::vars_os(), Path::new(""))
    }

    /// Reads the settings from given flags and variables, and the file from a given directory.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn read(
        flags: &Flags,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        directory: &Path,
    ) -> Result<Self, SettingsError> {
        Self::check(&layers::read(flags, environment, directory)?)
    }

    /// Settings from pairs of key and text alone: no file, no environment. For tests and embedding.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, SettingsError> {
        let mut layers = Layers::new();
        for (key, text) in pairs {
            let definition = Definition::of(key).ok_or_else(|| {
                SettingsError::new(format!("unknown setting `{key}`"), "see `leadline settings`")
            })?;
            layers.insert(
                definition.key,
                Given {
                    text: text.to_owned(),
                    origin: Origin::Flag,
                },
            );
        }
        Self::check(&layers)
    }

    fn check(layers: &Layers) -> Result<Self, SettingsError> {
        let data_dir: PathBuf = pick(layers, "data_dir", check::present)?
            .unwrap_or("leadline-data".to_owned())
            .into();
        let database_url = match pick(layers, "database_url", check::database_url)? {
            Some(url) => url,
            None => sqlite_file_in(&data_dir)?,
        };
        let count = |key, range, default| {
            Ok(pick(layers, key, |text| check::number(text, range))?.unwrap_or(default))
        };
        let graphql = GraphqlSettings::read(layers)?;
        let settings = Self {
            database_replica_url: pick(layers, "database_replica_url", check::replica_url)?,
            database_max_connections: small(count("database_max_connections", 2..=1000, 16)?),
            listen: pick(layers, "listen", check::address)?
                .unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))),
            public_url: pick(layers, "public_url", check::public_url)?,
            nats_url: pick(layers, "nats_url", |text| {
                check::secret_url(text, &["nats", "tls"])
            })?,
            log: pick(layers, "log", check::log_filter)?.unwrap_or(definition::DEFAULT_LOG.to_owned()),
            log_format: pick(layers, "log_format", check::log_format)?.unwrap_or(LogFormat::Text),
            otlp_endpoint: pick(layers, "otlp_endpoint", |text| {
                check::secret_url(text, &["http", "https"])
            })?,
            event_retention_days: small(count("event_retention_days", 1..=36_500, 30)?),
            audit_retention_days: small(count("audit_retention_days", 1..=36_500, 365)?),
            upload_max_bytes: pick(layers, "upload_max_bytes", check::bytes)?.unwrap_or(512 << 20),
            default_region: pick(layers, "default_region", check::region)?,
            cors_origins: pick(layers, "cors_origins", check::origins)?.unwrap_or_default(),
            access: AccessSettings {
                budget: (graphql.budget > 0).then_some((graphql.budget, graphql.budget_restore)),
                ..read_access(layers)?
            },
            platforms: PlatformSettings {
                off: pick(layers, "platforms_off", check::words)?.unwrap_or_default(),
                private_networks: pick(layers, "platforms_private_networks", check::boolean)?
                    .unwrap_or_default(),
                text_kept_hours: small(count("text_kept_hours", 0..=720, 24)?),
            },
            shutdown_grace: Duration::from_secs(count("shutdown_grace_seconds", 0..=3600, 10)?),
            http_header_time: Duration::from_secs(count("http_header_seconds", 1..=3600, 30)?),
            http_connections: usize::try_from(count("http_connections", 10..=1_000_000, 10_000)?)
                .expect("its range was checked"),
            graphql,
            data_dir,
            database_url,
            origins: layers
                .iter()
                .map(|(key, given)| (*key, given.origin.clone()))
                .collect(),
        };
        if settings.database_replica_url.is_some() && settings.database_kind() == DatabaseKind::Sqlite {
            return Err(SettingsError::new(
                "setting `database_replica_url` needs PostgreSQL, but the database is SQLite",
                "set `database_url` to `postgres://…` as well, or leave the replica out",
            ));
        }
        Ok(settings)
    }

    /// The kind of the database.
    pub fn database_kind(&self) -> DatabaseKind {
        if self.database_url.scheme() == "sqlite" {
            DatabaseKind::Sqlite
        } else {
            DatabaseKind::Postgres
        }
    }

    /// The address under which others reach the server, without a slash at the end.
    ///
    /// `bound` is the address the server really listens on: with port 0 only it knows the port.
    pub fn public_url(&self, bound: SocketAddr) -> String {
        if let Some(url) = &self.public_url {
            return url.clone();
        }
        // Nobody can call "all interfaces".
        let ip = match bound.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, bound.port()))
    }

    /// All settings in effect with where each came from, in the order of [`DEFINITIONS`], without secrets.
    pub fn effective(&self) -> Vec<Effective> {
        let values = self.shown();
        DEFINITIONS
            .iter()
            .map(|definition| Effective {
                key: definition.key,
                value: values.get(definition.key).cloned().unwrap_or_default(),
                origin: self
                    .origins
                    .get(definition.key)
                    .unwrap_or(&Origin::Default)
                    .describe(definition),
            })
            .collect()
    }

    fn shown(&self) -> BTreeMap<&'static str, String> {
        fn optional(value: &Option<impl fmt::Display>) -> String {
            value.as_ref().map(ToString::to_string).unwrap_or_default()
        }
        // Taken apart, so that a new setting cannot be forgotten here.
        let Self {
            data_dir,
            database_url,
            database_replica_url,
            database_max_connections,
            listen,
            public_url: _,
            nats_url,
            log,
            log_format,
            otlp_endpoint,
            event_retention_days,
            audit_retention_days,
            upload_max_bytes,
            default_region,
            cors_origins,
            access,
            platforms:
                PlatformSettings {
                    off,
                    private_networks,
                    text_kept_hours,
                },
            shutdown_grace,
            http_header_time,
            http_connections,
            graphql,
            origins: _,
        } = self;
        let AccessSettings {
            master_key_file,
            access_token_algorithm,
            session_days,
            password_memory_kib,
            sign_up,
            sign_up_role,
            smtp_url,
            mail_from,
            open_id,
            trusted_proxies,
            // Shown with the endpoint's.
            budget: _,
        } = access;
        let open_id = |part: fn(&OpenIdSettings) -> String| open_id.as_ref().map(part).unwrap_or_default();
        let mut shown = BTreeMap::from([
            ("data_dir", data_dir.display().to_string()),
            ("database_url", database_url.to_string()),
            ("database_replica_url", optional(database_replica_url)),
            ("database_max_connections", database_max_connections.to_string()),
            ("listen", listen.to_string()),
            ("public_url", self.public_url(*listen)),
            ("nats_url", optional(nats_url)),
            ("log", log.clone()),
            ("log_format", log_format.to_string()),
            ("otlp_endpoint", optional(otlp_endpoint)),
            ("event_retention_days", event_retention_days.to_string()),
            ("audit_retention_days", audit_retention_days.to_string()),
            ("upload_max_bytes", upload_max_bytes.to_string()),
            (
                "default_region",
                default_region
                    .map(|id| id.as_ref().to_owned())
                    .unwrap_or_default(),
            ),
            ("cors_origins", cors_origins.join(",")),
            (
                "master_key_file",
                master_key_file
                    .as_ref()
                    .map_or_else(String::new, |file| file.display().to_string()),
            ),
            (
                "access_token_algorithm",
                match access_token_algorithm {
                    SigningAlgorithm::EdDsa => "EdDSA",
                    SigningAlgorithm::Hs256 => "HS256",
                }
                .to_owned(),
            ),
            ("session_days", session_days.to_string()),
            ("password_memory", format!("{password_memory_kib}KiB")),
            ("sign_up", sign_up.as_str().to_owned()),
            ("sign_up_role", sign_up_role.clone()),
            ("smtp_url", optional(smtp_url)),
            ("mail_from", mail_from.clone()),
            ("open_id_issuer", open_id(|open_id| open_id.issuer.clone())),
            ("open_id_client_id", open_id(|open_id| open_id.client_id.clone())),
            (
                "open_id_client_secret",
                open_id(|open_id| optional(&open_id.client_secret)),
            ),
            (
                "trusted_proxies",
                trusted_proxies
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(","),
            ),
            ("platforms_off", off.join(",")),
            ("platforms_private_networks", private_networks.to_string()),
            ("text_kept_hours", text_kept_hours.to_string()),
            ("shutdown_grace_seconds", shutdown_grace.as_secs().to_string()),
            ("http_header_seconds", http_header_time.as_secs().to_string()),
            ("http_connections", http_connections.to_string()),
        ]);
        shown.extend(graphql.shown());
        shown
    }
}

fn read_access(layers: &Layers) -> Result<AccessSettings, SettingsError> {
    let default = AccessSettings::default();
    let issuer = pick(layers, "open_id_issuer", |text| {
        check::url_of(text, &["http", "https"]).map(|_| text.trim().to_owned())
    })?;
    let client_id = pick(layers, "open_id_client_id", check::present)?;
    let client_secret = pick(layers, "open_id_client_secret", check::present)?.map(SecretText::new);
    let open_id = match (issuer, client_id) {
        (Some(issuer), Some(client_id)) => Some(OpenIdSettings {
            issuer,
            client_id,
            client_secret,
        }),
        (None, None) if client_secret.is_none() => None,
        _ => {
            return Err(SettingsError::new(
                "of `open_id_issuer` and `open_id_client_id` one is set alone",
                "set both, or neither",
            ));
        }
    };
    Ok(AccessSettings {
        master_key_file: pick(layers, "master_key_file", check::present)?.map(PathBuf::from),
        access_token_algorithm: pick(layers, "access_token_algorithm", access::algorithm)?
            .unwrap_or(default.access_token_algorithm),
        session_days: pick(layers, "session_days", |text| check::number(text, 1..=365))?
            .map_or(default.session_days, small),
        password_memory_kib: pick(layers, "password_memory", access::password_memory)?
            .unwrap_or(default.password_memory_kib),
        sign_up: pick(layers, "sign_up", access::sign_up)?.unwrap_or(default.sign_up),
        sign_up_role: pick(layers, "sign_up_role", check::present)?.unwrap_or(default.sign_up_role),
        smtp_url: pick(layers, "smtp_url", |text| {
            check::secret_url(text, &["smtp", "smtps"])
        })?,
        mail_from: pick(layers, "mail_from", access::mail_from)?.unwrap_or(default.mail_from),
        open_id,
        budget: None,
        trusted_proxies: pick(layers, "trusted_proxies", access::networks)?.unwrap_or_default(),
    })
}

/// Checks one setting if it was given.
fn pick<T>(
    layers: &Layers,
    key: &'static str,
    check: impl FnOnce(&str) -> Checked<T>,
) -> Result<Option<T>, SettingsError> {
    let Some(given) = layers.get(key) else {
        return Ok(None);
    };
    let definition = Definition::of(key).expect("every setting that is read is listed");
    check(&given.text).map(Some).map_err(|problem| {
        let place = given.origin.describe(definition);
        SettingsError::new(
            format!("setting `{key}` ({place}): {}", problem.what),
            problem.hint,
        )
    })
}

fn small(number: u64) -> u32 {
    u32::try_from(number).expect("its range was checked")
}

/// The address of the default database. SQLx reads the path percent-decoded up to a `?`.
fn sqlite_file_in(data_dir: &Path) -> Result<SecretUrl, SettingsError> {
    let file = data_dir.join("leadline.db");
    let Some(text) = file.to_str() else {
        return Err(SettingsError::new(
            format!(
                "the path of the data directory, `{}`, is not valid UTF-8",
                data_dir.display()
            ),
            "choose another `data_dir`, or set `database_url`",
        ));
    };
    Ok(SecretUrl::new(format!(
        "sqlite:{}",
        text.replace('%', "%25").replace('?', "%3F")
    )))
}

#[cfg(test)]
mod tests;
