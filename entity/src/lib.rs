//! Tables, identifiers and vocabulary of Leadline: no queries, no rules.
//!
//! - [`id`]: one newtype per kind of id, shown as a TypeID (`lead_01h…`).
//! - [`time`]: [`Timestamp`] (microseconds) and [`Day`], stored as integers so that both databases count alike.
//! - [`vocabulary`]: the closed lists of words (stages, channels, kinds …), one list for the database, JSON and GraphQL.
//! - one module per table for the rest.
#![deny(missing_docs)]

pub mod id;
pub mod time;
pub mod vocabulary;

pub mod activity_day;
pub mod ad_action;
pub mod ad_result;
pub mod api_token;
pub mod api_token_day;
pub mod attribution_credit;
pub mod attribution_paths;
pub mod attribution_settings;
pub mod attribution_total;
pub mod attribution_trail;
pub mod audience;
pub mod audience_member;
pub mod audience_sync;
pub mod audit_entry;
pub mod connection;
pub mod consent;
pub mod consent_record;
pub mod conversion;
pub mod conversion_delivery;
pub mod conversion_reversal;
pub mod conversion_sharing;
pub mod cost;
pub mod currency_rate;
pub mod custom_field;
pub mod data_key;
pub mod deal;
pub mod deal_move;
pub mod deal_stage;
pub mod deployment_day;
pub mod deployment_quarter;
pub mod engagement;
pub mod event;
pub mod event_cursor;
pub mod event_head;
pub mod external_login;
pub mod idempotency;
pub mod import_rejection;
pub mod invitation;
pub mod job;
pub mod journey;
pub mod lead;
pub mod lead_identity;
pub mod lead_score;
pub mod lead_tag;
pub mod lease;
pub mod lifetime_customer;
pub mod lifetime_model;
pub mod mail;
pub mod message;
pub mod message_step;
pub mod message_stray;
pub mod note;
pub mod one_time_code;
pub mod recovery_code;
pub mod refresh_token;
pub mod report_busy;
pub mod report_lead;
pub mod report_state;
pub mod report_sum;
pub mod role;
pub mod score_history;
pub mod score_model;
pub mod session;
pub mod setting;
pub mod shop;
pub mod shop_checkout;
pub mod shop_customer;
pub mod shop_farewell;
pub mod shop_order;
pub mod shop_product;
pub mod sign_in_failure;
pub mod signing_key;
pub mod stage_stay;
pub mod suppression;
pub mod sync_cursor;
pub mod sync_refusal;
pub mod sync_run;
pub mod tag;
pub mod text_answer;
pub mod text_budget;
pub mod text_generation;
pub mod text_spending;
pub mod upload;
pub mod user;
pub mod webhook_delivery;

mod by_place;

pub use by_place::ByPlace;
pub use time::{Day, Timestamp};
pub use vocabulary::*;
