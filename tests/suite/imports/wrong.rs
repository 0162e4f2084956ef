//! Wrong input: each is answered with the field, what is wrong and what would be right.

use serde_json::{Value, json};

use super::{ended, import, mutation, pairs, refusal, send, start, upload, with_upload};
use crate::support::{Database, Server, Setup, code, unknown_field};

const LEADS: &str = "email,shoe\nana@example.com,42\n";

fn map(given: &[(&str, &str)]) -> Value {
    json!({ "map": pairs("target", "column", given) })
}

fn defaults(given: &[(&str, &str)]) -> Value {
    json!({ "defaults": pairs("target", "value", given) })
}

on_both! {
    async fn wrong_choices_name_the_field_and_the_valid_ones(server: &Server) {
        for what in ["leadsImport", "leadsImportPreview"] {
            for (options, path, code, message) in [
                (map(&[("email", "email"), ("emial", "shoe")]), "map.1.target", "INVALID_MAPPING",
                    "unknown target `emial` for leads (did you mean `email`?); one of external_id, external_id.<namespace>, email, phone, first_name"),
                (map(&[("phone", "shoes")]), "map.0.column", "INVALID_MAPPING",
                    "the file has no column `shoes` (did you mean `shoe`?); its columns are: email, shoe"),
                (map(&[("email", "")]), "map", "INVALID_MAPPING",
                    "importing leads needs external_id, email or phone to know a lead by: map a column, like external_id=COLUMN"),
                (map(&[("custom.size", "shoe")]), "map.0.target", "INVALID_MAPPING",
                    "unknown custom field `size`; none is defined yet (`customFieldCreate` makes one)"),
                (map(&[("consent.fax", "shoe")]), "map.0.target", "INVALID_MAPPING", "unknown target `consent.fax` for leads"),
                (map(&[("", "shoe")]), "map", "INVALID_CHOICE", "cannot read the mapping"),
                (defaults(&[("source", "fair"), ("kind", "x")]), "defaults.1.target", "INVALID_MAPPING",
                    "unknown target `kind` for leads"),
                (defaults(&[("stage", "ASLEEP")]), "defaults.0.value", "INVALID_CHOICE",
                    "default for `stage`: unknown"),
                (json!({ "delimiter": "colon" }), "delimiter", "INVALID_CHOICE",
                    "unknown delimiter `colon`; one of comma, semicolon, tab, pipe"),
                (json!({ "dateFormat": "us" }), "dateFormat", "INVALID_CHOICE", "mdy"),
                (json!({ "timeZone": "Mars/Olympus" }), "timeZone", "INVALID_CHOICE", "Mars/Olympus"),
                (json!({ "decimalMark": "dot" }), "decimalMark", "INVALID_CHOICE", "comma"),
                (json!({ "phoneRegion": "Brazil" }), "phoneRegion", "INVALID_CHOICE", "Brazil"),
                (json!({ "currency": "REAL" }), "currency", "INVALID_CHOICE", "REAL"),
                (json!({ "namespace": " " }), "namespace", "INVALID_CHOICE", "is not a namespace: expected 1 to 100 letters, digits and . _ : / -"),
                (json!({ "namespace": "my shop" }), "namespace", "INVALID_CHOICE", "`my shop` is not a namespace"),
                (map(&[("email", "email"), ("external_id.{\"id\"", "shoe")]), "map.1.target", "INVALID_MAPPING",
                    "target `external_id.{\"id\"`: `{\"id\"` is not a namespace: expected 1 to 100 letters, digits and . _ : / -"),
                (json!({ "sheet": "People" }), "sheet", "INVALID_CHOICE", "the file is CSV and has no sheets: leave out the sheet `People`"),
            ] {
                let input = with_upload(server, "leads.csv", LEADS, options.clone()).await;
                let (found_path, found_code, found) = refusal(server, what, input).await;
                assert_eq!((found_path.as_str(), found_code.as_str()), (path, code), "{options}: {found}");
                assert!(found.contains(message), "{options}: {found}");
            }
        }
        let two_columns = with_upload(server, "x.csv", "mobile,cell\n1,2\n", json!({})).await;
        let refused = refusal(server, "leadsImport", two_columns).await;
        assert_eq!(refused.2, "`phone` is fed by two columns, `mobile` and `cell`: choose one with phone=COLUMN");
        let ambiguous = with_upload(server, "x.csv", "email,created_at\na@example.com,1/2/2018\n", json!({})).await;
        let (path, code, message) = refusal(server, "leadsImport", ambiguous).await;
        assert_eq!((path.as_str(), code.as_str()), ("dateFormat", "INVALID_CHOICE"));
        assert!(message.starts_with("column `created_at`: day and month cannot be told apart (`1/2/2018`)"), "{message}");
        let jobs = server.data("{ jobs { nodes { id } } }", json!({})).await;
        assert_eq!(jobs["jobs"]["nodes"], json!([]), "none of them was begun");
    }

    async fn files_that_cannot_be_read_say_why(server: &Server) {
        let rubbish: Vec<u8> = (0..5_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let without_zeros: Vec<u8> = rubbish.iter().map(|byte| byte.max(&1)).copied().collect();
        let mut cut_off = rust_xlsxwriter::Workbook::new();
        cut_off.add_worksheet().write(0, 0, "email").expect("it is written");
        let cut_off = cut_off.save_to_buffer().expect("it is written");
        let cut_off = cut_off[..cut_off.len() / 2].to_vec();
        for (what, content, message) in [
            ("rubbish", rubbish, "the file is neither text nor an Excel workbook"),
            ("rubbish without zeros", without_zeros, "the file is neither text nor an Excel workbook"),
            ("a header only", b"email,name\n\n".to_vec(), "the file has no rows: below the names of the columns (line 1) nothing is written"),
            ("blanks", b" \n,,\n".to_vec(), "the file is empty: expected a first row with the names of the columns"),
            ("no header", b"ana@example.com,Ana\n".to_vec(), "line 1 looks like data"),
            ("a web page", b"<html><body>".to_vec(), "the file is an HTML or XML document"),
            ("an export as NDJSON", b"{\"external_id.olist\":\"dac32\",\"email\":\"ana@example.com\"}\n{}\n".to_vec(),
                "the file is JSON, which is not read: export it as CSV or Excel (.xlsx)"),
            ("an old workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), "the file is an old Excel file (.xls)"),
            ("half a workbook", cut_off, "the Excel workbook is damaged"),
            ("an archive", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(), "the file is a ZIP archive"),
            ("two columns of one name", b"email,EMAIL\na@b.example,c@d.example\n".to_vec(), "two columns are named `EMAIL`"),
        ] {
            let input = with_upload(server, "leads.csv", content, json!({})).await;
            let (path, code, found) = refusal(server, "leadsImport", input).await;
            assert_eq!((path.as_str(), code.as_str()), ("uploadId", "UNREADABLE_FILE"), "{what}: {found}");
            assert!(found.starts_with(message), "{what}: {found}");
        }
        let mut workbook = rust_xlsxwriter::Workbook::new();
        let sheet = workbook.add_worksheet().set_name("People").expect("a name");
        sheet.write(0, 0, "email").expect("it is written");
        let content = workbook.save_to_buffer().expect("it is written");
        let input = with_upload(server, "x.xlsx", content, json!({ "sheet": "Leads" })).await;
        assert_eq!(
            refusal(server, "leadsImport", input).await,
            ("sheet".into(), "INVALID_CHOICE".into(), "the workbook has no sheet `Leads`; its sheets are: People".into())
        );
        let (status, body) = send(server, Some(server.admin()), "empty.csv", "").await;
        assert_eq!((status, body["errors"][0]["message"].as_str()), (400, Some("the file is empty")));
    }

    async fn uploads_that_are_not_there_are_named(server: &Server) {
        let never = "upload_01h455vb4pex5vsknk084sn02q";
        let (path, code_, message) = refusal(server, "leadsImport", json!({ "uploadId": never })).await;
        assert_eq!((path.as_str(), code_.as_str()), ("uploadId", "UPLOAD_NOT_FOUND"));
        assert_eq!(message, format!("there is no upload `{never}`; uploads are kept for 7 days"));
        // An id of something else is not even asked for.
        let wrong = server.graphql(&mutation("leadsImport"), json!({ "input": { "uploadId": "lead_01h455vb4pex5vsknk084sn02q" } })).await;
        assert!(wrong["errors"][0]["message"].as_str().expect("a text").contains("upload_"), "{wrong}");
        let no_import = json!({ "id": "job_01h455vb4pex5vsknk084sn02q" });
        let query = "query ($id: ID!) { importRejections(jobId: $id) { line } }";
        assert_eq!(code(&server.graphql(query, no_import).await), "NOT_FOUND");
        // A file that went before its import began ends the import with a word about it.
        let file = upload(server, "leads.csv", LEADS).await;
        std::fs::remove_file(server.app().storage().data_dir.join("uploads").join(&file)).expect("it was there");
        let (path, code_, message) = refusal(server, "leadsImport", json!({ "uploadId": file })).await;
        assert_eq!((path.as_str(), code_.as_str()), ("uploadId", "UPLOAD_NOT_FOUND"));
        assert!(message.contains("is not in this machine's data directory"), "{message}");
    }

    async fn who_may_not_is_refused(server: &Server) {
        let (status, body) = send(server, None, "leads.csv", LEADS).await;
        assert_eq!((status, code(&body)), (401, "UNAUTHENTICATED"));
        let (status, body) = send(server, Some("leadline_wrong"), "leads.csv", LEADS).await;
        assert_eq!((status, code(&body)), (401, "UNAUTHENTICATED"));
        let reader = server.token(&["leads:read", "engagement:read", "jobs:read"]).await;
        let (status, body) = send(server, Some(&reader), "leads.csv", LEADS).await;
        assert_eq!((status, code(&body)), (403, "FORBIDDEN"));
        assert!(body["errors"][0]["message"].as_str().expect("a text").contains("`leads:write`, `engagement:write`"), "{body}");

        let input = json!({ "input": { "uploadId": upload(server, "leads.csv", LEADS).await } });
        for what in [
            "leadsImport", "leadsImportPreview", "engagementsImport", "engagementsImportPreview",
            "conversionsImport", "conversionsImportPreview", "costsImport", "costsImportPreview",
            "currencyRatesImport", "currencyRatesImportPreview",
        ] {
            let query = mutation(what);
            assert_eq!(code(&server.graphql_as(None, &query, input.clone()).await), "UNAUTHENTICATED", "{what}");
            let refused = server.graphql_as(Some(&reader), &query, input.clone()).await;
            assert_eq!(unknown_field(&refused), what);
        }
        // What was rejected has personal data of what was imported.
        let done = import(server, "leadsImport", "leads.csv", "email\nno address\n", json!({})).await;
        let query = "query ($id: ID!) { importRejections(jobId: $id) { line } }";
        let other = server.token(&["engagement:read"]).await;
        let refused = server.graphql_as(Some(&other), query, json!({ "id": done.job })).await;
        assert_eq!(code(&refused), "FORBIDDEN");
        let read = server.data_as(&reader, query, json!({ "id": done.job })).await;
        assert_eq!(read["importRejections"], json!([{ "line": 2 }]));
    }

    async fn an_import_whose_file_goes_ends_as_failed(database: &Database) {
        let server = Server::start(database, Setup::default().without_work()).await;
        let file = upload(&server, "leads.csv", LEADS).await;
        let job = start(&server, "leadsImport", json!({ "uploadId": file })).await;
        std::fs::remove_file(server.app().storage().data_dir.join("uploads").join(&file)).expect("it was there");
        server.stop().await;
        let server = Server::start(database, Setup::default()).await;
        let done = ended(&server, &job).await;
        assert_eq!(done.state, "FAILED");
        assert!(done.error.as_deref().expect("it says why").contains("is not in this machine's data directory"), "{done:?}");
    }
}
