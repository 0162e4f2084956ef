//! What the owner enters.

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::{Context, Result, Secret};

/// A shop and how to ask it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// The shop's own address at Shopify, e.g. `my-shop.myshopify.com`.
    #[schemars(with = "String", extend("pattern" = "^[a-zA-Z0-9][a-zA-Z0-9_-]*\\.myshopify\\.com$"))]
    pub shop: ShopDomain,
    /// The client id of the app ("API key"). Not needed with an access token that was made in the shop's own pages.
    pub client_id: Option<String>,
    /// The version of the Admin API, e.g. `2026-10`.
    #[serde(default)]
    #[schemars(with = "String", extend("pattern" = "^(\\d{4}-(01|04|07|10)|unstable)$", "default" = "2026-10"))]
    pub api_version: ApiVersion,
    /// How many customers or orders are asked for at once, 1 to 250. Without it 250 customers, 100 orders; fewer where the
    /// shop finds that too dear.
    #[schemars(with = "Option<u16>", range(min = 1, max = 250))]
    pub page_size: Option<PageSize>,
    /// Ask for orders older than 60 days, too. Shopify must have approved the app for that.
    #[serde(default)]
    pub all_orders: bool,
    /// Where the shop is asked instead of its own address; for trials.
    #[schemars(with = "Option<String>", url)]
    pub base_url: Option<BaseUrl>,
}

/// Keys of the app, or a token of the shop.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Keys {
    /// The client secret of the app ("API secret key"). Webhooks are signed with it.
    pub client_secret: Option<Secret>,
    /// The client secret before, while a new one is brought in: Shopify signs with the old one for up to an hour.
    pub previous_client_secret: Option<Secret>,
    /// An Admin API access token from the shop's own pages (`shpat_…`); in place of consent.
    pub access_token: Option<Secret>,
}

impl Options {
    pub(super) fn of(context: &Context) -> Result<Self> {
        context.settings.read()
    }

    /// What stands before the path: scheme and host, without a slash behind.
    pub(super) fn origin(&self) -> String {
        match &self.base_url {
            Some(BaseUrl(url)) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("https://{}", self.shop.0),
        }
    }
}

/// The address of a shop at Shopify. It is checked before any address is made of it: whoever names the shop must not name
/// another host.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ShopDomain(pub(super) String);

impl TryFrom<String> for ShopDomain {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = text.trim().to_ascii_lowercase();
        let text = text
            .strip_prefix("https://")
            .unwrap_or(&text)
            .trim_end_matches('/');
        if is_shop(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a shop's address is like my-shop.myshopify.com")
        }
    }
}

/// Whether a host is a shop's at Shopify.
pub(super) fn is_shop(host: &str) -> bool {
    host.strip_suffix(".myshopify.com").is_some_and(|name| {
        let bytes = name.as_bytes();
        bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

/// A version of the Admin API.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ApiVersion(pub(super) String);

impl Default for ApiVersion {
    fn default() -> Self {
        Self("2026-10".to_owned())
    }
}

impl TryFrom<String> for ApiVersion {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let quarterly = text.split_once('-').is_some_and(|(year, month)| {
            // Before, files of bulk operations were laid out otherwise.
            year.len() == 4
                && year.parse::<u16>().is_ok_and(|year| year >= 2026)
                && ["01", "04", "07", "10"].contains(&month)
        });
        if quarterly || text == "unstable" {
            Ok(Self(text))
        } else {
            Err("a version is a year and 01, 04, 07 or 10, from 2026-01, e.g. 2026-10; or unstable")
        }
    }
}

/// How many are asked for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub struct PageSize(pub(super) u16);

impl TryFrom<u16> for PageSize {
    type Error = &'static str;

    fn try_from(size: u16) -> Result<Self, Self::Error> {
        if (1..=250).contains(&size) {
            Ok(Self(size))
        } else {
            Err("from 1 to 250")
        }
    }
}

/// An address that stands in for the shop's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct BaseUrl(Url);

impl TryFrom<String> for BaseUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Url::parse(&text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .map(Self)
            .ok_or("an address begins with https:// or http://")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_shop_at_shopify_is_a_shop() {
        for text in ["my-shop.myshopify.com", " https://My_Shop2.myshopify.com/ "] {
            assert!(ShopDomain::try_from(text.to_owned()).is_ok(), "{text}");
        }
        for text in [
            "",
            ".myshopify.com",
            "-a.myshopify.com",
            "a.b.myshopify.com",
            "evil.example#.myshopify.com",
            "evil.example/.myshopify.com",
            "shop.myshopify.com.evil.example",
            "shop.myshopify.com:8080",
            "user@shop.myshopify.com",
        ] {
            assert!(ShopDomain::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_quarters() {
        for (text, right) in [
            ("2026-10", true),
            ("unstable", true),
            ("2025-10", false),
            ("2026-02", false),
            ("latest", false),
        ] {
            assert_eq!(ApiVersion::try_from(text.to_owned()).is_ok(), right, "{text}");
        }
    }
}
