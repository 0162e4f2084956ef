//! The one list of settings: flags, environment variables, file keys and documentation come from it.

/// The prefix of every environment variable of Leadline.
pub const ENVIRONMENT_PREFIX: &str = "LEADLINE_";

/// The settings file that is read from the working directory when it is there.
pub const DEFAULT_FILE: &str = "leadline.toml";

/// The tracing filter when none is set.
pub const DEFAULT_LOG: &str =
    "info,sqlx=warn,sea_orm=warn,hyper=warn,h2=warn,rustls=warn,async_nats=warn,opentelemetry=off";

/// One setting.
#[derive(Debug)]
pub struct Definition {
    /// Its key in `leadline.toml`; flag and environment variable follow from it.
    pub key: &'static str,
    /// What the value is, as shown in `--help`.
    pub value: &'static str,
    /// What it does, as one sentence without a full stop.
    pub help: &'static str,
    /// The value, or in words what holds, when it is not set.
    pub default: &'static str,
}

impl Definition {
    /// The flag without its dashes: `data-dir`.
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// The environment variable: `LEADLINE_DATA_DIR`.
    pub fn variable(&self) -> String {
        format!("{ENVIRONMENT_PREFIX}{}", self.key.to_ascii_uppercase())
    }

    /// The definition of a key.
    pub fn of(key: &str) -> Option<&'static Definition> {
        DEFINITIONS.iter().find(|definition| definition.key == key)
    }
}

/// All settings, in the order in which they are shown.
pub const DEFINITIONS: &[Definition] = &[
    Definition {
        key: "data_dir",
        value: "DIR",
        help: "Directory for the embedded database, uploads and generated files",
        default: "leadline-data",
    },
    Definition {
        key: "database_url",
        value: "URL",
        help: "Database: `sqlite:FILE` or `postgres://USER:PASSWORD@HOST/NAME`",
        default: "the SQLite file `leadline.db` in the data directory",
    },
    Definition {
        key: "database_replica_url",
        value: "URL",
        help: "Read replica of the PostgreSQL database; queries go to it, changes never do",
        default: "none",
    },
    Definition {
        key: "database_max_connections",
        value: "N",
        help: "Most connections to the database, 2 to 1000, half of them for changes (SQLite: at most 8 readers and one writer)",
        default: "16",
    },
    Definition {
        key: "listen",
        value: "ADDRESS",
        help: "IP address and port the server listens on; port 0 picks a free one",
        default: "127.0.0.1:8080",
    },
    Definition {
        key: "public_url",
        value: "URL",
        help: "Address under which others reach the server, for links in messages and pages",
        default: "http:// and the address of `listen`",
    },
    Definition {
        key: "nats_url",
        value: "URL",
        help: "NATS server that carries live events between several servers: `nats://…` or `tls://…`",
        default: "none: events stay within the process",
    },
    Definition {
        key: "log",
        value: "FILTER",
        help: "What is logged: a level (error, warn, info, debug, trace), also by module as `info,leadline=debug`",
        default: DEFAULT_LOG,
    },
    Definition {
        key: "log_format",
        value: "FORMAT",
        help: "Form of a log line: `text` or `json`",
        default: "text",
    },
    Definition {
        key: "otlp_endpoint",
        value: "URL",
        help: "OpenTelemetry collector that takes traces over HTTP, such as http://127.0.0.1:4318",
        default: "none: no traces are sent",
    },
    Definition {
        key: "event_retention_days",
        value: "DAYS",
        help: "Days the event log is kept for subscriptions that resume, 1 to 36500",
        default: "30",
    },
    Definition {
        key: "audit_retention_days",
        value: "DAYS",
        help: "Days the audit log is kept, 1 to 36500",
        default: "365",
    },
    Definition {
        key: "upload_max_bytes",
        value: "BYTES",
        help: "Largest upload in bytes; `KiB`, `MiB` and `GiB` may follow the number",
        default: "512MiB",
    },
    Definition {
        key: "default_region",
        value: "COUNTRY",
        help: "Country of phone numbers written without a country code, as two letters such as `DE`",
        default: "none: such numbers are refused",
    },
    Definition {
        key: "cors_origins",
        value: "ORIGINS",
        help: "Web origins that may call the API from a browser, comma-separated, or `*` for all",
        default: "none",
    },
    Definition {
        key: "master_key_file",
        value: "FILE",
        help: "File of the master key that secrets in the database are sealed under; it is made when it is first needed. All servers of a deployment need the same one",
        default: "the file `master.key` in the data directory",
    },
    Definition {
        key: "access_token_algorithm",
        value: "ALGORITHM",
        help: "What signs the access tokens of users: `EdDSA`, or `HS256`",
        default: "EdDSA",
    },
    Definition {
        key: "session_days",
        value: "DAYS",
        help: "Days after which a session that is not used ends, 1 to 365",
        default: "30",
    },
    Definition {
        key: "password_memory",
        value: "BYTES",
        help: "Memory that hashing one password takes, 19MiB to 1GiB; passwords are hashed anew at the next sign-in",
        default: "19MiB",
    },
    Definition {
        key: "sign_up",
        value: "HOW",
        help: "Who may become a user by themselves: nobody (`off`), who was invited (`invitation`), everybody (`open`)",
        default: "invitation",
    },
    Definition {
        key: "sign_up_role",
        value: "ROLE",
        help: "Role of users who sign up without an invitation",
        default: "viewer",
    },
    Definition {
        key: "smtp_url",
        value: "URL",
        help: "Mail server: `smtps://USER:PASSWORD@HOST`, or `smtp://HOST:PORT?tls=required` and the like",
        default: "none: mails are kept, and `leadline mail list` shows them",
    },
    Definition {
        key: "mail_from",
        value: "SENDER",
        help: "Whom mails are from, such as `Leadline <leads@example.com>`",
        default: "Leadline <leadline@localhost>",
    },
    Definition {
        key: "open_id_issuer",
        value: "URL",
        help: "OpenID Connect provider that users may sign in by: its issuer",
        default: "none",
    },
    Definition {
        key: "open_id_client_id",
        value: "ID",
        help: "What this deployment is called at the OpenID Connect provider",
        default: "none",
    },
    Definition {
        key: "open_id_client_secret",
        value: "SECRET",
        help: "Secret shared with the OpenID Connect provider",
        default: "none",
    },
    Definition {
        key: "trusted_proxies",
        value: "NETWORKS",
        help: "Networks of reverse proxies whose `X-Forwarded-For` is believed, comma-separated, such as 10.0.0.0/8",
        default: "none: the address of the connection counts",
    },
    Definition {
        key: "platforms_off",
        value: "PLATFORMS",
        help: "Outside platforms that this deployment does not offer, comma-separated, such as `twilio,meta`",
        default: "none: all are offered",
    },
    Definition {
        key: "platforms_private_networks",
        value: "BOOLEAN",
        help: "Whether connections may lead into private networks and to this machine, `true` or `false`: for a relay or a model of one's own",
        default: "false",
    },
    Definition {
        key: "text_kept_hours",
        value: "HOURS",
        help: "Hours that texts of models are kept (sealed), to answer the same request at once, 0 to 720; 0 keeps none",
        default: "24",
    },
    Definition {
        key: "shutdown_grace_seconds",
        value: "SECONDS",
        help: "Seconds that running requests and jobs get to end at shutdown, 0 to 3600",
        default: "10",
    },
    Definition {
        key: "http_header_seconds",
        value: "SECONDS",
        help: "Seconds that the headers of a request may take, and that a connection is kept between two, 1 to 3600",
        default: "30",
    },
    Definition {
        key: "http_connections",
        value: "N",
        help: "Most connections at once, 10 to 1000000; more wait until others end. The process may open as many files and some more",
        default: "10000",
    },
    Definition {
        key: "graphql_connections",
        value: "N",
        help: "Most sockets and event streams of one caller on one server, 1 to 100000; without a token, of one address",
        default: "100",
    },
    Definition {
        key: "graphql_get",
        value: "BOOLEAN",
        help: "Whether `GET /graphql` runs queries: `true` or `false`; changes are never made by GET",
        default: "false",
    },
    Definition {
        key: "graphql_max_bytes",
        value: "BYTES",
        help: "Largest GraphQL request in bytes, up to 64MiB; `KiB` and `MiB` may follow the number",
        default: "1MiB",
    },
    Definition {
        key: "graphql_max_tokens",
        value: "N",
        help: "Most tokens of a document, 10 to 1000000; ten times as many for the scope `admin`",
        default: "1000",
    },
    Definition {
        key: "graphql_max_depth",
        value: "N",
        help: "How deep fields may be nested, 1 to 50",
        default: "12",
    },
    Definition {
        key: "graphql_max_introspection_depth",
        value: "N",
        help: "How deep introspection may be nested, 1 to 50",
        default: "20",
    },
    Definition {
        key: "graphql_max_cost",
        value: "POINTS",
        help: "Most points of a query, 1 to 1000000: a field is one, a list its page times the fields of a row",
        default: "5000",
    },
    Definition {
        key: "graphql_max_aliases",
        value: "N",
        help: "Most aliases of one field in one selection, 1 to 1000",
        default: "10",
    },
    Definition {
        key: "graphql_max_directives",
        value: "N",
        help: "Most directives of a document, 1 to 1000",
        default: "50",
    },
    Definition {
        key: "graphql_max_page",
        value: "N",
        help: "Most rows of a page, 1 to 100",
        default: "100",
    },
    Definition {
        key: "graphql_timeout_seconds",
        value: "SECONDS",
        help: "Longest time for a query or mutation, 1 to 3600",
        default: "30",
    },
    Definition {
        key: "graphql_suggestions",
        value: "BOOLEAN",
        help: "Whether an unknown name is answered with those that are like it, `true` or `false`: for development",
        default: "false",
    },
    Definition {
        key: "graphql_budget",
        value: "POINTS",
        help: "Points that a caller may spend at once, without a token those of one address; at least `graphql_max_cost`, or 0 for any number",
        default: "50000",
    },
    Definition {
        key: "graphql_budget_restore",
        value: "POINTS",
        help: "Points that come back to a caller each second, 1 to 1000000000",
        default: "1000",
    },
    Definition {
        key: "graphql_safelist",
        value: "WAY",
        help: "What happens to documents that are not in the manifest: `off` runs them, `log` also counts and logs them, `enforce` refuses them",
        default: "off",
    },
    Definition {
        key: "graphql_safelist_manifest",
        value: "FILE",
        help: "The documents of the clients: a persisted query manifest of Apollo, or a JSON object of documents by their hashes",
        default: "none",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_and_variable_follow_from_the_key() {
        let definition = Definition::of("database_max_connections").expect("listed");
        assert_eq!(definition.flag(), "database-max-connections");
        assert_eq!(definition.variable(), "LEADLINE_DATABASE_MAX_CONNECTIONS");
    }
}
