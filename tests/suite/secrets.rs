//! What must stay secret stands nowhere but where it belongs: not in the database, not in the logs. (The logs of the whole run
//! are watched: `support::secrets`.)

use leadline::db::PageRequest;
use leadline::identity::{Caller, account, mail};
use sea_orm::{ConnectionTrait as _, DbBackend};
use serde_json::{Value, json};

use crate::sessions::{PASSWORD, sign_in, tokens, user};
use crate::support::{
    Backend, Database, Process, Server, Setup, command, http, is_secret, secret_in, unix_seconds, until,
};

#[test]
fn secrets_are_known_by_their_form() {
    let token = format!("leadline_{}", "aB3_".repeat(12) + "x");
    assert_eq!(
        secret_in(&format!("holder={token} came")).as_deref(),
        Some("leadline_…")
    );
    let refresh = format!("\"leadline_refresh_{}\"", "aB3-".repeat(12) + "x");
    assert!(secret_in(&refresh).is_some());
    assert!(
        secret_in(&format!(
            "Bearer eyJ{}.{}.{}",
            "a".repeat(30),
            "b".repeat(60),
            "c".repeat(80)
        ))
        .is_some()
    );
    for fine in [
        "leadline_graphql_request_duration_seconds 1",
        "the token leadline_abc… was used",
        "eyJ",
    ] {
        assert_eq!(secret_in(fine), None, "{fine}");
    }
}

/// All that the database holds, bytes as they are and as hexadecimal digits.
async fn dump(database: &Database, server: &Server) -> Vec<u8> {
    let db = server.app().db();
    if db.backend() == DbBackend::Sqlite {
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(database.folder()).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() && path.extension().is_none_or(|end| end != "key") {
                bytes.extend(std::fs::read(&path).expect("reads"));
            }
        }
        return bytes;
    }
    let tables = "SELECT table_schema || '.' || quote_ident(table_name) FROM information_schema.tables \
                  WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')";
    let rows = db
        .read()
        .query_all_raw(leadline::db::sql(db.backend(), tables, []))
        .await
        .expect("tables");
    let mut text = String::new();
    for row in rows {
        let table: String = row.try_get_by_index(0).expect("a name");
        let all = format!("SELECT coalesce(string_agg(row_to_json(t)::text, chr(10)), '') FROM {table} t");
        let row = db
            .read()
            .query_one_raw(leadline::db::sql(db.backend(), &all, []))
            .await
            .expect("rows");
        let rows: String = row.expect("one").try_get_by_index(0).expect("a text");
        text += &rows;
    }
    text.into_bytes()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|part| part == needle)
}

on_both! {
    async fn no_secret_stands_in_the_database_in_the_clear(database: &Database) {
        const SMTP_PASSWORD: &str = "smtp-password-91ac";
        const CLIENT_SECRET: &str = "client-secret-55de";
        const SECOND_PASSWORD: &str = "a second fine password";
        let setup = Setup::default()
            .setting("smtp_url", format!("smtp://leads:{SMTP_PASSWORD}@127.0.0.1:1"))
            .setting("open_id_issuer", "http://127.0.0.1:1")
            .setting("open_id_client_id", "leadline")
            .setting("open_id_client_secret", CLIENT_SECRET);
        let server = Server::start(database, setup).await;
        let mut secrets: Vec<String> = [SMTP_PASSWORD, CLIENT_SECRET, PASSWORD, SECOND_PASSWORD].map(str::to_owned).into();
        secrets.extend(account::set_up_code(server.app()).await.expect("made"));
        user(&server, "ada@example.com", "admin").await;
        secrets.push(server.admin().to_owned());
        let (access, refresh) = tokens(&server, "ada@example.com").await;
        let answered = async |query: &str, variables: Value| server.data_as(&access, query, variables).await;
        let refreshed = answered(
            "mutation ($token: String!) { sessionRefresh(input: { refreshToken: $token }) { tokens { refreshToken accessToken } } }",
            json!({ "token": refresh }),
        ).await;
        for key in ["refreshToken", "accessToken"] {
            secrets.push(refreshed["sessionRefresh"]["tokens"][key].as_str().expect("a token").to_owned());
        }
        secrets.extend([access.clone(), refresh]);
        let begun = answered(
            "mutation ($password: String!) { secondFactorBegin(input: { password: $password }) { secret } }",
            json!({ "password": PASSWORD }),
        ).await;
        let seed = begun["secondFactorBegin"]["secret"].as_str().expect("a seed").to_owned();
        let bytes = totp_rs::Secret::try_from_base32(&seed).expect("base32");
        let now = unix_seconds();
        let totp = totp_rs::Builder::new().with_secret(bytes.clone()).with_account_name("ada").build().expect("a seed");
        let on = answered(
            "mutation ($code: String!) { secondFactorConfirm(input: { code: $code }) { recoveryCodes userErrors { message } } }",
            json!({ "code": totp.generate(now).to_string() }),
        ).await;
        let codes = on["secondFactorConfirm"]["recoveryCodes"].as_array().expect("codes");
        assert_eq!(codes.len(), 10, "{on}");
        secrets.extend(codes.iter().map(|code| code.as_str().expect("a code").to_owned()));
        secrets.push(seed);
        let challenge = sign_in(&server, "ada@example.com", PASSWORD).await;
        secrets.push(challenge["data"]["signIn"]["secondFactor"]["challenge"].as_str().expect("a challenge").to_owned());
        answered("mutation { invitationCreate(input: { email: \"bob@example.com\", role: \"viewer\" }) { userErrors { message } } }", json!({})).await;
        server.graphql_as(None, "mutation { passwordForgot(input: { email: \"ada@example.com\" }) { userErrors { message } } }", json!({})).await;
        let mails = mail::list(server.app(), &Caller::operator(), &PageRequest::first(10)).await.expect("reads");
        assert_eq!(mails.items.len(), 2);
        for mail in &mails.items {
            let body = mail::get_body(server.app(), &Caller::operator(), mail).await.expect("opens");
            let (_, rest) = body.split_once("/account#").expect("a link");
            let (_, code) = rest.split_whitespace().next().expect("a link").split_once('=').expect("a code");
            secrets.push(code.to_owned());
        }
        // Wrong ones are secrets as well: people mistype.
        let wrong = sign_in(&server, "ada@example.com", SECOND_PASSWORD).await;
        assert!(wrong["data"]["signIn"]["tokens"].is_null(), "{wrong}");
        until("the mails were tried", async || {
            let shown = server.data("{ mails { nodes { attempts error } } }", json!({})).await;
            shown["mails"]["nodes"].as_array().expect("a list").iter().all(|mail| mail["error"].is_string())
        })
        .await;
        server.settled().await;
        let text = dump(database, &server).await;
        assert!(contains(&text, b"ada@example.com") && contains(&text, b"argon2id"), "it is the whole database");
        for secret in &secrets {
            is_secret(secret);
            assert!(!contains(&text, secret.as_bytes()), "{secret}");
            let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert!(!contains(&text, hex.as_bytes()), "{secret} in hexadecimal");
        }
        let raw = bytes.as_bytes();
        let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!contains(&text, raw) && !contains(&text, hex.as_bytes()), "the seed itself");
        let master = std::fs::read_to_string(database.folder().join("master.key")).expect("there is one");
        for line in master.lines().filter(|line| !line.starts_with('#')) {
            assert!(!contains(&text, line.as_bytes()), "the master key");
        }
        server.stop().await;
    }
}

#[test]
fn the_log_of_a_process_tells_no_secret() {
    crate::support::with_database(Backend::Sqlite, async |database| {
        let said = command(database, &["token", "create", "--name", "t", "--scope", "admin"]);
        let token = said.out.trim().to_owned();
        assert!(secret_in(&token).is_some(), "it is one");
        let process = Process::start(
            database,
            &[
                "serve",
                "--log",
                "trace",
                "--smtp-url",
                "smtp://leads:smtp-password-91ac@127.0.0.1:1",
            ],
        );
        let address = process.address().await;
        let http = http();
        let post = |token: Option<&str>, query: &str, variables: Value| {
            let mut request = http
                .post(format!("http://{address}/graphql"))
                .json(&json!({ "query": query, "variables": variables }));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            request.send()
        };
        post(Some(&token), "{ leads { nodes { id } } }", json!({}))
            .await
            .expect("an answer");
        let wrong = "mutation ($input: SignInInput!) { signIn(input: $input) { userErrors { code } } }";
        let input = json!({ "input": { "email": "ada@example.com", "password": "typed-in-a-hurry-31" } });
        post(None, wrong, input).await.expect("an answer");
        post(Some(&format!("{token}x")), "{ version }", json!({}))
            .await
            .expect("an answer");
        let log = process.log();
        assert!(log.lines().count() > 20, "{log}");
        // The set-up link is for whoever sits before the process, once, and stands in its standard error.
        let log: Vec<&str> = log
            .lines()
            .filter(|line| !line.contains("/account#set-up="))
            .collect();
        for line in log {
            assert_eq!(secret_in(line), None, "{line}");
            for secret in ["typed-in-a-hurry-31", "smtp-password-91ac"] {
                assert!(!line.contains(secret), "{line}");
            }
        }
        process.end();
    });
}
