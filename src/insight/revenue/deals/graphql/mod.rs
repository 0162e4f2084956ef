//! Deals in GraphQL.

mod forecast;
mod mutation;
mod subscription;
mod types;

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, InputObject, Object, Result};
use entity::id::{ConversionId, DealId, DealStageId, LeadId};
use entity::{Area, Day, DealState};

use self::forecast::RevenueForecast;
pub use self::mutation::DealMutation;
pub use self::subscription::DealSubscription;
pub use self::types::Deal;
use self::types::DealStages;
use super::{DealFilter, DealOrder, DealOrderField};
use crate::api::types::{Access, Listed, Pages, TimeZone, connection, page_request, scoped};
use crate::app::App;
use crate::db::{Direction, Page};
use crate::error::Error;
use crate::identity::{Rows, Scope};
use crate::insight::report::graphql::remark;
use crate::insight::revenue::conversions;
use crate::leads::filter::LeadFilter;
use crate::leads::visible::by_rows;

/// Loads what hangs on deals, and the deals of leads, for all requests together.
pub struct DealLoader(pub App);

type Loaded<K, V> = std::result::Result<HashMap<K, V>, Arc<Error>>;

/// A page of a lead's deals.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DealsPage(LeadId, Pages);

impl Loader<DealsPage> for DealLoader {
    type Value = Page<super::Deal>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[DealsPage]) -> Loaded<DealsPage, Self::Value> {
        // Leads of one list ask for the same page of their deals: one statement.
        let mut alike: HashMap<&Pages, Vec<LeadId>> = HashMap::new();
        for DealsPage(lead, pages) in keys {
            alike.entry(pages).or_default().push(*lead);
        }
        let mut all = HashMap::with_capacity(keys.len());
        for (pages, leads) in alike {
            let request = page_request(pages, &super::by_lead_order().name()).map_err(Arc::new)?;
            let found = super::of_leads(&self.0, &leads, &request)
                .await
                .map_err(Arc::new)?;
            all.extend(
                found
                    .into_iter()
                    .map(|(lead, page)| (DealsPage(lead, pages.clone()), page)),
            );
        }
        Ok(all)
    }
}

impl Loader<(Rows, DealId)> for DealLoader {
    type Value = super::Deal;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[(Rows, DealId)]) -> Loaded<(Rows, DealId), Self::Value> {
        let mut all = HashMap::with_capacity(keys.len());
        for (rows, ids) in by_rows(keys) {
            let found = super::get_many(&self.0, rows, &ids).await.map_err(Arc::new)?;
            all.extend(found.into_iter().map(|(id, deal)| ((rows.clone(), id), deal)));
        }
        Ok(all)
    }
}

impl Loader<(Rows, ConversionId)> for DealLoader {
    type Value = conversions::Conversion;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[(Rows, ConversionId)]) -> Loaded<(Rows, ConversionId), Self::Value> {
        let mut all = HashMap::with_capacity(keys.len());
        for (rows, ids) in by_rows(keys) {
            let found = conversions::get_many(&self.0, rows, &ids)
                .await
                .map_err(Arc::new)?;
            all.extend(found.into_iter().map(|(id, row)| ((rows.clone(), id), row)));
        }
        Ok(all)
    }
}

impl Loader<DealStageId> for DealLoader {
    type Value = super::DealStage;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[DealStageId]) -> Loaded<DealStageId, Self::Value> {
        super::stages_by_id(&self.0, ids).await.map_err(Arc::new)
    }
}

impl Loader<DealId> for DealLoader {
    type Value = Vec<super::DealMove>;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[DealId]) -> Loaded<DealId, Self::Value> {
        super::histories(&self.0, ids).await.map_err(Arc::new)
    }
}

/// A deal that the caller may see; none when it is not there.
async fn load(ctx: &Context<'_>, id: DealId) -> Result<Option<Deal>> {
    let rows = ctx.caller()?.rows.clone();
    let loader = ctx.data_unchecked::<DataLoader<DealLoader>>();
    Ok(loader.load_one((rows, id)).await?.map(Deal))
}

/// The deals of a lead.
pub struct LeadDealFields(pub LeadId);

#[scoped]
#[Object]
impl LeadDealFields {
    /// The lead's deals, the latest opened first.
    #[scope("engagement:read")]
    #[graphql(complexity = "5 + first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn deals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<Deal>> {
        ctx.caller()?.require(Scope::Read(Area::Engagement))?;
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let order = super::by_lead_order();
        // Checked here, so that a wrong cursor of one lead is not the trouble of all.
        let request = page_request(&pages, &order.name())?;
        let loader = ctx.data_unchecked::<DataLoader<DealLoader>>();
        let page = loader.load_one(DealsPage(self.0, pages)).await?;
        let page = page.unwrap_or_else(|| Page::new(&request, Vec::new()));
        Ok(connection(page, |deal| (super::place(&deal, order), Deal(deal))))
    }
}

/// Which deals are wanted; what is absent does not restrict.
#[derive(InputObject, Default)]
struct DealFilterInput {
    /// In these states.
    #[graphql(default)]
    states: Vec<DealState>,
    /// In these stages.
    #[graphql(default)]
    stage_ids: Vec<DealStageId>,
    /// With this lead.
    lead_id: Option<LeadId>,
    /// Expected to be closed on this day or later.
    expected_close_from: Option<Day>,
    /// Expected to be closed on this day or earlier.
    expected_close_to: Option<Day>,
    /// With this in their names, in any case.
    search: Option<String>,
}

/// An ordering of deals.
#[derive(InputObject)]
struct DealOrderInput {
    /// By what.
    field: DealOrderField,
    /// Which way.
    #[graphql(default_with = "Direction::Desc")]
    direction: Direction,
}

/// Months of a forecast that nobody says the number of.
const MONTHS: i32 = 6;

/// Queries about deals.
#[derive(Default)]
pub struct DealQuery;

#[scoped]
#[Object]
impl DealQuery {
    /// A deal; null when there is none with this id.
    #[scope("engagement:read")]
    async fn deal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The deal's id, `deal_…`.")] id: DealId,
    ) -> Result<Option<Deal>> {
        load(ctx, id).await
    }

    /// Deals of all leads, the latest opened first unless ordered otherwise.
    #[scope("engagement:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn deals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<DealFilterInput>,
        #[graphql(desc = "The ordering.")] order_by: Option<DealOrderInput>,
    ) -> Result<Listed<Deal>> {
        let DealFilterInput {
            states,
            stage_ids,
            lead_id,
            expected_close_from,
            expected_close_to,
            search,
        } = filter.unwrap_or_default();
        let filter = DealFilter {
            states,
            stages: stage_ids,
            lead: lead_id,
            close_from: expected_close_from,
            close_to: expected_close_to,
            search,
        };
        let order = order_by.map_or_else(super::by_lead_order, |DealOrderInput { field, direction }| {
            DealOrder { field, direction }
        });
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let request = page_request(&pages, &order.name())?;
        let page = super::list(ctx.app(), ctx.caller()?, &filter, order, &request).await?;
        Ok(connection(page, |deal| (super::place(&deal, order), Deal(deal))))
    }

    /// The stages that deals go through.
    #[scope("engagement:read")]
    async fn deal_stages(&self, ctx: &Context<'_>) -> Result<DealStages> {
        let stages = super::stages(ctx.app(), ctx.caller()?).await?;
        Ok(stages.into())
    }
}

/// The forecast.
#[derive(Default)]
pub struct ForecastQuery;

#[scoped]
#[Object]
impl ForecastQuery {
    /// What the open deals will bring by the month of their expected close: their value times the win rate of their stage.
    #[scope("revenue:read", all_rows)]
    #[graphql(complexity = "50 + child_complexity")]
    async fn revenue_forecast(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "How many months, 1–36, that of today being the first.",
            default_with = "Some(MONTHS)"
        )]
        months: Option<i32>,
        #[graphql(desc = "Whose day today is; UTC when absent.")] time_zone: Option<TimeZone>,
        #[graphql(
            desc = "Only open deals of leads for which this holds (scope `leads:read`). Win rates are those of all \
                    deals."
        )]
        filter: Option<LeadFilter>,
    ) -> Result<RevenueForecast> {
        let zone = match time_zone {
            None => chrono_tz::Tz::UTC,
            Some(TimeZone(name)) => crate::leads::contact::parse_time_zone(&name)
                .map_err(|error| Error::BadInput(error.to_string()))?,
        };
        let months = u32::try_from(months.unwrap_or(MONTHS)).unwrap_or(0);
        let (told, read_from) =
            super::forecast(ctx.app(), ctx.caller()?, months, zone, filter.as_ref()).await?;
        remark(ctx, "revenueForecast", read_from);
        Ok(RevenueForecast::try_from(told)?)
    }
}
