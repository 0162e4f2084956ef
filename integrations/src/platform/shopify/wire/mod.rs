//! Shopify's JSON.

pub(super) mod graphql;
pub(super) mod rest;
