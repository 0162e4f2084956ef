//! An engagement as it is handed in, and what it must satisfy before it is stored.

use std::{fmt, io};

use entity::{Channel, Device, EngagementType, SourceKind, Timestamp};
use serde_json::Value;

use super::kinds::default_channel;

/// How far in the future, in seconds, an engagement may lie: the clock of a device or a platform runs ahead.
pub const MAX_AHEAD_SECONDS: i64 = 300;
/// The largest metadata, in bytes of compact JSON.
pub const MAX_METADATA_BYTES: usize = 16 * 1024;
/// The largest revenue either way, in minor units: ten thousand such sums still fit the figures kept of a lead.
pub const MAX_REVENUE_MINOR: i64 = 100_000_000_000_000;

/// An engagement as it is handed in.
#[derive(Clone, Debug, PartialEq)]
pub struct EngagementDraft {
    /// What happened.
    pub kind: EngagementType,
    /// Name of a custom engagement.
    pub custom_name: Option<String>,
    /// By which way; the type's own channel where absent.
    pub channel: Option<Channel>,
    /// What brought it about.
    pub source_kind: Option<SourceKind>,
    /// Its id there.
    pub source_id: Option<String>,
    /// Its name there.
    pub source_name: Option<String>,
    /// Groups the engagements of one message.
    pub message_id: Option<String>,
    /// How many links that message has.
    pub message_link_count: Option<i32>,
    /// The page or link.
    pub url: Option<String>,
    /// The page's title, the mail's subject …
    pub title: Option<String>,
    /// Worth given by the source, 0–100.
    pub value: Option<i32>,
    /// Revenue in minor units; negative for a refund.
    pub revenue_minor: Option<i64>,
    /// ISO 4217, of the revenue.
    pub currency: Option<String>,
    /// Device.
    pub device: Option<Device>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// City.
    pub city: Option<String>,
    /// IPv4 or IPv6 address.
    pub ip: Option<String>,
    /// Browser or client.
    pub user_agent: Option<String>,
    /// More, a JSON object.
    pub metadata: Option<Value>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The same key twice is one engagement.
    pub dedupe_key: Option<String>,
}

/// What kind of mistake a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemCode {
    /// Needed and absent.
    Missing,
    /// Given where it does not belong.
    NotAllowed,
    /// A number or moment outside of its range.
    OutOfRange,
    /// A text or object that is too long.
    TooLong,
    /// Not of the form that is wanted.
    Malformed,
}

/// One thing that is wrong with a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, in the words of the API, e.g. `revenue.currencyCode`.
    pub field: &'static str,
    /// What kind of mistake.
    pub code: ProblemCode,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl EngagementDraft {
    /// A draft of which only type and moment are known.
    #[must_use]
    pub const fn new(kind: EngagementType, occurred_at: Timestamp) -> Self {
        Self {
            kind,
            custom_name: None,
            channel: None,
            source_kind: None,
            source_id: None,
            source_name: None,
            message_id: None,
            message_link_count: None,
            url: None,
            title: None,
            value: None,
            revenue_minor: None,
            currency: None,
            device: None,
            country: None,
            region: None,
            city: None,
            ip: None,
            user_agent: None,
            metadata: None,
            occurred_at,
            dedupe_key: None,
        }
    }

    /// The channel given, else the type's own.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.unwrap_or(default_channel(self.kind))
    }

    /// All that is wrong with it at the moment it is received; empty where it may be stored.
    #[must_use]
    pub fn problems(&self, now: Timestamp) -> Vec<Problem> {
        let Self {
            kind,
            custom_name,
            channel: _,
            source_kind,
            source_id,
            source_name,
            message_id,
            message_link_count,
            url,
            title,
            value,
            revenue_minor,
            currency,
            device: _,
            country,
            region,
            city,
            ip,
            user_agent,
            metadata,
            occurred_at,
            dedupe_key,
        } = self;
        let mut found = Problems(Vec::new());

        let named = custom_name.as_deref().is_some_and(|name| !name.trim().is_empty());
        if *kind == EngagementType::Custom && !named {
            found.add(
                "customName",
                ProblemCode::Missing,
                "a CUSTOM engagement needs a name".into(),
            );
        } else if *kind != EngagementType::Custom && custom_name.is_some() {
            let message = format!("only a CUSTOM engagement has a name; this is {kind}");
            found.add("customName", ProblemCode::NotAllowed, message);
        }
        for (field, text, longest) in [
            ("customName", custom_name, 100),
            ("source.id", source_id, 200),
            ("source.name", source_name, 200),
            ("messageId", message_id, 200),
            ("url", url, 2_000),
            ("title", title, 500),
            ("region", region, 100),
            ("city", city, 100),
            ("userAgent", user_agent, 1_000),
            ("dedupeKey", dedupe_key, 200),
        ] {
            found.check_length(field, text.as_deref(), longest);
        }
        for (field, text) in [("messageId", message_id), ("dedupeKey", dedupe_key)] {
            if text.as_deref().is_some_and(|text| text.trim().is_empty()) {
                found.add(
                    field,
                    ProblemCode::Malformed,
                    "is empty; leave it out instead".into(),
                );
            }
        }
        if source_kind.is_none() && (source_id.is_some() || source_name.is_some()) {
            let kinds: Vec<_> = SourceKind::ALL.iter().map(|kind| kind.as_str()).collect();
            let message = format!("a source needs a kind; one of {}", kinds.join(", "));
            found.add("source.kind", ProblemCode::Missing, message);
        }
        if let Some(count) = message_link_count.filter(|count| !(0..=10_000).contains(count)) {
            let message = format!("{count} is out of range: a message has 0 to 10,000 links");
            found.add("messageLinkCount", ProblemCode::OutOfRange, message);
        }
        if let Some(value) = value.filter(|value| !(0..=100).contains(value)) {
            let message = format!("{value} is out of range: 0 to 100");
            found.add("value", ProblemCode::OutOfRange, message);
        }
        found.check_revenue(*revenue_minor, currency.as_deref());
        if let Some(country) = country.as_deref().filter(|country| !is_letters(country, 2)) {
            let message = format!(
                "`{}` is not a country code: two capitals such as `DE`",
                shortened(country)
            );
            found.add("country", ProblemCode::Malformed, message);
        }
        if let Some(ip) = ip.as_deref().filter(|ip| ip.parse::<std::net::IpAddr>().is_err()) {
            let message = format!(
                "`{}` is not an address: IPv4 or IPv6 such as `192.0.2.1`",
                shortened(ip)
            );
            found.add("ip", ProblemCode::Malformed, message);
        }
        if let Some(metadata) = metadata {
            found.check_metadata(metadata);
        }
        found.check_moment(*occurred_at, now);
        found.0
    }
}

struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, field: &'static str, code: ProblemCode, message: String) {
        self.0.push(Problem { field, code, message });
    }

    fn check_length(&mut self, field: &'static str, text: Option<&str>, longest: usize) {
        // Bytes are at least as many as characters: the common case needs no counting.
        let Some(text) = text.filter(|text| text.len() > longest) else {
            return;
        };
        let length = text.chars().count();
        if length > longest {
            let message = format!("has {length} characters; at most {longest}");
            self.add(field, ProblemCode::TooLong, message);
        }
    }

    fn check_revenue(&mut self, minor: Option<i64>, currency: Option<&str>) {
        match (minor, currency) {
            (Some(_), None) => {
                let message = "revenue needs a currency, ISO 4217 such as `EUR`".into();
                self.add("revenue.currencyCode", ProblemCode::Missing, message);
            }
            (None, Some(_)) => {
                let message = "a currency belongs to a revenue, and none is given".into();
                self.add("revenue.amount", ProblemCode::Missing, message);
            }
            _ => {}
        }
        if let Some(currency) = currency.filter(|currency| !is_letters(currency, 3)) {
            let message = format!(
                "`{}` is not a currency: three capitals such as `EUR`",
                shortened(currency)
            );
            self.add("revenue.currencyCode", ProblemCode::Malformed, message);
        }
        if minor.is_some_and(|minor| minor.unsigned_abs() > MAX_REVENUE_MINOR.unsigned_abs()) {
            let message = format!("is out of range: at most {MAX_REVENUE_MINOR} minor units either way");
            self.add("revenue.amount", ProblemCode::OutOfRange, message);
        }
    }

    fn check_metadata(&mut self, metadata: &Value) {
        if !metadata.is_object() {
            let message = "is not a JSON object such as {\"plan\": \"pro\"}".into();
            self.add("metadata", ProblemCode::Malformed, message);
        }
        let mut counter = ByteCounter(0);
        serde_json::to_writer(&mut counter, metadata).expect("a JSON value can be written");
        if counter.0 > MAX_METADATA_BYTES {
            let message = format!("has {} bytes; at most {MAX_METADATA_BYTES}", counter.0);
            self.add("metadata", ProblemCode::TooLong, message);
        }
    }

    fn check_moment(&mut self, occurred_at: Timestamp, now: Timestamp) {
        if occurred_at > now.plus_seconds(MAX_AHEAD_SECONDS) {
            let message =
                format!("{occurred_at} lies in the future: at most {MAX_AHEAD_SECONDS} s after {now}");
            self.add("occurredAt", ProblemCode::OutOfRange, message);
        } else if occurred_at < Timestamp(0) {
            // Almost always a mistaken unit or an empty date.
            let message = format!("{occurred_at} lies before 1970-01-01");
            self.add("occurredAt", ProblemCode::OutOfRange, message);
        }
    }
}

fn is_letters(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn shortened(text: &str) -> String {
    text.chars().take(48).collect()
}

/// Counts what is written, so that the size of a JSON value is known without writing it out.
struct ByteCounter(usize);

impl io::Write for ByteCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

    fn draft() -> EngagementDraft {
        EngagementDraft::new(EngagementType::PageViewed, NOW)
    }

    fn shown(draft: &EngagementDraft) -> Vec<String> {
        draft.problems(NOW).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_plain_and_a_full_draft_have_no_problems() {
        assert_eq!(shown(&draft()), [""; 0]);
        let full = EngagementDraft {
            custom_name: Some("demo ride".into()),
            channel: Some(Channel::InPerson),
            source_kind: Some(SourceKind::Campaign),
            source_id: Some("c-1".into()),
            source_name: Some("Spring".into()),
            message_id: Some("m-1".into()),
            message_link_count: Some(3),
            value: Some(100),
            revenue_minor: Some(-1299),
            currency: Some("EUR".into()),
            country: Some("DE".into()),
            ip: Some("2001:db8::1".into()),
            metadata: Some(json!({"plan": "pro"})),
            ..EngagementDraft::new(EngagementType::Custom, NOW)
        };
        assert_eq!(shown(&full), [""; 0]);
        assert_eq!(full.channel(), Channel::InPerson);
        assert_eq!(draft().channel(), Channel::Web);
    }

    #[test]
    fn names_belong_to_custom_engagements() {
        let nameless = EngagementDraft {
            custom_name: Some("  ".into()),
            ..EngagementDraft::new(EngagementType::Custom, NOW)
        };
        assert_eq!(shown(&nameless), ["customName: a CUSTOM engagement needs a name"]);
        let named = EngagementDraft {
            custom_name: Some("x".into()),
            ..draft()
        };
        assert_eq!(
            shown(&named),
            ["customName: only a CUSTOM engagement has a name; this is PAGE_VIEWED"]
        );
    }

    #[test]
    fn five_minutes_ahead_is_the_limit() {
        let at = |occurred_at| EngagementDraft {
            occurred_at,
            ..draft()
        };
        assert_eq!(shown(&at(NOW.plus_seconds(300))), [""; 0]);
        assert_eq!(
            shown(&at(Timestamp(NOW.micros() + 300_000_001))),
            [
                "occurredAt: 2023-11-14T22:18:20.000001Z lies in the future: at most 300 s after 2023-11-14T22:13:20Z"
            ]
        );
        assert_eq!(
            shown(&at(Timestamp(-1))),
            ["occurredAt: 1969-12-31T23:59:59.999999Z lies before 1970-01-01"]
        );
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let wrong = EngagementDraft {
            source_id: Some("c-1".into()),
            message_link_count: Some(-1),
            value: Some(101),
            revenue_minor: Some(5),
            country: Some("Germany".into()),
            ip: Some("localhost".into()),
            metadata: Some(json!([1])),
            dedupe_key: Some("k".repeat(201)),
            ..draft()
        };
        assert_eq!(
            shown(&wrong),
            [
                "dedupeKey: has 201 characters; at most 200",
                "source.kind: a source needs a kind; one of CAMPAIGN, SEQUENCE, AUTOMATION, FORM, INTEGRATION, MANUAL",
                "messageLinkCount: -1 is out of range: a message has 0 to 10,000 links",
                "value: 101 is out of range: 0 to 100",
                "revenue.currencyCode: revenue needs a currency, ISO 4217 such as `EUR`",
                "country: `Germany` is not a country code: two capitals such as `DE`",
                "ip: `localhost` is not an address: IPv4 or IPv6 such as `192.0.2.1`",
                "metadata: is not a JSON object such as {\"plan\": \"pro\"}",
            ]
        );
    }

    #[test]
    fn lengths_count_characters_and_metadata_bytes() {
        let title = |length| EngagementDraft {
            title: Some("ü".repeat(length)),
            ..draft()
        };
        assert_eq!(shown(&title(500)), [""; 0]);
        assert_eq!(shown(&title(501)), ["title: has 501 characters; at most 500"]);
        let metadata = |length| EngagementDraft {
            metadata: Some(json!({"a": "x".repeat(length)})),
            ..draft()
        };
        // {"a":""} takes 8 bytes.
        assert_eq!(shown(&metadata(MAX_METADATA_BYTES - 8)), [""; 0]);
        assert_eq!(
            shown(&metadata(MAX_METADATA_BYTES - 7)),
            ["metadata: has 16385 bytes; at most 16384"]
        );
    }

    #[test]
    fn a_currency_alone_or_an_unheard_of_sum_is_a_mistake() {
        let money = |revenue_minor, currency: &str| EngagementDraft {
            revenue_minor,
            currency: Some(currency.into()),
            ..draft()
        };
        assert_eq!(
            shown(&money(None, "EUR")),
            ["revenue.amount: a currency belongs to a revenue, and none is given"]
        );
        assert_eq!(
            shown(&money(Some(i64::MIN), "eur")),
            [
                "revenue.currencyCode: `eur` is not a currency: three capitals such as `EUR`",
                "revenue.amount: is out of range: at most 100000000000000 minor units either way",
            ]
        );
    }
}
