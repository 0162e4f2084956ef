//! How a reading goes on: pure rules.

use std::time::Duration;

use chrono::NaiveDate;
use entity::id::SyncId;
use entity::{SyncKind, sync_refusal};
use integrations::facet::DateRange;
use integrations::{Error, Retry};
use serde::{Deserialize, Serialize};

use crate::jobs::Counts;
use crate::platforms::connections::Written;

/// How long a platform is waited for that says when to come again.
const LONGEST_WAIT: Duration = Duration::from_secs(900);
/// How often a page is tried again that failed by a fault that may pass, when the transport has given up already.
const ATTEMPTS: u32 = 3;
/// Most that a reading writes down of what it could not use.
const MOST_REFUSALS: i32 = 1_000;
/// Results of advertisements change for so many days after.
const AD_DAYS: i64 = 28;
/// Of a first reading, so many days.
const FIRST_AD_DAYS: i64 = 90;
/// A reading after a long time goes back so many days at most.
const MOST_AD_DAYS: i64 = 400;

/// How far a reading has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reached {
    /// How many kinds are done.
    pub(super) kinds: usize,
    /// Where the kind that goes on is.
    pub(super) cursor: Option<String>,
    /// How much could not be used.
    pub(super) refusals: i32,
    /// Of which days results are read: those that were chosen when that was begun.
    #[serde(default)]
    pub(super) days: Option<(NaiveDate, NaiveDate)>,
    /// How often in a row nothing came.
    #[serde(default)]
    pub(super) attempts: u32,
}

impl Reached {
    pub(super) fn next_kind(&mut self) {
        self.kinds += 1;
        self.cursor = None;
        self.days = None;
        self.attempts = 0;
    }

    /// Takes note of a failure: how long to wait before the same again; `None` where that does not help.
    pub(super) fn failed(&mut self, error: &Error) -> Option<Duration> {
        self.attempts += 1;
        match error.retry {
            Retry::After(time) if time <= LONGEST_WAIT => Some(time),
            Retry::BackOff | Retry::Exhausted if self.attempts < ATTEMPTS => {
                Some(Duration::from_secs(5) * 4_u32.pow(self.attempts))
            }
            _ => None,
        }
    }

    /// What is written down of what could not be used.
    pub(super) fn refusals(
        &mut self,
        sync: SyncId,
        kind: SyncKind,
        written: Written,
    ) -> Vec<sync_refusal::Model> {
        let mut rows = Vec::new();
        for refusal in written.refused {
            if self.refusals >= MOST_REFUSALS {
                break;
            }
            rows.push(sync_refusal::Model {
                sync_id: sync,
                position: self.refusals,
                kind,
                external_id: refusal.external_id,
                message: refusal.message,
            });
            self.refusals += 1;
        }
        rows
    }
}

/// The days of which results are read: of a first reading 90, later from four weeks before the last day that was read.
pub(super) fn ad_days(read_until: Option<NaiveDate>, today: NaiveDate) -> DateRange {
    let back = |day: NaiveDate, days| day - chrono::Duration::days(days);
    let from = read_until.map_or_else(|| back(today, FIRST_AD_DAYS), |day| back(day.min(today), AD_DAYS));
    DateRange {
        from: from.max(back(today, MOST_AD_DAYS)),
        to: today,
    }
}

/// Adds up what became of items.
pub(super) fn count(counts: &mut Counts, kind: SyncKind, written: &Written) {
    let kind = kind.as_str().to_lowercase();
    for (name, value) in [
        ("created", written.created),
        ("updated", written.updated),
        ("unchanged", written.unchanged),
        (
            "refused",
            u64::try_from(written.refused.len()).unwrap_or(u64::MAX),
        ),
    ] {
        if value > 0 {
            *counts.entry(format!("{kind}.{name}")).or_default() += i64::try_from(value).unwrap_or(i64::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use integrations::Kind;

    use super::*;

    #[test]
    fn the_last_days_are_read_again_and_no_day_is_left_out() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let range = |read_until: Option<&str>| {
            let DateRange { from, to } = ad_days(read_until.map(day), day("2026-03-31"));
            (from.to_string(), to.to_string())
        };
        let until = |from: &str| (from.to_owned(), "2026-03-31".to_owned());
        assert_eq!(range(None), until("2025-12-31"));
        assert_eq!(range(Some("2026-03-30")), until("2026-03-02"));
        assert_eq!(range(Some("2026-01-31")), until("2026-01-03"), "after a pause");
        assert_eq!(range(Some("2020-01-01")), until("2025-02-24"), "within bounds");
        assert_eq!(
            range(Some("2030-01-01")),
            until("2026-03-03"),
            "a day that is yet to come"
        );
    }

    #[test]
    fn a_platform_is_waited_for_as_long_as_it_says_within_bounds() {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let after = |time| Error::new(Kind::Throttled, "busy").retry(Retry::After(time));
        let mut reached = Reached::default();
        for _ in 0..10 {
            assert_eq!(reached.failed(&after(minutes(10))), Some(minutes(10)));
        }
        assert_eq!(reached.failed(&after(minutes(16))), None);
        let mut reached = Reached::default();
        let faults = [(); 3].map(|()| reached.failed(&Error::new(Kind::Unavailable, "down")));
        assert_eq!(
            faults,
            [Some(Duration::from_secs(20)), Some(Duration::from_secs(80)), None]
        );
        assert_eq!(Reached::default().failed(&Error::refused("no")), None);
    }
}
