//! Theirs to ours and back; pure.

mod consent;
mod event;
mod lead;
mod person;

pub(super) use self::event::{OLDEST, event};
pub(super) use self::lead::{FIELDS, form, lead};
pub(super) use self::person::{SCHEMA, is_matchable, row};
