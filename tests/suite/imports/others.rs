//! Imports of engagements and conversions through GraphQL.

use std::collections::BTreeSet;

use serde_json::json;

use super::{ask_for, ended, import, mutation, pairs, refusal, rejections, send, start, upload, with_upload};
use crate::support::{Database, Server, Setup};

const LEADS: &str = "external_id,email\n1,ana@example.com\n2,ben@example.com\n";

const ENGAGEMENTS: &str = "email,type,occurred_at,title,campaign_id,source_kind,revenue,currency,event_name,metadata.form,device\n\
    ana@example.com,FORM_SUBMITTED,2026-01-05 10:00,Contact,,,,,,contact,MOBILE\n\
    ana@example.com,page viewed,2026-01-05 10:01,Prices,c7,campaign,,,,,\n\
    ben@example.com,PURCHASE_MADE,2026-01-06 11:00,,,,19.90,EUR,,,\n\
    ben@example.com,CUSTOM,2026-01-07 12:00,,,,,,visited our stand,,\n\
    ben@example.com,CUSTOM,2026-01-07 12:00,,,,,,,,\n\
    who@example.com,PAGE_VIEWED,2026-01-08 10:00,,,,,,,,\n\
    ana@example.com,DANCED,2026-01-08 10:00,,,,,,,,\n\
    ana@example.com,PAGE_VIEWED,2099-01-08 10:00,,,,,,,,\n\
    ana@example.com,PAGE_VIEWED,someday,,,,,,,,\n\
    ana@example.com,PAGE_VIEWED,2026-01-08 10:00,,,,19.999,EUR,,,\n";

const CONVERSIONS: &str = "id;won date;value;currency;name;kind;metadata.segment\n\
    1;26/02/2026 19:58;1.200,50;BRL;;CUSTOMER;pet\n\
    2;27/02/2026;;;Demo booked;CUSTOM;\n\
    2;27/02/2026;5;EUR;;PURCHASE;\n\
    2;27/02/2026;-5;EUR;;PURCHASE;\n\
    2;27/02/2026;5;;;PURCHASE;\n\
    2;27/02/2026;;;;CUSTOM;\n\
    2;27/02/2026;;;;WON;\n\
    3;27/02/2026;;;;CUSTOMER;\n\
    2;27/02/2099;;;;CUSTOMER;\n";

on_both! {
    async fn a_call_with_the_same_key_is_one_import(server: &Server) {
        let mut input = with_upload(server, "leads.csv", LEADS, json!({ "namespace": "crm" })).await;
        input["idempotencyKey"] = json!("monday");
        let first = start(server, "leadsImport", input.clone()).await;
        ended(server, &first).await;
        assert_eq!(start(server, "leadsImport", input.clone()).await, first, "also when it has ended");
        let found = server.data("{ jobs(first: 10) { nodes { id } } }", json!({})).await;
        assert_eq!(found["jobs"]["nodes"], json!([{ "id": first }]));

        input["namespace"] = json!("another");
        let other = server.graphql(&mutation("leadsImport"), json!({ "input": input })).await;
        assert_eq!(other["errors"][0]["extensions"]["code"], json!("CONFLICT"), "{other}");

        // What was refused was not done: the key is free.
        let wrong = json!({ "uploadId": input["uploadId"], "dateFormat": "%Q", "idempotencyKey": "tuesday" });
        let (path, ..) = refusal(server, "leadsImport", wrong).await;
        assert_eq!(path, "dateFormat");
        let right = json!({ "uploadId": input["uploadId"], "idempotencyKey": "tuesday" });
        assert_ne!(start(server, "leadsImport", right).await, first);
    }

    async fn engagements_land_once_and_what_is_wrong_is_told_by_column(server: &Server) {
        import(server, "leadsImport", "leads.csv", LEADS, json!({})).await;
        let input = with_upload(server, "e.csv", ENGAGEMENTS, json!({})).await;
        let preview = ask_for(server, "engagementsImportPreview", input).await["preview"].take();
        assert_eq!((&preview["checked"], &preview["good"]), (&json!(10), &json!(7)));
        assert_eq!(preview["rows"][0], json!({ "line": 2, "values": [
            { "target": "email", "value": "ana@example.com" }, { "target": "type", "value": "FORM_SUBMITTED" },
            { "target": "occurred_at", "value": "2026-01-05T10:00:00Z" }, { "target": "title", "value": "Contact" },
            { "target": "metadata.form", "value": "contact" }, { "target": "device", "value": "MOBILE" },
        ] }));
        let done = import(server, "engagementsImport", "e.csv", ENGAGEMENTS, json!({})).await;
        let listed = rejections(server, &done.job).await;
        assert_eq!(done.figures(), [4, 0, 0, 6], "{listed:?}");
        let places: Vec<_> = listed.iter().map(|(line, column, value, _)| (*line, column.as_deref(), value.as_str())).collect();
        assert_eq!(places, [
            (6, Some("event_name"), ""),
            (7, Some("email"), "who@example.com"),
            (8, Some("type"), "DANCED"),
            (9, Some("occurred_at"), "2099-01-08T10:00:00Z"),
            (10, Some("occurred_at"), "someday"),
            (11, Some("revenue"), "19.999"),
        ]);
        assert_eq!(listed[0].3, "a CUSTOM engagement needs a name");
        assert_eq!(listed[1].3, "there is no lead with the e-mail `who@example.com`");
        assert!(listed[2].3.contains("EMAIL_SENT, "), "the valid words are named: {}", listed[2].3);
        let read = server.data(
            "{ engagements { nodes { lead { email } type channel title customName device occurredAt metadata
                source { kind id } revenue { amount currencyCode } } } }",
            json!({}),
        ).await;
        let lead = |email: &str| json!({ "email": email });
        assert_eq!(read["engagements"]["nodes"], json!([
            { "lead": lead("ben@example.com"), "type": "CUSTOM", "channel": "OTHER", "title": null,
              "customName": "visited our stand", "device": null, "occurredAt": "2026-01-07T12:00:00Z", "metadata": null,
              "source": null, "revenue": null },
            { "lead": lead("ben@example.com"), "type": "PURCHASE_MADE", "channel": "WEB", "title": null,
              "customName": null, "device": null, "occurredAt": "2026-01-06T11:00:00Z", "metadata": null,
              "source": null, "revenue": { "amount": "19.90", "currencyCode": "EUR" } },
            { "lead": lead("ana@example.com"), "type": "PAGE_VIEWED", "channel": "WEB", "title": "Prices",
              "customName": null, "device": null, "occurredAt": "2026-01-05T10:01:00Z", "metadata": null,
              "source": { "kind": "CAMPAIGN", "id": "c7" }, "revenue": null },
            { "lead": lead("ana@example.com"), "type": "FORM_SUBMITTED", "channel": "WEB", "title": "Contact",
              "customName": null, "device": "MOBILE", "occurredAt": "2026-01-05T10:00:00Z", "metadata": { "form": "contact" },
              "source": null, "revenue": null },
        ]));
        let again = import(server, "engagementsImport", "e.csv", ENGAGEMENTS, json!({})).await;
        assert_eq!(again.figures(), [0, 0, 4, 6]);
        server.settled().await;
        let journeys = server.data("{ leads { nodes { email journey { engagements } } } }", json!({})).await;
        for lead in journeys["leads"]["nodes"].as_array().expect("a list") {
            assert_eq!(lead["journey"]["engagements"], 2, "{lead}");
        }
    }

    async fn conversions_land_once_and_make_customers(server: &Server) {
        import(server, "leadsImport", "leads.csv", LEADS, json!({ "namespace": "shop" })).await;
        let options = json!({ "namespace": "shop", "map": pairs("target", "column", &[("occurred_at", "won date")]) });
        let input = with_upload(server, "c.csv", CONVERSIONS, options.clone()).await;
        let preview = ask_for(server, "conversionsImportPreview", input).await["preview"].take();
        assert_eq!(preview["rows"][0], json!({ "line": 2, "values": [
            { "target": "external_id", "value": "1" }, { "target": "occurred_at", "value": "2026-02-26T19:58:00Z" },
            { "target": "value", "value": "1200.50 BRL" }, { "target": "currency", "value": "BRL" },
            { "target": "kind", "value": "CUSTOMER" }, { "target": "metadata.segment", "value": "pet" },
        ] }));
        let done = import(server, "conversionsImport", "c.csv", CONVERSIONS, options.clone()).await;
        let listed = rejections(server, &done.job).await;
        assert_eq!(done.figures(), [3, 0, 0, 6], "{listed:?}");
        let places: Vec<_> = listed.iter().map(|(line, column, ..)| (*line, column.as_deref())).collect();
        assert_eq!(places, [
            (5, Some("value")), (6, Some("value")), (7, Some("name")), (8, Some("kind")), (9, Some("id")), (10, Some("won date")),
        ]);
        assert_eq!(listed[0].3, "the value of a conversion is not negative");
        assert_eq!(listed[4].3, "there is no lead with the external id `shop`/`3`");
        assert_eq!(listed[5].3, "lies in the future");
        let again = import(server, "conversionsImport", "c.csv", CONVERSIONS, options).await;
        assert_eq!(again.figures(), [0, 0, 3, 6]);
        server.settled().await;
        let read = server.data(
            "{ leads(order: { field: CREATED_AT, direction: ASC }) { nodes {
                email stage journey { lifetimeValue { amount currencyCode } }
                conversions { kind name occurredAt metadata value { amount currencyCode } } } } }",
            json!({}),
        ).await;
        assert_eq!(read["leads"]["nodes"][0], json!({
            "email": "ana@example.com", "stage": "CUSTOMER",
            "journey": { "lifetimeValue": [{ "amount": "1200.50", "currencyCode": "BRL" }] },
            "conversions": [{ "kind": "CUSTOMER", "name": null, "occurredAt": "2026-02-26T19:58:00Z",
                "metadata": { "segment": "pet" }, "value": { "amount": "1200.50", "currencyCode": "BRL" } }],
        }));
        let kinds: BTreeSet<_> = read["leads"]["nodes"][1]["conversions"].as_array().expect("a list").iter()
            .map(|conversion| conversion["kind"].as_str().expect("a word")).collect();
        assert_eq!(kinds, BTreeSet::from(["PURCHASE", "CUSTOM"]));
    }

    async fn their_mappings_are_checked_too(server: &Server) {
        for (what, file, path, message) in [
            ("engagementsImport", "email,occurred_at\na@example.com,2026-01-01\n", "map",
                "importing engagements needs type (or a default for it, type=PAGE_VIEWED)"),
            ("engagementsImport", "type,occurred_at\nCUSTOM,2026-01-01\n", "map",
                "importing engagements needs lead_id, external_id, email or phone to find the lead"),
            ("conversionsImport", "email,occurred_at\na@example.com,2026-01-01\n", "map",
                "importing conversions needs kind (or a default for it, kind=CUSTOMER)"),
            ("conversionsImport", "email,kind\na@example.com,CUSTOMER\n", "map", "importing conversions needs occurred_at"),
            ("conversionsImport", "email,kind,occurred_at\n", "uploadId", "the file has no rows"),
        ] {
            let input = with_upload(server, "x.csv", file, json!({})).await;
            let (found_path, _, found) = refusal(server, what, input.clone()).await;
            assert_eq!(found_path, path, "{found}");
            assert!(found.starts_with(message), "{found}");
            assert_eq!(refusal(server, &format!("{what}Preview"), input).await.2, found);
        }
        let defaults = json!({ "defaults": pairs("target", "value", &[("kind", "WON")]) });
        let input = with_upload(server, "x.csv", "email,occurred_at\na@example.com,2026-01-01\n", defaults).await;
        let (path, code, message) = refusal(server, "conversionsImport", input).await;
        assert_eq!((path.as_str(), code.as_str()), ("defaults.0.value", "INVALID_CHOICE"));
        assert!(message.contains("CUSTOMER"), "{message}");
    }

    async fn a_token_of_engagements_alone_can_import_them(server: &Server) {
        import(server, "leadsImport", "leads.csv", LEADS, json!({})).await;
        let token = server.token(&["engagement:read", "engagement:write"]).await;
        let (status, sent) = send(server, Some(&token), "e.csv", "email,type,date\nana@example.com,PAGE_VIEWED,2026-01-01\nx,PAGE_VIEWED,2026-01-01\n").await;
        assert_eq!(status, 201, "{sent}");
        let input = json!({ "input": { "uploadId": sent["id"] } });
        let begun = server.data_as(&token, &mutation("engagementsImport"), input).await;
        assert_eq!(begun["payload"]["userErrors"], json!([]));
        let job = begun["payload"]["job"]["id"].as_str().expect("an id");
        assert_eq!(ended(server, job).await.figures(), [1, 0, 0, 1]);
        let report = server.data_as(&token, "query ($id: ID!) { importRejections(jobId: $id) { line column } }", json!({ "id": job })).await;
        assert_eq!(report["importRejections"], json!([{ "line": 3, "column": "email" }]));
    }

    async fn phone_numbers_without_a_country_are_read_in_that_of_the_settings(database: &Database) {
        const FILE: &str = "external_id,phone\n1,(11) 96123-4567\n";
        let phone = "{ leads { nodes { phone } } }";
        let server = Server::start(database, Setup::default()).await;
        let done = import(&server, "leadsImport", "x.csv", FILE, json!({})).await;
        assert_eq!(done.figures(), [0, 0, 0, 1], "there is no country to read it in");
        server.stop().await;

        let server = Server::start(database, Setup::default().setting("default_region", "BR")).await;
        let id = upload(&server, "x.csv", FILE).await;
        let preview = ask_for(&server, "leadsImportPreview", json!({ "uploadId": id })).await;
        assert_eq!(preview["preview"]["rows"][0]["values"][1]["value"], "+5511961234567");
        let job = start(&server, "leadsImport", json!({ "uploadId": id })).await;
        assert_eq!(ended(&server, &job).await.figures(), [1, 0, 0, 0]);
        assert_eq!(server.data(phone, json!({})).await["leads"]["nodes"], json!([{ "phone": "+5511961234567" }]));
        let said = import(&server, "leadsImport", "x.csv", FILE, json!({ "phoneRegion": "US", "namespace": "us" })).await;
        assert_eq!(said.figures(), [0, 0, 0, 1], "what is said goes over the settings: no such number in the US");
    }
}
