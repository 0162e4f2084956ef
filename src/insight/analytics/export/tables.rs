//! Reports as tables. Amounts of money stand in units of the currency that the column `currency` names; parts of a whole are
//! numbers from 0 to 1, as in the API.

use std::collections::{BTreeMap, HashMap};

use entity::id::LeadId;
use entity::{AttributionDimension, AttributionModel, ConversionKind};

use super::table::{Table, day, money, named, number, text, told, whole, word};
use crate::insight::analytics::model::funnel::{Funnel, part};
use crate::insight::analytics::model::sold::Line;
use crate::insight::analytics::model::sources::{Source, share};
use crate::insight::analytics::{Cohorts, Days, Engagements, Journeys, Sales, Sources};
use crate::insight::attribution::{CompareRow, Compared, Name, Row, Summary, Total};
use crate::insight::report::Report;
use crate::insight::revenue::Forecast;
use crate::leads::cell::Value;
use crate::leads::lead::Lead;

/// Leads that a report names.
pub(super) type Leads = HashMap<LeadId, Lead>;

pub(super) fn funnel(report: &Report<Funnel>) -> Vec<Table> {
    let columns = [
        "stage",
        "reached",
        "from_previous",
        "from_first",
        "dropped",
        "drop_off",
        "standing",
        "stays",
        "mean_days",
        "median_days",
    ];
    let stages = told("stages", &columns, report, |funnel, _| {
        let row = |step: &crate::insight::analytics::model::funnel::Step| {
            vec![
                word(step.stage),
                whole(step.reached),
                number(step.from_previous),
                number(step.from_first),
                whole(step.dropped),
                number(step.drop_off),
                whole(step.standing),
                whole(step.stays),
                number(step.mean_days),
                number(step.median_days),
            ]
        };
        funnel.steps.iter().map(row).collect::<Vec<_>>()
    });
    let totals = told("totals", &["leads", "lost", "churned"], report, |funnel, _| {
        [vec![
            whole(funnel.leads),
            whole(funnel.lost),
            whole(funnel.churned),
        ]]
    });
    vec![stages, totals]
}

pub(super) fn quality(report: &Report<Days>) -> Vec<Table> {
    let grades = told("grades", &["grade", "leads"], report, |Days { all, .. }, _| {
        let row = |(grade, leads): &_| vec![word(grade), whole(*leads)];
        all.grades.iter().map(row).collect::<Vec<_>>()
    });
    let temperatures = told(
        "temperatures",
        &["temperature", "leads"],
        report,
        |Days { all, .. }, _| {
            let row = |(temperature, leads): &_| vec![word(temperature), whole(*leads)];
            all.temperatures.iter().map(row).collect::<Vec<_>>()
        },
    );
    let scores = told(
        "scores",
        &["from", "to", "leads"],
        report,
        |Days { all, .. }, _| {
            let tens = (0..).zip(all.tens);
            tens.map(|(ten, leads): (i64, i64)| vec![whole(ten * 10), whole(ten * 10 + 10), whole(leads)])
        },
    );
    let days = told(
        "days",
        &["day", "leads", "scored", "mean_score"],
        report,
        |Days { days, .. }, _| {
            let row = |(of, told): &(_, crate::insight::analytics::model::quality::Day)| {
                vec![
                    day(*of),
                    whole(told.leads),
                    whole(told.scored),
                    number(told.mean_score),
                ]
            };
            days.iter().map(row).collect::<Vec<_>>()
        },
    );
    let totals = told(
        "totals",
        &["leads", "scored", "mean_score"],
        report,
        |Days { all, .. }, _| [vec![whole(all.leads), whole(all.scored), number(all.mean_score)]],
    );
    vec![grades, temperatures, scores, days, totals]
}

pub(super) fn cohorts(report: &Report<Cohorts>) -> Vec<Table> {
    let columns = [
        "from",
        "to",
        "leads",
        "customers",
        "conversion_rate",
        "currency",
        "revenue",
        "revenue_per_lead",
        "lifetime_value",
        "unvalued",
    ];
    let cohorts = told("cohorts", &columns, report, |Cohorts { currency, cohorts }, _| {
        let row = |cohort: &crate::insight::analytics::model::cohorts::Cohort| {
            vec![
                day(cohort.range.from),
                day(cohort.range.to),
                whole(cohort.leads),
                whole(cohort.customers),
                number(cohort.conversion_rate),
                text(currency),
                money(cohort.revenue_minor, currency),
                money(share(cohort.revenue_minor, cohort.leads), currency),
                money(share(cohort.revenue_minor, cohort.customers), currency),
                whole(cohort.unvalued),
            ]
        };
        cohorts.iter().map(row).collect::<Vec<_>>()
    });
    let columns = ["from", "period", "leads", "share"];
    let activity = told("activity", &columns, report, |Cohorts { cohorts, .. }, _| {
        let rows = cohorts.iter().flat_map(|cohort| {
            let periods = (0..).zip(&cohort.active);
            periods.map(|(period, leads)| {
                vec![
                    day(cohort.range.from),
                    whole(period),
                    whole(*leads),
                    number(part(*leads, cohort.leads)),
                ]
            })
        });
        rows.collect::<Vec<_>>()
    });
    vec![cohorts, activity]
}

pub(super) fn journeys(report: &Report<Journeys>, leads: &Leads) -> Vec<Table> {
    let columns = [
        "leads",
        "journeys",
        "mean_duration_days",
        "high_risk",
        "high_risk_share",
        "customers",
        "currency",
        "revenue",
        "lifetime_value",
    ];
    let totals = told("totals", &columns, report, |(currency, health, _), _| {
        [vec![
            whole(health.leads),
            whole(health.journeys),
            number(health.mean_days),
            whole(health.high_risk),
            number(part(health.high_risk, health.leads)),
            whole(health.customers),
            text(currency),
            money(health.revenue_minor, currency),
            money(share(health.revenue_minor, health.customers), currency),
        ]]
    });
    let trends = told("trends", &["trend", "leads"], report, |(_, health, _), _| {
        let row = |(trend, leads): &_| vec![word(trend), whole(*leads)];
        health.trends.iter().map(row).collect::<Vec<_>>()
    });
    let columns = ["from", "to", "leads"];
    let churn_risk = told("churn_risk", &columns, report, |(_, health, _), _| {
        let tenths = (0_u8..).zip(health.risk_tenths);
        tenths.map(|(tenth, leads)| {
            vec![
                number(f64::from(tenth) / 10.0),
                number(f64::from(tenth + 1) / 10.0),
                whole(leads),
            ]
        })
    });
    let columns = ["lead_id", "email", "name", "currency", "revenue"];
    let at_risk = told("at_risk", &columns, report, |(currency, _, at_risk), _| {
        let row = |(lead, minor): &(LeadId, i64)| {
            let mut row = who(*lead, leads);
            row.extend([text(currency), money(*minor, currency)]);
            row
        };
        at_risk.iter().map(row).collect::<Vec<_>>()
    });
    vec![totals, trends, churn_risk, at_risk]
}

/// Id, address and name of a lead.
fn who(id: LeadId, leads: &Leads) -> Vec<Value> {
    let lead = leads.get(&id);
    let email = lead.and_then(|lead| lead.email.clone());
    let names = lead.map(|lead| [&lead.first_name, &lead.last_name]);
    let name: Vec<&str> = names
        .iter()
        .flatten()
        .filter_map(|name| name.as_deref())
        .collect();
    vec![
        word(id),
        email.map_or(Value::Nothing, Value::Text),
        named(&name.join(" ")),
    ]
}

/// What a report of sources says of each, and of all together. Where there is a filter on leads there are no costs.
pub(super) fn sources(report: &Report<Sources>, has_costs: bool) -> Vec<Table> {
    let columns = [
        "source",
        "leads",
        "qualified",
        "customers",
        "conversion_rate",
        "mean_score",
        "currency",
        "revenue",
        "cost",
        "roi",
        "cost_per_lead",
        "cost_per_customer",
        "unvalued",
        "unvalued_costs",
    ];
    let row = |source: &Source, currency: &str| {
        let cost = |minor: Option<i64>| money(minor.filter(|_| has_costs), currency);
        vec![
            named(&source.name),
            whole(source.leads),
            whole(source.qualified),
            whole(source.customers),
            number(source.conversion_rate),
            number(source.mean_score),
            text(currency),
            money(source.revenue_minor, currency),
            cost(Some(source.spent.minor)),
            number(source.roi()),
            cost(source.cost_per_lead()),
            cost(source.cost_per_customer()),
            whole(source.unvalued),
            whole(source.spent.unvalued),
        ]
    };
    let sources = told("sources", &columns, report, |(currency, sources, _), _| {
        sources
            .iter()
            .map(|source| row(source, currency))
            .collect::<Vec<_>>()
    });
    let totals = told("totals", &columns[1..], report, |(currency, _, total), _| {
        [row(total, currency).split_off(1)]
    });
    vec![sources, totals]
}

pub(super) fn engagements(report: &Report<Engagements>, leads: &Leads) -> Vec<Table> {
    let types = told("types", &["type", "engagements"], report, |told, _| {
        let row = |(kind, count): (&_, &i64)| vec![word(kind), whole(*count)];
        told.all.by_type.iter().map(row).collect::<Vec<_>>()
    });
    let channels = told("channels", &["channel", "engagements"], report, |told, _| {
        let row = |(channel, count): (&_, &i64)| vec![word(channel), whole(*count)];
        told.all.by_channel.iter().map(row).collect::<Vec<_>>()
    });
    let days = told("days", &["day", "engagements"], report, |told, _| {
        let row = |(of, count): &_| vec![day(*of), whole(*count)];
        told.days.iter().map(row).collect::<Vec<_>>()
    });
    let revenue = told("revenue", &["currency", "revenue"], report, |told, _| {
        let row = |(currency, minor): (&String, &i64)| vec![text(currency), money(*minor, currency)];
        told.all.revenue.iter().map(row).collect::<Vec<_>>()
    });
    let columns = ["lead_id", "email", "name", "engagements"];
    let top = told("top_leads", &columns, report, |told, _| {
        let row = |(lead, count): &(LeadId, i64)| {
            let mut row = who(*lead, leads);
            row.push(whole(*count));
            row
        };
        told.top.iter().map(row).collect::<Vec<_>>()
    });
    vec![types, channels, days, revenue, top]
}

/// What was earned and spent. Where there is a filter on leads there are no costs.
pub(super) fn sales(report: &Report<Sales>, has_costs: bool) -> Vec<Table> {
    let cost = |minor: i64, currency: &str| money(Some(minor).filter(|_| has_costs), currency);
    let columns = [
        "conversions",
        "currency",
        "revenue",
        "cost",
        "roi",
        "unvalued",
        "unvalued_costs",
    ];
    let totals = told("totals", &columns, report, |Sales { currency, all, .. }, _| {
        [vec![
            whole(all.sold.conversions),
            text(currency),
            money(all.sold.minor, currency),
            cost(all.spent.minor, currency),
            number(all.roi()),
            whole(all.sold.unvalued),
            whole(all.spent.unvalued),
        ]]
    });
    let line = |line: &Line, currency: &str| {
        vec![
            number(line.conversions),
            text(currency),
            money(line.minor, currency),
            cost(line.spent.minor, currency),
            number(line.roi()),
        ]
    };
    let columns = ["day", "conversions", "currency", "revenue", "cost", "roi"];
    let days = told("days", &columns, report, |Sales { currency, days, .. }, _| {
        let row = |(of, told): &_| [vec![day(*of)], line(told, currency)].concat();
        days.iter().map(row).collect::<Vec<_>>()
    });
    let columns = ["kind", "conversions", "currency", "revenue", "unvalued"];
    let kinds = told("kinds", &columns, report, |Sales { currency, all, .. }, _| {
        let row = |(kind, sold): &(ConversionKind, crate::insight::analytics::model::sold::Sold)| {
            vec![
                word(kind),
                whole(sold.conversions),
                text(currency),
                money(sold.minor, currency),
                whole(sold.unvalued),
            ]
        };
        all.kinds.iter().map(row).collect::<Vec<_>>()
    });
    let columns = ["source", "conversions", "currency", "revenue", "cost", "roi"];
    let sources = told("sources", &columns, report, |Sales { currency, all, .. }, _| {
        let row = |(source, told): &(String, Line)| [vec![named(source)], line(told, currency)].concat();
        all.sources.iter().map(row).collect::<Vec<_>>()
    });
    let columns = ["campaign", "conversions", "currency", "revenue", "cost", "roi"];
    let campaigns = told(
        "campaigns",
        &columns,
        report,
        |Sales {
             currency, campaigns, ..
         },
         _| {
            let row =
                |(campaign, told): &(String, Line)| [vec![named(campaign)], line(told, currency)].concat();
            campaigns.iter().map(row).collect::<Vec<_>>()
        },
    );
    let columns = ["kind", "currency", "cost", "unvalued"];
    let costs = told("costs", &columns, report, |Sales { currency, all, .. }, _| {
        let rows = all.costs.iter().filter(|_| has_costs).map(|(kind, spent)| {
            vec![
                word(kind),
                text(currency),
                money(spent.minor, currency),
                whole(spent.unvalued),
            ]
        });
        rows.collect::<Vec<_>>()
    });
    vec![totals, days, kinds, sources, campaigns, costs]
}

/// What a name is of, and the name.
fn name(name: &Name) -> [Value; 2] {
    match name {
        Name::Known(name) => [text("NAMED"), text(name)],
        Name::Unknown => [text("UNKNOWN"), Value::Nothing],
        Name::Others => [text("OTHERS"), Value::Nothing],
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share is told to fifteen digits")]
const fn float(minor: i64) -> f64 {
    minor as f64
}

fn ratio(some: f64, all: f64) -> f64 {
    if all == 0.0 { 0.0 } else { some / all }
}

pub(super) fn attribution(report: &Report<Summary>, by: AttributionDimension) -> Vec<Table> {
    let columns = [
        "by",
        "name_kind",
        "name",
        "conversions",
        "share",
        "currency",
        "value",
        "value_share",
    ];
    let credits = told(
        "credits",
        &columns,
        report,
        |Summary { currency, rows, .. }, _| {
            let conversions: f64 = rows.iter().map(|row| row.conversions).sum();
            let minor: i64 = rows.iter().map(|row| row.minor).sum();
            let row = |row: &Row| {
                let [kind, called] = name(&row.name);
                vec![
                    word(by),
                    kind,
                    called,
                    number(row.conversions),
                    number(ratio(row.conversions, conversions)),
                    text(currency),
                    money(row.minor, currency),
                    number(ratio(float(row.minor), float(minor))),
                ]
            };
            rows.iter().map(row).collect::<Vec<_>>()
        },
    );
    let totals = attributed(report, |Summary { currency, totals, .. }| (currency, totals));
    vec![credits, totals]
}

pub(super) fn comparison(report: &Report<Compared>, by: AttributionDimension) -> Vec<Table> {
    let columns = [
        "by",
        "name_kind",
        "name",
        "model",
        "conversions",
        "share",
        "currency",
        "value",
    ];
    let credits = told(
        "credits",
        &columns,
        report,
        |Compared { currency, rows, .. }, _| {
            let of_row = |CompareRow {
                              name: of, results, ..
                          }: &CompareRow| {
                let of_model = |(model, row, share): &(AttributionModel, Row, f64)| {
                    let [kind, called] = name(of);
                    vec![
                        word(by),
                        kind,
                        called,
                        word(model),
                        number(row.conversions),
                        number(*share),
                        text(currency),
                        money(row.minor, currency),
                    ]
                };
                results.iter().map(of_model).collect::<Vec<_>>()
            };
            rows.iter().flat_map(of_row).collect::<Vec<_>>()
        },
    );
    let columns = [
        "by",
        "name_kind",
        "name",
        "least_share",
        "greatest_share",
        "spread",
        "mean_share",
        "mean_deviation",
    ];
    let agreement = told("agreement", &columns, report, |Compared { rows, .. }, _| {
        let row = |CompareRow {
                       name: of, agreement, ..
                   }: &CompareRow| {
            let [kind, called] = name(of);
            let points = [
                agreement.least,
                agreement.greatest,
                agreement.range,
                agreement.mean,
                agreement.deviation,
            ];
            // Shares are 0 to 1 in all tables.
            let shares = points.map(|points| number(points / 100.0));
            [vec![word(by), kind, called], shares.to_vec()].concat()
        };
        rows.iter().map(row).collect::<Vec<_>>()
    });
    let totals = attributed(report, |Compared { currency, totals, .. }| (currency, totals));
    vec![credits, agreement, totals]
}

/// The conversions of a kind, by kind.
type Totals = BTreeMap<ConversionKind, Total>;

/// The conversions that are credited.
fn attributed<T>(report: &Report<T>, of: impl Fn(&T) -> (&String, &Totals)) -> Table {
    let columns = [
        "kind",
        "conversions",
        "currency",
        "value",
        "unvalued",
        "direct",
        "direct_value",
    ];
    told("totals", &columns, report, |part, _| {
        let (currency, totals) = of(part);
        let row = |(kind, total): (&ConversionKind, &Total)| {
            vec![
                word(kind),
                whole(total.conversions),
                text(currency),
                money(total.minor, currency),
                whole(total.unvalued),
                whole(total.untouched),
                money(total.untouched_minor, currency),
            ]
        };
        totals.iter().map(row).collect::<Vec<_>>()
    })
}

/// # Errors
/// Sums of money beyond 64 bits.
pub(super) fn forecast(forecast: &Forecast) -> Result<Vec<Table>, std::num::TryFromIntError> {
    let Forecast {
        currency,
        months: by_month,
        overdue,
        later,
        undated,
        total,
        stages: by_stage,
        ..
    } = forecast;
    let amount = |minor: i128| i64::try_from(minor).map(|minor| money(minor, currency));
    let columns = [
        "expected",
        "month",
        "deals",
        "currency",
        "value",
        "weighted_value",
    ];
    let mut months = Table::new("months", &columns);
    let parts = [("OVERDUE", None, overdue)]
        .into_iter()
        .chain(by_month.iter().map(|(month, sum)| ("MONTH", Some(*month), sum)))
        .chain([
            ("LATER", None, later),
            ("UNDATED", None, undated),
            ("TOTAL", None, total),
        ]);
    for (expected, month, sum) in parts {
        months.rows.push(vec![
            text(expected),
            month.map_or(Value::Nothing, day),
            whole(sum.deals),
            text(currency),
            amount(sum.value)?,
            amount(sum.weighted)?,
        ]);
    }
    let columns = [
        "stage",
        "closed",
        "won",
        "win_rate",
        "win_rate_basis",
        "open_deals",
        "currency",
        "open_value",
        "open_weighted_value",
    ];
    let mut stages = Table::new("stages", &columns);
    for stage in by_stage {
        stages.rows.push(vec![
            text(&stage.stage.name),
            whole(stage.closed),
            whole(stage.won),
            number(stage.rate.as_f64()),
            word(stage.rate.basis),
            whole(stage.open.deals),
            text(currency),
            amount(stage.open.value)?,
            amount(stage.open.weighted)?,
        ]);
    }
    Ok(vec![months, stages])
}
