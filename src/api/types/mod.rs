//! What the GraphQL files of all rooms share: access to the application and the caller, pages, user errors, scalars.

mod access;
mod door;
mod pages;
mod permission;
mod problems;
mod remarks;
mod scalars;

pub use access::{Access, Live};
pub(super) use access::{CallerData, PublicUrl, Sight};
pub use door::{
    ACCESS_COOKIE, Cookies, Door, OPEN_ID_COOKIE, REFRESH_COOKIE, Unsubscribed, consent_cookie,
    forgotten_consent, forgotten_state, kept_consent, kept_tokens,
};
pub use leadline_macros::scoped;
pub use pages::{Listed, Pages, connection, page_request};
pub(super) use permission::{Need, Who};
pub use permission::{allRows, scope, scopes};
pub(crate) use problems::user_errors;
pub(super) use remarks::Remarks;
pub use scalars::{
    CountryCode, CurrencyCode, Decimal, EmailAddress, Json, Money, MoneyInput, PhoneNumber, TimeZone,
    WebAddress,
};
