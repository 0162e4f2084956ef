//! What a query costs, and that it is paid before anything of it runs.
//!
//! `requested` is what the document may cost at most, in the points of the limit; `actual` what its answer has: each field
//! once, wherever it stands. The difference is given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation};
use async_graphql::{Request, Response, ServerError, ValidationResult, Value, value};

use crate::events::Place;

/// Who pays for a request.
pub trait Purse: Send + Sync + 'static {
    /// Takes points.
    ///
    /// # Errors
    /// There are too few; the error says when there will be enough.
    fn pay(&self, points: u64) -> Result<(), ServerError>;

    /// Takes points back that were not needed.
    fn give_back(&self, points: u64);

    /// What is left.
    fn throttle(&self) -> Throttle;
}

/// What a caller may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Points at most.
    pub limit: u64,
    /// Points now.
    pub available: u64,
    /// Points that come back each second.
    pub restore_per_second: u64,
}

/// One point was paid before the document was looked at: that nothing is free, whatever comes of it.
pub const AT_THE_DOOR: u64 = 1;

/// What one request costs.
pub(super) struct Bill {
    purse: Arc<dyn Purse>,
    requested: AtomicU64,
    paid: AtomicU64,
}

/// Has somebody pay for a request, who has paid [`AT_THE_DOOR`] already.
#[must_use]
pub fn with_purse(request: Request, purse: Arc<dyn Purse>) -> Request {
    request.data(Arc::new(Bill {
        purse,
        requested: AtomicU64::new(0),
        paid: AtomicU64::new(AT_THE_DOOR),
    }))
}

impl Bill {
    pub(super) fn of(request: &Request) -> Option<Arc<Self>> {
        let bill = request.data.get(&std::any::TypeId::of::<Arc<Self>>())?;
        bill.downcast_ref::<Arc<Self>>().cloned()
    }

    fn charge(&self, points: u64) -> Result<(), ServerError> {
        let points = points.max(AT_THE_DOOR);
        self.requested.store(points, Ordering::Relaxed);
        self.purse.pay(points - AT_THE_DOOR)?;
        self.paid.store(points, Ordering::Relaxed);
        Ok(())
    }

    /// Gives back what the answer did not need, and writes `extensions.cost`.
    pub(super) fn settle(&self, response: &mut Response) {
        let paid = self.paid.load(Ordering::Relaxed);
        let requested = self.requested.load(Ordering::Relaxed).max(AT_THE_DOOR);
        let actual = fields(&response.data).clamp(AT_THE_DOOR, requested);
        self.purse.give_back(paid.saturating_sub(actual));
        let Throttle {
            limit,
            available,
            restore_per_second,
        } = self.purse.throttle();
        let cost: Value = value!({
            "requested": requested,
            "actual": actual,
            "throttle": { "limit": limit, "available": available, "restorePerSecond": restore_per_second },
        });
        response.extensions.insert("cost".to_owned(), cost);
    }
}

fn fields(value: &Value) -> u64 {
    match value {
        Value::Object(object) => object.values().map(|value| 1 + fields(value)).sum(),
        Value::List(list) => list.iter().map(fields).sum(),
        _ => 0,
    }
}

/// Charges for each request when its document was found valid.
pub(super) struct Pricing;

impl ExtensionFactory for Pricing {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for Pricing {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let result = next.run(ctx).await?;
        // What is run once for all who watch the same has no one who could be asked to pay for it: they paid at the door.
        if ctx.data_opt::<Place>().is_none()
            && let Some(bill) = ctx.data_opt::<Arc<Bill>>()
        {
            bill.charge(result.complexity as u64)
                .map_err(|error| vec![error])?;
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};

    use super::*;

    /// Has ten points.
    struct Ten(Mutex<u64>);

    impl Purse for Ten {
        fn pay(&self, points: u64) -> Result<(), ServerError> {
            let mut left = self.0.lock().expect("nobody panics");
            *left = left
                .checked_sub(points)
                .ok_or_else(|| ServerError::new("too few", None))?;
            Ok(())
        }

        fn give_back(&self, points: u64) {
            *self.0.lock().expect("nobody panics") += points;
        }

        fn throttle(&self) -> Throttle {
            Throttle {
                limit: 10,
                available: *self.0.lock().expect("nobody panics"),
                restore_per_second: 0,
            }
        }
    }

    struct Query;

    #[Object]
    impl Query {
        async fn one(&self) -> i32 {
            1
        }

        #[graphql(complexity = 6)]
        async fn six(&self) -> Vec<i32> {
            vec![1, 2, 3]
        }
    }

    #[test]
    fn what_an_answer_did_not_need_is_given_back() {
        let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
            .extension(Pricing)
            .finish();
        let purse = Arc::new(Ten(Mutex::new(10)));
        let ask = async |query: &str| {
            purse.pay(AT_THE_DOOR).expect("enough");
            let request = with_purse(Request::new(query), Arc::clone(&purse) as Arc<dyn Purse>);
            let bill = Bill::of(&request).expect("it has one");
            let mut response = schema.execute(request).await;
            bill.settle(&mut response);
            response
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let response = ask("{ one six }").await;
            let cost = value!({
                "requested": 7, "actual": 2, "throttle": { "limit": 10, "available": 8, "restorePerSecond": 0 }
            });
            assert_eq!(response.extensions.get("cost"), Some(&cost));
            // Nothing of it runs, and a point is gone.
            let response = ask("{ one two: one three: one six }").await;
            assert_eq!(response.errors[0].message, "too few");
            assert_eq!(response.data, Value::Null);
            assert_eq!(purse.throttle().available, 7);
            // So it is with what is not valid.
            assert!(ask("{ none }").await.is_err());
            assert_eq!(purse.throttle().available, 6);
        });
    }
}
