//! Sessions: a user signed in on a device, its access tokens (minutes) and refresh tokens (weeks).

pub mod graphql;
mod model;
mod refresh;
mod second_factor;
mod service;
mod store;

pub use entity::session::Model as Session;
pub use model::{GRACE_SECONDS, Refresh, judge};
pub use refresh::refresh;
pub(in crate::identity) use second_factor::switch_off;
pub use second_factor::{
    NewSecondFactor, SecondFactorProblem, begin_second_factor, confirm_second_factor, disable_second_factor,
    new_recovery_codes, recovery_codes_left,
};
pub use service::{
    SessionProblem, SignInProblem, SignedIn, Step, Tokens, caller_of, end, list, live, prune, sign_in,
    sign_in_confirm, sign_out,
};
pub(in crate::identity) use service::{end_all, read_access, start};
