//! Rates of exchange, and amounts in the currency of the reports.

use serde_json::{Value, json};

use super::{bought, lead, rates, retold};
use crate::imports::{import, rejections};
use crate::support::{Database, Server, code, unknown_field};

const SETTINGS: &str =
    "mutation ($input: CurrencySettingsUpdateInput!) { it: currencySettingsUpdate(input: $input) {
    settings { reportingCurrency rateBase version } job { kind } userErrors { field code message } } }";
const KNOWN: &str = "{ currencies { settings { reportingCurrency rateBase version updatedAt updatedBy } withRates { currencyCode firstDay lastDay days } } }";

/// What a conversion is worth in the currency of the reports, and what of that was given back.
async fn worth(server: &Server, id: &Value) -> Value {
    let query = "query ($id: ID!) { it: conversion(id: $id) { reportingValue { amount currencyCode } reportingRefunded { amount } } }";
    server.data(query, json!({ "id": id })).await["it"].take()
}

fn told(amount: &str, currency: &str, refunded: &str) -> Value {
    json!({ "reportingValue": { "amount": amount, "currencyCode": currency }, "reportingRefunded": { "amount": refunded } })
}

const UNTOLD: fn() -> Value = || json!({ "reportingValue": null, "reportingRefunded": null });

on_both! {
    async fn amounts_are_told_at_the_rate_of_their_day_and_anew_when_it_changes(server: &Server) {
        let ann = lead(server, "ann@example.com").await;
        let euros = bought(server, &ann, "10.00", "EUR", "2026-03-06T12:00:00Z").await;
        let friday = bought(server, &ann, "108.75", "usd", "2026-03-06T23:59:59Z").await;
        let sunday = bought(server, &ann, "108.75", "USD", "2026-03-08T12:00:00Z").await;
        let yen = bought(server, &ann, "16231", "JPY", "2026-03-06T12:00:00Z").await;
        assert_eq!(worth(server, &euros).await, told("10.00", "EUR", "0.00"));
        assert_eq!(worth(server, &friday).await, UNTOLD(), "no rate is known");
        let made = rates(server, &[("USD", "2026-03-06", "1.0875"), ("JPY", "2026-03-06", "162.31")]).await;
        assert_eq!((&made["results"][0]["rate"], &made["userErrors"]), (&json!({ "currencyCode": "USD", "day": "2026-03-06", "rate": "1.0875" }), &json!([])));
        assert!(made["job"]["id"].is_string(), "{made}");
        retold(server).await;
        for id in [&friday, &sunday, &yen] {
            assert_eq!(worth(server, id).await, told("100.00", "EUR", "0.00"));
        }
        // What comes from now on has its worth at once, and what is given back as well.
        let late = bought(server, &ann, "54.38", "USD", "2026-03-16T00:00:00Z").await;
        assert_eq!(worth(server, &late).await, told("50.00", "EUR", "0.00"));
        let stale = bought(server, &ann, "54.38", "USD", "2026-03-17T00:00:00Z").await;
        assert_eq!(worth(server, &stale).await, UNTOLD(), "the rate is more than ten days old");
        let refund = "mutation ($id: ID!) { conversionRefund(input: { id: $id, amount: { amount: \"27.19\", currencyCode: \"USD\" } }) { userErrors { code } } }";
        server.data(refund, json!({ "id": late })).await;
        assert_eq!(worth(server, &late).await, told("50.00", "EUR", "25.00"));
        // Another rate of Sunday, and reports in dollars.
        rates(server, &[("USD", "2026-03-08", "1.1")]).await;
        retold(server).await;
        assert_eq!(worth(server, &sunday).await, told("98.86", "EUR", "0.00"));
        assert_eq!(worth(server, &friday).await, told("100.00", "EUR", "0.00"));
        let changed = server.data(SETTINGS, json!({ "input": { "reportingCurrency": "usd" } })).await["it"].take();
        assert_eq!((&changed["settings"]["reportingCurrency"], &changed["job"]["kind"], &changed["userErrors"]), (&json!("USD"), &json!("revenue.revalue"), &json!([])));
        retold(server).await;
        assert_eq!(worth(server, &sunday).await, told("108.75", "USD", "0.00"));
        assert_eq!(worth(server, &euros).await, told("10.88", "USD", "0.00"), "10.875");
        assert_eq!(worth(server, &yen).await, told("108.75", "USD", "0.00"));
        assert_eq!(worth(server, &late).await, told("54.38", "USD", "27.19"));
        // Rates of another base are others.
        server.data(SETTINGS, json!({ "input": { "rateBase": "USD" } })).await;
        retold(server).await;
        assert_eq!(worth(server, &euros).await, UNTOLD());
        assert_eq!(server.data(KNOWN, json!({})).await["currencies"]["withRates"], json!([]));
        let log = server.data("{ activity(first: 9, filter: { types: [RATES_CHANGED] }) { nodes { payload } } }", json!({})).await;
        assert_eq!(log["activity"]["nodes"].as_array().unwrap().len(), 4, "{log}");
    }

    async fn rates_are_listed_and_wrong_ones_answered_one_by_one(server: &Server) {
        let fresh = server.data(KNOWN, json!({})).await["currencies"].take();
        assert_eq!(fresh, json!({ "settings": { "reportingCurrency": "EUR", "rateBase": "EUR", "version": 1, "updatedAt": null, "updatedBy": null }, "withRates": [] }));
        let made = rates(server, &[
            ("usd", "2026-03-06", "1.0900"), ("EUR", "2026-03-06", "1"), ("XXL", "2026-03-06", "1"), ("USD", "2026-03-07", "0"),
            ("USD", "2026-03-07", "-1"), ("USD", "2999-01-01", "1"), ("USD", "2026-03-09", "1.1"), ("USD", "1969-12-31", "1"),
        ]).await;
        let codes: Vec<_> = made["results"].as_array().unwrap().iter().map(|result| result["userErrors"][0]["code"].as_str().unwrap_or("-")).collect();
        assert_eq!(codes, ["-", "IS_BASE", "MALFORMED", "OUT_OF_RANGE", "OUT_OF_RANGE", "OUT_OF_RANGE", "-", "OUT_OF_RANGE"]);
        assert_eq!(made["results"][0]["rate"], json!({ "currencyCode": "USD", "day": "2026-03-06", "rate": "1.09" }));
        let known = server.data(KNOWN, json!({})).await["currencies"].take();
        assert_eq!(known["withRates"], json!([{ "currencyCode": "USD", "firstDay": "2026-03-06", "lastDay": "2026-03-09", "days": 2 }]));
        assert_eq!(known["settings"]["version"], 2);
        // The same again is no change.
        let again = rates(server, &[("USD", "2026-03-09", "1.10")]).await;
        assert_eq!((&again["job"], &again["results"][0]["rate"]["rate"]), (&Value::Null, &json!("1.1")));
        assert_eq!(server.data(KNOWN, json!({})).await["currencies"]["settings"]["version"], 2);
        let list = "query ($from: Date!, $to: Date!) { currencyRates(currencyCode: \"usd\", from: $from, to: $to) { day rate } }";
        let listed = server.data(list, json!({ "from": "2026-03-01", "to": "2026-03-31" })).await;
        assert_eq!(listed["currencyRates"], json!([{ "day": "2026-03-06", "rate": "1.09" }, { "day": "2026-03-09", "rate": "1.1" }]));
        for (from, to) in [("2026-03-31", "2026-03-01"), ("2025-01-01", "2026-03-01")] {
            assert_eq!(code(&server.graphql(list, json!({ "from": from, "to": to })).await), "BAD_USER_INPUT");
        }
        let many: Vec<_> = (0..1_001).map(|_| ("USD", "2026-03-06", "1")).collect();
        assert_eq!(rates(server, &many).await["userErrors"][0]["code"], "TOO_MANY");
        for (input, field, code) in [
            (json!({ "reportingCurrency": "euro" }), "reportingCurrency", "MALFORMED"),
            (json!({ "rateBase": "" }), "rateBase", "MALFORMED"),
            (json!({ "reportingCurrency": "USD", "expectedVersion": 1 }), "expectedVersion", "OUTDATED"),
        ] {
            let refused = server.data(SETTINGS, json!({ "input": input })).await["it"]["userErrors"][0].take();
            assert_eq!((&refused["field"], &refused["code"]), (&json!([field]), &json!(code)));
        }
        let reader = server.token(&["revenue:write", "settings:read"]).await;
        let refused = server.graphql_as(Some(&reader), SETTINGS, json!({ "input": {} })).await;
        assert_eq!(unknown_field(&refused), "currencySettingsUpdate");
    }

    async fn the_file_of_the_central_bank_is_taken_as_it_is(server: &Server) {
        let file = "Date,USD,JPY,CYP,TRL,\n2026-03-09,1.1,162,N/A,N/A,\n2026-03-06,1.0875,162.31,N/A,abc,\n2026-03-05,,162.5,0.5,,\n";
        let done = import(server, "currencyRatesImport", "eurofxref-hist.csv", file, json!({})).await;
        // Two columns are of currencies that are no more: CYP and TRL are told of as columns that nothing uses.
        assert_eq!(done.figures(), [0, 3, 0, 0], "{done:?}");
        retold(server).await;
        let known = server.data(KNOWN, json!({})).await["currencies"]["withRates"].take();
        assert_eq!(known, json!([
            { "currencyCode": "JPY", "firstDay": "2026-03-05", "lastDay": "2026-03-09", "days": 3 },
            { "currencyCode": "USD", "firstDay": "2026-03-06", "lastDay": "2026-03-09", "days": 2 },
        ]));
        // The long form, and what is wrong with it.
        let file = "day,currency,rate\n2026-03-06,BRL,6.1\n2026-03-06,BRL,0\n2026-03-06,,6.1\n2026-03-06,BRL,\nsomeday,BRL,6.1\n";
        let done = import(server, "currencyRatesImport", "rates.csv", file, json!({})).await;
        assert_eq!(done.figures(), [0, 1, 0, 4], "{done:?}");
        let lines: Vec<_> = rejections(server, &done.job).await.iter().map(|row| row.0).collect();
        assert_eq!(lines, [3, 4, 5, 6]);
        retold(server).await;
    }
}

#[test]
fn a_retelling_that_was_cut_off_goes_on() {
    use crate::support::{Backend, Setup, with_database};

    with_database(Backend::Sqlite, async |database: &Database| {
        let server = Server::start(database, Setup::default().without_work()).await;
        let ann = lead(&server, "ann@example.com").await;
        let id = bought(&server, &ann, "1.50", "USD", "2026-03-06T12:00:00Z").await;
        let first = rates(&server, &[("USD", "2026-03-06", "1.5")]).await;
        // One that waits sees what comes before it begins.
        let second = rates(&server, &[("USD", "2026-03-06", "3")]).await;
        assert!(
            first["job"]["id"].is_string() && second["job"].is_null(),
            "{first} {second}"
        );
        assert_eq!(worth(&server, &id).await, UNTOLD());
        server.stop().await;
        let server = Server::start(database, Setup::default()).await;
        retold(&server).await;
        assert_eq!(worth(&server, &id).await, told("0.50", "EUR", "0.00"));
        server.stop().await;
    });
}
