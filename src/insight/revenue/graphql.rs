//! Conversions, costs, deals, currencies and lifetime values in GraphQL.

pub use super::conversions::graphql::{
    Conversion, ConversionLoader, ConversionMutation, ConversionQuery, LeadConversionFields,
};
pub use super::costs::graphql::{CostMutation, CostQuery};
pub use super::deals::graphql::{
    Deal, DealLoader, DealMutation, DealQuery, DealSubscription, ForecastQuery, LeadDealFields,
};
pub use super::lifetime::graphql::{LeadLifetimeFields, LifetimeLoader, LifetimeMutation, LifetimeQuery};
pub use super::rates::graphql::{CurrencyMutation, CurrencyQuery};
