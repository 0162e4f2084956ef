//! The console page in a browser, over demonstration data with live activity.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use leadline::assembly;
use leadline::clock::Clock;
use leadline::demo::{DataSet, fill, trickle};
use leadline::identity::Caller;
use tokio_util::sync::CancellationToken;

use crate::support::{Backend, Server, Setup, lacking, with_database};

/// Longest time for the whole visit.
const VISIT: Duration = Duration::from_secs(300);

/// What the machine must have: node, the packages of `web`, the built page, a browser.
fn browser() -> Option<PathBuf> {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let found = |program: &str| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|folder| folder.join(program))
            .find(|file| file.is_file())
    };
    let browser = std::env::var_os("CHROMIUM")
        .map(PathBuf::from)
        .filter(|file| file.is_file())
        .or_else(|| {
            ["chromium", "chromium-browser", "google-chrome"]
                .iter()
                .find_map(|name| found(name))
        });
    let missing = match () {
        () if found("node").is_none() => "Node.js is not installed",
        () if !web.join("node_modules/playwright-core").is_dir() => {
            "web/node_modules is missing: run `npm ci` in web/"
        }
        () if !web.join("dist/index.html").is_file() => "the console page is not built: run `make web`",
        () if browser.is_none() => "Chromium is not installed",
        () => return browser,
    };
    lacking(missing);
    None
}

#[test]
fn the_console_runs_a_query_and_sees_a_subscription_tick() {
    let Some(browser) = browser() else { return };
    with_database(Backend::Sqlite, async |database| {
        let set = DataSet {
            seed: 1,
            leads: 60,
            today: Clock::system().now().day(),
        };
        // Filled under a clock that is moved, then served under the machine's.
        let first = set.first_day().start().to_rfc3339();
        let filling = Server::start(database, Setup::default().at(&first).without_http()).await;
        let filled = fill(
            filling.app(),
            &Caller::operator(),
            set,
            &assembly::handlers(),
            &mut |_| {},
        )
        .await
        .unwrap();
        assert_eq!(filled.leads, 60);
        assert!(filled.engagements > 300, "{filled:?}");
        filling.stop().await;

        let server = Server::start(database, Setup::default()).await;
        let stop = CancellationToken::new();
        let live = tokio::spawn(trickle(
            server.app().clone(),
            Caller::operator(),
            set,
            Duration::from_millis(100),
            stop.clone(),
        ));
        let visit = tokio::process::Command::new("node")
            .arg("test/console.mjs")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("web"))
            .env("LEADLINE_URL", format!("http://{}", server.address()))
            .env("LEADLINE_TOKEN", server.admin())
            .env("CHROMIUM", &browser)
            .env("LEADLINE_TIMEOUT_MS", "60000")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let seen = tokio::time::timeout(VISIT, visit).await.unwrap().unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&seen.stdout),
            String::from_utf8_lossy(&seen.stderr),
        );
        assert!(seen.status.success(), "the visit failed: {err}{out}");
        assert!(
            out.contains("\"displayName\"") || out.contains("\"cursor\""),
            "{out}"
        );
        stop.cancel();
        live.await.unwrap();
        server.stop().await;
    });
}
