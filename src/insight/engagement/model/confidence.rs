//! How surely a person, not a machine, opened a message or clicked its link.
//!
//! The figure is a function of the *set* of events of one message, never of the order in which they arrived: it is
//! computed anew over all of them whenever one is added.

use std::collections::HashMap;

use entity::{EngagementType, Timestamp, id::EngagementId};

use super::kinds::is_weighed;

/// Confidence in thousandths that stands for a person.
pub const HUMAN: i32 = 1000;
/// Confidence in thousandths that stands for a mail scanner or prefetcher.
pub const MACHINE: i32 = 100;

/// A click this near to delivery, in microseconds, is a scanner's. Counted either way, as the clocks of the mail
/// server and of the tracker differ.
const NEAR_DELIVERY: i64 = 2_000_000;
/// All links clicked within this span, in microseconds, is a scanner's sweep.
const SWEEP: i64 = 5_000_000;

/// Words of user agents (lower case) of machines that open or click on their own.
///
/// Image proxies that fetch when the person opens the message are left out on purpose: `GoogleImageProxy` and
/// `YahooMailProxy` hide where the reader is, not whether there is one (<https://wordtothewise.com/2024/08/prefetches-and-proxies>,
/// Validity, "What do the different provider categories mean").
const MACHINE_WORDS: &[&str] = &[
    // Gmail's prefetch before the message shows: a browser that never was, Chrome 42 with a second `Mozilla/5.0`
    // (Bird/SparkPost, "Gmail is prefetching images"; mautic/mautic#10245).
    "edge/12.246 mozilla/5.0",
    // Security gateways that name themselves.
    "barracuda",
    "proofpoint",
    "mimecast",
    "safelinks",
    "microsoft-urlanalyzer",
    "ironport",
    "forcepoint",
    "fireeye",
    "fortimail",
    "fortiguard",
    "messagelabs",
    "symantec",
    "sophos",
    "trendmicro",
    "trend micro",
    "zscaler",
    "virustotal",
    "urlscan",
    // Outlook and Office looking a link up before the person follows it (Office protocol discovery).
    "ms-office; ms protocol discovery",
    "microsoft office existence discovery",
    "microsoft office protocol discovery",
    "outlook prefetch",
    // Link previews of messengers and networks, for links in SMS, WhatsApp and posts.
    "facebookexternalhit",
    "whatsapp/",
    "skypeuripreview",
    "bingpreview",
    "google-safety",
    "googleother",
    // Programs and headless browsers.
    "headless",
    "phantomjs",
    "puppeteer",
    "playwright",
    "selenium",
    "curl/",
    "wget/",
    "python-requests",
    "python-urllib",
    "aiohttp",
    "httpx",
    "go-http-client",
    "okhttp",
    "java/",
    "apache-httpclient",
    "libwww-perl",
    "node-fetch",
    "axios/",
    // What crawlers call themselves. A bare "bot" would hit telephones of the make Cubot.
    "bot/",
    "bot;",
    "bot)",
    "bot-",
    "crawler",
    "spider",
    "scanner",
    "prefetch",
    "preview",
];

/// One event of a message, as far as confidence depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageEvent<'a> {
    /// The engagement.
    pub id: EngagementId,
    /// What happened.
    pub kind: EngagementType,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Browser or client, as it named itself.
    pub user_agent: Option<&'a str>,
    /// The link that was clicked.
    pub link: Option<&'a str>,
}

/// Whether a user agent is a known scanner, prefetcher, program or crawler. Nothing is known of an absent one.
#[must_use]
pub fn is_machine(user_agent: &str) -> bool {
    let agent = user_agent.trim();
    // Apple Mail Privacy Protection loads all images of all mail under this name and nothing after it
    // (Mailgun, "Privacy, automatic engagements, and bot detection").
    if agent == "Mozilla/5.0" {
        return true;
    }
    let lower = agent.to_ascii_lowercase();
    lower.ends_with("bot") || MACHINE_WORDS.iter().any(|word| lower.contains(word))
}

/// Confidence in thousandths of an event that belongs to no message, or is its only one.
#[must_use]
pub fn lone_confidence(kind: EngagementType, user_agent: Option<&str>) -> i32 {
    if is_weighed(kind) && user_agent.is_some_and(is_machine) {
        MACHINE
    } else {
        HUMAN
    }
}

/// Confidence in thousandths of each open and click among *all* events of one message, in the order given.
///
/// A machine is assumed behind an open or click with a known user agent; a click within 2 s of the delivery (the
/// earliest one, else the earliest sending); and clicks by which all `link_count` links of the mail were clicked within
/// 5 s. The last needs `link_count` to be known and at least 2: with one link every click would be such a sweep.
#[must_use]
pub fn human_confidence(events: &[MessageEvent<'_>], link_count: Option<u32>) -> Vec<(EngagementId, i32)> {
    use EngagementType as T;
    let earliest = |wanted: fn(T) -> bool| {
        events
            .iter()
            .filter(|event| wanted(event.kind))
            .map(|event| event.occurred_at)
            .min()
    };
    let delivered = earliest(|kind| matches!(kind, T::EmailDelivered | T::SmsDelivered))
        .or_else(|| earliest(|kind| matches!(kind, T::EmailSent | T::SmsSent | T::WhatsappSent)));
    let sweeps = sweeps(events, link_count);
    events
        .iter()
        .filter(|event| is_weighed(event.kind))
        .map(|event| {
            let at_delivery = is_click(event.kind)
                && delivered.is_some_and(|moment| {
                    event.occurred_at.micros().abs_diff(moment.micros()) <= NEAR_DELIVERY.unsigned_abs()
                });
            let in_sweep = is_click(event.kind)
                && sweeps
                    .iter()
                    .any(|(from, to)| (*from..=*to).contains(&event.occurred_at.micros()));
            let machine = at_delivery || in_sweep || event.user_agent.is_some_and(is_machine);
            (event.id, if machine { MACHINE } else { HUMAN })
        })
        .collect()
}

const fn is_click(kind: EngagementType) -> bool {
    matches!(kind, EngagementType::EmailClicked | EngagementType::LinkClicked)
}

/// The spans of at most 5 s, in microseconds, in which every link was clicked; overlapping ones joined.
fn sweeps(events: &[MessageEvent<'_>], link_count: Option<u32>) -> Vec<(i64, i64)> {
    let Some(all) = link_count.filter(|count| *count >= 2).map(|count| count as usize) else {
        return Vec::new();
    };
    let mut clicks: Vec<(i64, &str)> = events
        .iter()
        .filter(|event| is_click(event.kind))
        .filter_map(|event| Some((event.occurred_at.micros(), event.link?)))
        .collect();
    if clicks.len() < all {
        return Vec::new();
    }
    clicks.sort_unstable();
    let mut spans: Vec<(i64, i64)> = Vec::new();
    let mut inside: HashMap<&str, usize> = HashMap::new();
    let mut first = 0;
    for (moment, link) in &clicks {
        *inside.entry(link).or_default() += 1;
        while moment - clicks[first].0 > SWEEP {
            let gone = clicks[first].1;
            let left = inside.get_mut(gone).expect("counted on entering");
            *left -= 1;
            if *left == 0 {
                inside.remove(gone);
            }
            first += 1;
        }
        if inside.len() >= all {
            let from = clicks[first].0;
            match spans.last_mut() {
                Some(last) if from <= last.1 => last.1 = *moment,
                _ => spans.push((from, *moment)),
            }
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

    fn event(
        number: u128,
        kind: EngagementType,
        millis: i64,
        link: Option<&'static str>,
    ) -> MessageEvent<'static> {
        MessageEvent {
            id: EngagementId(uuid::Uuid::from_u128(number)),
            kind,
            occurred_at: Timestamp(1_700_000_000_000_000 + millis * 1000),
            user_agent: Some(BROWSER),
            link,
        }
    }

    fn figures(events: &[MessageEvent<'_>], link_count: Option<u32>) -> Vec<i32> {
        human_confidence(events, link_count)
            .into_iter()
            .map(|(_, figure)| figure)
            .collect()
    }

    #[test]
    fn known_machines_and_people_are_told_apart() {
        for machine in [
            "Mozilla/5.0",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0",
            "Barracuda Sentinel (EE)",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
            "curl/8.5.0",
            "python-requests/2.31.0",
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots) Slackbot",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        ] {
            assert!(is_machine(machine), "{machine}");
        }
        for person in [
            BROWSER,
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
            "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile Safari/537.36",
            "Thunderbird/115.0",
            "",
        ] {
            assert!(!is_machine(person), "{person}");
        }
    }

    #[test]
    fn a_click_within_two_seconds_of_delivery_is_a_machines_and_an_open_is_not() {
        use EngagementType as T;
        let events = [
            event(1, T::EmailDelivered, 0, None),
            event(2, T::EmailOpened, 500, None),
            event(3, T::EmailClicked, 2_000, Some("a")),
            event(4, T::EmailClicked, 2_001, Some("a")),
        ];
        assert_eq!(figures(&events, None), [HUMAN, MACHINE, HUMAN]);
        // Without a delivery the sending stands for it; with one it does not.
        let events = [
            event(1, T::EmailSent, 0, None),
            event(2, T::EmailClicked, 1_000, None),
        ];
        assert_eq!(figures(&events, None), [MACHINE]);
        let events = [events[0], events[1], event(3, T::EmailDelivered, 60_000, None)];
        assert_eq!(figures(&events, None), [HUMAN]);
    }

    #[test]
    fn all_links_within_five_seconds_are_a_sweep() {
        use EngagementType as T;
        let clicks = [
            event(1, T::EmailClicked, 10_000, Some("a")),
            event(2, T::EmailClicked, 12_000, Some("b")),
            event(3, T::EmailClicked, 15_000, Some("c")),
            event(4, T::EmailClicked, 90_000, Some("a")),
        ];
        assert_eq!(figures(&clicks, Some(3)), [MACHINE, MACHINE, MACHINE, HUMAN]);
        assert_eq!(
            figures(&clicks, Some(4)),
            [HUMAN; 4],
            "one link was never clicked"
        );
        assert_eq!(figures(&clicks, None), [HUMAN; 4], "not known how many there are");
        assert_eq!(figures(&clicks[..1], Some(1)), [HUMAN], "a mail with one link");
        let slow = [clicks[0], clicks[1], event(3, T::EmailClicked, 15_001, Some("c"))];
        assert_eq!(figures(&slow, Some(3)), [HUMAN; 3]);
    }

    #[test]
    fn only_opens_and_clicks_are_weighed() {
        assert_eq!(
            lone_confidence(EngagementType::EmailOpened, Some("curl/8")),
            MACHINE
        );
        assert_eq!(lone_confidence(EngagementType::EmailOpened, None), HUMAN);
        assert_eq!(
            lone_confidence(EngagementType::FormSubmitted, Some("curl/8")),
            HUMAN
        );
    }

    fn any_event() -> impl Strategy<Value = MessageEvent<'static>> {
        use EngagementType as T;
        (
            any::<u128>(),
            prop::sample::select(vec![
                T::EmailSent,
                T::EmailDelivered,
                T::EmailOpened,
                T::EmailClicked,
                T::LinkClicked,
                T::EmailReplied,
            ]),
            0..12_000_i64,
            prop::option::of(prop::sample::select(vec!["a", "b", "c"])),
            prop::option::of(prop::sample::select(vec![BROWSER, "Mozilla/5.0", "curl/8"])),
        )
            .prop_map(|(number, kind, millis, link, user_agent)| MessageEvent {
                user_agent,
                ..event(number, kind, millis, link)
            })
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(
            (events, shuffled) in prop::collection::vec(any_event(), 0..12)
                .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
            link_count in prop::option::of(0_u32..4),
        ) {
            let mut one = human_confidence(&events, link_count);
            let mut other = human_confidence(&shuffled, link_count);
            one.sort_unstable();
            other.sort_unstable();
            prop_assert_eq!(one, other);
        }

        /// The sliding window agrees with trying every span of 5 s.
        #[test]
        fn sweeps_agree_with_trying_every_span(
            events in prop::collection::vec(any_event(), 0..12),
            link_count in 2_u32..4,
        ) {
            let clicks: Vec<_> = events
                .iter()
                .filter(|event| is_click(event.kind) && event.link.is_some())
                .collect();
            let spans = sweeps(&events, Some(link_count));
            for click in &clicks {
                let swept = clicks.iter().any(|start| {
                    let span = start.occurred_at.micros()..=start.occurred_at.micros() + SWEEP;
                    let links: std::collections::HashSet<_> = clicks
                        .iter()
                        .filter(|other| span.contains(&other.occurred_at.micros()))
                        .map(|other| other.link)
                        .collect();
                    span.contains(&click.occurred_at.micros()) && links.len() >= link_count as usize
                });
                let found = spans
                    .iter()
                    .any(|(from, to)| (*from..=*to).contains(&click.occurred_at.micros()));
                prop_assert_eq!(found, swept);
            }
        }
    }
}
