//! The command line, by the real binary.

use std::net::TcpListener;
use std::process::Command;

use sea_orm::ConnectionTrait as _;
use serde_json::json;

use crate::support::{
    Backend, Database, Process, Server, Setup, ask, command, free_port, http, with_database,
};

on_both! {
    async fn a_token_is_printed_alone_and_opens_the_door(database: &Database) {
        let said = command(database, &["token", "create", "--name", "mine", "--scope", "leads:read", "jobs:write"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let token = said.out.strip_suffix('\n').expect("a line");
        assert!(token.len() == 58 && token.starts_with("leadline_") && !token.contains(char::is_whitespace), "{token}");
        assert!(said.err.contains("scopes: leads:read jobs:write"), "{said:?}");
        assert!(!said.err.contains(token), "only standard output tells it");
        let server = Server::start(database, Setup::default()).await;
        let leads = server.data_as(token, "{ leads { nodes { id } } }", json!({})).await;
        assert_eq!(leads["leads"]["nodes"], json!([]));
        let listed = command(database, &["token", "list"]);
        assert!(listed.out.contains("mine") && !listed.out.contains(token), "{listed:?}");
    }

    async fn a_token_may_show_a_part_of_the_leads(database: &Database) {
        let create = |rows: &str| command(database, &["token", "create", "--name", "partner", "--scope", "leads:write", "--rows", rows]);
        let said = create(r#"{"source":{"eq":"partner-x"}}"#);
        assert_eq!(said.code, Some(0), "{said:?}");
        let token = said.out.trim();
        let listed = command(database, &["token", "list"]);
        assert!(listed.out.contains("ROWS") && listed.out.contains(r#"{"source":{"eq":"partner-x"}}"#), "{listed:?}");
        let server = Server::start(database, Setup::default()).await;
        for (email, source) in [("ann@example.com", "partner-x"), ("cyd@example.com", "other")] {
            let create = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { lead { id } } }";
            server.data(create, json!({ "input": { "email": email, "source": source } })).await;
        }
        let leads = server.data_as(token, "{ leads { nodes { email } } }", json!({})).await;
        assert_eq!(leads["leads"]["nodes"], json!([{ "email": "ann@example.com" }]));
        let said = create(r#"{"sauce":{"eq":"partner-x"}}"#);
        assert_ne!(said.code, Some(0), "{said:?}");
        assert!(said.err.contains("unknown field `sauce`, expected one of `and`, `or`, `not`, `ids`"), "{said:?}");
    }

    async fn a_newer_database_is_left_alone(database: &Database) {
        let migrated = command(database, &["migrate"]);
        assert_eq!(migrated.code, Some(0), "{migrated:?}");
        let row = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 1)";
        database.open().await.write().execute_unprepared(row).await.unwrap();
        for arguments in [&["serve"][..], &["migrate"], &["doctor"]] {
            let said = command(database, arguments);
            assert_eq!(said.code, Some(1), "{said:?}");
            let all = format!("{}{}", said.out, said.err);
            assert!(all.contains("the database was written by a newer Leadline: it has `m9999_later`"), "{all}");
            assert!(all.contains("run that newer version, or restore a backup"), "{all}");
        }
    }

    async fn a_process_serves_until_it_is_asked_to_end(database: &Database) {
        let process = Process::start(database, &["serve"]);
        let address = process.address().await;
        let (status, answer) = ask(&http(), address, None, "{ version }", json!({})).await;
        assert_eq!((status, &answer["data"]["version"]), (200, &json!(env!("CARGO_PKG_VERSION"))));
        let log = process.log();
        assert!(!log.contains("ERROR"), "{log}");
        assert_eq!(process.end(), Some(0), "{log}");
    }

    async fn what_was_acknowledged_outlives_a_crash(database: &Database) {
        let token = command(database, &["token", "create", "--name", "a", "--scope", "admin"]).out;
        let token = Some(token.trim());
        let process = Process::start(database, &["serve"]);
        let create = "mutation { leadCreate(input: { email: \"ann@example.com\" }) { lead { id } } }";
        let (_, made) = ask(&http(), process.address().await, token, create, json!({})).await;
        process.kill();
        let process = Process::start(database, &["serve"]);
        let (_, read) = ask(&http(), process.address().await, token, "{ leads { nodes { id } } }", json!({})).await;
        assert_eq!(read["data"]["leads"]["nodes"], json!([made["data"]["leadCreate"]["lead"]]));
    }

    async fn the_doctor_finds_a_healthy_deployment_well(database: &Database) {
        let port = format!("127.0.0.1:{}", free_port());
        let fresh = command(database, &["doctor", "--listen", &port]);
        assert_eq!(fresh.code, Some(0), "{fresh:?}");
        let server = Server::start(database, Setup::default()).await;
        server.data("mutation { leadCreate(input: { email: \"a@example.com\" }) { lead { id } } }", json!({})).await;
        server.settled().await;
        let said = command(database, &["doctor", "--listen", &server.address().to_string()]);
        assert_eq!(said.code, Some(0), "{said:?}");
        for line in [
            "ok       database: ",
            "ok       schema: up to date",
            "ok       data folder: ",
            "ok       address: a running Leadline listens there",
            "ok       handler lifecycle: ",
        ] {
            assert!(said.out.contains(line), "`{line}` is missing:\n{}", said.out);
        }
    }
}

#[test]
fn the_doctor_names_what_is_wrong_and_how_to_mend_it() {
    with_database(Backend::Sqlite, async |database| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let file = database.folder().join("leadline.db");
        std::fs::write(
            &file,
            "this is no database, whatever its name says; and it is long enough to be read as one",
        )
        .unwrap();
        let nats = format!("nats://127.0.0.1:{}", free_port());
        let said = command(database, &["doctor", "--listen", &address, "--nats-url", &nats]);
        assert_eq!(said.code, Some(1), "{said:?}");
        for line in [
            "error    database: the file `",
            "         mend: set `database_url` or `data_dir` to another place, or move that file away",
            "error    address: cannot listen on 127.0.0.1:",
            "         mend: end the program that uses it",
            "warning  NATS: ",
        ] {
            assert!(said.out.contains(line), "`{line}` is missing:\n{}", said.out);
        }
        assert!(said.err.starts_with("error: 2 of "), "{}", said.err);
    });
}

#[test]
fn a_wrong_setting_is_one_line_and_a_hint() {
    with_database(Backend::Sqlite, async |database| {
        let said = command(database, &["settings", "--upload-max-bytes", "many"]);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
        let lines: Vec<&str> = said.err.lines().collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].starts_with("error: setting `upload_max_bytes` (flag --upload-max-bytes): "),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("hint: "), "{lines:?}");
    });
}

#[test]
fn a_wrong_id_is_named_in_plain_english() {
    with_database(Backend::Sqlite, async |database| {
        let said = command(database, &["token", "revoke", "foo"]);
        let line = "error: `foo` is not the id of an API token: expected `token_` and 26 characters\n";
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.starts_with(line), "{said:?}");
    });
}

#[test]
fn a_busy_port_is_named() {
    with_database(Backend::Sqlite, async |database| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let said = command(database, &["serve", "--listen", &address.to_string()]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(
            said.err.contains(&format!(
                "error: cannot listen on {address}: the port is in use\nhint: "
            )),
            "{said:?}"
        );
    });
}

#[test]
fn the_schema_file_is_the_schema() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let output = Command::new(env!("CARGO_BIN_EXE_leadline"))
        .args(["schema", "--check", file])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("`{file}` is the schema\n")
    );
}
