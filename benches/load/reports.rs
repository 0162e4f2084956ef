//! Reports and attribution over the demonstration's data, at three sizes.
//!
//! The smallest is made by the demonstration's generator through the services. Each of the others is ten times the one
//! before: what hangs on leads is written nine times more under other ids, and what is summed up of all of them is made anew
//! by the server itself.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use leadline::assembly::{self, Plan, Role};
use leadline::clock::Clock;
use leadline::config::Settings;
use leadline::db::{ConnectionTrait as _, Db, DbOptions, sql};
use leadline::demo::{self, DataSet};
use leadline::identity::Caller;
use sea_orm::DbBackend;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::client::{Connection, load};
use crate::scenarios::{Row, now_micros, size};
use crate::server::{Backend, Deployment, Server};

/// What hangs on a lead, and is written again with it.
const TABLES: [&str; 11] = [
    "lead",
    "lead_identity",
    "lead_score",
    "journey",
    "engagement",
    "conversion",
    "conversion_reversal",
    "stage_stay",
    "activity_day",
    "attribution_trail",
    "report_lead",
];
/// Columns with an id that becomes another one.
const IDS: [&str; 3] = ["id", "lead_id", "conversion_id"];
/// Columns with a text that no other row has.
const UNIQUE: [(&str, &str); 3] = [
    ("lead_identity", "value"),
    ("engagement", "dedupe_key"),
    ("conversion", "dedupe_key"),
];
/// Where ids are changed, in digits from 1, hyphens not counted, and to which digits: a UUID of version 7 has none of these
/// in that place.
const PLACES: [(usize, &str); 2] = [(13, "012345689"), (17, "01234567c")];

/// Each report over a year; `FILTER` stands where a filter of leads can.
const REPORTS: [(&str, &str); 10] = [
    (
        "funnelReport",
        "(range: $range FILTER) { current { leads stages { stage reached fromPrevious meanDays medianDays } } }",
    ),
    (
        "leadQualityReport",
        "(range: $range FILTER) { current { leads meanScore grades { grade leads } } }",
    ),
    (
        "cohortReport",
        "(range: $range FILTER) { current { cohorts { from leads customers activity { period leads } } } }",
    ),
    (
        "journeyReport",
        "(range: $range FILTER) { current { leads highRisk trends { trend leads } } }",
    ),
    (
        "sourceReport",
        "(range: $range FILTER) { current { sources { source leads customers revenue { amount } } } }",
    ),
    (
        "engagementReport",
        "(range: $range FILTER) { current { total types { type count } channels { channel count } } }",
    ),
    (
        "revenueReport",
        "(range: $range FILTER) { current { conversions revenue { amount } kinds { kind conversions } campaigns { campaign conversions } } }",
    ),
    (
        "attributionSummary",
        "(range: $range FILTER, by: CHANNEL, model: LINEAR) { current { rows { name conversions } } }",
    ),
    (
        "attributionCompare",
        "(range: $range FILTER, by: CHANNEL) { current { rows { name } } }",
    ),
    ("revenueForecast", "(months: 6 FILTER) { months { month } }"),
];
const RULES: &str = "FIRST_TOUCH, LAST_TOUCH, LINEAR, TIME_DECAY, U_SHAPED, W_SHAPED";

/// The scenario.
pub fn reports(runtime: &Runtime, backend: &Backend) -> anyhow::Result<Vec<Row>> {
    let first = size("BENCH_REPORT_LEADS", 10_000);
    let steps = size("BENCH_REPORT_STEPS", 3);
    let last = first * 10_u64.pow(u32::try_from(steps - 1)?);
    if let Ok(kept) = std::env::var("BENCH_REPORT_KEEP") {
        return again(
            runtime,
            backend,
            &PathBuf::from(kept).join(backend.name()),
            (first, steps, last),
        );
    }
    let deployment = Deployment::new(backend)?;
    let token = deployment.token()?;
    fill(&deployment, first)?;
    let mut rows = Vec::new();
    for step in 0..steps {
        if let Some(before) = step.checked_sub(1) {
            let begun = Instant::now();
            runtime.block_on(multiply(&deployment, PLACES[usize::try_from(before)?]))?;
            deployment.run(&["rollups", "rebuild"])?;
            eprintln!("rows written ten times in {:.0} s", begun.elapsed().as_secs_f64());
        }
        let server = deployment.serve(&[])?;
        let measured = runtime.block_on(measure(
            &deployment,
            &server,
            &token,
            first * 10_u64.pow(u32::try_from(step)?),
            step + 1 == steps,
        ))?;
        rows.extend(measured);
    }
    Ok(rows)
}

/// The largest size alone, over data that are made once and kept: two builds can be measured on the same.
fn again(
    runtime: &Runtime,
    backend: &Backend,
    folder: &Path,
    (first, steps, last): (u64, u64, u64),
) -> anyhow::Result<Vec<Row>> {
    let made = folder.join("is-complete");
    anyhow::ensure!(
        made.exists() || !folder.exists(),
        "the data in {} were not made to their end: remove it",
        folder.display()
    );
    let deployment = Deployment::kept(backend, folder)?;
    if !made.exists() {
        fill(&deployment, first)?;
        for step in 1..steps {
            runtime.block_on(multiply(&deployment, PLACES[usize::try_from(step - 1)?]))?;
        }
        // The server does it when it runs.
        deployment.run(&["rollups", "rebuild"])?;
        std::fs::write(&made, last.to_string())?;
    }
    anyhow::ensure!(
        std::fs::read_to_string(&made)? == last.to_string(),
        "another number of leads is kept there"
    );
    let token = deployment.token()?;
    let server = deployment.serve(&[])?;
    runtime.block_on(measure(&deployment, &server, &token, last, true))
}

/// The demonstration's data, through the services.
fn fill(deployment: &Deployment, leads: u64) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = deployment.path("");
    let folder = folder.to_string_lossy();
    let settings = Settings::from_pairs([("data_dir", folder.as_ref()), ("database_url", deployment.url())])?;
    let set = DataSet {
        seed: 1,
        leads,
        today: Clock::system().now().day(),
    };
    runtime.block_on(async {
        let clock = Clock::fixed(set.first_day().start());
        let role = Role {
            serve: false,
            work: true,
        };
        let running = Plan::new(&settings, role).with_clock(clock).start().await?;
        let told = &mut |_| {};
        demo::fill(
            running.app(),
            &Caller::operator(),
            set,
            &assembly::handlers(),
            told,
        )
        .await?;
        running.stop().await;
        anyhow::Ok(())
    })
}

/// Ten times what there is.
async fn multiply(deployment: &Deployment, (place, digits): (usize, &str)) -> anyhow::Result<()> {
    let options = DbOptions {
        max_connections: 2,
        ..DbOptions::new(deployment.url())
    };
    let db = Db::open(&options).await?;
    let backend = db.backend();
    let is_sqlite = backend == DbBackend::Sqlite;
    for table in TABLES {
        let listed = if is_sqlite {
            format!("SELECT name FROM pragma_table_info('{table}')")
        } else {
            format!(
                "SELECT column_name::text AS name FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position"
            )
        };
        let columns: Vec<String> = (db.read().query_all_raw(sql(backend, &listed, [])).await?.iter())
            .map(|row| row.try_get("", "name"))
            .collect::<Result<_, _>>()?;
        anyhow::ensure!(!columns.is_empty(), "there is no table `{table}`");
        let run = async |text: String| db.write().execute_unprepared(&text).await.map(drop);
        run(format!("CREATE TABLE bench_copied AS SELECT * FROM {table}")).await?;
        // One after the other, as a server that runs writes what happens at about the same time.
        let digits: Vec<String> = digits
            .chars()
            .map(|digit| format!("SELECT '{digit}' AS digit"))
            .collect();
        let values: Vec<String> = columns
            .iter()
            .map(|column| match column.as_str() {
                id if IDS.contains(&id) && is_sqlite => {
                    let (before, after) = (place - 1, place + 1);
                    format!("unhex(substr(hex({id}), 1, {before}) || digit || substr(hex({id}), {after}))")
                }
                id if IDS.contains(&id) => {
                    format!("overlay(replace({id}::text, '-', '') placing digit from {place})::uuid")
                }
                text if UNIQUE.contains(&(table, text)) => format!("{text} || '-{place}-' || digit"),
                other => other.to_owned(),
            })
            .collect();
        let (names, values, digits) = (columns.join(", "), values.join(", "), digits.join(" UNION ALL "));
        run(format!(
            "INSERT INTO {table} ({names}) SELECT {values} FROM bench_copied CROSS JOIN ({digits}) d"
        ))
        .await?;
        run("DROP TABLE bench_copied".to_owned()).await?;
    }
    if !is_sqlite {
        // As its own upkeep does after a while.
        db.write().execute_unprepared("ANALYZE").await?;
    }
    db.close().await?;
    Ok(())
}

/// All figures of one size.
async fn measure(
    deployment: &Deployment,
    server: &Server,
    token: &str,
    leads: u64,
    is_last: bool,
) -> anyhow::Result<Vec<Row>> {
    let mut connection = Connection::open(&server.address, token).await?;
    let mut rows = Vec::new();
    let mut tell = |what: String, figure: String, wanted: &'static str| {
        eprintln!("{leads} leads: {what}: {figure}");
        rows.push(Row {
            what: format!("{leads} leads: {what}"),
            figure,
            wanted,
        });
    };
    let begun = Instant::now();
    rest(&mut connection).await?;
    tell(
        "all sums made anew".into(),
        format!("{:.1} s", begun.elapsed().as_secs_f64()),
        "",
    );
    let counts = "{ engagementReport(range: { lastDays: 365 }) { current { total } } \
                  revenueReport(range: { lastDays: 365 }) { current { conversions } } \
                  funnelReport(range: { lastDays: 365 }) { isComplete current { leads } } }";
    let counts = connection.graphql(counts, json!({})).await?;
    tell("what there is".into(), counts.to_string(), "");

    let year = json!({ "range": { "lastDays": 365 }, "days": { "from": day(364), "to": day(0) } });
    let seconds = Duration::from_secs(size("BENCH_SECONDS", 10).min(5));
    for (name, fields) in REPORTS {
        let body = report(name, fields, "", &year)?;
        let (of, marked) = (server.address.clone(), format!("{{\"data\":{{\"{name}\""));
        let told = load(
            &of,
            token,
            16,
            Duration::from_millis(500),
            seconds,
            move |_| body.clone(),
            move |answer| answer.starts_with(marked.as_bytes()),
        )
        .await?;
        tell(
            format!("`{name}` over 365 days, 16 connections"),
            format!("{:.0} requests/s, p95 {:.1} ms", told.per_second, told.ms(0.95)),
            "p95 50 ms",
        );
    }
    // The server hangs up on who is silent for so long.
    let mut connection = Connection::open(&server.address, token).await?;
    let country = a_tenth(&mut connection, leads).await?;
    let filter = format!(", filter: {{ country: {{ eq: \"{country}\" }} }}");
    for (name, fields) in REPORTS.iter().filter(|(_, fields)| fields.contains("FILTER")) {
        let body = report(name, fields, &filter, &year)?;
        let mut alone = Vec::new();
        for _ in 0..5 {
            let sent = Instant::now();
            connection.post(body.clone()).await?;
            alone.push(sent.elapsed());
        }
        alone.sort();
        let mut connections = Vec::new();
        for _ in 0..16 {
            connections.push(Connection::open(&server.address, token).await?);
        }
        let mut tasks = Vec::new();
        for mut connection in connections {
            let body = body.clone();
            tasks.push(tokio::spawn(async move {
                let sent = Instant::now();
                connection.post(body).await?;
                anyhow::Ok(sent.elapsed())
            }));
        }
        let mut together = Vec::new();
        for task in tasks {
            together.push(task.await??);
        }
        together.sort();
        tell(
            format!("`{name}` of the leads of {country}"),
            format!(
                "{} ms alone (median of 5), {} ms the slowest of 16 at once",
                alone[2].as_millis(),
                together[15].as_millis()
            ),
            "1 s",
        );
    }

    let ids = "{ conversions(first: 100) { nodes { id } } }";
    let ids = connection.graphql(ids, json!({})).await?["conversions"]["nodes"].take();
    let mut times = Vec::new();
    for node in ids.as_array().into_iter().flatten() {
        let query = format!(
            "query($id: ID!) {{ attribution(conversionId: $id, models: [{RULES}]) {{ results {{ model by {{ name weight }} }} }} }}"
        );
        let sent = Instant::now();
        connection.graphql(&query, json!({ "id": node["id"] })).await?;
        times.push(sent.elapsed());
    }
    times.sort();
    let place = times.len() * 95 / 100;
    tell(
        "attribution of one conversion by all rule-based models".into(),
        format!("p95 {:.1} ms", times[place].as_secs_f64() * 1_000.0),
        "5 ms",
    );
    let mut times = Vec::new();
    for _ in 0..5 {
        let query = "query($days: ReportRangeInput!) { attributionSummary(range: $days, by: CHANNEL, model: MARKOV) { current { rows { name conversions } journeys { converted lost } } } }";
        let sent = Instant::now();
        connection.graphql(query, json!({ "days": year["days"] })).await?;
        times.push(sent.elapsed());
    }
    times.sort();
    tell(
        "Markov over all journeys".into(),
        format!("{:.0} ms", times[2].as_secs_f64() * 1_000.0),
        "10 s",
    );

    let query = "query($days: ReportRangeInput!, $asOf: DateTime!) { it: attributionSummary(range: $days, by: CHANNEL, model: LINEAR, asOf: $asOf) { current { totals { conversions } } } }";
    let as_of = chrono::DateTime::from_timestamp_micros(now_micros()).expect("a moment of this century");
    // It is refused where there are more than it is made of while somebody waits: then of fewer days.
    for ago in [364, 180, 90, 60, 30, 24, 14, 7] {
        let variables = json!({ "days": { "from": day(ago), "to": day(0) }, "asOf": as_of.to_rfc3339() });
        let body = json!({ "query": query, "variables": variables });
        let sent = Instant::now();
        let answer = connection.post(serde_json::to_vec(&body)?.into()).await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        if let Some(totals) = answer["data"]["it"]["current"]["totals"].as_array() {
            let conversions = totals.iter().filter_map(|total| total["conversions"].as_i64());
            tell(
                "attribution of conversions from what leads did (`asOf`), one model".into(),
                format!(
                    "{:.1} s for {}",
                    sent.elapsed().as_secs_f64(),
                    conversions.sum::<i64>()
                ),
                "10 s for 100,000 conversions, one model",
            );
            break;
        }
    }
    // The half-life alone, and then the window, by which others count.
    let query = "{ attributionSettings { settings { halfLifeDays windowDays } } }";
    let settings = connection.graphql(query, json!({})).await?["attributionSettings"]["settings"].take();
    let other = |name: &str, between: [u64; 2]| {
        let is_first = settings[name].as_f64() == Some(between[0] as f64);
        json!({ name: between[usize::from(is_first)] })
    };
    for (what, input) in [
        ("other weights", other("halfLifeDays", [9, 12])),
        ("another window", other("windowDays", [60, 66])),
    ] {
        let change = "mutation($input: AttributionSettingsUpdateInput!) { it: attributionSettingsUpdate(input: $input) { job { id } userErrors { message } } }";
        let begun = Instant::now();
        let changed = connection.graphql(change, json!({ "input": input })).await?;
        anyhow::ensure!(changed["it"]["job"]["id"].is_string(), "{changed}");
        let query = "{ attributionSettings { settings { isSummedUp } } }";
        while connection.graphql(query, json!({})).await?["attributionSettings"]["settings"]["isSummedUp"]
            != true
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tell(
            format!("attribution of all conversions by {what}, all models, until it answers"),
            format!("{:.1} s", begun.elapsed().as_secs_f64()),
            "10 s for 100,000 conversions, one model",
        );
        // What was in force before is forgotten.
        rest(&mut connection).await?;
    }
    if !is_last {
        // What that lead does would be written ten times for the next size.
        return Ok(rows);
    }
    let overview = journey(deployment, &mut connection).await?;
    tell(
        "the journey of a lead with 10,000 engagements".into(),
        format!("{:.1} ms (slowest of 20)", overview.as_secs_f64() * 1_000.0),
        "50 ms",
    );
    Ok(rows)
}

/// Waits until no job waits or runs.
async fn rest(connection: &mut Connection) -> anyhow::Result<()> {
    let mut quiet = 0;
    while quiet < 5 {
        let query = "{ jobs(first: 1, states: [QUEUED, RUNNING]) { nodes { kind } } }";
        let busy = connection.graphql(query, json!({})).await?;
        let is_busy = busy["jobs"]["nodes"]
            .as_array()
            .is_some_and(|jobs| !jobs.is_empty());
        quiet = if is_busy { 0 } else { quiet + 1 };
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

fn report(name: &str, fields: &str, filter: &str, variables: &Value) -> anyhow::Result<Bytes> {
    let fields = fields.replace(" FILTER", filter);
    let declared = match fields.contains("$range") {
        true => "($range: ReportRangeInput!)",
        false => "",
    };
    let query = format!("query{declared} {{ {name}{fields} }}");
    Ok(serde_json::to_vec(&json!({ "query": query, "variables": variables }))?.into())
}

/// The day so many days ago.
fn day(ago: i64) -> String {
    let at = chrono::DateTime::from_timestamp_micros(now_micros() - ago * 86_400_000_000);
    at.expect("a moment of this century")
        .format("%Y-%m-%d")
        .to_string()
}

/// The country from which most nearly a tenth of the leads are.
async fn a_tenth(connection: &mut Connection, leads: u64) -> anyhow::Result<String> {
    let mut found = (f64::MAX, String::new());
    for country in [
        "DE", "AT", "CH", "NL", "FR", "ES", "IT", "GB", "US", "BR", "PT", "PL", "JP",
    ] {
        let query = "query($country: String!) { funnelReport(range: { lastDays: 365 }, filter: { country: { eq: $country } }) { current { leads } } }";
        let data = connection.graphql(query, json!({ "country": country })).await?;
        let share = data["funnelReport"]["current"]["leads"]
            .as_f64()
            .unwrap_or_default()
            / leads as f64;
        eprintln!("{country}: {:.1} %", share * 100.0);
        if (share - 0.1).abs() < found.0 {
            found = ((share - 0.1).abs(), country.to_owned());
        }
    }
    Ok(found.1)
}

/// The slowest of some looks at the journey of a lead that does 10,000 things first.
async fn journey(deployment: &Deployment, connection: &mut Connection) -> anyhow::Result<Duration> {
    let make = "mutation($input: LeadCreateInput!) { leadCreate(input: $input) { lead { id } userErrors { message } } }";
    let input = json!({ "input": { "email": format!("busy-{}@example.com", now_micros()) } });
    let made = connection.graphql(make, input).await?;
    let id = made["leadCreate"]["lead"]["id"].clone();
    let record =
        "mutation($input: EngagementsRecordInput!) { engagementsRecord(input: $input) { recorded } }";
    for batch in 0..10_u64 {
        let items: Vec<Value> = (0..1_000_u64)
            .map(|n| json!({ "leadId": id, "type": "PAGE_VIEWED", "occurredAt": format!("{}T{:02}:{:02}:{:02}Z", day(1 + i64::try_from(batch).expect("few") * 7 + i64::try_from(n % 7).expect("few")), n % 24, n % 60, n % 59) }))
            .collect();
        let answer = connection
            .graphql(record, json!({ "input": { "items": items } }))
            .await?;
        anyhow::ensure!(answer["engagementsRecord"]["recorded"] == 1_000, "{answer}");
    }
    deployment.settle()?;
    let query = "query($id: ID!) { lead(id: $id) { journey { engagements startedAt lastActivityAt durationSeconds activeDays health churnRisk trend \
                 byType { type count } byChannel { channel count } lifetimeValue { amount } revenue { amount } \
                 milestones { firstContactAt } stages { stage enteredAt } touchPoints } engagements(first: 25) { nodes { id type occurredAt } } } }";
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let sent = Instant::now();
        let data = connection.graphql(query, json!({ "id": id })).await?;
        slowest = slowest.max(sent.elapsed());
        anyhow::ensure!(data["lead"]["journey"]["engagements"] == 10_000, "{data}");
    }
    Ok(slowest)
}
