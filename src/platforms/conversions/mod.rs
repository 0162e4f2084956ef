//! What advertisements brought, told to the platforms that showed them: which happenings, as what, and only of leads who let
//! advertisers have their data.
//!
//! What happens becomes one row for each connection that shares it ([`ConversionHandler`]), with an id made from what happened.
//! The rows are told by [`ConversionSender`], each connection on its own. Whoever is killed between telling and writing
//! down tells again: the platform counts an id once.

mod backfill;
pub mod graphql;
mod handler;
mod model;
mod sender;
mod service;
mod sharing;
mod store;
mod sweep;

pub use entity::conversion_delivery::Model as ConversionDelivery;
pub use entity::conversion_sharing::Model as ConversionSharing;

pub use self::backfill::BackfillJob;
pub use self::handler::ConversionHandler;
pub use self::model::{Rule, SharingProblem};
pub use self::sender::ConversionSender;
pub use self::service::{DeliveryFilter, MOST_RETRIED, Retried, find, list, of_conversions, retry};
pub use self::sharing::{Backfill, SharingChange, backfill, sharing_of, update};
pub use self::sweep::ConversionSweep;
