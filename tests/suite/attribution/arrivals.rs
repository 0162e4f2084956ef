//! Whatever the order of arrival, and whenever the server stops: the same sums, those that the rows say.

use leadline::insight::attribution::verify;
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};

use super::{campaign, converted, lead, refund, touch, void};
use crate::support::{Database, Server, Setup};

/// Something that happens; a lead or conversion by its place.
#[derive(Clone, Copy, Debug)]
enum Step {
    Touch(usize, u32, &'static str, &'static str),
    Convert(usize, u32, &'static str, &'static str),
}

const STEPS: [Step; 12] = [
    Step::Touch(0, 1, "EMAIL_CLICKED", "Spring"),
    Step::Touch(1, 2, "PAGE_VIEWED", "Site"),
    Step::Touch(0, 4, "AD_CLICKED", "Meta"),
    Step::Convert(0, 5, "OPPORTUNITY", "0.01"),
    Step::Touch(2, 6, "CHAT_MESSAGE", "Site"),
    Step::Touch(0, 7, "PAGE_VIEWED", "Site"),
    Step::Convert(0, 8, "PURCHASE", "100"),
    Step::Convert(1, 9, "PURCHASE", "33.34"),
    Step::Touch(1, 10, "AD_VIEWED", "Meta"),
    Step::Convert(0, 11, "PURCHASE", "55"),
    Step::Touch(0, 12, "EMAIL_OPENED", "Summer"),
    Step::Convert(2, 13, "CUSTOMER", "7"),
];

/// Does the steps in an order and takes some of it back, stopping in between; the sums in words.
async fn sums(database: &Database, order: &[usize]) -> Vec<String> {
    let mut server = Server::start(database, Setup::default()).await;
    let mut leads = Vec::new();
    for email in ["ann@example.com", "bob@example.com", "cyd@example.com"] {
        leads.push(lead(&server, email).await);
    }
    let mut conversions = vec![Value::Null; STEPS.len()];
    for (n, step) in order.iter().enumerate() {
        if n == 5 {
            // Whatever its handlers were at.
            server.stop().await;
            server = Server::start(database, Setup::default()).await;
        }
        match STEPS[*step] {
            Step::Touch(who, day, kind, source) => {
                touch(&server, &leads[who], day, kind, campaign(source)).await;
            }
            Step::Convert(who, day, kind, euros) => {
                conversions[*step] = converted(&server, &leads[who], day, kind, Some(euros)).await;
            }
        }
    }
    refund(&server, &conversions[6], "0.01").await;
    void(&server, &conversions[9]).await;
    server.settled().await;
    let verified = verify(server.app()).await.expect("it is there");
    assert_eq!(
        (verified.leads, verified.pending, &verified.named[..]),
        (3, 0, &[][..])
    );
    let dump = dump(&server).await;
    server.stop().await;
    dump
}

/// All sums that are not nothing, in words.
async fn dump(server: &Server) -> Vec<String> {
    let db = server.app().db().read();
    let mut lines = Vec::new();
    for (table, columns) in [
        (
            "attribution_credit",
            &["model", "dimension", "level", "kind", "name"][..],
        ),
        ("attribution_paths", &["dimension", "level", "ended_in", "paths"]),
        ("attribution_total", &["level", "kind"]),
    ] {
        let numbers: &[&str] = match table {
            "attribution_credit" => &["parts", "minor"],
            "attribution_total" => &["conversions", "minor", "unvalued", "untouched", "untouched_minor"],
            _ => &[],
        };
        let text = format!("SELECT * FROM {table} WHERE version = 1");
        let rows = db
            .query_all_raw(Statement::from_string(db.get_database_backend(), text))
            .await
            .expect("it is there");
        for row in rows {
            let numbers: Vec<i64> = numbers
                .iter()
                .map(|column| row.try_get("", column).expect("it is there"))
                .collect();
            let words: Vec<String> = columns
                .iter()
                .map(|column| row.try_get("", column).expect("it is there"))
                .collect();
            let is_nothing = if numbers.is_empty() {
                words
                    .last()
                    .is_some_and(|paths| paths == r#"{"starts":[],"steps":[],"ends":[],"sets":[]}"#)
            } else {
                numbers.iter().all(|number| *number == 0)
            };
            if !is_nothing {
                let day: i32 = row.try_get("", "day").expect("it is there");
                lines.push(format!("{table} {day} {words:?} {numbers:?}"));
            }
        }
    }
    lines.sort();
    lines
}

/// Orders that differ: forwards, backwards, and two that are mixed, always in the same way.
fn order(n: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..STEPS.len()).collect();
    match n {
        0 => {}
        1 => order.reverse(),
        seed => order.sort_by_key(|step| {
            (*step as u64 + 1)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(u32::try_from(7 * seed).expect("it is there"))
        }),
    }
    order
}

on_both! {
    async fn neither_order_nor_restarts_matter(database: &Database) {
        let backend = database.backend();
        let first = sums(database, &order(0)).await;
        assert!(first.len() > 60, "{first:#?}");
        for n in 1..4 {
            let other = Database::create(backend).expect("as this one");
            assert_eq!(sums(&other, &order(n)).await, first, "order {n}: {:?}", order(n));
        }
    }

    async fn what_is_wrong_is_named(server: &Server) {
        let ann = lead(server, "ann@example.com").await;
        touch(server, &ann, 1, "EMAIL_CLICKED", json!({})).await;
        converted(server, &ann, 5, "PURCHASE", Some("10")).await;
        server.settled().await;
        assert_eq!(verify(server.app()).await.unwrap().differences, 0);
        // What the lead becomes later changes nothing of what was.
        let query = "mutation ($id: ID!) { it: leadStageChange(input: { leadId: $id, stage: OPPORTUNITY, reason: \"offer\" }) { userErrors { message } } }";
        assert_eq!(server.data(query, json!({ "id": ann })).await["it"]["userErrors"], json!([]));
        server.settled().await;
        assert_eq!(verify(server.app()).await.unwrap().named, [""; 0]);
        let db = server.app().db().write();
        for text in [
            "UPDATE attribution_credit SET minor = minor + 1 WHERE model = 'LINEAR' AND dimension = 'CHANNEL'",
            "DELETE FROM attribution_total",
            "UPDATE engagement SET channel = 'SOCIAL'",
        ] {
            db.execute_unprepared(text).await.unwrap();
        }
        let verified = verify(server.app()).await.unwrap();
        let named = verified.named.join("\n");
        assert_eq!(verified.differences, 5, "{named}");
        for part in ["the trail of lead_", "credit (MONTH) of", "model: Linear, dimension: Channel", "conversions (DAY) of"] {
            assert!(named.contains(part), "{named}");
        }
    }
}
