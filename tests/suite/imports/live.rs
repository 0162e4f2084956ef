//! An import while it goes: progress, cancelling, going on.

use leadline::leads::import::BATCH_ROWS;
use serde_json::{Value, json};

use super::{count, counts, ended, import, many_leads, start, with_upload};
use crate::support::{Feed, Server};

const PROGRESS: &str = "subscription { jobProgressed {
    state done total progress counts { name value } job { id kind } } }";
const CANCEL: &str = "mutation ($id: ID!) { jobCancel(input: { id: $id }) {
    job { state cancelRequestedAt } userErrors { field message code } } }";

/// What is said about jobs up to the end of one.
async fn heard(feed: &mut Feed) -> Vec<Value> {
    let mut heard = Vec::new();
    loop {
        let said = feed.data().await["jobProgressed"].take();
        let is_end = !["QUEUED", "RUNNING"].contains(&said["state"].as_str().expect("a state"));
        heard.push(said);
        if is_end {
            return heard;
        }
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

on_both! {
    async fn a_subscriber_sees_an_import_go_on_and_end(server: &Server) {
        // Four batches and a half.
        const ROWS: i64 = 9 * BATCH_ROWS as i64 / 2;
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe(PROGRESS, json!({})).await;
        let input = with_upload(server, "many.csv", many_leads(usize::try_from(ROWS).expect("small")), json!({})).await;
        let job = start(server, "leadsImport", input).await;
        let heard = heard(&mut feed).await;
        for said in &heard {
            assert_eq!(said["job"], json!({ "id": job, "kind": "leads.import" }));
        }
        // Queued, claimed, after the first batch, perhaps more, at the end.
        assert_eq!(heard[0]["state"], "QUEUED");
        assert_eq!((&heard[0]["done"], &heard[0]["progress"]), (&json!(0), &Value::Null));
        assert_eq!((&heard[1]["state"], &heard[1]["done"]), (&json!("RUNNING"), &json!(0)));
        let first = &heard[2];
        assert_eq!((&first["state"], &first["done"]), (&json!("RUNNING"), &json!(BATCH_ROWS)), "{heard:?}");
        assert_eq!(counts(&first["counts"])["created"], BATCH_ROWS as i64);
        let share = number(&first["progress"]);
        assert!((0.2..0.25).contains(&share), "two of nine are done, and the share is {share}");
        let rows: Vec<f64> = heard.iter().map(|said| number(&said["done"])).collect();
        assert!(rows.is_sorted(), "{rows:?}");
        let shares: Vec<f64> = heard[2..].iter().map(|said| number(&said["progress"])).collect();
        assert!(shares.is_sorted(), "{shares:?}");
        let last = heard.last().expect("the end");
        assert_eq!(
            (&last["state"], &last["done"], &last["total"], &last["progress"]),
            (&json!("SUCCEEDED"), &json!(ROWS), &json!(ROWS), &json!(1.0)),
        );
        assert_eq!(
            last["counts"],
            json!([
                { "name": "created", "value": ROWS }, { "name": "rejected", "value": 0 },
                { "name": "unchanged", "value": 0 }, { "name": "updated", "value": 0 },
            ])
        );
        assert_eq!(count(server, json!({})).await, ROWS);
    }

    async fn what_a_cancelled_import_landed_stays_and_it_can_be_completed(server: &Server) {
        const ROWS: i64 = 6 * BATCH_ROWS as i64;
        let file = many_leads(usize::try_from(ROWS).expect("small"));
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe(PROGRESS, json!({})).await;
        let input = with_upload(server, "many.csv", file, json!({})).await;
        let job = start(server, "leadsImport", input.clone()).await;
        while feed.data().await["jobProgressed"]["done"] != json!(BATCH_ROWS) {}
        let cancelled = server.data(CANCEL, json!({ "id": job })).await;
        assert_eq!(cancelled["jobCancel"]["userErrors"], json!([]));
        let heard = heard(&mut feed).await;
        assert_eq!(heard.last().expect("the end")["state"], "CANCELLED");
        // It says how much of the file is in, and so much is there.
        let half = ended(server, &job).await;
        assert_eq!(half.state, "CANCELLED");
        assert!((BATCH_ROWS as i64..ROWS).contains(&half.done), "{half:?}");
        assert_eq!(half.figures(), [half.done, 0, 0, 0]);
        assert_eq!(count(server, json!({})).await, half.done);
        let again = server.data(CANCEL, json!({ "id": job })).await;
        assert_eq!(again["jobCancel"]["job"]["state"], "CANCELLED", "asking again changes nothing");

        // The upload is still there: once more completes it, without doubles.
        let job = start(server, "leadsImport", input).await;
        let whole = ended(server, &job).await;
        assert_eq!((whole.state.as_str(), whole.done), ("SUCCEEDED", ROWS));
        assert_eq!(whole.figures(), [ROWS - half.done, 0, half.done, 0]);
        assert_eq!(count(server, json!({})).await, ROWS);
        let over = server.data(CANCEL, json!({ "id": job })).await;
        assert_eq!(over["jobCancel"]["userErrors"][0]["code"], "ALREADY_ENDED");
    }

    async fn the_same_file_twice_creates_nothing_twice(server: &Server) {
        let file = "email,phone,First name,tags,notes,consent.email,custom.size,deal value,currency\n\
            ana@example.com,+5511961234567,Ana,VIP; fair,met at the fair,yes,M,\"1.200,50\",BRL\n\
            ben@example.com,,Ben,fair,,no,L,,\n\
            ANA@example.com,,Anna,,,,,,\n";
        server.data(
            "mutation { customFieldCreate(input: { key: \"size\", label: \"Size\", type: TEXT }) { userErrors { message } } }",
            json!({}),
        ).await;
        let first = import(server, "leadsImport", "a.csv", file, json!({})).await;
        assert_eq!(first.figures(), [2, 1, 0, 0], "the third row is the first one's lead");
        let leads = "{ leads(order: { field: CREATED_AT, direction: ASC }) { nodes {
            firstName tags { name } custom dealValue { amount currencyCode } consents { channel state } consentHistory { nodes { source } }
            notes { nodes { body } } version } } }";
        let before = server.data(leads, json!({})).await;
        assert_eq!(before["leads"]["nodes"][0], json!({
            "firstName": "Anna", "tags": [{ "name": "fair" }, { "name": "VIP" }], "custom": { "size": "M" },
            "dealValue": { "amount": "1200.50", "currencyCode": "BRL" },
            "consents": [{ "channel": "EMAIL", "state": "GRANTED" }],
            "consentHistory": { "nodes": [{ "source": "import: import" }] },
            "notes": { "nodes": [{ "body": "met at the fair" }] }, "version": before["leads"]["nodes"][0]["version"],
        }));
        // What the first row brings back the third changes again: nothing in all.
        let second = import(server, "leadsImport", "b.csv", file, json!({})).await;
        assert_eq!(second.figures(), [0, 0, 3, 0]);
        assert_eq!(count(server, json!({})).await, 2);
        let after = server.data(leads, json!({})).await;
        for lead in 0..2 {
            for field in ["firstName", "tags", "custom", "dealValue", "consents", "consentHistory", "notes"] {
                assert_eq!(after["leads"]["nodes"][lead][field], before["leads"]["nodes"][lead][field], "{field}");
            }
        }
    }

    async fn a_consent_taken_back_is_not_given_again_by_an_old_file(server: &Server) {
        let yes = "email,consent.email\nana@example.com,yes\n";
        let no = "email,consent.email\nana@example.com,no\n";
        let state = async || {
            let read = server.data("{ leads { nodes { id consents { state } } } }", json!({})).await;
            let lead = &read["leads"]["nodes"][0];
            (lead["id"].clone(), lead["consents"][0]["state"].as_str().expect("a state").to_owned())
        };
        import(server, "leadsImport", "yes.csv", yes, json!({})).await;
        assert_eq!(state().await.1, "GRANTED");
        // A newer edition of the file goes over what the file said before.
        import(server, "leadsImport", "no.csv", no, json!({})).await;
        assert_eq!(state().await.1, "DENIED");
        import(server, "leadsImport", "yes.csv", yes, json!({})).await;
        let (lead, given) = state().await;
        assert_eq!(given, "GRANTED");
        server.data(
            "mutation ($id: ID!) { consentRecord(input: { leadId: $id, channel: EMAIL, state: WITHDRAWN, source: \"preference centre\" }) {
                userErrors { message } } }",
            json!({ "id": lead }),
        ).await;
        import(server, "leadsImport", "yes.csv", yes, json!({})).await;
        assert_eq!(state().await.1, "WITHDRAWN");
    }

    async fn the_same_file_by_two_at_once_creates_nothing_twice(server: &Server) {
        const ROWS: i64 = 5_000;
        let file = many_leads(usize::try_from(ROWS).expect("small"));
        let input = with_upload(server, "many.csv", file, json!({})).await;
        let (one, other) = tokio::join!(
            start(server, "leadsImport", input.clone()),
            start(server, "leadsImport", input.clone()),
        );
        let (one, other) = (ended(server, &one).await, ended(server, &other).await);
        for ended in [&one, &other] {
            assert_eq!((ended.state.as_str(), ended.done), ("SUCCEEDED", ROWS), "{ended:?}");
        }
        assert_eq!(one.counts["created"] + other.counts["created"], ROWS, "{one:?} {other:?}");
        assert_eq!(one.counts["unchanged"] + other.counts["unchanged"], ROWS, "{one:?} {other:?}");
        assert_eq!(count(server, json!({})).await, ROWS);
    }
}
