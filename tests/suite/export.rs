//! Leads as files: over HTTP, by signed links, on the command line, and back in by the import.

use std::io::{BufRead as _, BufReader, Cursor};
use std::process::Stdio;

use entity::id::LeadId;
use leadline::identity::{Caller, create_token, revoke_token};
use leadline::leads::import::{Row, Source, SourceOptions};
use leadline::leads::lead::{self, LeadChange, Patch, UpsertMode};
use reqwest::Response;
use reqwest::header::HeaderMap;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Backend, Database, Process, Server, Setup, command, http, prepared, until};

const CREATE: &str = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) {
    lead { id } userErrors { field message } } }";
const LINK: &str = "mutation ($input: LeadsExportInput!) { leadsExport(input: $input) {
    url expiresAt userErrors { field message code } } }";
/// What an import brings back: not Leadline's own ids, times and scores.
const CARRIED: &str = "external_id,external_id.shop:de,email,phone,first_name,last_name,company_name,job_title,website,street,\
    city,region,postal_code,country,time_zone,language,customer_type,interests,tags,source,source_detail,deal_stage,\
    deal_value,deal_currency,expected_close_date,owner_email,stage,created_at,consent.email,consent.sms.third_party,\
    custom.sport,custom.seats,custom.sports,custom.vip,custom.since";

async fn create(server: &Server, input: Value) -> String {
    let made = server.data(CREATE, json!({ "input": input })).await;
    assert_eq!(made["leadCreate"]["userErrors"], json!([]), "{made}");
    made["leadCreate"]["lead"]["id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

/// Asks for an export with a token.
async fn ask(server: &Server, token: Option<&str>, query: &[(&str, &str)]) -> Response {
    let url = reqwest::Url::parse_with_params(&server.url("/exports/leads"), query).expect("an address");
    let mut request = server.http().get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.expect("an answer")
}

/// The text of an export as admin.
async fn text(server: &Server, query: &[(&str, &str)]) -> String {
    let response = ask(server, Some(server.admin()), query).await;
    assert_eq!(response.status(), 200, "{query:?}");
    response.text().await.expect("a whole answer")
}

/// Status, code and message of a refusal.
async fn refusal(response: Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.expect("JSON");
    let error = &body["errors"][0];
    assert!(error["extensions"]["requestId"].is_string(), "{body}");
    (
        status,
        error["extensions"]["code"].as_str().expect("a text").to_owned(),
        error["message"].as_str().expect("a text").to_owned(),
    )
}

fn head<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().expect("ASCII"))
}

/// Leads `n0@example.com`, `n1@…`, in this order, with something to make them long.
async fn many(server: &Server, count: usize, long: usize) -> Vec<LeadId> {
    let changes = (0..count).map(|n| LeadChange {
        email: Patch::Set(format!("n{n}@example.com")),
        source_detail: if long == 0 {
            Vec::new()
        } else {
            // Digits of hashes: what cannot be made short.
            let mut bytes = vec![0; long / 2];
            blake3::Hasher::new()
                .update(&n.to_le_bytes())
                .finalize_xof()
                .fill(&mut bytes);
            let parts = bytes
                .chunks(900)
                .map(|part| part.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
            parts
                .zip(0..)
                .map(|(text, part)| (format!("part{part}"), Some(json!(text))))
                .collect()
        },
        ..LeadChange::default()
    });
    let outcomes = lead::write(
        server.app(),
        &Caller::operator(),
        changes.collect(),
        UpsertMode::Create,
    )
    .await
    .expect("they are written");
    outcomes
        .iter()
        .map(|outcome| outcome.lead_id().expect("a lead"))
        .collect()
}

/// The names of the columns, and the number of rows, of a CSV or Excel file.
fn table(file: Vec<u8>) -> (Vec<String>, usize) {
    let mut source = Source::read(Cursor::new(file), &SourceOptions::default()).expect("a file of rows");
    let names = source.header().names.clone();
    let (mut rows, mut row, mut count) = (source.rows().expect("rows"), Row::default(), 0);
    while rows.read(&mut row).expect("a row") {
        count += 1;
    }
    (names, count)
}

async fn define_fields(server: &Server) {
    for field in [
        json!({ "key": "sport", "type": "TEXT" }),
        json!({ "key": "seats", "type": "NUMBER" }),
        json!({ "key": "sports", "type": "MULTI_SELECT", "options": ["run", "swim|bike", "row"] }),
        json!({ "key": "vip", "type": "BOOLEAN" }),
        json!({ "key": "since", "type": "DATE_TIME" }),
    ] {
        let made = server
            .data(
                "mutation ($input: CustomFieldCreateInput!) { customFieldCreate(input: $input) { userErrors { message } } }",
                json!({ "input": field }),
            )
            .await;
        assert_eq!(made["customFieldCreate"]["userErrors"], json!([]), "{made}");
    }
}

/// Leads with something in every column, and with what is hard to carry.
async fn fill(server: &Server) {
    define_fields(server).await;
    let ana = create(server, json!({
        "email": "ana@example.com", "phone": "+49 1512 3456789", "firstName": "=Ana", "lastName": "O'Hara, \"d.\"",
        "companyName": "Line one\nline two", "jobTitle": "'=quoted", "website": "example.com", "street": "-street",
        "city": "São Paulo", "region": "SP", "postalCode": "01310", "country": "BR", "timeZone": "America/Sao_Paulo",
        "language": "pt-BR", "customerType": "coach", "interests": ["a;b", "c"], "source": "@fair",
        "sourceDetail": { "campaign": "spring", "clicks": 3 }, "dealStage": "offer",
        "dealValue": { "amount": "1.5", "currencyCode": "KWD" }, "expectedCloseDate": "2026-12-31",
        "ownerEmail": "owner@example.com",
        "custom": { "sport": "+run", "seats": -12.5, "sports": ["swim|bike", "run"], "vip": true,
            "since": "2020-02-29T10:00:00.5Z" },
        "externalIds": [{ "namespace": "import", "value": "1" }, { "namespace": "shop:de", "value": "=77" }]
    })).await;
    create(
        server,
        json!({ "phone": "+5511961234567", "dealValue": { "amount": "1234567", "currencyCode": "JPY" } }),
    )
    .await;
    create(
        server,
        json!({ "externalIds": [{ "namespace": "shop:de", "value": "78" }], "interests": ["[x]"] }),
    )
    .await;
    let tagged = server
        .data(
            "mutation ($input: LeadsTagInput!) { leadsTag(input: $input) { userErrors { message } } }",
            json!({ "input": { "leadIds": [ana], "addNames": ["vip", "[b2b]"], "createMissing": true } }),
        )
        .await;
    assert_eq!(tagged["leadsTag"]["userErrors"], json!([]), "{tagged}");
    let consents = server.data(
        "mutation ($input: ConsentsRecordInput!) { consentsRecord(input: $input) { userErrors { message } } }",
        json!({ "input": { "consents": [
            { "leadId": ana, "channel": "EMAIL", "purpose": "MARKETING", "state": "GRANTED" },
            { "leadId": ana, "channel": "SMS", "purpose": "THIRD_PARTY", "state": "DENIED" },
        ] } }),
    ).await;
    assert_eq!(consents["consentsRecord"]["userErrors"], json!([]), "{consents}");
}

on_both! {
    async fn what_was_exported_is_imported_as_it_was(database: &Database) {
        let server = Server::start(database, Setup::default()).await;
        fill(&server).await;
        let backend = if database.url().starts_with("sqlite") { Backend::Sqlite } else { Backend::Postgres };
        let fresh = Database::create(backend).unwrap();
        let other = Server::start(&fresh, Setup::default()).await;
        define_fields(&other).await;
        let carried = text(&server, &[("columns", CARRIED)]).await;
        assert_eq!(carried.matches("'+49").count(), 1, "{carried}");
        let whole = text(&server, &[]).await;
        let file = fresh.folder().join("leads.csv");
        std::fs::write(&file, &whole).unwrap();
        let file = file.display().to_string();
        let said = command(&fresh, &["import", "leads", &file]);
        assert!(said.out.starts_with("3 rows: 3 leads created, 0 updated, 0 unchanged, 0 rejected\n"), "{said:?}");
        other.settled().await;
        assert_eq!(text(&other, &[("columns", CARRIED)]).await, carried);
        // The same leads as a workbook: there is nothing new in it.
        let workbook = ask(&server, Some(server.admin()), &[("format", "xlsx")]).await.bytes().await.unwrap();
        let file = fresh.folder().join("leads");
        std::fs::write(&file, &workbook).unwrap();
        let said = command(&fresh, &["import", "leads", &file.display().to_string()]);
        assert!(said.out.starts_with("3 rows: 0 leads created, 0 updated, 3 unchanged, 0 rejected\n"), "{said:?}");
        assert_eq!(text(&other, &[("columns", CARRIED)]).await, carried);
    }

    async fn a_file_says_what_it_is(database: &Database) {
        let server = Server::start(database, Setup::default().at("2026-03-01T12:00:00Z")).await;
        let id = create(&server, json!({ "email": "ana@example.com", "firstName": "Ana" })).await;
        for (format, media, body) in [
            ("", "text/csv; charset=utf-8; header=present", format!("lead_id,first_name\n{id},Ana\n")),
            ("csv", "text/csv; charset=utf-8; header=present", format!("lead_id,first_name\n{id},Ana\n")),
            ("ndjson", "application/x-ndjson", format!("{{\"lead_id\":\"{id}\",\"first_name\":\"Ana\"}}\n")),
        ] {
            let response = ask(&server, Some(server.admin()), &[("format", format), ("columns", "lead_id,first_name")]).await;
            assert_eq!((response.status().as_u16(), head(response.headers(), "content-type")), (200, media));
            let name = format!("attachment; filename=\"leads-2026-03-01.{}\"", if format == "ndjson" { format } else { "csv" });
            assert_eq!(head(response.headers(), "content-disposition"), name);
            assert_eq!(head(response.headers(), "cache-control"), "private, no-store");
            assert_eq!(response.text().await.unwrap(), body);
        }
        let zipped = server.http().get(server.url("/exports/leads")).bearer_auth(server.admin())
            .header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(head(zipped.headers(), "content-encoding"), "gzip");
        assert_eq!(zipped.bytes().await.unwrap()[..2], [0x1f, 0x8b]);
        let workbook = server.http().get(server.url("/exports/leads?format=xlsx")).bearer_auth(server.admin())
            .header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(head(workbook.headers(), "content-encoding"), "");
        let length: usize = head(workbook.headers(), "content-length").parse().unwrap();
        let workbook = workbook.bytes().await.unwrap();
        assert_eq!(workbook.len(), length);
        let (names, rows) = table(workbook.to_vec());
        assert_eq!((&*names[0], rows), ("lead_id", 1));
        // All columns in the order of the import's targets, and scores as they are now.
        let all = text(&server, &[("format", "ndjson")]).await;
        let all: Value = serde_json::from_str(&all).unwrap();
        assert_eq!(all["email"], "ana@example.com");
        assert_eq!((&all["stage"], &all["created_at"]), (&json!("NEW"), &json!("2026-03-01T12:00:00Z")));
        let score = server.data("query ($id: ID!) { lead(id: $id) { score { current grade temperature } } }", json!({ "id": id })).await;
        assert_eq!(
            (&all["score"], &all["grade"], &all["temperature"]),
            (&score["lead"]["score"]["current"], &score["lead"]["score"]["grade"], &score["lead"]["score"]["temperature"])
        );
    }

    async fn what_is_wrong_is_told_with_the_valid_choices(server: &Server) {
        let reader = server.token(&["leads:read"]).await;
        let (status, code, message) = refusal(ask(server, None, &[]).await).await;
        assert_eq!((status, &*code), (401, "UNAUTHENTICATED"), "{message}");
        let (status, code, _) = refusal(ask(server, Some("leadline_nonsense"), &[]).await).await;
        assert_eq!((status, &*code), (401, "UNAUTHENTICATED"));
        let other = server.token(&["jobs:read", "scoring:read"]).await;
        let (status, code, message) = refusal(ask(server, Some(&other), &[]).await).await;
        assert_eq!((status, &*code), (403, "FORBIDDEN"));
        assert!(message.contains("`leads:read`"), "{message}");
        for (query, says) in [
            (("format", "pdf"), "format: unknown format `pdf`; one of csv, ndjson, xlsx"),
            (("columns", "email,shoe_size"), "unknown column `shoe_size`; one of lead_id, external_id, email, phone, "),
            (("columns", "email,E-mail"), "the column `email` is named twice"),
            (("columns", "custom.sport"), "unknown custom field `sport`; none is defined yet"),
            (("filter", "{\"emial\":{}}"), "filter: unknown field `emial`, expected one of `and`, `or`, "),
            (("filter", "[1"), "filter: "),
            (("filter", "{\"stage\":{\"in\":[\"WON\"]}}"), "filter: unknown variant `WON`, expected one of `NEW`, "),
            (("filter", "{\"createdAt\":{\"withinDays\":0}}"), "filter.createdAt: "),
            (("limit", "5"), "the query cannot be read: "),
        ] {
            let (status, code, message) = refusal(ask(server, Some(&reader), &[query]).await).await;
            assert_eq!((status, &*code), (400, "BAD_USER_INPUT"), "{query:?}: {message}");
            assert!(message.starts_with(says), "{query:?}: {message}");
        }
        let (_, _, message) = refusal(ask(server, Some(&reader), &[("limit", "5")]).await).await;
        assert!(message.contains("expected one of `format`, `filter`, `columns`, `link`"), "{message}");
        let posted = server.http().post(server.url("/exports/leads")).bearer_auth(&reader).send().await.unwrap();
        assert_eq!(head(posted.headers(), "allow"), "GET");
        assert_eq!(refusal(posted).await.0, 405);
        // Scores have a scope of their own: unasked they are left out, asked for they are refused.
        let (names, _) = table(ask(server, Some(&reader), &[]).await.bytes().await.unwrap().to_vec());
        assert!(names.contains(&"stage".to_owned()) && !names.contains(&"score".to_owned()), "{names:?}");
        let (status, _, message) = refusal(ask(server, Some(&reader), &[("columns", "email,score")]).await).await;
        assert!(status == 403 && message.contains("`scoring:read`"), "{status} {message}");
        let both = server.token(&["leads:read", "scoring:read"]).await;
        let (names, _) = table(ask(server, Some(&both), &[]).await.bytes().await.unwrap().to_vec());
        assert!(names.contains(&"score".to_owned()), "{names:?}");
    }

    async fn nothing_is_a_header(server: &Server) {
        let columns = ("columns", "email,tags");
        assert_eq!(text(server, &[columns]).await, "email,tags\n");
        assert_eq!(text(server, &[columns, ("format", "ndjson")]).await, "");
        let workbook = ask(server, Some(server.admin()), &[columns, ("format", "xlsx")]).await.bytes().await.unwrap();
        assert_eq!(table(workbook.to_vec()), (vec!["email".to_owned(), "tags".to_owned()], 0));
        create(server, json!({ "email": "ana@example.com" })).await;
        let nobody = ("filter", "{\"email\":{\"eq\":\"bob@example.com\"}}");
        assert_eq!(text(server, &[columns, nobody]).await, "email,tags\n");
    }

    async fn who_is_gone_is_not_exported(server: &Server) {
        let mut ids = Vec::new();
        for email in ["kept@example.com", "deleted@example.com", "erased@example.com"] {
            ids.push(create(server, json!({ "email": email })).await);
        }
        assert_eq!(text(server, &[("columns", "email")]).await, "email\nkept@example.com\ndeleted@example.com\nerased@example.com\n");
        for (mutation, id) in [("leadDelete", &ids[1]), ("leadErase", &ids[2])] {
            let query = format!("mutation ($id: ID!) {{ {mutation}(input: {{ id: $id }}) {{ userErrors {{ message }} }} }}");
            let done = server.data(&query, json!({ "id": id })).await;
            assert_eq!(done[mutation]["userErrors"], json!([]));
        }
        for (format, one) in [("csv", "email\nkept@example.com\n"), ("ndjson", "{\"email\":\"kept@example.com\"}\n")] {
            assert_eq!(text(server, &[("columns", "email"), ("format", format)]).await, one);
        }
        let workbook = ask(server, Some(server.admin()), &[("format", "xlsx")]).await.bytes().await.unwrap();
        assert_eq!(table(workbook.to_vec()).1, 1);
    }

    async fn every_lead_comes_once_in_the_order_of_ids(server: &Server) {
        let mut ids = many(server, 1_203, 0).await;
        ids.sort_unstable();
        let all = text(server, &[("columns", "lead_id,email")]).await;
        let lines: Vec<&str> = all.lines().skip(1).collect();
        let found: Vec<&str> = lines.iter().map(|line| line.split_once(',').unwrap().0).collect();
        let expected: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
        let filter = "{\"or\":[{\"email\":{\"eq\":\"n7@example.com\"}},{\"email\":{\"eq\":\"N1200@example.com\"}}]}";
        assert_eq!(text(server, &[("columns", "email"), ("filter", filter)]).await, "email\nn7@example.com\nn1200@example.com\n");
        // Statements grow with the batches alone: three of up to 500 leads, whatever hangs on them.
        let mut cost = u64::MAX;
        for _ in 0..5 {
            let before = server.app().db().statement_count();
            text(server, &[]).await;
            cost = cost.min(server.app().db().statement_count() - before);
        }
        assert!(cost < 60, "{cost} statements for 1,203 leads");
    }

    async fn a_link_opens_without_a_token_for_a_quarter_of_an_hour(database: &Database) {
        let server = Server::start(database, Setup::default().at("2026-03-01T12:00:00Z")).await;
        create(&server, json!({ "email": "ana@example.com" })).await;
        create(&server, json!({ "email": "bob@example.com" })).await;
        let app = server.app();
        let scopes = ["leads:read".to_owned()];
        let token = create_token(app, &Caller::operator(), "partner", &scopes, None).await.unwrap();
        let made = server.data_as(&token.secret, LINK, json!({ "input": {
            "format": "NDJSON", "filter": { "email": { "startsWith": "a" } }, "columns": ["email"]
        } })).await;
        let made = &made["leadsExport"];
        assert_eq!((&made["userErrors"], &made["expiresAt"]), (&json!([]), &json!("2026-03-01T12:15:00Z")));
        let url = made["url"].as_str().unwrap();
        assert!(url.starts_with(&server.url("/exports/leads?link=")), "{url}");
        let open = async |url: &str| server.http().get(url).send().await.unwrap();
        let response = open(url).await;
        assert_eq!(head(response.headers(), "content-disposition"), "attachment; filename=\"leads-2026-03-01.ndjson\"");
        assert_eq!(head(response.headers(), "referrer-policy"), "no-referrer");
        assert_eq!(response.text().await.unwrap(), "{\"email\":\"ana@example.com\"}\n");
        // Every server of the deployment opens it, no other does.
        let twin = Server::start(database, Setup::default().at("2026-03-01T12:14:59Z")).await;
        let elsewhere = Database::create(Backend::Sqlite).unwrap();
        let elsewhere = Server::start(&elsewhere, Setup::default().at("2026-03-01T12:00:00Z")).await;
        let path = &url[server.url("").len()..];
        assert_eq!(open(&twin.url(path)).await.text().await.unwrap(), "{\"email\":\"ana@example.com\"}\n");
        let (status, code, message) = refusal(open(&elsewhere.url(path)).await).await;
        assert_eq!((status, &*code), (403, "FORBIDDEN"));
        assert_eq!(message, "the link was not made by this deployment, or it was changed or cut");
        // Changed, cut, made up.
        let link = url.split_once("link=").unwrap().1;
        let changed = if link.starts_with('e') { link.replacen('e', "f", 1) } else { format!("e{}", &link[1..]) };
        for forged in [&changed[..], &link[..link.len() - 2], "", "a.b"] {
            let (status, _, message) = refusal(open(&server.url(&format!("/exports/leads?link={forged}"))).await).await;
            assert_eq!(status, 403, "{forged}: {message}");
        }
        let (status, _, message) = refusal(open(&format!("{url}&columns=phone")).await).await;
        assert_eq!(status, 400);
        assert!(message.starts_with("a link says all"), "{message}");
        server.set_time("2026-03-01T12:14:59.999999Z");
        assert_eq!(open(url).await.status(), 200);
        server.set_time("2026-03-01T12:15:00Z");
        let (status, _, message) = refusal(open(url).await).await;
        assert_eq!((status, &*message), (403, "the link has expired; ask for a new one"));
        // With the token its links go, at once.
        let made = server.data_as(&token.secret, LINK, json!({ "input": {} })).await;
        let url = made["leadsExport"]["url"].as_str().unwrap().to_owned();
        assert_eq!(open(&url).await.status(), 200);
        revoke_token(app, &Caller::operator(), token.token.id).await.unwrap();
        let (status, _, message) = refusal(open(&url).await).await;
        assert_eq!((status, &*message), (403, "the link is good no more: the token was revoked"));
    }

    async fn a_link_is_checked_when_it_is_made(server: &Server) {
        let link = async |input: Value| server.data(LINK, json!({ "input": input })).await["leadsExport"].clone();
        let wrong = link(json!({ "columns": ["shoe_size"] })).await;
        assert_eq!((&wrong["url"], &wrong["expiresAt"]), (&json!(null), &json!(null)));
        let error = &wrong["userErrors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!(["columns"]), &json!("INVALID_COLUMNS")));
        assert!(error["message"].as_str().unwrap().starts_with("unknown column `shoe_size`; one of lead_id, "), "{error}");
        let wrong = link(json!({ "filter": { "createdAt": { "withinDays": 0 } } })).await;
        let error = &wrong["userErrors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!(["filter"]), &json!("INVALID_FILTER")));
        let ids: Vec<String> = (0..200).map(|_| LeadId::at(entity::Timestamp::from_micros(1)).to_string()).collect();
        let wrong = link(json!({ "filter": { "ids": ids } })).await;
        let error = &wrong["userErrors"][0];
        assert_eq!(error["code"], "TOO_LONG");
        assert!(error["message"].as_str().unwrap().contains("the most is 6000; ask `GET /exports/leads`"), "{error}");
        let other = server.token(&["jobs:read"]).await;
        let refused = server.graphql_as(Some(&other), LINK, json!({ "input": {} })).await;
        assert_eq!(crate::support::unknown_field(&refused), "leadsExport");
        // A link shows what its token may see: no scores without their scope.
        let reader = server.token(&["leads:read"]).await;
        let made = server.data_as(&reader, LINK, json!({ "input": {} })).await;
        let file = server.http().get(made["leadsExport"]["url"].as_str().unwrap()).send().await.unwrap();
        let (names, _) = table(file.bytes().await.unwrap().to_vec());
        assert!(!names.contains(&"score".to_owned()), "{names:?}");
    }

    async fn whoever_hangs_up_ends_the_work(database: &Database) {
        const LEADS: usize = 3_000;
        let server = Server::start(database, Setup::default().without_work()).await;
        // 48 MB: more than the buffers between two sockets hold.
        many(&server, LEADS, 16_000).await;
        let token = server.admin().to_owned();
        server.stop().await;
        let process = Process::start(database, &["serve", "--no-worker"]);
        let address = process.address().await;
        let metric = async |name: &str| -> u64 {
            let page = http().get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap();
            let line = page.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.rsplit_once(' ')).map_or(0, |(_, value)| value.parse().unwrap())
        };
        let broken_off = "leadline_exports_total{format=\"csv\",outcome=\"broken_off\"}";
        for (times, encoding) in [(1, "identity"), (2, "gzip")] {
            let before = metric("leadline_exported_leads_total").await;
            let mut socket = TcpStream::connect(address).await.unwrap();
            let request = format!(
                "GET /exports/leads HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\naccept-encoding: {encoding}\r\n\r\n"
            );
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut first = vec![0; 100_000];
            socket.read_exact(&mut first).await.unwrap();
            let first = String::from_utf8_lossy(&first).into_owned();
            assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{}", &first[..200]);
            assert_eq!(first.contains("content-encoding: gzip"), encoding == "gzip");
            drop(socket);
            until("the server has noticed", async || metric(broken_off).await == times).await;
            let read = metric("leadline_exported_leads_total").await - before;
            assert!((500..LEADS as u64).contains(&read), "{read} leads were read for {encoding}");
        }
        assert_eq!(metric("leadline_exports_total{format=\"csv\",outcome=\"done\"}").await, 0);
        process.end();
    }

    async fn what_fails_half_way_is_no_whole_file(database: &Database) {
        let server = Server::start(database, Setup::default()).await;
        define_fields(&server).await;
        let ids = many(&server, 600, 0).await;
        let broken = ids.iter().max().unwrap();
        let spoil = "UPDATE lead SET custom = '{' WHERE email = (SELECT email FROM lead ORDER BY id DESC LIMIT 1)";
        server.app().db().write().execute_unprepared(spoil).await.unwrap();
        let response = ask(&server, Some(server.admin()), &[]).await;
        assert_eq!(response.status(), 200);
        assert!(response.bytes().await.is_err(), "the end of the file is missing");
        let fine = text(&server, &[("columns", "lead_id")]).await;
        assert!(fine.ends_with(&format!("{broken}\n")));
        // What is found out before the first byte is an error like others.
        let response = ask(&server, Some(server.admin()), &[("format", "xlsx")]).await;
        assert_eq!(refusal(response).await, (500, "INTERNAL".into(), "internal error".into()));
        let file = database.folder().join("leads.csv");
        let said = command(database, &["export", "leads", "--output", &file.display().to_string()]);
        assert_eq!((said.code, &*said.out), (Some(1), ""), "{said:?}");
        assert!(said.err.contains("error: the export broke off after 500 leads: "), "{said:?}");
        assert!(!file.exists(), "what is not whole does not appear");
        let said = command(database, &["export", "leads"]);
        assert_eq!((said.code, said.out.lines().count()), (Some(1), 501), "{}", said.err);
        assert!(said.err.contains("the export broke off after 500 leads"), "{said:?}");
    }

    async fn the_command_line_exports(database: &Database) {
        let server = Server::start(database, Setup::default()).await;
        create(&server, json!({ "email": "ana@example.com", "phone": "+4915123456789" })).await;
        create(&server, json!({ "email": "bob@example.com", "source": "fair" })).await;
        let said = command(database, &["export", "leads", "--columns", "email,phone"]);
        assert_eq!((said.code, &*said.out), (Some(0), "email,phone\nana@example.com,'+4915123456789\nbob@example.com,\n"), "{said:?}");
        assert_eq!(said.err, "");
        let filter = "{\"source\":{\"isSet\":true}}";
        let said = command(database, &["export", "leads", "--format", "ndjson", "--columns", "email,source", "--filter", filter]);
        assert_eq!(said.out, "{\"email\":\"bob@example.com\",\"source\":\"fair\"}\n", "{said:?}");
        let file = database.folder().join("leads.xlsx");
        let name = file.display().to_string();
        let said = command(database, &["export", "leads", "--output", &name]);
        assert_eq!((said.code, &*said.out), (Some(0), ""), "{said:?}");
        assert_eq!(said.err, format!("2 leads exported to {name}\n"));
        let (names, rows) = table(std::fs::read(&file).unwrap());
        assert_eq!((&*names[0], rows), ("lead_id", 2));
        for (arguments, says) in [
            (["--format", "pdf"], "error: --format: unknown format `pdf`; one of csv, ndjson, xlsx\n"),
            (["--columns", "shoe_size"], "error: unknown column `shoe_size`; one of lead_id, external_id, email, "),
            (["--filter", "{\"emial\":1}"], "error: --filter: unknown field `emial`, expected one of `and`, `or`, "),
            (["--filter", "{"], "error: --filter: EOF while parsing an object"),
        ] {
            let said = command(database, &[&["export", "leads"][..], &arguments].concat());
            assert_eq!((said.code, &*said.out), (Some(2), ""), "{said:?}");
            assert!(said.err.starts_with(says), "{said:?}");
        }
        for wrong in ["leads.pdf", "leads.xslx"] {
            let file = database.folder().join(wrong);
            let name = file.display().to_string();
            let ending = wrong.rsplit('.').next().unwrap();
            let said = command(database, &["export", "leads", "--output", &name]);
            assert_eq!((said.code, file.exists()), (Some(2), false), "{said:?}");
            let line = format!("error: --output: `{name}`: unknown format `{ending}`; one of csv, ndjson, xlsx\n");
            assert!(said.err.starts_with(&line), "{said:?}");
            let said = command(database, &["export", "leads", "--format", "csv", "--columns", "email", "--output", &name]);
            assert_eq!(said.code, Some(0), "a format that is named counts: {said:?}");
        }
        let plain = database.folder().join("leads").display().to_string();
        let one = "{\"source\":{\"isSet\":true}}";
        let said = command(database, &["export", "leads", "--columns", "email", "--filter", one, "--output", &plain]);
        assert_eq!((said.code, said.err), (Some(0), format!("1 lead exported to {plain}\n")));
        assert_eq!(std::fs::read_to_string(&plain).unwrap(), "email\nbob@example.com\n");
        let nowhere = database.folder().join("no").join("leads.csv").display().to_string();
        let said = command(database, &["export", "leads", "--output", &nowhere]);
        let line = format!("error: cannot write `{nowhere}`: No such file or directory (os error 2)\n");
        assert_eq!((said.code, said.err), (Some(1), line));
    }

    async fn a_reader_that_goes_away_is_no_failure(database: &Database) {
        let server = Server::start(database, Setup::default().without_work()).await;
        many(&server, 1_200, 2_000).await;
        let mut child = prepared(database, &["export", "leads"])
            .stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("lead_id,external_id,email"), "{line}");
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
    }
}
