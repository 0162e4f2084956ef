//! What advertisements cost and brought, made up from the day and the number of the campaign.

use chrono::{DateTime, Datelike as _, Duration, NaiveDate, Utc};
use serde_json::{Value, json};

use super::reply::{Answered, Fault, Params, page, project};
use super::{ACCOUNT, CURRENCY};
use crate::sandbox::SandboxRequest;

pub(super) const CAMPAIGNS: usize = 12;
/// So many days back there are results.
const DAYS: i64 = 60;
const FIELDS: &[&str] = &[
    "account_id",
    "account_name",
    "account_currency",
    "campaign_id",
    "campaign_name",
    "adset_id",
    "adset_name",
    "ad_id",
    "ad_name",
    "spend",
    "impressions",
    "clicks",
    "reach",
    "actions",
    "action_values",
    "date_start",
    "date_stop",
];

pub(super) fn read(params: &Params, request: &SandboxRequest, begun: DateTime<Utc>) -> Answered {
    let count = match params.text("level").unwrap_or("account") {
        "account" => 1,
        "campaign" => CAMPAIGNS,
        "adset" => CAMPAIGNS * 2,
        "ad" => CAMPAIGNS * 3,
        other => {
            let text = format!("level must be one of {{ad, adset, campaign, account}}, not {other}");
            return Err(Fault::parameter(text));
        }
    };
    let range = params.structure("time_range").unwrap_or_default();
    let day = |name: &str| {
        range[name]
            .as_str()
            .and_then(|text| text.parse::<NaiveDate>().ok())
            .ok_or_else(|| Fault::parameter("Must be a time_range with since and until as YYYY-MM-DD"))
    };
    let (since, until) = (day("since")?, day("until")?);
    if since > until {
        return Err(Fault::parameter("since must not be after until").subcode(1_487_752));
    }
    if params.text("time_increment") != Some("1") {
        return Err(Fault::parameter("time_increment: only 1 is known here"));
    }
    let fields = params.text("fields").unwrap_or("impressions,spend");
    let today = begun.date_naive();
    let (first, last) = (since.max(today - Duration::days(DAYS)), until.min(today));
    let days: Vec<_> = first.iter_days().take_while(|day| *day <= last).collect();
    let rows = (0..count).flat_map(|number| days.iter().map(move |day| (number, *day)));
    let items = rows.map(|(number, day)| {
        let mut shown = project(&row(number, day), fields, FIELDS)?;
        // Results have no id of their own, and their days whether these are asked for or not.
        if let Value::Object(fields) = &mut shown {
            fields.remove("id");
        }
        shown["date_start"] = day.to_string().into();
        shown["date_stop"] = day.to_string().into();
        Ok((format!("{number}:{day}"), shown))
    });
    page(items.collect::<Result<_, Fault>>()?, params, request, 100)
}

fn row(number: usize, day: NaiveDate) -> Value {
    let seed = u64::from(day.ordinal()) * 31 + number as u64 * 7;
    let (impressions, clicks, leads) = (500 + seed % 900, 10 + seed % 40, seed % 4);
    let mut row = json!({
        "account_id": ACCOUNT, "account_name": "Ada Advertising", "account_currency": CURRENCY,
        "campaign_id": format!("120200000000{:05}", number % CAMPAIGNS),
        "campaign_name": format!("Autumn campaign {}", number % CAMPAIGNS),
        "adset_id": format!("120200000001{number:05}"), "adset_name": format!("Autumn adset {number}"),
        "ad_id": format!("120200000002{number:05}"), "ad_name": format!("Autumn ad {number}"),
        "spend": format!("{}.{:02}", clicks * 2, seed % 100),
        "impressions": impressions.to_string(), "clicks": clicks.to_string(), "reach": (impressions / 2).to_string(),
    });
    // A day on which nothing came of it has no such fields.
    if leads > 0 {
        row["actions"] = json!([
            { "action_type": "link_click", "value": clicks.to_string() },
            { "action_type": "lead", "value": leads.to_string() },
        ]);
        row["action_values"] = json!([{ "action_type": "lead", "value": format!("{}.5", leads * 10) }]);
    }
    row
}
