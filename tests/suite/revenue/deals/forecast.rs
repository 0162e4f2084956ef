//! What the open deals will bring, by hand.

use serde_json::{Value, json};

use super::{done, lead, money, open, rates, retold, stage};
use crate::support::{Database, Server, code};

const ASK: &str = "query ($months: Int, $zone: TimeZone, $filter: LeadFilter) { it: revenueForecast(months: $months, timeZone: $zone, filter: $filter) { today currencyCode
    months { month deals value { amount } weightedValue { amount } } overdue { deals value { amount } weightedValue { amount } }
    later { deals value { amount } weightedValue { amount } } undated { deals value { amount } weightedValue { amount } }
    total { deals value { amount } weightedValue { amount } } withoutValue withoutRate
    stages { stage { name } closed won winRate basis openDeals openValue { amount } weightedValue { amount } } } }";

/// A sum as the answer shows it.
fn sum(deals: i64, value: &str, weighted: &str) -> Value {
    json!({ "deals": deals, "value": { "amount": value }, "weightedValue": { "amount": weighted } })
}

fn month(month: &str, deals: i64, value: &str, weighted: &str) -> Value {
    let mut told = sum(deals, value, weighted);
    told["month"] = json!(month);
    told
}

async fn deal(
    server: &Server,
    lead: &Value,
    stage: &Value,
    value: Option<(&str, &str)>,
    close: Option<&str>,
) -> Value {
    let value = value.map(|(amount, currency)| money(amount, currency));
    let input = json!({ "leadId": lead, "name": "x", "stageId": stage, "value": value, "expectedClose": close, "openedAt": "2025-01-01T12:00:00Z" });
    done(server, "dealCreate", input).await["id"].take()
}

on_both! {
    async fn a_forecast_is_by_history_where_there_is_enough_of_it(database: &Database) {
        let server = &open(database).await;
        let (ann, bob) = (lead(server, "ann@example.com").await, lead(server, "bob@example.com").await);
        let (qualification, proposal) = (stage(server, "Qualification").await, stage(server, "Proposal").await);
        let (negotiation, contract) = (stage(server, "Negotiation").await, stage(server, "Contract").await);
        // Two of seven deals that were in the first stage were won within 12 months; of three in the second it is too early to tell.
        for (n, (is_further, is_won, closed_at)) in [
            (true, true, "2026-01-05T12:00:00Z"),
            (true, true, "2026-02-05T12:00:00Z"),
            (true, false, "2026-02-06T12:00:00Z"),
            (false, false, "2026-02-07T12:00:00Z"),
            (false, false, "2026-02-08T12:00:00Z"),
            (false, false, "2026-02-09T12:00:00Z"),
            (false, false, "2025-03-10T12:00:00Z"),
            // A moment too long ago.
            (true, true, "2025-03-10T11:59:59Z"),
        ].into_iter().enumerate() {
            let id = deal(server, &ann, &qualification, Some(("9", "EUR")), None).await;
            if is_further {
                done(server, "dealMove", json!({ "id": id, "stageId": proposal })).await;
            }
            if n == 0 {
                // There and back again is one deal.
                done(server, "dealMove", json!({ "id": id, "stageId": qualification })).await;
            }
            let name = if is_won { "dealWin" } else { "dealLose" };
            done(server, name, json!({ "id": id, "reason": "x", "closedAt": closed_at })).await;
        }
        rates(server, &[("USD", "2026-02-20", "1.25")]).await;
        retold(server).await;
        for (lead, stage, value, close) in [
            (&ann, &qualification, Some(("1000", "EUR")), Some("2026-03-31")),
            (&ann, &qualification, Some(("100", "USD")), Some("2026-03-01")),
            (&ann, &qualification, Some(("500", "EUR")), Some("2026-05-02")),
            (&ann, &qualification, Some(("0.01", "EUR")), None),
            (&ann, &proposal, Some(("200", "EUR")), Some("2026-02-28")),
            (&ann, &proposal, Some(("100.10", "EUR")), Some("2026-09-01")),
            (&ann, &proposal, None, Some("2026-04-15")),
            (&ann, &negotiation, Some(("50", "BRL")), None),
            (&bob, &contract, Some(("10", "EUR")), None),
        ] {
            deal(server, lead, stage, value, close).await;
        }
        let told = server.data(ASK, json!({})).await["it"].take();
        let rest = |of: &str, closed: i64, won: i64, rate: f64, basis: &str, open: (i64, &str, &str)| {
            json!({ "stage": { "name": of }, "closed": closed, "won": won, "winRate": rate, "basis": basis, "openDeals": open.0,
                "openValue": { "amount": open.1 }, "weightedValue": { "amount": open.2 } })
        };
        // 2/7 of 1080, 500 and 0.01 are 308.571…, 142.857… and 0.002…, all in all 451.43: the cent goes to the second.
        assert_eq!(told, json!({
            "today": "2026-03-10", "currencyCode": "EUR",
            "months": [month("2026-03-01", 2, "1080.00", "308.57"), month("2026-04-01", 1, "0.00", "0.00"), month("2026-05-01", 1, "500.00", "142.86"),
                month("2026-06-01", 0, "0.00", "0.00"), month("2026-07-01", 0, "0.00", "0.00"), month("2026-08-01", 0, "0.00", "0.00")],
            "overdue": sum(1, "200.00", "60.00"), "later": sum(1, "100.10", "30.03"), "undated": sum(3, "10.01", "8.00"),
            "total": sum(9, "1890.11", "549.46"), "withoutValue": 1, "withoutRate": 1,
            "stages": [rest("Qualification", 7, 2, 2.0 / 7.0, "HISTORY", (4, "1580.01", "451.43")), rest("Proposal", 3, 2, 0.3, "DEFAULT", (3, "300.10", "90.03")),
                rest("Negotiation", 0, 0, 0.6, "DEFAULT", (1, "0.00", "0.00")), rest("Contract", 0, 0, 0.8, "DEFAULT", (1, "10.00", "8.00"))],
        }));
        let one = server.data(ASK, json!({ "months": 1 })).await["it"].take();
        assert_eq!((one["months"].as_array().unwrap().len(), &one["later"], &one["total"]["deals"]), (1, &sum(3, "600.10", "172.89"), &json!(9)));
        // Of some leads: their deals, by what became of all.
        let some = async |filter: Value| server.graphql(ASK, json!({ "filter": filter })).await;
        let bobs = some(json!({ "email": { "eq": "bob@example.com" } })).await;
        assert_eq!((&bobs["data"]["it"]["total"], &bobs["data"]["it"]["undated"]), (&sum(1, "10.00", "8.00"), &sum(1, "10.00", "8.00")));
        assert_eq!((&bobs["extensions"]["reads"][0]["field"], &bobs["extensions"]["reads"][0]["from"]), (&json!("revenueForecast"), &json!("LEADS")));
        let anns = some(json!({ "not": { "email": { "eq": "bob@example.com" } } })).await["data"]["it"].take();
        assert_eq!((&anns["total"], &anns["withoutRate"], &anns["stages"][0]), (&sum(8, "1880.11", "541.46"), &json!(1), &told["stages"][0]));
        assert_eq!((&anns["stages"][3]["winRate"], &anns["stages"][3]["openDeals"]), (&json!(0.8), &json!(0)));
        assert_eq!(code(&some(json!({ "createdAt": { "withinDays": 0 } })).await), "BAD_USER_INPUT");
        let token = server.token(&["revenue:read"]).await;
        let refused = server.graphql_as(Some(&token), ASK, json!({ "filter": { "email": { "eq": "bob@example.com" } } })).await;
        assert_eq!(code(&refused), "FORBIDDEN", "{refused}");
        // A deleted lead brings nothing.
        server.data("mutation ($id: ID!) { leadDelete(input: { id: $id }) { leadId } }", json!({ "id": bob })).await;
        let told = server.data(ASK, json!({})).await["it"].take();
        assert_eq!((&told["total"], &told["undated"]), (&sum(8, "1880.11", "541.46"), &sum(2, "0.01", "0.00")));
        // Today is that of a time zone; the win rates are of the 12 months before.
        server.set_time("2026-03-31T23:30:00Z");
        let told = server.data(ASK, json!({ "zone": "Europe/Berlin" })).await["it"].take();
        assert_eq!((&told["today"], &told["months"][0]["month"], &told["overdue"]["deals"]), (&json!("2026-04-01"), &json!("2026-04-01"), &json!(3)));
        assert_eq!((&told["stages"][0]["closed"], &told["stages"][0]["won"]), (&json!(6), &json!(2)));
        let told = server.data(ASK, json!({})).await["it"].take();
        assert_eq!((&told["today"], &told["months"][0]["month"]), (&json!("2026-03-31"), &json!("2026-03-01")));
        for wrong in [json!({ "months": 0 }), json!({ "months": 37 }), json!({ "months": -1 }), json!({ "zone": "Mars/Base" })] {
            assert_eq!(code(&server.graphql(ASK, wrong.clone()).await), "BAD_USER_INPUT", "{wrong}");
        }
    }

    async fn an_empty_forecast_is_all_zeros(database: &Database) {
        let server = &open(database).await;
        let told = server.data(ASK, json!({ "months": 36 })).await["it"].take();
        assert_eq!((told["months"].as_array().unwrap().len(), &told["months"][35]["month"], &told["total"]), (36, &json!("2029-02-01"), &sum(0, "0.00", "0.00")));
        assert_eq!(told["stages"].as_array().unwrap().len(), 4);
    }
}
