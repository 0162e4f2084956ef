//! What advertisements cost and brought.

use async_stream::try_stream;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde_json::json;

use super::Meta;
use super::client::{Area, Graph, Token};
use super::wire::{Action, Id, Insight};
use crate::facet::{AdLevel, AdReporting, AdResult, Cursor, DateRange, Money, Page, Pages};
use crate::{Context, Error, Kind, Result};

impl AdReporting for Meta {
    fn results<'a>(
        &'a self,
        context: &'a Context,
        range: DateRange,
        level: AdLevel,
        since: Option<Cursor>,
    ) -> Pages<'a, AdResult> {
        Box::pin(try_stream! {
            let graph = Graph::new(context)?;
            let account = graph.settings.account()?;
            let path = format!("{account}/insights");
            let (name, fields) = asked(level);
            let fields = format!("{fields},account_currency,spend,impressions,clicks,actions,action_values,date_start");
            let time_range = json!({ "since": range.from, "until": range.to }).to_string();
            let query = [
                ("level", name),
                ("fields", &fields),
                ("time_range", &time_range),
                ("time_increment", "1"),
                ("limit", "500"),
            ];
            let mut after = since.map(|Cursor(after)| after).filter(|after| !after.is_empty());
            let mut first = true;
            loop {
                let part = graph
                    .part::<Insight>(Token::Owner, Area::Insights, &path, &query, after.as_deref())
                    .await;
                let part = match part {
                    // The platform's places do not last: from the beginning, then.
                    Err(error) if first && after.is_some() && error.kind == Kind::Refused => {
                        first = false;
                        after = None;
                        continue;
                    }
                    part => part?,
                };
                first = false;
                let items = part.items.iter().map(|row| result(row, level)).collect::<Result<_>>()?;
                after = part.after.or(after);
                yield Page { items, cursor: Cursor(after.clone().unwrap_or_default()), total: None };
                if !part.more {
                    break;
                }
            }
        })
    }
}

fn asked(level: AdLevel) -> (&'static str, &'static str) {
    match level {
        AdLevel::Account => ("account", "account_id,account_name"),
        AdLevel::Campaign => ("campaign", "campaign_id,campaign_name"),
        AdLevel::AdGroup => ("adset", "adset_id,adset_name"),
        AdLevel::Ad => ("ad", "ad_id,ad_name"),
    }
}

fn result(row: &Insight, level: AdLevel) -> Result<AdResult> {
    let (id, name): (&Option<Id>, &Option<String>) = match level {
        AdLevel::Account => (&row.account_id, &row.account_name),
        AdLevel::Campaign => (&row.campaign_id, &row.campaign_name),
        AdLevel::AdGroup => (&row.adset_id, &row.adset_name),
        AdLevel::Ad => (&row.ad_id, &row.ad_name),
    };
    let (Some(id), Some(currency)) = (id, &row.account_currency) else {
        return Err(Error::malformed("a result has no id or no currency"));
    };
    let worth = |action: &Action| {
        let same = row
            .action_values
            .iter()
            .find(|one| one.action_type == action.action_type);
        same.map(|one| one.value.0)
    };
    let count = |amount: Decimal| amount.to_u64().unwrap_or_default();
    Ok(AdResult {
        day: row.date_start,
        id: id.0.clone(),
        name: name.clone().unwrap_or_default(),
        spend: Money {
            amount: row.spend.0,
            currency: currency.clone(),
        },
        impressions: count(row.impressions.0),
        clicks: count(row.clicks.0),
        actions: row
            .actions
            .iter()
            .map(|action| (action.action_type.clone(), action.value.0, worth(action)))
            .collect(),
    })
}
