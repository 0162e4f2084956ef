//! Schema changes of Leadline: forward only, alike on SQLite and PostgreSQL, never importing the entities
//! (a migration must go on meaning what it meant when it was written).

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

mod build;
mod m0001_events_and_jobs;
mod m0002_identity;
mod m0003_leads;
mod m0004_insight;
mod m0005_users;
mod m0006_row_filter;
mod m0007_query_budget;
mod m0008_api_tokens;
mod m0009_token_safelist;
mod m0010_platforms;
mod m0011_messages;
mod m0012_advertising;
mod m0013_audiences;
mod m0014_text_generation;
mod m0015_shop_lists;
mod m0016_waiting;
mod m0017_mending;
mod m0018_access_version;
mod m0019_money;
mod m0020_attribution;
mod m0021_lifetime;
mod m0022_deals;
mod m0023_reports;
mod m0024_covering;

/// All migrations in their order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_events_and_jobs::Migration),
            Box::new(m0002_identity::Migration),
            Box::new(m0003_leads::Migration),
            Box::new(m0004_insight::Migration),
            Box::new(m0005_users::Migration),
            Box::new(m0006_row_filter::Migration),
            Box::new(m0007_query_budget::Migration),
            Box::new(m0008_api_tokens::Migration),
            Box::new(m0009_token_safelist::Migration),
            Box::new(m0010_platforms::Migration),
            Box::new(m0011_messages::Migration),
            Box::new(m0012_advertising::Migration),
            Box::new(m0013_audiences::Migration),
            Box::new(m0014_text_generation::Migration),
            Box::new(m0015_shop_lists::Migration),
            Box::new(m0016_waiting::Migration),
            Box::new(m0017_mending::Migration),
            Box::new(m0018_access_version::Migration),
            Box::new(m0019_money::Migration),
            Box::new(m0020_attribution::Migration),
            Box::new(m0021_lifetime::Migration),
            Box::new(m0022_deals::Migration),
            Box::new(m0023_reports::Migration),
            Box::new(m0024_covering::Migration),
        ]
    }
}
