//! Audiences for advertisements.

use async_trait::async_trait;

use super::Person;
use crate::{Context, Result};

/// A platform that shows advertisements to lists of people.
#[async_trait]
pub trait AudienceSink: Send + Sync {
    /// How many people one call of [`add`](Self::add) or [`remove`](Self::remove) takes.
    fn batch_limit(&self) -> usize;

    /// Makes an audience. Platforms have no idempotency keys for this: one of the same name is found and given back, not
    /// made twice.
    ///
    /// # Errors
    /// The platform's.
    async fn create(&self, context: &Context, audience: &NewAudience) -> Result<Audience>;

    /// Adds people; who is in it already stays. What cannot be matched by is not sent.
    ///
    /// # Errors
    /// The platform's.
    async fn add(&self, context: &Context, audience: &str, people: &[Person]) -> Result<AudienceReceipt>;

    /// Removes people. Our own id is enough to find whom we added: of somebody who was erased nothing else is left.
    ///
    /// # Errors
    /// The platform's.
    async fn remove(&self, context: &Context, audience: &str, people: &[Person]) -> Result<AudienceReceipt>;

    /// Makes an audience of people who are like those of another. One of the same name is found and given back.
    ///
    /// # Errors
    /// The platform's.
    async fn lookalike(&self, context: &Context, origin: &str, like: &Lookalike) -> Result<Audience>;

    /// How large it is, and whether it can be used.
    ///
    /// # Errors
    /// The platform's.
    async fn size(&self, context: &Context, audience: &str) -> Result<AudienceSize>;

    /// Removes an audience; one that is gone already is no error.
    ///
    /// # Errors
    /// The platform's.
    async fn delete(&self, context: &Context, audience: &str) -> Result<()>;
}

/// An audience to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudience {
    /// For people.
    pub name: String,
    /// What it is for.
    pub description: String,
}

/// An audience on the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// The platform's id.
    pub id: String,
    /// For people.
    pub name: String,
}

/// An audience of people who are like others.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookalike {
    /// For people.
    pub name: String,
    /// Where they live, ISO 3166 alpha-2.
    pub country: String,
    /// How large a part of the country: 0.01 to 0.2, in steps of 0.01; smaller is more alike.
    pub ratio: f64,
}

/// What a platform took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AudienceReceipt {
    /// Taken; whether they were matched is not told.
    pub received: u64,
    /// Not readable to the platform.
    pub invalid: u64,
    /// Not sent, as there is nothing to match by.
    pub unmatchable: u64,
}

/// How large an audience is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudienceSize {
    /// At least so many; `None` while it is too small or not counted yet.
    pub at_least: Option<u64>,
    /// At most so many.
    pub at_most: Option<u64>,
    /// Whether it can be used.
    pub status: AudienceStatus,
    /// The platform's own words for that.
    pub detail: Option<String>,
}

/// Whether an audience can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudienceStatus {
    /// It can.
    Ready,
    /// Not yet.
    Filling,
    /// Too few people were matched.
    TooSmall,
    /// The platform has stopped it.
    Blocked,
    /// A state that we do not know.
    Other,
}
