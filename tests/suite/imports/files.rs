//! Files as people have them: delimiters, encodings, workbooks; and what is reported of rows that cannot be used.

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::json;

use super::{ask_for, count, import, pairs, rejection, rejections, with_upload};
use crate::support::Server;

/// Three leads in the words that all files of [`formats`] have.
const NAMES: [(&str, &str, &str); 3] = [
    ("José", "São Paulo", "Ação; Ltda"),
    ("Zoë", "Zürich", "two\nlines"),
    ("Ann", "Bath", "\"quoted\", with comma"),
];

fn text(delimiter: char, line_end: &str) -> String {
    let mut text = ["id", "First Name", "city", "company"].join(&delimiter.to_string()) + line_end;
    for (n, (name, city, company)) in NAMES.iter().enumerate() {
        let company = format!("\"{}\"", company.replace('"', "\"\""));
        let row = [&n.to_string(), *name, *city, &company];
        text += &(row.join(&delimiter.to_string()) + line_end);
    }
    text
}

fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units
        .flat_map(|unit| {
            if big_endian {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        })
        .collect()
}

fn windows_1252(text: &str) -> Vec<u8> {
    let bytes = text.chars().map(|letter| u8::try_from(u32::from(letter)));
    bytes.collect::<Result<_, _>>().expect("letters of Latin 1")
}

fn workbook() -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet
        .write_row(0, 0, ["id", "First Name", "city", "company"])
        .expect("it is written");
    for (row, (name, city, company)) in (1..).zip(NAMES) {
        sheet.write(row, 0, row - 1).expect("it is written");
        sheet
            .write_row(row, 1, [name, city, company])
            .expect("it is written");
    }
    workbook.save_to_buffer().expect("it is written")
}

/// Name and content of files that say the same, and what Leadline takes them for.
fn formats() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let with_mark = [b"\xef\xbb\xbf".as_slice(), text(',', "\n").as_bytes()].concat();
    vec![
        ("plain.csv", text(',', "\n").into(), "CSV, UTF-8, comma"),
        ("mark.csv", with_mark, "CSV, UTF-8, comma"),
        ("semicolon.csv", text(';', "\r\n").into(), "CSV, UTF-8, semicolon"),
        (
            "old.csv",
            windows_1252(&text(';', "\r\n")),
            "CSV, Windows-1252, semicolon",
        ),
        (
            "tabs.txt",
            utf16(&text('\t', "\r\n"), false),
            "CSV, UTF-16 (little endian), tab",
        ),
        (
            "pipes.xlsx",
            utf16(&text('|', "\n"), true),
            "CSV, UTF-16 (big endian), pipe",
        ),
        ("workbook.csv", workbook(), "Excel workbook, sheet `Sheet1`"),
        ("no name at all", workbook(), "Excel workbook, sheet `Sheet1`"),
    ]
}

on_both! {
    async fn whatever_its_form_and_name_a_file_brings_the_same_leads(server: &Server) {
        for (n, (name, content, format)) in formats().into_iter().enumerate() {
            let namespace = format!("file{n}");
            let options = json!({ "namespace": namespace });
            let input = with_upload(server, name, content.clone(), options.clone()).await;
            let preview = ask_for(server, "leadsImportPreview", input).await["preview"].take();
            assert_eq!((&preview["format"], &preview["good"]), (&json!(format), &json!(3)), "{name}");
            let done = import(server, "leadsImport", name, content, options).await;
            assert_eq!(done.figures(), [3, 0, 0, 0], "{name}");
            assert_eq!((done.done, done.total), (3, Some(3)), "{name}");
            let read = server.data(
                "{ leads(first: 3, order: { field: CREATED_AT, direction: DESC }) { nodes {
                    firstName city companyName identities { kind namespace value } } } }",
                json!({}),
            ).await;
            let mut read = read["leads"]["nodes"].as_array().expect("a list").clone();
            read.sort_by_key(|lead| lead["identities"][0]["value"].as_str().map(str::to_owned));
            let expected: Vec<_> = NAMES.iter().enumerate().map(|(n, (first, city, company))| json!({
                "firstName": first, "city": city, "companyName": company,
                "identities": [{ "kind": "EXTERNAL", "namespace": namespace, "value": n.to_string() }],
            })).collect();
            assert_eq!(read, expected, "{name}");
        }
    }

    async fn a_preview_shows_what_would_land_and_writes_nothing(server: &Server) {
        let file = "mql_id,first_contact,origin,shoe\n\
            a,13/02/2018,social,1\n\
            b,31/02/2018,paid,2\n\
            ,14/02/2018,paid,3\n\
            c,15/02/2018,,4\n";
        let map = pairs("target", "column", &[("external_id", "mql_id"), ("created_at", "First_Contact"), ("source", "origin")]);
        let input = with_upload(server, "x.csv", file, json!({ "map": map, "namespace": "olist" })).await;
        let payload = ask_for(server, "leadsImportPreview", input).await;
        assert_eq!(payload, json!({ "userErrors": [], "preview": {
            "format": "CSV, UTF-8, comma", "checked": 4, "good": 2,
            "rows": [
                { "line": 2, "values": [
                    { "target": "external_id", "value": "a" }, { "target": "created_at", "value": "2018-02-13T00:00:00Z" },
                    { "target": "source", "value": "social" },
                ] },
                { "line": 5, "values": [
                    { "target": "external_id", "value": "c" }, { "target": "created_at", "value": "2018-02-15T00:00:00Z" },
                ] },
            ],
            "unknownColumns": [{ "name": "shoe", "didYouMean": null }],
            "rejections": [
                { "line": 3, "column": "first_contact", "value": "31/02/2018",
                  "reason": payload["preview"]["rejections"][0]["reason"] },
                { "line": 4, "column": null, "value": "",
                  "reason": "the row has nothing to know the lead by: no outside id, e-mail or phone" },
            ],
        } }));
        assert_eq!(count(server, json!({})).await, 0);
        let jobs = server.data("{ jobs { nodes { id } } }", json!({})).await;
        assert_eq!(jobs["jobs"]["nodes"], json!([]));
    }

    async fn each_rejected_row_is_reported_with_line_column_and_reason(server: &Server) {
        let long = "x".repeat(300);
        let endless = "y".repeat(70_000);
        let file = format!(
            "email,phone,first_name,country,created_at,tags,deal_value,stage,notes\n\
            good@example.com,,Good,BR,2026-01-02,,,,\n\
            not an address,,,,,,,,\n\
            ,0123,,,,,,,\n\
            two@example.com,,{long},,,,,,\n\
            three@example.com,,,Atlantis,,,,,\n\
            four@example.com,,,,someday,,,,\n\
            five@example.com,,,,,{long},,,\n\
            six@example.com,,,,,,12,,\n\
            seven@example.com,,,,,,,ASLEEP,\n\
            eight@example.com,,{endless},,,,,,\n\
            nine@example.com,,\n\
            ten@example.com,,\"Two\nlines\",,,,,,,,,more\n\
            ,,Nobody,,,,,,\n\
            last@example.com,,Last,,,,,,\"a\nb\"\n"
        );
        let options = json!({ "dateFormat": "ymd" });
        let done = import(server, "leadsImport", "bad.csv", file, options).await;
        assert_eq!(done.figures(), [2, 0, 0, 12]);
        let listed = rejections(server, &done.job).await;
        let short = format!("{}…", "x".repeat(79));
        let places: Vec<_> = listed
            .iter()
            .map(|(line, column, value, _)| (*line, column.as_deref().unwrap_or("-"), value.as_str()))
            .collect();
        assert_eq!(places, [
            (3, "email", "not an address"),
            (4, "phone", "0123"),
            (5, "first_name", short.as_str()),
            (6, "country", "Atlantis"),
            (7, "created_at", "someday"),
            (8, "tags", short.as_str()),
            (9, "deal_value", "12"),
            (10, "stage", "ASLEEP"),
            (11, "-", ""),
            (12, "-", "nine@example.com"),
            (13, "-", "ten@example.com"),
            (15, "-", ""),
        ]);
        let reason = |line: i64| {
            let found = listed.iter().find(|one| one.0 == line);
            found.expect("it is there").3.as_str()
        };
        assert!(reason(6).contains("expected"), "{}", reason(6));
        assert_eq!(reason(8), "a tag's name has 1 to 50 characters; this has 300");
        assert_eq!(reason(9), "an amount needs a currency: map a currency column or give a default currency");
        assert!(reason(10).contains("CONTACTED, QUALIFIED"), "{}", reason(10));
        assert_eq!(reason(11), "a cell holds more than 64 KiB");
        assert!(reason(12).starts_with("the row has 3 cells, the header 9"), "{}", reason(12));
        assert!(reason(13).starts_with("the row has 12 cells, the header 9"), "{}", reason(13));
        assert_eq!(listed[11], rejection(15, None, "", "the row has nothing to know the lead by: no outside id, e-mail or phone"));
        // A page of the report.
        let query = "query ($id: ID!) { importRejections(jobId: $id, after: 10, first: 1) { line } }";
        let page = server.data(query, json!({ "id": done.job })).await;
        assert_eq!(page["importRejections"], json!([{ "line": 13 }]));
    }

    async fn dates_and_numbers_of_a_workbook_are_what_they_show(server: &Server) {
        let mut workbook = Workbook::new();
        workbook.add_worksheet().write_row(0, 0, ["nothing", "here"]).expect("it is written");
        let sheet = workbook.add_worksheet().set_name("Leads 2018").expect("a name");
        let day = Format::new().set_num_format("mm/dd/yyyy");
        sheet.write_row(0, 0, ["Customer ID", "Created", "Amount", "Currency", "Phone"]).expect("it is written");
        sheet.write(1, 0, 10_045).expect("it is written");
        let moment = ExcelDateTime::from_ymd(2018, 2, 1).expect("a day").and_hms(19, 58, 0).expect("a time");
        sheet.write_with_format(1, 1, &moment, &day).expect("it is written");
        sheet.write(1, 2, 1200.5).expect("it is written");
        sheet.write(1, 3, "BRL").expect("it is written");
        sheet.write(1, 4, 5_511_961_234_567_i64).expect("it is written");
        let content = workbook.save_to_buffer().expect("it is written");
        let options = json!({ "sheet": "leads 2018", "phoneRegion": "BR", "timeZone": "America/Sao_Paulo" });
        let done = import(server, "leadsImport", "x.xlsx", content, options).await;
        assert_eq!(done.figures(), [1, 0, 0, 0], "{:?}", rejections(server, &done.job).await);
        let read = server.data("{ leads { nodes { createdAt dealValue { amount currencyCode } phone identities { value } } } }", json!({})).await;
        assert_eq!(read["leads"]["nodes"], json!([{
            // Brazil had summer time then: two hours behind.
            "createdAt": "2018-02-01T21:58:00Z", "dealValue": { "amount": "1200.50", "currencyCode": "BRL" },
            "phone": "+5511961234567", "identities": [{ "value": "10045" }, { "value": "+5511961234567" }],
        }]));
    }
}
