//! Against the stand-in, and against recorded exchanges.

mod audiences;
mod conversions;
mod failures;
mod insights;
mod leads;
mod login;
mod recorded;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use futures_util::StreamExt as _;
use serde_json::Value;

use super::Meta;
use crate::facet::{Page, Pages};
use crate::sandbox::{Running, Setup, start};
use crate::transport::{Egress, HttpTransport, Policy};
use crate::{Clock, Context, Integration, ManualClock, Result};

/// A stand-in that runs, and a connection to it.
struct Ground {
    meta: Meta,
    running: Running,
    clock: Arc<ManualClock>,
    setup: Setup,
    context: Context,
}

impl Ground {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With settings and secrets that are changed first.
    async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let moment = DateTime::from_timestamp(1_790_000_000, 0).expect("a moment");
        let clock = Arc::new(ManualClock::at(moment));
        let meta = Meta::default();
        let sandbox = meta.sandbox(Arc::clone(&clock) as Arc<dyn Clock>);
        let running = start(sandbox, Arc::clone(&clock) as Arc<dyn Clock>)
            .await
            .expect("a free port");
        let mut setup = running.sandbox().setup(&running.base);
        change(&mut setup);
        assert_eq!(meta.manifest().settings.check(&setup.settings), Ok(()));
        assert_eq!(meta.manifest().secrets.check(&setup.secrets), Ok(()));
        let context = context(&meta, &setup, &clock);
        Self {
            meta,
            running,
            clock,
            setup,
            context,
        }
    }

    fn holds(&self, name: &str) -> usize {
        self.running.sandbox().holds()[name]
    }

    /// How many requests were made whose path holds a text.
    fn asked(&self, path: &str) -> usize {
        self.running
            .requests()
            .iter()
            .filter(|request| request.path.contains(path))
            .count()
    }
}

fn context(meta: &Meta, setup: &Setup, clock: &Arc<ManualClock>) -> Context {
    context_within(Policy::default().answer, meta, setup, clock)
}

/// With so much time for an answer.
fn context_within(answer: Duration, meta: &Meta, setup: &Setup, clock: &Arc<ManualClock>) -> Context {
    let policy = Policy {
        answer,
        ..Policy::default()
    };
    let transport = HttpTransport::new(Egress::Anywhere, policy).expect("TLS");
    setup.context(meta, &transport, Arc::clone(clock) as Arc<dyn Clock>)
}

fn set(place: &mut Value, name: &str, value: impl Into<Value>) {
    place[name] = value.into();
}

async fn read<T>(mut pages: Pages<'_, T>) -> Result<Vec<Page<T>>> {
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        all.push(page?);
    }
    Ok(all)
}
