//! What a token is bound to.

use std::net::IpAddr;
use std::sync::Arc;

use entity::Safelist;
use ipnet::IpNet;
use url::Url;

use super::Token;
use crate::error::Error;
use crate::origin::Origin;

/// Longest name, in characters.
pub const MOST_NAME: usize = 100;
/// Most networks or origins of a token.
const MOST_BOUNDS: usize = 50;

/// What can be wrong with a call about tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "TokenErrorCode")]
pub enum TokenProblem {
    /// The name is missing or too long.
    InvalidName,
    /// A scope is unknown or none was given.
    InvalidScope,
    /// The moment of expiry is past, or later than that of the token that makes it.
    InvalidExpiry,
    /// The row filter is none, or says nothing.
    InvalidRowFilter,
    /// A network is none, or there are too many.
    InvalidNetwork,
    /// A web origin is none, or there are too many.
    InvalidOrigin,
    /// The budget is out of range.
    InvalidBudget,
    /// The token would be allowed more than who makes or changes it.
    BeyondOwn,
    /// There is no such token, or it was revoked.
    NotFound,
}

/// Where a token may be used from, and how much it may cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Networks; empty stands for all.
    pub networks: Vec<IpNet>,
    /// Web origins of pages; empty stands for pages of all origins, and for programs that are no pages.
    pub origins: Vec<String>,
    /// Points at most and points that come back each second; none: those of the settings.
    pub budget: Option<(i32, i32)>,
    /// What happens to documents that are not expected, where the settings say less.
    pub safelist: Option<Safelist>,
}

impl Terms {
    /// Of a token as it is kept. What cannot be read any more allows nothing.
    #[must_use]
    pub fn of(token: &Token) -> Arc<Self> {
        let words = |text: &Option<String>| -> Vec<String> {
            text.as_deref()
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect()
        };
        let nowhere = || IpNet::from(IpAddr::from([0, 0, 0, 0]));
        Arc::new(Self {
            networks: words(&token.networks)
                .iter()
                .map(|network| network.parse().unwrap_or_else(|_| nowhere()))
                .collect(),
            origins: words(&token.origins),
            budget: token.budget_limit.zip(token.budget_restore),
            safelist: token.safelist,
        })
    }

    /// Whether the token may be used from there.
    ///
    /// # Errors
    /// [`Error::Forbidden`] that says why not.
    pub fn allow(&self, origin: &Origin) -> Result<(), Error> {
        if !self.networks.is_empty() {
            let address = origin.address.map(|address| address.to_canonical());
            let is_inside =
                address.is_some_and(|address| self.networks.iter().any(|network| network.contains(&address)));
            if !is_inside {
                let from =
                    address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
                return Err(Error::Forbidden(format!(
                    "this token may not be used from {from}"
                )));
            }
        }
        if !self.origins.is_empty() {
            let page = origin.page.as_deref();
            if !page.is_some_and(|page| self.origins.iter().any(|origin| origin == page)) {
                return Err(Error::Forbidden(match page {
                    Some(page) => format!("this token may not be used by pages of `{page}`"),
                    None => "this token may be used by pages of its web origins alone".to_owned(),
                }));
            }
        }
        Ok(())
    }

    /// Whether a token with these terms is allowed no more than one with others.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let networks = other.networks.is_empty()
            || (!self.networks.is_empty()
                && self
                    .networks
                    .iter()
                    .all(|network| other.networks.iter().any(|wider| wider.contains(network))));
        let origins = other.origins.is_empty()
            || (!self.origins.is_empty() && self.origins.iter().all(|origin| other.origins.contains(origin)));
        let budget = match (self.budget, other.budget) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some((limit, restore)), Some((most, fastest))) => limit <= most && restore <= fastest,
        };
        networks && origins && budget && self.safelist >= other.safelist
    }
}

/// Reads networks such as `192.0.2.0/24`, or single addresses.
///
/// # Errors
/// The first that is none.
pub fn checked_networks(given: &[String]) -> Result<Vec<IpNet>, String> {
    if given.len() > MOST_BOUNDS {
        return Err(format!("{} networks; at most {MOST_BOUNDS}", given.len()));
    }
    let read = |text: &String| {
        let text = text.trim();
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map(|network| network.trunc())
            .map_err(|_| {
                let shown: String = text.chars().take(60).collect();
                format!("`{shown}` is not a network such as 192.0.2.0/24 or 2001:db8::/32, nor an address")
            })
    };
    given.iter().map(read).collect()
}

/// Reads web origins such as `https://app.example.com`.
///
/// # Errors
/// The first that is none.
pub fn checked_origins(given: &[String]) -> Result<Vec<String>, String> {
    if given.len() > MOST_BOUNDS {
        return Err(format!("{} origins; at most {MOST_BOUNDS}", given.len()));
    }
    let read = |text: &String| {
        let wrong = || {
            let shown: String = text.chars().take(60).collect();
            format!(
                "`{shown}` is not a web origin: write scheme, host and port only, such as https://app.example.com"
            )
        };
        let url = Url::parse(text.trim()).map_err(|_| wrong())?;
        let origin = url.origin().ascii_serialization();
        let is_one = matches!(url.scheme(), "http" | "https") && url.as_str().trim_end_matches('/') == origin;
        if is_one { Ok(origin) } else { Err(wrong()) }
    };
    given.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(networks: &[&str], origins: &[&str], budget: Option<(i32, i32)>) -> Terms {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Terms {
            networks: checked_networks(&texts(networks)).expect("networks"),
            origins: checked_origins(&texts(origins)).expect("origins"),
            budget,
            safelist: None,
        }
    }

    fn from(address: &str, page: Option<&str>) -> Origin {
        Origin {
            address: Some(address.parse().expect("an address")),
            page: page.map(Into::into),
            ..Origin::default()
        }
    }

    #[test]
    fn a_token_is_good_from_its_networks_and_pages_alone() {
        let all = terms(&[], &[], None);
        assert!(all.allow(&Origin::default()).is_ok());
        let bound = terms(&["192.0.2.0/24", "2001:db8::1"], &[], None);
        for (address, allowed) in [
            ("192.0.2.77", true),
            ("::ffff:192.0.2.77", true),
            ("2001:db8::1", true),
            ("192.0.3.1", false),
            ("2001:db8::2", false),
        ] {
            assert_eq!(bound.allow(&from(address, None)).is_ok(), allowed, "{address}");
        }
        assert!(
            bound.allow(&Origin::default()).is_err(),
            "an address that is not known"
        );
        let bound = terms(&[], &["https://app.example.com"], None);
        assert!(
            bound
                .allow(&from("192.0.2.1", Some("https://app.example.com")))
                .is_ok()
        );
        assert!(
            bound
                .allow(&from("192.0.2.1", Some("https://evil.example.com")))
                .is_err()
        );
        assert!(bound.allow(&from("192.0.2.1", None)).is_err());
    }

    #[test]
    fn terms_are_compared_by_what_they_allow() {
        let wide = terms(
            &["10.0.0.0/8"],
            &["https://a.example", "https://b.example"],
            Some((1_000, 10)),
        );
        for (narrow, is_within) in [
            (
                terms(&["10.1.0.0/16"], &["https://a.example"], Some((1_000, 10))),
                true,
            ),
            (
                terms(
                    &["10.1.0.0/16", "11.0.0.0/8"],
                    &["https://a.example"],
                    Some((1, 1)),
                ),
                false,
            ),
            (terms(&[], &["https://a.example"], Some((1, 1))), false),
            (terms(&["10.0.0.0/8"], &[], Some((1, 1))), false),
            (
                terms(&["10.0.0.0/8"], &["https://c.example"], Some((1, 1))),
                false,
            ),
            (
                terms(&["10.0.0.0/8"], &["https://a.example"], Some((1_001, 1))),
                false,
            ),
            (terms(&["10.0.0.0/8"], &["https://a.example"], None), false),
        ] {
            assert_eq!(narrow.is_within(&wide), is_within, "{narrow:?}");
        }
        assert!(wide.is_within(&Terms::default()));
        let listed = |safelist| Terms {
            safelist,
            ..Terms::default()
        };
        let strict = listed(Some(Safelist::Enforce));
        assert!(strict.is_within(&listed(Some(Safelist::Log))) && strict.is_within(&listed(None)));
        assert!(!listed(Some(Safelist::Log)).is_within(&strict) && !listed(None).is_within(&strict));
    }

    #[test]
    fn what_is_no_network_or_origin_is_named() {
        for wrong in ["", "10.0.0.0/33", "example.com"] {
            assert!(checked_networks(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
        for wrong in [
            "",
            "app.example.com",
            "https://app.example.com/path",
            "ftp://x",
            "*",
        ] {
            assert!(checked_origins(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
        assert_eq!(
            checked_origins(&["https://App.Example.com:443/".to_owned()]),
            Ok(vec!["https://app.example.com".to_owned()])
        );
    }
}
