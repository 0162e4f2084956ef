//! Reports as files: over HTTP, by signed links, on the command line.

use std::io::Cursor;

use calamine::{Data, Reader as _, Xlsx};
use leadline::identity::{Caller, create_token, revoke_token};
use leadline::insight::analytics::ReportKind;
use reqwest::Response;
use serde_json::{Value, json};

use super::told::scene;
use super::{converted, lead, told};
use crate::row_filter::partner;
use crate::support::{Database, Server, Setup, command};

const LINK: &str = "mutation ($input: ReportExportInput!) { it: reportExport(input: $input) { url expiresAt userErrors { field code message } } }";
const MARCH: [(&str, &str); 2] = [("from", "2026-03-01"), ("to", "2026-03-31")];

/// Asks for a report with a token.
async fn ask(server: &Server, token: &str, report: &str, query: &[(&str, &str)]) -> Response {
    let path = server.url(&format!("/exports/reports/{report}"));
    let url = reqwest::Url::parse_with_params(&path, query).expect("an address");
    let answer = server.http().get(url).bearer_auth(token).send().await;
    answer.expect("an answer")
}

/// The text of a report as admin.
async fn text(server: &Server, report: &str, query: &[(&str, &str)]) -> String {
    let response = ask(server, server.admin(), report, query).await;
    let status = response.status();
    let text = response.text().await.expect("a whole answer");
    assert_eq!(status, 200, "{report} {query:?}: {text}");
    text
}

/// Status and message of a refusal.
async fn refused(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.expect("JSON");
    (
        status,
        body["errors"][0]["message"].as_str().expect("a text").to_owned(),
    )
}

fn name_of(response: &Response) -> String {
    let value = response.headers()["content-disposition"].to_str().expect("ASCII");
    value.to_owned()
}

async fn server(database: &Database) -> Server {
    Server::start(database, Setup::default().at("2026-02-01T00:00:00Z")).await
}

/// What a report is asked with for a range, where it is of one.
fn days(report: ReportKind) -> &'static [(&'static str, &'static str)] {
    if report == ReportKind::Forecast {
        &[]
    } else {
        &MARCH
    }
}

on_both! {
    async fn files_say_what_the_queries_say(database: &Database) {
        let server = server(database).await;
        scene(&server).await;
        let stages = text(&server, "funnel", &MARCH).await;
        let lines: Vec<&str> = stages.lines().collect();
        assert_eq!(lines[0], "stage,reached,from_previous,from_first,dropped,drop_off,standing,stays,mean_days,median_days");
        assert!(lines[1].starts_with("NEW,4,1.0,1.0,3,0.75,2,2,30.5,") || lines[1].starts_with("NEW,4,,1.0,3,0.75,2,2,30.5,"), "{stages}");
        assert_eq!((lines.len(), lines.last().map(|line| line.starts_with("CUSTOMER,1,1.0,0.25,0,"))), (7, Some(true)), "{stages}");
        // Beside the range before: of the same table, and said of each line.
        let query = [&MARCH[..], &[("previous", "true"), ("table", "totals")]].concat();
        assert_eq!(text(&server, "funnel", &query).await, "range,leads,lost,churned\ncurrent,4,1,0\nprevious,1,0,0\n");
        let query = [&MARCH[..], &[("timeZone", "Europe/Berlin"), ("table", "totals")]].concat();
        assert_eq!(text(&server, "funnel", &query).await, "leads,lost,churned\n3,1,0\n");
        let sources = text(&server, "sources", &MARCH).await;
        let lines: Vec<Vec<&str>> = sources.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(lines[0], ["source", "leads", "qualified", "customers", "conversion_rate", "mean_score", "currency", "revenue", "cost", "roi",
            "cost_per_lead", "cost_per_customer", "unvalued", "unvalued_costs"]);
        assert_eq!((lines[1][..4].join(","), lines[1][6..9].join(","), lines[1][10..].join(",")),
            ("ads,3,1,1".to_owned(), "EUR,100.01,40.01".to_owned(), "13.34,40.01,0,0".to_owned()), "{sources}");
        assert_eq!(lines[2][..2], ["", "1"], "no source has no name");
        // Some leads of a source: what they cost nobody knows.
        let query = [&MARCH[..], &[("filter", "{\"source\":{\"eq\":\"ads\"}}")]].concat();
        let some = text(&server, "sources", &query).await;
        let line: Vec<&str> = some.lines().nth(1).unwrap().split(',').collect();
        assert_eq!((line[1], line[7], line[8], line[10], line[11]), ("3", "100.01", "", "", ""), "{some}");
        let april = [("from", "2026-04-01"), ("to", "2026-04-30")];
        let query = [&april[..], &[("table", "kinds")]].concat();
        let kinds = text(&server, "revenue", &query).await;
        assert!(kinds.starts_with("kind,conversions,currency,revenue,unvalued\n"), "{kinds}");
        assert!(kinds.contains("\nPURCHASE,1,EUR,100.01,0\n"), "{kinds}");
        let query = [&april[..], &[("table", "top_leads"), ("format", "ndjson")]].concat();
        let top = text(&server, "engagements", &query).await;
        let emails: Vec<Value> = top.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["email"].take()).collect();
        assert_eq!(emails.len(), 3, "{top}");
        assert!(emails.contains(&json!("ann@example.com")), "{top}");
        let credits = text(&server, "attribution", &[&april[..], &[("model", "linear")]].concat()).await;
        assert!(credits.contains("\nCHANNEL,NAMED,"), "{credits}");
        // Of some leads, and beside the range before.
        let some = [&april[..], &[("previous", "true"), ("filter", "{\"source\":{\"eq\":\"ads\"}}")]].concat();
        let totals = [&some[..], &[("table", "totals")]].concat();
        let wanted = "range,kind,conversions,currency,value,unvalued,direct,direct_value\n\
            current,PURCHASE,1,EUR,100.01,0,0,0.00\n";
        assert_eq!(text(&server, "attribution", &totals).await, wanted);
        assert_eq!(text(&server, "attribution-comparison", &totals).await, wanted);
        let before = [("from", "2026-05-01"), ("to", "2026-05-30"), ("previous", "true"), ("filter", "{\"source\":{\"eq\":\"ads\"}}")];
        let wanted = wanted.replace("current,", "previous,");
        for report in ["attribution", "attribution-comparison"] {
            assert_eq!(text(&server, report, &[&before[..], &[("table", "totals")]].concat()).await, wanted, "{report}");
        }
        let others = [("from", "2026-05-01"), ("to", "2026-05-30"), ("previous", "true"), ("filter", "{\"not\":{\"source\":{\"eq\":\"ads\"}}}")];
        let none = text(&server, "attribution", &others).await;
        assert_eq!(none, "range,by,name_kind,name,conversions,share,currency,value,value_share\n");
        let agreement = text(&server, "attribution-comparison", &[&some[..], &[("table", "agreement")]].concat()).await;
        assert!(agreement.starts_with("range,by,name_kind,name,least_share,greatest_share,spread,mean_share,mean_deviation\ncurrent,CHANNEL,"), "{agreement}");
        let campaigns = text(&server, "revenue", &[&april[..], &[("table", "campaigns"), ("filter", "{\"source\":{\"eq\":\"ads\"}}")]].concat()).await;
        assert!(campaigns.starts_with("campaign,conversions,currency,revenue,cost,roi\n"), "{campaigns}");
        let query = [("months", "1"), ("filter", "{\"source\":{\"eq\":\"ads\"}}"), ("table", "stages")];
        assert_eq!(text(&server, "forecast", &query).await.lines().count(), 5);
        let month = text(&server, "forecast", &[("months", "2")]).await;
        assert_eq!(month, "expected,month,deals,currency,value,weighted_value\nOVERDUE,,0,EUR,0.00,0.00\nMONTH,2026-04-01,0,EUR,0.00,0.00\n\
            MONTH,2026-05-01,0,EUR,0.00,0.00\nLATER,,0,EUR,0.00,0.00\nUNDATED,,0,EUR,0.00,0.00\nTOTAL,,0,EUR,0.00,0.00\n");
        let response = ask(&server, server.admin(), "funnel", &[&MARCH[..], &[("table", "totals")]].concat()).await;
        assert_eq!(name_of(&response), "attachment; filename=\"funnel-totals-2026-03-01-2026-03-31.csv\"");
        let noted = "{ auditEntries(first: 50, filter: { action: \"REPORT_EXPORTED\" }) { nodes { detail } } }";
        let noted = server.data(noted, json!({})).await["auditEntries"]["nodes"].take();
        let funnel = json!({ "detail": { "report": "funnel", "format": "csv" } });
        assert_eq!(noted.as_array().unwrap().iter().filter(|note| **note == funnel).count(), 4, "{noted}");
    }

    async fn a_workbook_has_all_tables(database: &Database) {
        let server = server(database).await;
        scene(&server).await;
        for report in ReportKind::ALL {
            let name = report.as_str();
            let query = [days(report), &[("format", "xlsx")]].concat();
            let response = ask(&server, server.admin(), name, &query).await;
            assert_eq!(response.status(), 200, "{name}");
            assert_eq!(response.headers()["content-type"], "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
            let bytes = response.bytes().await.unwrap();
            let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes.to_vec())).unwrap();
            let names = workbook.sheet_names();
            let wanted: Vec<&str> = ["report"].iter().chain(report.tables()).copied().collect();
            assert_eq!(names, wanted, "{name}");
            let about = workbook.worksheet_range("report").unwrap();
            assert_eq!(about.get_value((0, 1)), Some(&Data::String(name.to_owned())));
            for table in report.tables() {
                let sheet = workbook.worksheet_range(table).unwrap();
                let lines = text(&server, name, &[days(report), &[("table", table)]].concat()).await;
                let lines: Vec<&str> = lines.lines().collect();
                assert_eq!(sheet.height(), lines.len(), "{name} {table}: {lines:?}");
                assert_eq!(sheet.width(), lines[0].split(',').count(), "{name} {table}");
                let objects = text(&server, name, &[days(report), &[("table", table), ("format", "ndjson")]].concat()).await;
                assert_eq!(objects.lines().count() + 1, lines.len(), "{name} {table}");
            }
        }
        let query = [&MARCH[..], &[("format", "xlsx")]].concat();
        let bytes = ask(&server, server.admin(), "funnel", &query).await.bytes().await.unwrap();
        let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes.to_vec())).unwrap();
        let stages = workbook.worksheet_range("stages").unwrap();
        assert_eq!((stages.get_value((1, 1)), stages.get_value((1, 8))), (Some(&Data::Float(4.0)), Some(&Data::Float(30.5))), "numbers are numbers");
    }

    async fn what_is_asked_wrongly_is_said(server: &Server) {
        let march = |more: &[(&'static str, &'static str)]| [&MARCH[..], more].concat();
        for (report, query, says) in [
            ("funel", march(&[]), "there is no report `funel`; one of funnel, lead-quality, "),
            ("funnel", vec![], "say of which days: `lastDays`, or `from` and `to`"),
            ("funnel", vec![("from", "2026-03-01")], "a range has either `lastDays`, or `from` and `to`"),
            ("funnel", vec![("from", "2026-03-02"), ("to", "2026-03-01")], "the range ends (2026-03-01) before it begins (2026-03-02)"),
            ("funnel", vec![("from", "March"), ("to", "2026-03-01")], "from: `March` is not a date: expected `YYYY-MM-DD`"),
            ("funnel", vec![("lastDays", "many")], "lastDays: invalid digit"),
            ("funnel", vec![("lastDays", "0")], "`lastDays` is 1 or more"),
            ("funnel", vec![("lastDays", "3661")], "a range has at most 3660 days"),
            ("funnel", march(&[("format", "pdf")]), "format: unknown format `pdf`; one of csv, ndjson, xlsx"),
            ("funnel", march(&[("table", "steps")]), "the report funnel has no table `steps`; one of stages, totals"),
            ("funnel", march(&[("timeZone", "Mars")]), "`Mars` is not a time zone such as `America/Sao_Paulo`"),
            ("funnel", march(&[("filter", "{")]), "filter: EOF while parsing an object"),
            ("funnel", march(&[("filter", "{\"createdAt\":{\"withinDays\":0}}")]), ""),
            ("funnel", march(&[("model", "LINEAR")]), "the report funnel is not asked with `model`, but with range, filter, previous"),
            ("funnel", march(&[("shape", "round")]), "the query cannot be read: "),
            ("cohorts", march(&[("period", "decade")]), "period: unknown period `decade`; one of MONTH, WEEK"),
            ("attribution", march(&[("model", "GUESS")]), "model: unknown "),
            ("forecast", vec![("months", "37")], "a forecast is of 1 to 36 months, not of 37"),
            ("engagements", vec![("lastDays", "400"), ("table", "days")], "days are told of a range of at most 366 days"),
        ] {
            let (status, message) = refused(ask(server, server.admin(), report, &query).await).await;
            assert_eq!(status, 400, "{report} {query:?}: {message}");
            assert!(message.starts_with(says), "{report} {query:?}: {message}");
        }
        let url = server.url("/exports/reports/funnel?lastDays=7");
        let posted = server.http().post(&url).bearer_auth(server.admin()).send().await.unwrap();
        assert_eq!((posted.status().as_u16(), posted.headers()["allow"].to_str().unwrap()), (405, "GET"));
        assert_eq!(server.http().get(&url).send().await.unwrap().status(), 401);
        let none = server.http().get(server.url("/exports/reports")).send().await.unwrap();
        let (status, message) = refused(none).await;
        assert_eq!(status, 400);
        assert!(message.contains("funnel, lead-quality, cohorts"), "{message}");
    }

    async fn who_may_not_has_no_file(database: &Database) {
        let server = &server(database).await;
        let months = [("months", "2")];
        for (scope, may) in [("lifecycle:read", "funnel"), ("scoring:read", "lead-quality"), ("journeys:read", "journeys"), ("engagement:read", "engagements"), ("revenue:read", "forecast")] {
            let token = server.token(&[scope]).await;
            for report in ReportKind::ALL {
                let query = if report == ReportKind::Forecast { &months[..] } else { &MARCH[..] };
                let status = ask(server, &token, report.as_str(), query).await.status().as_u16();
                let is_of_revenue = matches!(report.as_str(), "cohorts" | "sources" | "revenue" | "attribution" | "attribution-comparison" | "forecast");
                let wanted = report.as_str() == may || (may == "forecast" && is_of_revenue);
                assert_eq!(status, if wanted { 200 } else { 403 }, "{scope} {report}");
            }
        }
        // Who may not read leads is named none, and has no filter on them.
        let token = server.token(&["journeys:read"]).await;
        let (status, message) = refused(ask(server, &token, "journeys", &[&MARCH[..], &[("table", "at_risk")]].concat()).await).await;
        assert_eq!((status, &*message), (403, "the scope `leads:read` is needed; this token has: journeys:read"));
        let filter = [&MARCH[..], &[("filter", "{\"source\":{\"eq\":\"ads\"}}")]].concat();
        assert_eq!(ask(server, &token, "journeys", &filter).await.status(), 403);
        // Who sees a part of the leads has reports of these, and none that are of all.
        let ann = lead(server, "2026-03-02T08:00:00Z", "ann@example.com", Some("ads")).await;
        let bob = lead(server, "2026-03-02T08:00:00Z", "bob@example.com", Some("fair")).await;
        converted(server, &ann, "2026-03-02T08:00:00Z", "PURCHASE", Some("5")).await;
        converted(server, &bob, "2026-03-02T08:00:00Z", "PURCHASE", Some("7")).await;
        told(server).await;
        let some = partner(server, &["lifecycle:read", "leads:read", "revenue:read"], "{\"source\":{\"eq\":\"ads\"}}").await;
        let found = ask(server, &some, "funnel", &[&MARCH[..], &[("table", "totals")]].concat()).await.text().await.unwrap();
        assert_eq!(found, "leads,lost,churned\n1,0,0\n");
        for report in ["attribution", "attribution-comparison"] {
            let found = ask(server, &some, report, &[&MARCH[..], &[("table", "totals")]].concat()).await;
            assert_eq!(found.status(), 200, "{report}");
            assert_eq!(found.text().await.unwrap(), "kind,conversions,currency,value,unvalued,direct,direct_value\n\
                PURCHASE,1,EUR,5.00,0,1,5.00\n", "{report}");
        }
        for report in ["sources", "revenue", "forecast"] {
            let query = if report == "forecast" { &months[..] } else { &MARCH[..] };
            assert_eq!(ask(server, &some, report, query).await.status(), 403, "{report}");
        }
    }

    async fn a_link_opens_without_a_token(database: &Database) {
        let server = server(database).await;
        lead(&server, "2026-03-02T08:00:00Z", "ann@example.com", Some("=ads")).await;
        told(&server).await;
        server.set_time("2026-03-10T12:00:00Z");
        let scopes = ["lifecycle:read".to_owned(), "revenue:read".to_owned()];
        let token = create_token(server.app(), &Caller::operator(), "partner", &scopes, None).await.unwrap();
        let input = json!({ "report": "FUNNEL", "table": "totals", "range": { "lastDays": 30 } });
        let made = server.data_as(&token.secret, LINK, json!({ "input": input })).await["it"].take();
        assert_eq!((&made["userErrors"], &made["expiresAt"]), (&json!([]), &json!("2026-03-10T12:15:00Z")));
        let url = made["url"].as_str().unwrap();
        assert!(url.starts_with(&server.url("/exports/reports?link=")), "{url}");
        let open = async |url: &str| server.http().get(url).send().await.unwrap();
        assert_eq!(open(url).await.text().await.unwrap(), "leads,lost,churned\n1,0,0\n");
        // What is signed for leads is no link to a report, nor the other way round.
        let leads = url.replace("/exports/reports?", "/exports/leads?");
        assert_eq!(open(&leads).await.status(), 403);
        assert_eq!(open(&format!("{}x", url)).await.status(), 403);
        // What comes from outside is no formula.
        let input = json!({ "report": "SOURCES", "range": { "lastDays": 30 } });
        let made = server.data_as(&token.secret, LINK, json!({ "input": input })).await["it"].take();
        let sources = open(made["url"].as_str().unwrap()).await.text().await.unwrap();
        assert!(sources.contains("\n'=ads,1,"), "{sources}");
        server.set_time("2026-03-10T12:15:00Z");
        assert_eq!(refused(open(url).await).await, (403, "the link has expired; ask for a new one".to_owned()));
        let made = server.data_as(&token.secret, LINK, json!({ "input": input })).await["it"].take();
        let url = made["url"].as_str().unwrap();
        assert_eq!(open(url).await.status(), 200);
        revoke_token(server.app(), &Caller::operator(), token.token.id).await.unwrap();
        assert_eq!(open(url).await.status(), 403);
    }

    async fn a_link_is_checked_when_it_is_made(server: &Server) {
        let range = json!({ "lastDays": 30 });
        for (input, field, code) in [
            (json!({ "report": "FUNNEL" }), "range", "INVALID_RANGE"),
            (json!({ "report": "FUNNEL", "range": {} }), "range", "INVALID_RANGE"),
            (json!({ "report": "FUNNEL", "range": { "from": "2026-03-02", "to": "2026-03-01" } }), "range", "INVALID_RANGE"),
            (json!({ "report": "FUNNEL", "range": range, "table": "days" }), "table", "INVALID_TABLE"),
            (json!({ "report": "FUNNEL", "range": range, "format": "XLSX", "table": "stages" }), "table", "INVALID_TABLE"),
            (json!({ "report": "FUNNEL", "range": range, "timeZone": "Mars" }), "timeZone", "INVALID_TIME_ZONE"),
            (json!({ "report": "FUNNEL", "range": range, "months": 3 }), "months", "NOT_APPLICABLE"),
            (json!({ "report": "FORECAST", "months": -3 }), "months", "INVALID_RANGE"),
            (json!({ "report": "FUNNEL", "range": range, "filter": { "createdAt": { "withinDays": 0 } } }), "filter", "INVALID_FILTER"),
        ] {
            let made = server.data(LINK, json!({ "input": input })).await["it"].take();
            assert_eq!((&made["url"], &made["userErrors"][0]["field"], &made["userErrors"][0]["code"]), (&Value::Null, &json!([field]), &json!(code)), "{input}: {made}");
        }
        let ids: Vec<String> = (0..200).map(|_| entity::id::LeadId::at(entity::Timestamp::from_micros(1)).to_string()).collect();
        let input = json!({ "report": "FUNNEL", "range": range, "filter": { "ids": ids } });
        let made = server.data(LINK, json!({ "input": input })).await["it"].take();
        assert_eq!(made["userErrors"][0]["code"], "TOO_LONG", "{made}");
        let other = server.token(&["jobs:read"]).await;
        let refused = server.graphql_as(Some(&other), LINK, json!({ "input": { "report": "FUNNEL", "range": range } })).await;
        assert_eq!(crate::support::code(&refused), "FORBIDDEN", "{refused}");
    }

    async fn the_command_line_exports_reports(database: &Database) {
        let server = server(database).await;
        scene(&server).await;
        drop(server);
        let march = ["--from", "2026-03-01", "--to", "2026-03-31"];
        let run = |arguments: &[&str]| command(database, &[&["export", "report"], arguments].concat());
        let said = run(&[&["funnel", "--table", "totals"], &march[..]].concat());
        assert_eq!((said.code, &*said.out, &*said.err), (Some(0), "leads,lost,churned\n4,1,0\n", ""), "{said:?}");
        let file = database.folder().join("sources.xlsx");
        let name = file.display().to_string();
        let said = run(&[&["sources", "--previous", "-o", &name], &march[..]].concat());
        assert_eq!((said.code, &*said.out), (Some(0), ""), "{said:?}");
        assert_eq!(said.err, format!("the report sources exported to {name}\n"));
        let workbook: Xlsx<_> = Xlsx::new(Cursor::new(std::fs::read(&file).unwrap())).unwrap();
        assert_eq!(workbook.sheet_names(), ["report", "sources", "totals"]);
        for (arguments, says) in [
            (vec!["funel"], "error: there is no report `funel`; one of funnel, "),
            (vec!["funnel", "--last-days", "x"], "error: lastDays: invalid digit"),
            (vec!["funnel", "--format", "pdf"], "error: format: unknown format `pdf`"),
        ] {
            let said = run(&arguments);
            assert_eq!((said.code, &*said.out), (Some(2), ""), "{said:?}");
            assert!(said.err.starts_with(says), "{said:?}");
        }
        let said = run(&["funnel"]);
        assert_eq!((said.code, said.err.starts_with("error: say of which days")), (Some(2), true), "{said:?}");
    }
}
