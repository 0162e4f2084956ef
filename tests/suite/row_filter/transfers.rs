//! Files in and out: exports, signed links, uploads, imports and their jobs.

use serde_json::{Value, json};

use super::{PARTNER, Scene, UPDATE, does, partner};
use crate::support::Server;

const IMPORT: &str = "mutation ($input: ImportStartInput!) { it: leadsImport(input: $input) { job { id } userErrors { code message } } }";

/// Sends a file as the holder of a token; answers the upload's id.
pub async fn upload(server: &Server, token: &str, content: &str) -> String {
    let sent = server
        .http()
        .post(server.url("/uploads?fileName=leads.csv"))
        .bearer_auth(token)
        .body(content.to_owned())
        .send();
    let sent: Value = sent.await.expect("an answer").json().await.expect("JSON");
    sent["id"].as_str().unwrap_or_else(|| panic!("{sent}")).to_owned()
}

/// Imports a file of leads as the holder of a token up to its end; answers the job's id.
async fn import(server: &Server, token: &str, content: &str) -> String {
    let upload = upload(server, token, content).await;
    let started = does(server, token, IMPORT, json!({ "uploadId": upload })).await;
    server.settled().await;
    started["job"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{started}"))
        .to_owned()
}

/// An import of the admin's that rejected its second line.
pub async fn someones_import(server: &Server) -> String {
    import(server, server.admin(), "email\nno address\n").await
}

/// The addresses in an export as the holder of a token, and its first line.
async fn exported(server: &Server, token: Option<&str>, url: &str) -> (Vec<String>, String) {
    let mut request = server.http().get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 200, "{url}");
    let text = response.text().await.expect("a whole answer");
    let mut found: Vec<String> = text
        .split(['\n', ',', '"', ';', ' '])
        .filter(|word| word.contains('@'))
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    (found, text.lines().next().unwrap_or_default().to_owned())
}

on_both! {
    async fn exports_have_the_inside_alone(server: &Server) {
        let scene = Scene::new(server).await;
        server.settled().await;
        let token = partner(server, &["leads:read", "scoring:read"], PARTNER).await;
        let inside = ["ann@example.com", "bob@example.com"];
        let (found, head) = exported(server, Some(&token), &server.url("/exports/leads")).await;
        assert_eq!(found, inside);
        // Nor do the columns tell whose ids there are.
        assert!(head.contains("external_id.crm:ann") && !head.contains("crm:cyd") && !head.contains("crm:dan"), "{head}");
        let (all, head) = exported(server, Some(server.admin()), &server.url("/exports/leads")).await;
        assert!(all.len() == 4 && head.contains("crm:cyd"), "{all:?} {head}");
        let (found, _) = exported(server, Some(&token), &server.url("/exports/leads?format=ndjson&filter=%7B%22or%22%3A%5B%7B%22source%22%3A%7B%22eq%22%3A%22other%22%7D%7D%2C%7B%22email%22%3A%7B%22eq%22%3A%22bob%40example.com%22%7D%7D%5D%7D")).await;
        assert_eq!(found, ["bob@example.com"]);
        let link = "mutation { leadsExport(input: { format: CSV, columns: [\"email\"] }) { url } }";
        let url = server.data_as(&token, link, json!({})).await["leadsExport"]["url"].as_str().unwrap().to_owned();
        assert_eq!(exported(server, None, &url).await.0, inside);
        // A link shows what the token shows when it is opened.
        does(server, server.admin(), UPDATE, json!({ "id": scene.inside[0].lead, "source": "other" })).await;
        assert_eq!(exported(server, None, &url).await.0, ["bob@example.com"]);
    }

    async fn imports_answer_for_each_row(server: &Server) {
        let scene = Scene::new(server).await;
        let token = partner(server, &["leads:write", "jobs:read", "jobs:write"], PARTNER).await;
        let job = import(server, &token, "email,source,first_name,tags\n\
            new@example.com,partner-x,New,fresh\n\
            outside@example.com,other,Out,fresh\n\
            cyd@example.com,partner-x,Stolen,fresh\n\
            ann@example.com,,Annie,fresh\n\
            bob@example.com,other,Gone,fresh\n").await;
        let query = "query ($id: ID!) { job(id: $id) { state counts { name value } } importRejections(jobId: $id) { line reason } }";
        let told = server.data_as(&token, query, json!({ "id": job })).await;
        assert_eq!(told["job"], json!({ "state": "SUCCEEDED", "counts": [{ "name": "created", "value": 1 }, { "name": "rejected", "value": 3 },
            { "name": "unchanged", "value": 0 }, { "name": "updated", "value": 1 }] }));
        let rejections = told["importRejections"].as_array().unwrap();
        let lines: Vec<i64> = rejections.iter().map(|one| one["line"].as_i64().unwrap()).collect();
        assert_eq!(lines, [3, 4, 6]);
        for one in rejections {
            let reason = one["reason"].as_str().unwrap();
            assert!(reason.starts_with("the row filter of this token does not allow it"), "{reason}");
        }
        let all = server.data("{ leads(order: { field: NAME, direction: ASC }) { nodes { email firstName source tags { name } } } }", json!({})).await;
        let lead = |name: &str, first: &str, source: &str, tags: &[&str]| {
            let tags: Vec<Value> = tags.iter().map(|tag| json!({ "name": tag })).collect();
            json!({ "email": format!("{name}@example.com"), "firstName": first, "source": source, "tags": tags })
        };
        assert_eq!(all["leads"]["nodes"], json!([
            lead("ann", "Annie", "partner-x", &["both", "fresh"]),
            lead("bob", "bob", "Partner-X", &["both"]),
            lead("cyd", "cyd", "other", &["both"]),
            lead("dan", "dan", "partner-xy", &["both"]),
            lead("new", "New", "partner-x", &["fresh"]),
        ]));
        assert_eq!(scene.outside.len(), 2);
    }

    async fn an_import_may_hang_on_the_tag_that_the_filter_asks_for(server: &Server) {
        let token = partner(server, &["leads:write"], r#"{"tags":{"any":["mine"]}}"#).await;
        import(server, &token, "email,tags\na@example.com,mine\nb@example.com,yours\n").await;
        let seen = server.data_as(&token, "{ leads { nodes { email } } }", json!({})).await;
        assert_eq!(seen["leads"]["nodes"], json!([{ "email": "a@example.com" }]));
        assert_eq!(server.data("{ leadsCount { count } }", json!({})).await["leadsCount"]["count"], 1);
    }

    async fn imports_of_what_hangs_on_leads_find_the_inside_alone(server: &Server) {
        let scene = Scene::new(server).await;
        server.settled().await;
        let token = partner(server, &["leads:read", "engagement:write", "jobs:read"], PARTNER).await;
        for (what, content) in [
            ("engagementsImport", "email,type,occurred_at\nann@example.com,EMAIL_OPENED,2026-03-01T00:00:00Z\ncyd@example.com,EMAIL_OPENED,2026-03-01T00:00:00Z\nnobody@example.com,EMAIL_OPENED,2026-03-01T00:00:00Z\n"),
            ("conversionsImport", "email,kind,occurred_at\nann@example.com,CUSTOMER,2026-03-01T00:00:00Z\ncyd@example.com,CUSTOMER,2026-03-01T00:00:00Z\nnobody@example.com,CUSTOMER,2026-03-01T00:00:00Z\n"),
        ] {
            let upload = upload(server, &token, content).await;
            let start = IMPORT.replace("leadsImport", what);
            let started = does(server, &token, &start, json!({ "uploadId": upload })).await;
            server.settled().await;
            let query = "query ($id: ID!) { job(id: $id) { state counts { name value } } importRejections(jobId: $id) { line reason } }";
            let told = server.data_as(&token, query, json!({ "id": started["job"]["id"] })).await;
            let counts: Vec<_> = told["job"]["counts"].as_array().unwrap().iter().filter(|one| one["value"] != 0).collect();
            assert_eq!(json!(counts), json!([{ "name": "created", "value": 1 }, { "name": "rejected", "value": 2 }]), "{told}");
            let reason = |n: usize| told["importRejections"][n]["reason"].as_str().unwrap().replace("cyd", "nobody");
            assert_eq!(reason(0), reason(1), "as one that is not there");
        }
        let query = "query ($id: ID!) { lead(id: $id) { engagements { nodes { id } } } }";
        let of = server.data(query, json!({ "id": scene.outside[0].lead })).await;
        assert_eq!(of["lead"]["engagements"]["nodes"].as_array().unwrap().len(), 1);
    }

    async fn uploads_and_jobs_are_their_makers(server: &Server) {
        let scopes = ["leads:write", "jobs:write"];
        let token = partner(server, &scopes, PARTNER).await;
        let twin = partner(server, &scopes, PARTNER).await;
        let theirs = upload(server, &twin, "email\nx@example.com\n").await;
        let never = "upload_01h455vb4pex5vsknk084sn02q";
        let refused = async |what: &str, input: &str, id: &str| {
            let query = format!("mutation ($input: {input}!) {{ it: {what}(input: $input) {{ userErrors {{ code message }} }} }}");
            does(server, &token, &query, json!({ "uploadId": id })).await.to_string().replace(id, "…")
        };
        for what in ["leadsImport", "leadsImportPreview"] {
            let input = if what == "leadsImport" { "ImportStartInput" } else { "ImportInput" };
            let answer = refused(what, input, &theirs).await;
            assert!(answer.contains("UPLOAD_NOT_FOUND"), "{answer}");
            assert_eq!(answer, refused(what, input, never).await);
        }
        let job = import(server, &twin, "email,source\nx@example.com,partner-x\n").await;
        let own = import(server, &token, "email,source\ny@example.com,partner-x\n").await;
        let query = "query ($id: ID!) { job(id: $id) { id } node(id: $id) { id } jobs { nodes { id } } }";
        let seen = server.data_as(&token, query, json!({ "id": job })).await;
        assert_eq!(seen, json!({ "job": null, "node": null, "jobs": { "nodes": [{ "id": own }] } }));
        let cancel = "mutation ($input: JobCancelInput!) { it: jobCancel(input: $input) { job { id } userErrors { code } } }";
        let answer = does(server, &token, cancel, json!({ "id": job })).await;
        assert_eq!(answer, json!({ "job": null, "userErrors": [{ "code": "NOT_FOUND" }] }));
        let answer = does(server, &token, cancel, json!({ "id": own })).await;
        assert_eq!(answer["userErrors"], json!([{ "code": "ALREADY_ENDED" }]));
    }
}
