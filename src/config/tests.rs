//! Tests of the settings as a whole: layers, unknown names, messages, what is shown.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use clap::{Args, Command, FromArgMatches};

use super::*;

fn flags(arguments: &[&str]) -> Flags {
    let command = Flags::augment_args(Command::new("leadline"));
    let matches = command
        .try_get_matches_from([&["leadline"], arguments].concat())
        .expect("flags parse");
    Flags::from_arg_matches(&matches).expect("flags convert")
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        .collect()
}

fn with_file(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(directory.path().join("leadline.toml"), text).expect("the file is written");
    directory
}

fn in_file(text: &str) -> Result<Settings, SettingsError> {
    Settings::read(&Flags::default(), [], with_file(text).path())
}

fn message(error: &SettingsError) -> String {
    format!("{error} | {}", error.hint())
}

fn effective(settings: &Settings, key: &str) -> (String, String) {
    let found = settings
        .effective()
        .into_iter()
        .find(|line| line.key == key)
        .expect("the key is listed");
    (found.value, found.origin)
}

#[test]
fn defaults_hold_when_nothing_is_given() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let settings = Settings::read(&Flags::default(), [], directory.path()).expect("defaults fit");
    assert_eq!(settings.data_dir, PathBuf::from("leadline-data"));
    assert_eq!(settings.database_url.expose(), "sqlite:leadline-data/leadline.db");
    assert_eq!(settings.database_kind(), DatabaseKind::Sqlite);
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.upload_max_bytes, 536_870_912);
    assert_eq!(settings.shutdown_grace, Duration::from_secs(10));
    assert!(settings.effective().iter().all(|line| line.origin == "default"));
}

#[test]
fn documented_defaults_are_the_ones_in_effect() {
    let settings = Settings::from_pairs([]).expect("defaults fit");
    for (key, value) in [
        ("data_dir", 0),
        ("listen", 0),
        ("log", 0),
        ("log_format", 0),
        ("database_max_connections", 0),
        ("graphql_max_tokens", 0),
        ("graphql_max_depth", 0),
        ("graphql_max_introspection_depth", 0),
        ("graphql_max_cost", 0),
        ("graphql_max_aliases", 0),
        ("graphql_max_directives", 0),
        ("graphql_max_page", 0),
        ("graphql_timeout_seconds", 0),
        ("graphql_suggestions", 0),
        ("graphql_get", 0),
        ("graphql_connections", 0),
        ("graphql_budget", 0),
        ("graphql_budget_restore", 0),
    ]
    .map(|(key, _)| (key, effective(&settings, key).0))
    {
        assert_eq!(Definition::of(key).expect("listed").default, value, "{key}");
    }
}

#[test]
fn every_listed_setting_is_shown() {
    let settings = Settings::from_pairs([]).expect("defaults fit");
    let mut shown: Vec<_> = settings.shown().into_keys().collect();
    let mut listed: Vec<_> = DEFINITIONS.iter().map(|definition| definition.key).collect();
    shown.sort_unstable();
    listed.sort_unstable();
    assert_eq!(shown, listed);
}

#[test]
fn flags_win_over_environment_and_environment_over_file() {
    let directory =
        with_file("\nlisten = \"127.0.0.1:1\"\ndata_dir = \"from-file\"\ndatabase_max_connections = 3\n");
    let environment = variables(&[
        ("LEADLINE_LISTEN", "127.0.0.1:2"),
        ("LEADLINE_DATA_DIR", "from-env"),
        ("HOME", "/"),
    ]);
    let settings = Settings::read(
        &flags(&["--listen", "127.0.0.1:3"]),
        environment,
        directory.path(),
    )
    .expect("settings fit");
    assert_eq!(
        effective(&settings, "listen"),
        ("127.0.0.1:3".into(), "flag --listen".into())
    );
    assert_eq!(
        effective(&settings, "data_dir"),
        ("from-env".into(), "environment LEADLINE_DATA_DIR".into())
    );
    assert_eq!(
        effective(&settings, "database_max_connections"),
        ("3".into(), "leadline.toml:4".into())
    );
    assert_eq!(
        effective(&settings, "log_format"),
        ("text".into(), "default".into())
    );
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let directory = with_file("nats_url = \"nats://bus:4222\"");
    let environment = variables(&[("LEADLINE_NATS_URL", ""), ("LEADLINE_CONFIG", "")]);
    let settings = Settings::read(&Flags::default(), environment, directory.path()).expect("settings fit");
    assert_eq!(settings.nats_url, Some(SecretUrl::new("nats://bus:4222")));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_first() {
    let error =
        in_file("# ours\nlog = \"info\"\ndatabse_url = \"postgres://ann:s3cret@db/leads\"\n").unwrap_err();
    assert_eq!(error.to_string(), "unknown key `databse_url` at leadline.toml:3");
    assert!(
        error.hint().starts_with("valid are: database_url, "),
        "{}",
        error.hint()
    );
    assert!(error.hint().contains("shutdown_grace_seconds"));
    assert!(!message(&error).contains("s3cret"));
}

#[test]
fn an_unknown_variable_is_named_with_the_nearest_first() {
    for value in ["1", ""] {
        let environment = variables(&[("LEADLINE_LISTN", value)]);
        let error = Settings::read(&Flags::default(), environment, Path::new("/nonexistent")).unwrap_err();
        assert_eq!(error.to_string(), "unknown environment variable `LEADLINE_LISTN`");
        assert!(
            error.hint().starts_with("valid are: LEADLINE_LISTEN, "),
            "{}",
            error.hint()
        );
        assert!(error.hint().contains("LEADLINE_CONFIG"));
    }
}

#[test]
fn a_named_file_must_be_there() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let environment = variables(&[("LEADLINE_CONFIG", "other.toml")]);
    let error = Settings::read(&Flags::default(), environment, directory.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the settings file `other.toml` cannot be read: "),
        "{error}"
    );
}

#[test]
fn the_file_named_by_flag_wins_over_the_one_named_by_environment() {
    let directory = with_file("listen = \"127.0.0.1:1\"");
    fs::write(directory.path().join("a.toml"), "listen = \"127.0.0.1:2\"").expect("written");
    let environment = variables(&[("LEADLINE_CONFIG", "b.toml")]);
    let settings =
        Settings::read(&flags(&["--config", "a.toml"]), environment, directory.path()).expect("fits");
    assert_eq!(
        effective(&settings, "listen"),
        ("127.0.0.1:2".into(), "a.toml:1".into())
    );
}

#[test]
fn a_file_that_is_not_toml_is_named_with_its_line_and_without_its_text() {
    let error = in_file("log = \"info\"\ndatabase_url = \"postgres://ann:s3cret@db\n").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("leadline.toml:2: this is not TOML: "),
        "{error}"
    );
    assert!(
        !message(&error).contains("s3cret") && !message(&error).contains('\n'),
        "{}",
        message(&error)
    );
}

#[test]
fn each_value_that_does_not_fit_says_what_and_how_to_mend_it() {
    for (key, value, what, hint) in [
        (
            "graphql_get",
            "yes",
            "neither true nor false",
            "`true` or `false`",
        ),
        ("graphql_max_bytes", "1GiB", "held in memory", "up to 64MiB"),
        (
            "graphql_budget",
            "4999",
            "may cost 5000 by `graphql_max_cost`",
            "to 0 for no budget",
        ),
        ("graphql_safelist", "on", "no way to treat documents", "`enforce`"),
        (
            "graphql_safelist",
            "log",
            "there is no `graphql_safelist_manifest`",
            "set `graphql_safelist` to off",
        ),
        ("graphql_max_page", "101", "101 is out of range", "from 1 to 100"),
        (
            "listen",
            "8080",
            "`8080` is not an IP address with a port",
            "127.0.0.1:8080",
        ),
        ("data_dir", " ", "it is empty", "leave it out"),
        (
            "database_url",
            "mysql://ann:s3cret@db/x",
            "kind `mysql` is not supported",
            "`sqlite:FILE` or `postgres://",
        ),
        (
            "database_url",
            "s3cret",
            "not a database address",
            "`sqlite:FILE` or `postgres://",
        ),
        ("database_url", "sqlite::memory:", "names no file", "sqlite:FILE"),
        (
            "database_url",
            "postgres://ann:s3cret/1@db/x",
            "cannot be read",
            "%2F",
        ),
        (
            "database_replica_url",
            "sqlite:x.db",
            "must be PostgreSQL",
            "postgres://",
        ),
        (
            "database_replica_url",
            "postgres://db/x",
            "the database is SQLite",
            "set `database_url`",
        ),
        (
            "database_max_connections",
            "0",
            "0 is out of range",
            "from 2 to 1000",
        ),
        (
            "database_max_connections",
            "many",
            "`many` is not a whole number",
            "from 2 to 1000",
        ),
        (
            "public_url",
            "leads.example.com",
            "not an address",
            "`https://HOST`",
        ),
        (
            "public_url",
            "https://ann:s3cret@leads.example.com",
            "only scheme, host",
            "leave out user",
        ),
        (
            "nats_url",
            "http://s3cret@bus",
            "scheme `http` does not fit",
            "`nats://HOST` or `tls://HOST`",
        ),
        (
            "log",
            "info,leadline=loud",
            "not a log filter",
            "info,leadline=debug",
        ),
        ("log_format", "xml", "unknown format `xml`", "`text` or `json`"),
        (
            "otlp_endpoint",
            "grpc://collector",
            "scheme `grpc` does not fit",
            "`http://HOST` or `https://HOST`",
        ),
        ("event_retention_days", "36501", "out of range", "from 1 to 36500"),
        ("upload_max_bytes", "0", "not a size", "512MiB"),
        ("upload_max_bytes", "99999999999GiB", "not a size", "512MiB"),
        ("default_region", "Germany", "not a country", "DE"),
        (
            "cors_origins",
            "https://a.example/path",
            "not an origin",
            "https://a.example",
        ),
        (
            "shutdown_grace_seconds",
            "-1",
            "not a whole number",
            "from 0 to 3600",
        ),
    ] {
        let error = Settings::from_pairs([(key, value)]).unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("setting `{key}`")),
            "{key}: {error}"
        );
        assert!(error.to_string().contains(what), "{key}: {error}");
        assert!(error.hint().contains(hint), "{key}: {}", error.hint());
        assert!(
            !message(&error).contains("s3cret") && !message(&error).contains('\n'),
            "{}",
            message(&error)
        );
    }
}

#[test]
fn every_setting_is_read_from_the_file() {
    let settings = in_file(
        r#"
        data_dir = "/srv/leads"
        database_url = "postgresql://ann:s3cret@db/leads"
        database_replica_url = "postgres://ann:s3cret@replica/leads"
        database_max_connections = 40
        listen = "0.0.0.0:80"
        public_url = "https://leads.example.com/app/"
        nats_url = "tls://ann:s3cret@bus:4222"
        log = "debug"
        log_format = "json"
        otlp_endpoint = "http://127.0.0.1:4318"
        event_retention_days = 7
        upload_max_bytes = "2 GiB"
        default_region = "br"
        cors_origins = ["https://a.example", "http://localhost:3000/"]
        shutdown_grace_seconds = 0
        "#,
    )
    .expect("all fit");
    assert_eq!(settings.database_kind(), DatabaseKind::Postgres);
    assert_eq!(settings.upload_max_bytes, 2 << 30);
    assert_eq!(settings.default_region, Some(country::Id::BR));
    assert_eq!(
        settings.cors_origins,
        ["https://a.example", "http://localhost:3000"]
    );
    assert_eq!(settings.shutdown_grace, Duration::ZERO);
    assert_eq!(settings.log_format, LogFormat::Json);
    assert_eq!(
        settings.public_url(settings.listen),
        "https://leads.example.com/app"
    );
    let lines: Vec<String> = settings.effective().into_iter().map(|line| line.value).collect();
    assert_eq!(lines[1], "postgresql://ann:***@db/leads");
    assert_eq!(lines[6], "tls://ann:***@bus:4222");
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[test]
fn the_public_address_follows_the_bound_port_and_is_callable() {
    let settings = Settings::from_pairs([("listen", "0.0.0.0:0")]).expect("fits");
    assert_eq!(
        settings.public_url("0.0.0.0:4711".parse().expect("address")),
        "http://127.0.0.1:4711"
    );
    assert_eq!(
        settings.public_url("[::]:4711".parse().expect("address")),
        "http://[::1]:4711"
    );
}

#[test]
fn a_default_database_path_survives_special_characters() {
    let settings = Settings::from_pairs([("data_dir", "/srv/100%?/x")]).expect("fits");
    assert_eq!(
        settings.database_url.expose(),
        "sqlite:/srv/100%25%3F/x/leadline.db"
    );
}

#[test]
fn a_flag_with_a_secret_is_not_shown_by_debug() {
    let flags = flags(&["--database-url", "postgres://ann:s3cret@db/leads"]);
    assert_eq!(
        format!("{flags:?}"),
        "Flags { config: None, keys: [\"database_url\"] }"
    );
}
