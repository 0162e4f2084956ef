//! Connections to outside platforms: what was entered, whether it works, readings by schedule or on demand, webhooks that
//! come in.
//!
//! The room knows platforms by their facets alone. What is read and told becomes leads, orders and the like in other
//! rooms: each is a [`Consumer`], put together by the assembly.

mod consent;
mod consumer;
mod fates;
pub mod graphql;
mod health;
mod lanes;
mod live;
mod model;
mod refreshing;
mod service;
mod store;
mod sweep;
mod switching;
pub mod sync;
pub mod webhook;

pub use entity::connection::Model as Connection;

pub use self::consent::redirect as consent_redirect;
pub use self::consent::{Begun, Page as ConsentPage, Returned, authorize, come_back, page as consent_page};
pub use self::consumer::{Consumer, Consumers, Items, Refusal, Written, batches, offered};
pub use self::fates::Fates;
pub use self::health::report;
pub use self::lanes::{AfterBatch, LaneWork, Lanes, lease_name};
pub use self::live::{Live, live, primary};
pub use self::model::{
    ConnectionChange, ConnectionDraft, ConnectionOrder, ConnectionProblem, MOST_CONNECTIONS, Mapping,
    SecretValues,
};
pub use self::service::{Checked, create, find, get_many, list, missing_scopes, secret_names, test, update};
pub use self::sweep::ConnectionSweep;
pub use self::switching::{delete, disable, enable};
pub use self::sync::{Sync, SyncJob, SyncRequest, SyncSchedule, find as find_sync, start as start_sync};
pub use self::webhook::{Refused, Taken, WebhookIntake, WebhookProcessor};
pub use self::webhook::{address as webhook_address, register as register_webhooks};
