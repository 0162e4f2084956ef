//! A leaky bucket of points for each caller: what is spent comes back by and by.
//!
//! A process spends from buckets of its own. With PostgreSQL all processes share them: once a second each says what it has
//! spent since, in one statement, and hears what all have spent together ([`Budgets::keep`]). Until then each lets a caller
//! have what it last knew to be there, so of N servers all together can give out N times the limit at worst, once; what was
//! given out beyond it is owed, and nothing is to be had until it has come back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_graphql::ServerError;
use tokio_util::sync::CancellationToken;

use super::store;
use crate::api::{Purse, Throttle};
use crate::app::App;
use crate::error::Error;
use crate::http::gateway::coded_error;

/// How often processes tell each other.
const ROUND: Duration = Duration::from_secs(1);

/// After so many rounds what nobody has asked for is tidied up.
const TIDYING: u32 = 60;

/// What a caller may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Points at most; 0 stands for any number.
    pub limit: u64,
    /// Points that come back each second.
    pub restore_per_second: u64,
}

impl Budget {
    /// Any number of points.
    pub const NONE: Self = Self {
        limit: 0,
        restore_per_second: 1,
    };

    /// What is said when there are too few points until so many seconds have passed.
    fn spent(self, seconds: u64) -> String {
        let Self {
            limit,
            restore_per_second,
        } = self;
        format!(
            "the budget of {limit} points is spent; {restore_per_second} come back each second, enough for this in \
             {seconds} s"
        )
    }
}

/// The points of one caller.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    budget: Budget,
    /// Points that are spent and have not come back.
    used: f64,
    /// The moment of `used`.
    at: Instant,
    /// Of `used`, what other processes have not heard of; negative where more was given back than spent.
    untold: f64,
}

impl Bucket {
    fn full(budget: Budget, now: Instant) -> Self {
        Self {
            budget,
            used: 0.0,
            at: now,
            untold: 0.0,
        }
    }

    /// Lets come back what has until now.
    fn restore(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.used = (self.used - passed * self.budget.restore_per_second as f64).max(0.0);
        self.at = now;
    }

    /// Takes points; else the seconds until there are enough.
    fn pay(&mut self, points: u64, now: Instant) -> Result<(), u64> {
        self.restore(now);
        let after = self.used + points as f64;
        let missing = after - self.budget.limit as f64;
        if missing > 0.0 {
            return Err((missing / self.budget.restore_per_second as f64).ceil().max(1.0) as u64);
        }
        self.used = after;
        self.untold += points as f64;
        Ok(())
    }

    fn give_back(&mut self, points: u64, now: Instant) {
        self.restore(now);
        self.used = (self.used - points as f64).max(0.0);
        self.untold -= points as f64;
    }

    /// Takes over what all have used together, when `told` had been said of this one's.
    fn hear(&mut self, used: f64, told: f64, now: Instant) {
        self.untold -= told;
        self.used = (used + self.untold).max(0.0);
        self.at = now;
    }

    fn is_full(&self) -> bool {
        self.used == 0.0 && self.untold == 0.0
    }

    fn throttle(&self) -> Throttle {
        let Budget {
            limit,
            restore_per_second,
        } = self.budget;
        Throttle {
            limit,
            available: (limit as f64 - self.used).max(0.0).floor() as u64,
            restore_per_second,
        }
    }
}

type Buckets = HashMap<Arc<str>, Bucket>;

/// The buckets of this process. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Budgets(Arc<Mutex<Buckets>>);

impl Budgets {
    fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The purse of an account; `None` where it may spend any number.
    #[must_use]
    pub fn purse(&self, account: &Arc<str>, budget: Budget) -> Option<Arc<dyn Purse>> {
        (budget.limit > 0).then(|| {
            Arc::new(Account {
                budgets: self.clone(),
                name: Arc::clone(account),
                budget,
            }) as Arc<dyn Purse>
        })
    }

    /// Takes points of an account for what is not a document.
    ///
    /// # Errors
    /// [`Error::RateLimited`] where there are too few.
    pub fn charge(&self, account: &Arc<str>, budget: Budget, points: u64) -> Result<(), Error> {
        if budget.limit == 0 {
            return Ok(());
        }
        // A bucket that never holds so many is emptied by it.
        let points = points.min(budget.limit);
        let paid = self.with(account, budget, |bucket, now| bucket.pay(points, now));
        paid.map_err(|seconds| {
            metrics::counter!("leadline_graphql_throttled_total").increment(1);
            Error::RateLimited {
                message: budget.spent(seconds),
                retry_after_seconds: seconds,
            }
        })
    }

    /// Does something with the bucket of an account; its budget may be another than it was.
    fn with<T>(&self, account: &Arc<str>, budget: Budget, work: impl FnOnce(&mut Bucket, Instant) -> T) -> T {
        let now = Instant::now();
        let mut buckets = self.lock();
        let bucket = buckets
            .entry(Arc::clone(account))
            .or_insert_with(|| Bucket::full(budget, now));
        if bucket.budget != budget {
            bucket.restore(now);
            bucket.budget = budget;
        }
        work(bucket, now)
    }

    /// Forgets full buckets and, on PostgreSQL, tells other processes what was spent and hears of theirs, until stopped.
    pub async fn keep(self, app: App, stop: CancellationToken) {
        let shared = store::is_shared(app.db());
        let mut rounds = 0_u32;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
            if shared {
                if let Err(error) = self.exchange(&app).await {
                    tracing::warn!(%error, "what callers have spent could not be told to other servers; trying again");
                }
                rounds = rounds.wrapping_add(1);
                if rounds.is_multiple_of(TIDYING)
                    && let Err(error) = store::tidy(app.db()).await
                {
                    tracing::warn!(%error, "old budgets could not be removed; trying again");
                }
            }
            let now = Instant::now();
            self.tidy(now, shared);
        }
    }

    /// Forgets full buckets.
    fn tidy(&self, now: Instant, shared: bool) {
        self.lock().retain(|_, bucket| {
            bucket.restore(now);
            if !shared {
                // There is nobody to tell.
                bucket.untold = 0.0;
            }
            !bucket.is_full()
        });
    }

    /// One round.
    async fn exchange(&self, app: &App) -> Result<(), Error> {
        let told: Vec<store::Spent> = self
            .lock()
            .iter()
            .map(|(account, bucket)| store::Spent {
                account: Arc::clone(account),
                spent: bucket.untold,
                restore_per_second: bucket.budget.restore_per_second,
            })
            .collect();
        if told.is_empty() {
            return Ok(());
        }
        let heard = store::exchange(app.db(), &told).await?;
        let now = Instant::now();
        let mut buckets = self.lock();
        for store::Spent { account, spent, .. } in told {
            if let (Some(bucket), Some(used)) = (buckets.get_mut(&account), heard.get(&*account)) {
                bucket.hear(*used, spent, now);
            }
        }
        Ok(())
    }
}

/// One caller's.
struct Account {
    budgets: Budgets,
    name: Arc<str>,
    budget: Budget,
}

impl Purse for Account {
    fn pay(&self, points: u64) -> Result<(), ServerError> {
        let paid = self
            .budgets
            .with(&self.name, self.budget, |bucket, now| bucket.pay(points, now));
        paid.map_err(|seconds| {
            metrics::counter!("leadline_graphql_throttled_total").increment(1);
            let mut error = coded_error("RATE_LIMITED", self.budget.spent(seconds));
            let extensions = error.extensions.get_or_insert_default();
            extensions.set("retryAfterSeconds", seconds);
            error
        })
    }

    fn give_back(&self, points: u64) {
        self.budgets.with(&self.name, self.budget, |bucket, now| {
            bucket.give_back(points, now)
        });
    }

    fn throttle(&self) -> Throttle {
        self.budgets.with(&self.name, self.budget, |bucket, now| {
            bucket.restore(now);
            bucket.throttle()
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BUDGET: Budget = Budget {
        limit: 100,
        restore_per_second: 10,
    };

    #[test]
    fn what_nobody_uses_any_more_is_forgotten() {
        let budgets = Budgets::default();
        let account: Arc<str> = "token_1".into();
        budgets.charge(&account, BUDGET, 50).expect("enough");
        assert!(matches!(
            budgets.charge(&account, BUDGET, 1_000),
            Err(Error::RateLimited {
                retry_after_seconds: 5,
                ..
            })
        ));
        budgets.charge(&account, Budget::NONE, 1_000).expect("any number");
        let later = Instant::now() + Duration::from_secs(60);
        budgets.tidy(Instant::now(), true);
        assert_eq!(budgets.lock().len(), 1);
        budgets.tidy(later, true);
        assert_eq!(budgets.lock().len(), 1, "others are to be told");
        budgets.tidy(later, false);
        assert_eq!(budgets.lock().len(), 0);
    }

    #[test]
    fn what_is_spent_comes_back() {
        let begin = Instant::now();
        let at = |seconds: f64| begin + Duration::from_secs_f64(seconds);
        let mut bucket = Bucket::full(BUDGET, begin);
        assert_eq!(bucket.pay(100, at(0.0)), Ok(()));
        assert_eq!(bucket.pay(1, at(0.0)), Err(1));
        assert_eq!(bucket.pay(25, at(0.0)), Err(3));
        assert_eq!(bucket.pay(10, at(1.0)), Ok(()));
        bucket.give_back(30, at(1.0));
        assert_eq!(bucket.throttle().available, 30);
        assert_eq!(bucket.pay(31, at(1.0)), Err(1));
        bucket.restore(at(100.0));
        assert_eq!(bucket.throttle().available, 100, "and no more than that");
    }

    #[test]
    fn what_others_spent_is_heard_and_what_happened_meanwhile_is_kept() {
        let now = Instant::now();
        let mut bucket = Bucket::full(BUDGET, now);
        bucket.pay(30, now).expect("enough");
        let told = bucket.untold;
        bucket.pay(5, now).expect("enough");
        // Another has spent 60.
        bucket.hear(90.0, told, now);
        assert_eq!((bucket.used, bucket.untold), (95.0, 5.0));
        bucket.hear(160.0, 5.0, now);
        assert_eq!(
            bucket.pay(1, now),
            Err(7),
            "what was spent beyond the limit is owed"
        );
    }

    #[test]
    fn no_budget_is_no_purse() {
        let budgets = Budgets::default();
        let none = Budget {
            limit: 0,
            restore_per_second: 1,
        };
        assert!(budgets.purse(&"a".into(), none).is_none());
        let purse = budgets.purse(&"a".into(), BUDGET).expect("one");
        purse.pay(60).expect("enough");
        let error = purse.pay(60).expect_err("too few");
        assert!(
            error.message.contains("the budget of 100 points is spent"),
            "{}",
            error.message
        );
        let other = budgets.purse(&"b".into(), BUDGET).expect("one");
        assert_eq!(other.throttle().available, 100);
    }

    proptest! {
        #[test]
        fn never_more_is_to_be_had_than_the_limit_and_what_came_back(
            steps in proptest::collection::vec((0_u64..200, 0_u64..2_000), 1..50)
        ) {
            let begin = Instant::now();
            let mut bucket = Bucket::full(BUDGET, begin);
            let (mut had, mut millis) = (0, 0);
            for (points, pause) in steps {
                millis += pause;
                if bucket.pay(points, begin + Duration::from_millis(millis)).is_ok() {
                    had += points;
                }
                prop_assert!(had as f64 <= 100.0 + millis as f64 / 100.0 + 1e-6);
            }
        }
    }
}
