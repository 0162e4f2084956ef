//! Reports in GraphQL.

mod export;
mod live;
mod output;

use async_graphql::{Context, Object, Result};

use output::{CohortTable, Engagements, Funnel, JourneyHealth, LeadQuality, Revenue, SourceTable};

use entity::AttributionModel;

pub use export::ReportExportMutation;
pub use live::ReportSubscription;

use super::model::cohorts::Period;
use crate::api::types::{Access, TimeZone, scoped};
use crate::error::Error;
use crate::insight::calendar::graphql::ReportRangeInput;
use crate::insight::report::graphql::{Told, asked};
use crate::leads::filter::LeadFilter;

/// Queries for reports.
#[derive(Default)]
pub struct ReportQuery;

#[scoped]
#[Object]
impl ReportQuery {
    /// How far the leads got that became known in some days, as they stand now. Stages that a lead skipped count as reached.
    #[scope("lifecycle:read")]
    #[graphql(complexity = "100 + child_complexity")]
    async fn funnel_report(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The days on which the leads became known.")] range: ReportRangeInput,
        #[graphql(desc = "Whose days they are; UTC when absent.")] time_zone: Option<TimeZone>,
        #[graphql(
            desc = "Only leads for which this holds (scope `leads:read`). Such a report reads each lead of the range; \
                          `extensions.reads` says so."
        )]
        filter: Option<LeadFilter>,
        #[graphql(desc = "The range of the same length before it, too; not when absent.")] previous: Option<
            bool,
        >,
    ) -> Result<Told<Funnel>> {
        let asked = asked(ctx, &range, time_zone, filter, previous)?;
        let report = super::funnel(ctx.app(), ctx.caller()?, &asked).await?;
        Ok(Told::new(ctx, "funnelReport", report, Funnel::new))
    }

    /// How promising the leads are that became known in some days, by their current scores.
    #[scope("scoring:read")]
    #[graphql(complexity = "100 + child_complexity")]
    async fn lead_quality_report(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The days on which the leads became known.")] range: ReportRangeInput,
        #[graphql(desc = "Whose days they are; UTC when absent.")] time_zone: Option<TimeZone>,
        #[graphql(
            desc = "Only leads for which this holds (scope `leads:read`). Such a report reads each lead of the range; \
                          `extensions.reads` says so."
        )]
        filter: Option<LeadFilter>,
        #[graphql(desc = "The range of the same length before it, too; not when absent.")] previous: Option<
            bool,
        >,
        #[graphql(desc = "Each day by itself, too, of 366 days at most; not when absent.")] by_day: Option<
            bool,
        >,
    ) -> Result<Told<LeadQuality>> {
        let asked = asked(ctx, &range, time_zone, filter, previous)?;
        let report = super::quality(ctx.app(), ctx.caller()?, &asked, by_day.unwrap_or(false)).await?;
        Ok(Told::new(ctx, "leadQualityReport", report, LeadQuality::new))
    }

    /// How the journeys go of the leads that became known in some days: trends, churn risk, who is at risk, how long they are, what
    /// they are worth.
    #[scope("journeys:read")]
    #[graphql(complexity = "100 + child_complexity")]
    async fn journey_report(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The days on which the leads became known.")] range: ReportRangeInput,
        #[graphql(desc = "Whose days they are; UTC when absent.")] time_zone: Option<TimeZone>,
        #[graphql(
            desc = "Only leads for which this holds (scope `leads:read`). Such a report reads each lead of the range; \
                          `extensions.reads` says so."
        )]
        filter: Option<LeadFilter>,
        #[graphql(desc = "The range of the same length before it, too; not when absent.")] previous: Option<
            bool,
        >,
        #[graphql(
            desc = "So many leads at high risk, too, those first that have brought most (scope `leads:read`), 50 at most; none \
                          when absent."
        )]
        at_risk: Option<i32>,
    ) -> Result<Told<JourneyHealth>> {
        let asked = asked(ctx, &range, time_zone, filter, previous)?;
        let Ok(at_risk) = usize::try_from(at_risk.unwrap_or(0)) else {
            return Err(Error::BadInput("`atRisk` is 0 or more".to_owned()).into());
        };
        let report = super::journeys(ctx.app(), ctx.caller()?, &asked, at_risk).await?;
        Ok(Told::new(ctx, "journeyReport", report, JourneyHealth::new))
    }

    /// What became of the leads of each month or week: who was active again, who became a customer, what they brought.
    #[scope("revenue:read")]
    #[graphql(complexity = "200 + child_complexity")]
    async fn cohort_report(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The days on which the leads became known: of 120 cohorts at most.")]
        range: ReportRangeInput,
        #[graphql(
            desc = "Whose days they are; UTC when absent. When leads were active is told by UTC days."
        )]
        time_zone: Option<TimeZone>,
        #[graphql(
            desc = "Only leads for which this holds (scope `leads:read`). Such a report reads each lead of the range; \
                          `extensions.reads` says so."
        )]
        filter: Option<LeadFilter>,
        #[graphql(desc = "The range of the same length before it, too; not when absent.")] previous: Option<
            bool,
        >,
        #[graphql(desc = "How long the periods are; months when absent.")] by: Option<Period>,
    ) -> Result<Told<CohortTable>> {
        let asked = asked(ctx, &range, time_zone, filter, previous)?;
        let by = by.unwrap_or(Period::Month);
        let report = super::cohorts(ctx.app(), ctx.caller()?, &asked, by).await?;
        Ok(Told::new(ctx, "cohortReport", report, CohortTable::new))
    }

    /// What each source of leads brings, and costs: the leads that became known in some days with what they have brought by now,
    /// and what was spent on the source on these days.
    #[scope("revenue:read", all_rows)]
    #[graphql(complexity = "100 + child_complexity")]
    async fn source_report(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The days on which the leads became known.")] range: ReportRangeInput,
        #[graphql(desc = "Whose days they are; UTC when absent.")] time_zone: Option<TimeZone>,
        #[graphql(
            desc = "Only leads for which this holds (scope `leads:read`). Such a report reads each lead of the range \
                          (`extensions.reads` says so), and has no costs: those are of all leads of a source."
        )]
        filter: Option<LeadFilter>,
        #[graphql(desc = "The range of the same length before it, too; not when absent.")] previous: Option<
            bool,
        >,
    ) -> Result<Told<SourceTable>> {
        let asked = asked(ctx, &range, time_zone, filter, previous)?;
        let has_costs = !asked.has_filter();
        let report = super::sources(ctx.app(), ctx.caller()?, &asked).await?;
        Ok(Told::new(ctx, "sourceReport", report, |sources| {
            SourceTable::new(sources, has_costs)
        }))
    }

    /// What all leads did in some days: engagements by type, channel and day, and who did most. Those of leads that were deleted
    /// since count, unless there is a filter.
    #[scope("engagement:read")]
    #[graphql(complexity = "100 + child_complexity")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a report")]
    async fn engagement_report(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The days of the engagements.")] range: ReportRangeInput,
        #[graphql(desc = "Whose days they are; UTC when absent.")] time_zone: Option<TimeZone>,
        #[graphql(
            desc = "Only leads for which this holds (scope `leads:read`). Such a report reads the engagements of these leads; \
                          `extensions.reads` says so."
        )]
        filter: Option<LeadFilter>,
        #[graphql(desc = "The range of the same length before it, too; not when absent.")] previous: Option<
            bool,
        >,
        #[graphql(desc = "Each day by itself, too, of 366 days at most; not when absent.")] by_day: Option<
            bool,
        >,
        #[graphql(
            desc = "So many leads that did most, too (scope `leads:read`), 50 at most; none when absent. Of more than 20,000 \
                          engagements they are looked for among the 200 busiest leads of each month."
        )]
        top_leads: Option<i32>,
    ) -> Result<Told<Engagements>> {
        let asked = asked(ctx, &range, time_zone, filter, previous)?;
        let Ok(top) = usize::try_from(top_leads.unwrap_or(0)) else {
            return Err(Error::BadInput("`topLeads` is 0 or more".to_owned()).into());
        };
        let by_day = by_day.unwrap_or(false);
        let report = super::engagements(ctx.app(), ctx.caller()?, &asked, by_day, top).await?;
        Ok(Told::new(ctx, "engagementReport", report, Engagements::new))
    }

    /// What was earned and spent in some days: conversions on the days on which they were, less what was given back since, and
    /// costs; by kind, source, campaign and day.
    #[scope("revenue:read", all_rows)]
    #[graphql(complexity = "200 + child_complexity")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a report")]
    async fn revenue_report(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The days of conversions and costs.")] range: ReportRangeInput,
        #[graphql(desc = "Whose days they are; UTC when absent. Costs are of days, wherever.")]
        time_zone: Option<TimeZone>,
        #[graphql(
            desc = "Only leads for which this holds (scope `leads:read`). Such a report reads the conversions of these leads \
                          (`extensions.reads` says so), for `campaigns` their journeys, too, and has no costs: those are of all leads."
        )]
        filter: Option<LeadFilter>,
        #[graphql(desc = "The range of the same length before it, too; not when absent.")] previous: Option<
            bool,
        >,
        #[graphql(desc = "Each day by itself, too, of 366 days at most; not when absent.")] by_day: Option<
            bool,
        >,
        #[graphql(desc = "By which model campaigns are credited; `LAST_TOUCH` when absent.")] model: Option<
            AttributionModel,
        >,
    ) -> Result<Told<Revenue>> {
        let asked = asked(ctx, &range, time_zone, filter, previous)?;
        let has_costs = !asked.has_filter();
        let by_day = by_day.unwrap_or(false);
        // With a filter they are made of journeys, which are much to read.
        let asks = |part: &str| ctx.look_ahead().field(part).field("campaigns").exists();
        let with_campaigns = asks("current") || asks("previous");
        let campaigns_by = with_campaigns.then(|| model.unwrap_or(AttributionModel::LastTouch));
        let report = super::sales(ctx.app(), ctx.caller()?, &asked, by_day, campaigns_by).await?;
        Ok(Told::new(ctx, "revenueReport", report, |sales| {
            Revenue::new(sales, has_costs)
        }))
    }
}
