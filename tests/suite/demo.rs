//! `leadline demo`, as a new user meets it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tokio::sync::mpsc;

/// A demonstration that runs; ended when dropped.
struct Demo {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    said: String,
}

impl Demo {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leadline"));
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("LEADLINE_") {
                command.env_remove(key);
            }
        }
        let data = folder.join("data");
        let mut child = command
            .args(["demo", "--leads", "30", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            said: String::new(),
        }
    }

    /// Reads on until a line holds a text.
    async fn says(&mut self, text: &str) {
        let reading = async {
            while let Some(line) = self.lines.recv().await {
                self.said.push_str(&line);
                self.said.push('\n');
                if line.contains(text) {
                    return true;
                }
            }
            false
        };
        let heard = tokio::time::timeout(std::time::Duration::from_secs(180), reading).await;
        assert!(matches!(heard, Ok(true)), "no `{text}` in\n{}", self.said);
    }

    /// What stands behind a text on its line.
    fn after(&self, text: &str) -> String {
        let rest = self.said.split(text).nth(1).expect("it is said");
        rest.lines().next().unwrap_or_default().trim().to_owned()
    }

    /// The queries to paste: from the line that begins one to the empty line behind it.
    fn queries(&self) -> Vec<String> {
        self.said
            .split("\n\n")
            .filter_map(|part| part.find("\nquery ").map(|at| part[at + 1..].to_owned()))
            .collect()
    }

    async fn ask(&self, query: &str) -> Value {
        let url = format!("{}/graphql", self.after("Leadline is at "));
        let request = reqwest::Client::new()
            .post(url)
            .bearer_auth(self.after("Token (admin):"))
            .json(&json!({ "query": query }));
        let answer = request.send().await.expect("it answers");
        let answer: Value = answer.json().await.expect("JSON");
        assert_eq!(answer["errors"], Value::Null, "{query}: {answer}");
        answer["data"].clone()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_is_read_leads_arrive_and_conversions_go_out() {
    let folder = crate::support::scratch("leadline-demo-");
    let mut demo = Demo::start(folder.path());
    demo.says("What happens there").await;
    demo.says("the shop was read: 80 customers, 24 products, 140 orders, 9 abandoned checkouts")
        .await;
    demo.says("meta: lead, told by webhook (answered 200)").await;
    demo.says("its conversion has arrived at meta").await;
    let queries = demo.queries();
    assert_eq!(queries.len(), 3, "{queries:?}");
    for query in &queries {
        demo.ask(query).await;
    }
    let count = "{ connections(first: 50) { nodes { platform state } } }";
    let connections = demo.ask(count).await["connections"]["nodes"].take();
    let all: Vec<_> = connections
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["state"].as_str().unwrap())
        .collect();
    assert_eq!(all, ["ACTIVE"; 8]);
    let orders = "{ orders(first: 100) { nodes { id } } conversionDeliveries(first: 5, filter: { states: [SENT] }) { nodes { sharedAs } } }";
    let told = demo.ask(orders).await["conversionDeliveries"]["nodes"].take();
    assert_eq!(told[0], json!({ "sharedAs": "PURCHASE" }), "{told}");
    let reports = "{ funnelReport(range: { lastDays: 365 }) { current { leads stages { reached } } }
        leadQualityReport(range: { lastDays: 365 }, byDay: true) { current { scored days { leads } } }
        cohortReport(range: { lastDays: 365 }, by: WEEK) { current { cohorts { leads activity { leads } } } }
        revenueForecast { total { deals } }
        sourceReport(range: { lastDays: 365 }) { current { total { leads revenue { amount } cost { amount } } } } }";
    let told = demo.ask(reports).await;
    let number = |value: &Value| value.as_i64().expect("a number");
    let leads = number(&told["funnelReport"]["current"]["leads"]);
    assert!(
        leads > 30 && number(&told["leadQualityReport"]["current"]["scored"]) > 30,
        "{told}"
    );
    let cohorts = told["cohortReport"]["current"]["cohorts"].as_array().unwrap();
    assert!(
        cohorts
            .iter()
            .filter(|cohort| number(&cohort["leads"]) > 0)
            .count()
            > 5,
        "{told}"
    );
    let total = &told["sourceReport"]["current"]["total"];
    let amount = |of: &str| total[of]["amount"].as_str().unwrap().parse::<f64>().unwrap();
    assert!(amount("revenue") > 0.0 && amount("cost") > 1_000.0, "{total}");
    drop(demo);
    // Again: the same connections, at the new addresses of the stand-ins; what happened is known, and something new happens.
    let mut demo = Demo::start(folder.path());
    demo.says("What happens there").await;
    demo.says("its conversion has arrived at meta").await;
    let again = demo.ask(count).await["connections"]["nodes"].take();
    assert_eq!(again, connections);
}
