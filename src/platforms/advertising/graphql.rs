//! Results of advertisements in GraphQL.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader, NoCache};
use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::Day;
use entity::id::ConnectionId;
use rust_decimal::Decimal as Number;

use super::{Action, AdFilter, AdGrouping, Place, Sum};
use crate::api::types::{Access, Decimal, Listed, Money, Pages, connection as listed, page_request, scoped};
use crate::app::App;
use crate::db::{Keyset, SortValue};
use crate::error::Error;
use crate::platforms::connections::graphql::{Connection, load_connection};

/// Loads what came of advertisements for all requests together.
pub struct AdActionLoader(pub App);

/// What came of one sum.
#[derive(Clone, PartialEq, Eq, Hash)]
struct ActionsOf(AdFilter, AdGrouping, Place);

impl Loader<ActionsOf> for AdActionLoader {
    type Value = Vec<Action>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[ActionsOf],
    ) -> std::result::Result<HashMap<ActionsOf, Self::Value>, Arc<Error>> {
        // Those of one list ask the same: one statement.
        let mut alike: HashMap<(AdFilter, AdGrouping), Vec<Place>> = HashMap::new();
        for ActionsOf(filter, by, place) in keys {
            alike.entry((*filter, *by)).or_default().push(place.clone());
        }
        let mut found = HashMap::with_capacity(keys.len());
        for ((filter, by), places) in alike {
            let actions = super::actions(&self.0, &filter, by, &places)
                .await
                .map_err(Arc::new)?;
            let actions = actions.into_iter();
            found.extend(actions.map(|(place, actions)| (ActionsOf(filter, by, place), actions)));
        }
        Ok(found)
    }
}

/// Which results of advertisements.
#[derive(InputObject)]
struct AdResultFilter {
    /// Of this connection; of all without one.
    connection_id: Option<ConnectionId>,
    /// The first day.
    from: Day,
    /// The last day; at most 400 days in all.
    to: Day,
}

/// What came of advertisements, in the platform's words.
#[derive(SimpleObject)]
struct AdAction {
    /// The platform's word, e.g. `lead`.
    action: String,
    /// How often; platforms may share one between several advertisements.
    count: Decimal,
    /// What the platform takes it to be worth; null where it does not say.
    value: Option<Money>,
}

/// What advertisements cost and brought.
pub struct AdResult {
    sum: Sum,
    filter: AdFilter,
    by: AdGrouping,
}

#[Object]
impl AdResult {
    /// The day, in the account's own time zone; null where results are added up by campaign.
    async fn day(&self) -> Option<Day> {
        self.sum.day
    }
    /// The connection; null where results are added up by day.
    async fn connection(&self, ctx: &Context<'_>) -> Result<Option<Connection>> {
        match self.sum.connection_id {
            Some(id) => load_connection(ctx, id).await,
            None => Ok(None),
        }
    }
    /// The platform's id of the campaign; null where results are added up by day.
    async fn campaign_id(&self) -> Option<&str> {
        self.sum.external_id.as_deref()
    }
    /// The name of the campaign; null where results are added up by day.
    async fn campaign_name(&self) -> Option<&str> {
        self.sum.name.as_deref()
    }
    /// What was spent; results in several currencies are never added up.
    async fn spend(&self) -> Money {
        Money::of_minor(self.sum.spend_minor, &self.sum.currency)
    }
    /// How often advertisements were shown.
    async fn impressions(&self) -> i64 {
        self.sum.impressions
    }
    /// How often they were clicked.
    async fn clicks(&self) -> i64 {
        self.sum.clicks
    }
    /// What came of it, by the platform's words.
    async fn actions(&self, ctx: &Context<'_>) -> Result<Vec<AdAction>> {
        let place = Place {
            place: self.sum.place.clone(),
            connection: self.sum.connection_id,
        };
        let loader = ctx.data_unchecked::<DataLoader<AdActionLoader, NoCache>>();
        let found = loader.load_one(ActionsOf(self.filter, self.by, place)).await?;
        let shown = |action: Action| AdAction {
            action: action.action,
            count: Decimal(Number::new(action.count_milli, 3).normalize()),
            value: action
                .value_minor
                .map(|minor| Money::of_minor(minor, &self.sum.currency)),
        };
        Ok(found.unwrap_or_default().into_iter().map(shown).collect())
    }
}

/// Queries of results of advertisements.
#[derive(Default)]
pub struct AdvertisingQuery;

#[scoped]
#[Object]
impl AdvertisingQuery {
    /// What advertisements cost and brought, as platforms tell: added up by day, by campaign or not at all; the latest first.
    /// The last four weeks change with each reading.
    #[scope("connections:read", all_rows)]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a connection and a filter"
    )]
    async fn ad_results(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these.")] filter: AdResultFilter,
        #[graphql(desc = "By what they are added up.")] by: AdGrouping,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<AdResult>> {
        let AdResultFilter {
            connection_id,
            from,
            to,
        } = filter;
        let filter = AdFilter {
            connection: connection_id,
            from,
            to,
        };
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, by.order())?;
        let page = super::results(ctx.app(), ctx.caller()?, &filter, by, &page).await?;
        Ok(listed(page, |sum| {
            let keyset = Keyset {
                order: by.order().to_owned(),
                value: SortValue::Text(sum.place.clone()),
                id: sum.connection_id.map_or_else(uuid::Uuid::nil, |id| id.0),
            };
            (keyset, AdResult { sum, filter, by })
        }))
    }
}
