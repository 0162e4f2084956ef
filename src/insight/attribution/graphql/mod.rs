//! Attribution in GraphQL.

mod journey;
mod one;
mod settings;
mod sums;

use std::num::NonZeroUsize;

use async_graphql::parser::types::OperationType;
use async_graphql::{Context, Object, Result, SimpleObject};
use entity::id::ConversionId;
use entity::{AttributionDimension, AttributionModel, ConversionKind, Timestamp};

pub use journey::{CreditLoader, JourneyTouchpoint, of_journey};
pub use one::Attribution;
pub use settings::AttributionMutation;
use settings::AttributionSettings;
use sums::{AttributionComparison, AttributionSummary};

use super::{Asked, HIGHEST_ORDER, SummaryRequest};
use crate::api::types::{Access, TimeZone, scoped};
use crate::error::Error;
use crate::insight::calendar::graphql::ReportRangeInput;
use crate::insight::report::graphql::{Told, asked};
use crate::leads::filter::LeadFilter;

/// The settings of attribution.
#[derive(SimpleObject)]
struct AttributionSettingsState {
    /// The newest settings; one conversion is told by them.
    settings: AttributionSettings,
    /// Those by which sums are told: others while the newest ones are being summed up.
    answering: AttributionSettings,
}

/// Queries about attribution.
#[derive(Default)]
pub struct AttributionQuery;

#[scoped]
#[Object]
impl AttributionQuery {
    /// What led to a conversion, and how much of it each touch is credited with; null when there is no such conversion, or
    /// it was called off.
    #[scope("engagement:read")]
    #[graphql(
        complexity = "if as_of.is_some() && models.iter().flatten().any(|model| *model == AttributionModel::Markov) { 2_500 } else { 20 } \
                      + 5 * child_complexity"
    )]
    async fn attribution(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conversion.")] conversion_id: ConversionId,
        #[graphql(
            desc = "By which models; all when absent. `MARKOV` learns from all journeys: a token that shows a part of the leads does \
                    not get it; with `asOf` it has to be named, and learns from at most 100,000 conversions and leads with touches."
        )]
        models: Option<Vec<AttributionModel>>,
        #[graphql(
            desc = "By what was known at this moment: touches, refunds and settings. Now when absent. How surely a person made a \
                    touch is told as it is known now."
        )]
        as_of: Option<Timestamp>,
    ) -> Result<Option<Attribution>> {
        let models = models.unwrap_or_default();
        of_sums_when_live(ctx, as_of.is_some() && models.contains(&AttributionModel::Markov))?;
        let asked = Asked {
            conversion: conversion_id,
            models,
            as_of,
        };
        let found = super::attribution(ctx.app(), ctx.caller()?, asked).await?;
        Ok(found.map(Attribution::new))
    }

    /// What the conversions of some days owe to channels, sources, campaigns or kinds of touches, by one model. Read from sums
    /// that are kept by UTC day; in another time zone the ends are added from the conversions of up to two days. With `asOf` it is
    /// made of the conversions themselves, of at most 100,000; for `MARKOV` and `journeys` also of what those leads did that had not
    /// converted, where at most as many leads have touches in the range. A dashboard tells neither that nor chains of a higher order.
    #[scope("revenue:read")]
    #[graphql(
        complexity = "if as_of.is_some() || markov_order.is_some_and(|order| order > 1) { 2_500 } else { 200 } + child_complexity"
    )]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a report")]
    async fn attribution_summary(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The days of the conversions.")] range: ReportRangeInput,
        #[graphql(desc = "Whose days they are; UTC when absent.")] time_zone: Option<TimeZone>,
        #[graphql(
            desc = "Only conversions of leads for which this holds now (scope `leads:read`); models that look at all journeys learn \
                    from those of these leads. Such a report reads the journeys of these leads; `extensions.reads` says so."
        )]
        filter: Option<LeadFilter>,
        #[graphql(desc = "The range of the same length before it, too; not when absent.")] previous: Option<
            bool,
        >,
        #[graphql(desc = "By which model.")] model: AttributionModel,
        #[graphql(desc = "By what.")] by: AttributionDimension,
        #[graphql(desc = "Only conversions of these kinds; all when absent.")] kinds: Option<
            Vec<ConversionKind>,
        >,
        #[graphql(desc = "Rows at most, 1–1,000; 100 when absent. The others are taken together.")]
        first: Option<i32>,
        #[graphql(
            desc = "By what was known at this moment: conversions, refunds, touches and settings. Now when absent. Rates of \
                    exchange, how surely a person made a touch, and for which leads a filter holds, are told as they are known now."
        )]
        as_of: Option<Timestamp>,
        #[graphql(
            desc = "Of `MARKOV`: on how many touches before it the next step of a journey depends, 1–4; 1 when absent. Above 1 it is made of \
                    the journeys themselves, of at most 100,000 conversions and as many journeys without one, and of chains of at most \
                    1,000 states."
        )]
        markov_order: Option<i32>,
    ) -> Result<Told<AttributionSummary>> {
        let request = SummaryRequest {
            asked: asked(ctx, &range, time_zone, filter, previous)?,
            by,
            kinds: kinds.unwrap_or_default(),
            as_of,
        };
        let first = rows(first)?;
        let order = order(markov_order, model)?;
        of_sums_when_live(ctx, as_of.is_some() || order.is_some())?;
        let (app, caller) = (ctx.app(), ctx.caller()?);
        let report = if let Some(order) = order {
            super::summary_by_order(app, caller, &request, order, first).await?
        } else {
            // Rules do without journeys, which are much to read.
            let asks = |part: &str| ctx.look_ahead().field(part).field("journeys").exists();
            let with_journeys = asks("current") || asks("previous");
            super::summary(app, caller, &request, model, first, with_journeys).await?
        };
        let told = |summary| AttributionSummary::new(model, by, summary);
        Ok(Told::new(ctx, "attributionSummary", report, told))
    }

    /// All models side by side, and how far they differ.
    #[scope("revenue:read")]
    #[graphql(complexity = "if as_of.is_some() { 2_500 } else { 1_000 } + child_complexity")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a report")]
    async fn attribution_compare(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The days of the conversions.")] range: ReportRangeInput,
        #[graphql(desc = "Whose days they are; UTC when absent.")] time_zone: Option<TimeZone>,
        #[graphql(
            desc = "Only conversions of leads for which this holds now, as `attributionSummary` tells it (scope `leads:read`)."
        )]
        filter: Option<LeadFilter>,
        #[graphql(desc = "The range of the same length before it, too; not when absent.")] previous: Option<
            bool,
        >,
        #[graphql(desc = "By what.", default_with = "AttributionDimension::Channel")]
        by: AttributionDimension,
        #[graphql(desc = "Only conversions of these kinds; all when absent.")] kinds: Option<
            Vec<ConversionKind>,
        >,
        #[graphql(
            desc = "By what was known at this moment, as `attributionSummary` tells it. Now when absent."
        )]
        as_of: Option<Timestamp>,
    ) -> Result<Told<AttributionComparison>> {
        let request = SummaryRequest {
            asked: asked(ctx, &range, time_zone, filter, previous)?,
            by,
            kinds: kinds.unwrap_or_default(),
            as_of,
        };
        of_sums_when_live(ctx, as_of.is_some())?;
        let report = super::compare(ctx.app(), ctx.caller()?, &request).await?;
        let told = |compared| AttributionComparison::new(by, compared);
        Ok(Told::new(ctx, "attributionCompare", report, told))
    }

    /// The settings of attribution.
    #[scope("revenue:read", all_rows)]
    async fn attribution_settings(&self, ctx: &Context<'_>) -> Result<AttributionSettingsState> {
        let (settings, answering) = super::settings(ctx.app(), ctx.caller()?).await?;
        Ok(AttributionSettingsState {
            settings: settings.into(),
            answering: answering.into(),
        })
    }
}

/// What is made of the journeys of all leads is not made again and again for who watches.
fn of_sums_when_live(ctx: &Context<'_>, is_of_journeys: bool) -> Result<(), Error> {
    let is_live = ctx.query_env.operation.node.ty == OperationType::Subscription;
    if is_live && is_of_journeys {
        let message = "a dashboard tells attribution by sums: ask for `asOf`, and for `markovOrder` above 1, by a query";
        return Err(Error::BadInput(message.to_owned()));
    }
    Ok(())
}

/// The order of a chain that no sums tell; `None` for the first.
fn order(asked: Option<i32>, model: AttributionModel) -> Result<Option<NonZeroUsize>, Error> {
    let Some(asked) = asked else { return Ok(None) };
    if model != AttributionModel::Markov {
        return Err(Error::BadInput(
            "`markovOrder` is for the model `MARKOV`".to_owned(),
        ));
    }
    let order = usize::try_from(asked).ok().and_then(NonZeroUsize::new);
    let order =
        order.ok_or_else(|| Error::BadInput(format!("`markovOrder` lies between 1 and {HIGHEST_ORDER}")))?;
    Ok((order.get() > 1).then_some(order))
}

fn rows(first: Option<i32>) -> Result<usize, Error> {
    let first = first.map_or(Ok(100), usize::try_from).ok();
    first
        .filter(|first| (1..=super::sums::MOST_ROWS).contains(first))
        .ok_or_else(|| Error::BadInput(format!("`first` lies between 1 and {}", super::sums::MOST_ROWS)))
}
