//! Clients of others: scripts of `tests/clients`, run by Node.js.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::throwaway::find_program;
use super::{LIMIT, lacking};

/// A script at work: it says one JSON value a line, and may be told some. It ends with the test at the latest.
pub struct Client {
    script: String,
    child: Child,
    input: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Client {
    /// Starts a script with the address of a server and a token; `None`, said aloud, when the machine lacks what it needs.
    pub fn start(script: &str, url: &str, token: &str) -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        let Some(node) = find_program("node", &[]) else {
            lacking("Node.js is not installed");
            return None;
        };
        if !folder.join("node_modules/graphql").is_dir() {
            lacking("tests/clients/node_modules is missing: run `make clients`");
            return None;
        }
        let mut child = Command::new(node)
            .arg(script)
            .current_dir(folder)
            .env("LEADLINE_URL", url)
            .env("LEADLINE_TOKEN", token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let input = child.stdin.take().expect("piped");
        let said = BufReader::new(child.stdout.take().expect("piped")).lines();
        Some(Self {
            script: script.to_owned(),
            child,
            input,
            said,
        })
    }

    /// The next thing it says; `None` at its end, which must be a good one.
    pub async fn next(&mut self) -> Option<Value> {
        let line = timeout(LIMIT, self.said.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("{} says nothing", self.script));
        let Some(line) = line.expect("its output can be read") else {
            let ended = self.child.wait().await.expect("it was started");
            assert!(ended.success(), "{} ended with {ended}", self.script);
            return None;
        };
        Some(serde_json::from_str(&line).unwrap_or_else(|_| panic!("{} says no JSON: {line}", self.script)))
    }

    /// The next thing it says.
    pub async fn says(&mut self) -> Value {
        let said = self.next().await;
        said.unwrap_or_else(|| panic!("{} ended instead of saying something", self.script))
    }

    /// Tells it something.
    pub async fn tell(&mut self, what: Value) {
        let line = format!("{what}\n");
        self.input.write_all(line.as_bytes()).await.expect("it listens");
    }
}
