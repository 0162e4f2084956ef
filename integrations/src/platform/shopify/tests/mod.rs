//! Against the running sandbox, and against recorded exchanges.

mod door;
mod reading;
mod recorded;
mod telling;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;

use super::{SandboxShop, Shopify};
use crate::facet::{Cursor, Page, Pages};
use crate::sandbox::{Running, Setup, start};
use crate::transport::{Egress, HttpTransport, Policy};
use crate::{Clock, Context, ManualClock, Result};

/// A shop that runs, and a connection to it.
struct Bench {
    running: Running,
    clock: Arc<ManualClock>,
    setup: Setup,
    context: Context,
}

fn moment() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).expect("a moment")
}

fn transport() -> HttpTransport {
    let policy = Policy {
        answer: Duration::from_secs(5),
        piece: Duration::from_secs(5),
        ..Policy::default()
    };
    HttpTransport::new(Egress::Anywhere, policy).expect("TLS")
}

impl Bench {
    async fn of(shop: SandboxShop) -> Self {
        let clock = Arc::new(ManualClock::at(moment()));
        let running = start(
            shop.sandbox(Arc::clone(&clock) as Arc<dyn Clock>),
            Arc::clone(&clock) as _,
        )
        .await
        .expect("a free port");
        let setup = running.sandbox().setup(&running.base);
        let context = setup.context(&Shopify, &transport(), Arc::clone(&clock) as _);
        Self {
            running,
            clock,
            setup,
            context,
        }
    }

    async fn small() -> Self {
        Self::of(SandboxShop::with(620, 260, 130, 120)).await
    }

    fn holds(&self, what: &str) -> usize {
        self.running.sandbox().holds()[what]
    }

    /// The GraphQL documents that were asked for.
    fn documents(&self) -> Vec<String> {
        let requests = self.running.requests();
        requests
            .iter()
            .filter_map(|request| Some(request.json()["query"].as_str()?.to_owned()))
            .collect()
    }
}

/// All pages, up to the first error.
async fn all<T>(mut pages: Pages<'_, T>) -> (Vec<Page<T>>, Result<()>) {
    let mut read = Vec::new();
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => read.push(page),
            Err(error) => return (read, Err(error)),
        }
    }
    (read, Ok(()))
}

/// The names of all items, and the last cursor.
async fn names<T>(pages: Pages<'_, T>, name: impl Fn(&T) -> &str) -> (Vec<String>, Cursor) {
    let (pages, end) = all(pages).await;
    end.expect("it can be read");
    let cursor = pages.last().expect("at least one page").cursor.clone();
    let names = pages
        .iter()
        .flat_map(|page| &page.items)
        .map(|item| name(item).to_owned())
        .collect();
    (names, cursor)
}
