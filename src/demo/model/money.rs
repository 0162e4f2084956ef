//! What was spent on leads, and what currencies were worth.

use entity::{Day, Timestamp};

use super::{DAYS, DataSet, Outcome, What};

/// Days between two rates: fewer than a rate counts on.
const WEEK: i32 = 7;
/// A currency and what a euro buys of it, in thousandths.
const CURRENCIES: [(&str, i64); 15] = [
    ("AUD", 1_780),
    ("BRL", 6_250),
    ("CAD", 1_620),
    ("CHF", 940),
    ("GBP", 860),
    ("INR", 101_000),
    ("JPY", 175_000),
    ("KES", 150_000),
    ("MXN", 21_500),
    ("NGN", 1_700_000),
    ("NOK", 11_600),
    ("PLN", 4_270),
    ("SEK", 11_150),
    ("TRY", 48_500),
    ("USD", 1_160),
];
/// A source that is paid for, its campaign, and what a lead of all leads costs by it, in cents.
const SPENT: [(&str, &str, i64); 3] = [
    ("paid_search", "brand", 95),
    ("ads", "retargeting", 120),
    ("social", "reels", 40),
];

/// What one euro bought of a currency on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// ISO 4217.
    pub currency: &'static str,
    /// The day.
    pub day: Day,
    /// In thousandths.
    pub milli: i64,
}

/// What was spent on a source on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The source.
    pub source: &'static str,
    /// The campaign.
    pub campaign: &'static str,
    /// The day.
    pub day: Day,
    /// In cents.
    pub cents: i64,
}

/// A deal of a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dealt {
    /// The lead's number.
    pub lead: u64,
    /// What it is called.
    pub name: String,
    /// Value in minor units, and its currency.
    pub value: (i64, &'static str),
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it is expected to close.
    pub expected_close: Day,
    /// How far it is.
    pub came_to: CameTo,
}

/// How far a deal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameTo {
    /// So many stages on from the first one.
    Stage(usize),
    /// Won, at a moment.
    Won(Timestamp),
    /// Lost, at a moment.
    Lost(Timestamp),
}

impl DataSet {
    /// The first deals of the data, `most` at most.
    pub fn deals(&self, most: usize) -> impl Iterator<Item = Dealt> {
        (0..self.leads).filter_map(|n| self.deal(n)).take(most)
    }

    fn deal(&self, n: u64) -> Option<Dealt> {
        let lead = self.lead(n);
        let end = self.today.start();
        let mut told = lead
            .steps
            .iter()
            .filter(|step| step.arrives_at < end)
            .filter_map(|step| match &step.what {
                What::Dealt {
                    stage,
                    value_minor,
                    expected_close,
                } => Some((step.arrives_at, *stage, *value_minor, *expected_close)),
                _ => None,
            });
        let first = told.next()?;
        let (at, stage, value, expected_close) = told.next_back().unwrap_or(first);
        let came_to = match (stage, lead.outcome) {
            ("won", _) => CameTo::Won(at),
            (_, Outcome::Lost) => CameTo::Lost(at),
            ("negotiation", _) => CameTo::Stage(2),
            _ => CameTo::Stage(1),
        };
        Some(Dealt {
            lead: n,
            name: match lead.person.company_name.or(lead.person.last_name) {
                Some(whose) => format!("Annual plan for {whose}"),
                None => "Annual plan".to_owned(),
            },
            value: (value, lead.person.currency),
            opened_at: first.0,
            expected_close,
            came_to,
        })
    }

    fn weeks(&self) -> impl Iterator<Item = Day> {
        let first = self.first_day();
        (0..DAYS).step_by(7).map(move |days| Day(first.0 + days))
    }

    /// The rates of the half year, one a week, moving by up to a hundredth.
    pub fn rates(&self) -> impl Iterator<Item = Rate> {
        self.weeks().flat_map(|day| {
            CURRENCIES.into_iter().map(move |(currency, milli)| {
                let step = i64::from((day.0 / WEEK).rem_euclid(5)) - 2;
                Rate {
                    currency,
                    day,
                    milli: milli + milli * step / 200,
                }
            })
        })
    }

    /// What was spent on advertising in the half year, by week.
    pub fn spent(&self) -> impl Iterator<Item = Spent> {
        self.weeks().flat_map(|day| {
            let leads = self.leads_before(Day(day.0 + WEEK)) - self.leads_before(day);
            let leads = i64::try_from(leads).expect("few leads a week");
            SPENT.into_iter().map(move |(source, campaign, cents)| Spent {
                source,
                campaign,
                day,
                // A campaign costs something in a week without leads, too.
                cents: 1_500 + leads * cents,
            })
        })
    }
}
