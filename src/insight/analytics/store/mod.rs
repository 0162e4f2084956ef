//! All SQL of reports: what is read of leads in [`facts`], sums and outlines in [`kept`], what reports read in [`reads`], and
//! of what happened itself in [`happened`].

mod busy;
mod facts;
mod happened;
mod kept;
mod reads;

pub(super) use busy::{busiest, busy, engaged_between, keep_busy, retell_busy};
pub(super) use facts::{Facts, active, facts, leads_after};
pub(super) use happened::{busiest_of, engaged, engagements_of, sold};
pub(super) use kept::{
    StoredOutline, all_sums, due, forget, held, is_due, state, store_state, stored, waiting, write,
};
pub(super) use reads::{Period, at_risk, costs, costs_by, each_outline, edges, sums};

/// A transaction: one that reads as of one moment, or the one within a [`Tx`](crate::db::Tx).
pub(super) type Snapshot = sea_orm::DatabaseTransaction;
