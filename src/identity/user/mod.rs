//! Users: people with an e-mail address, a profile and a role.

pub mod graphql;
mod model;
mod service;
mod store;

pub use entity::user::Model as User;
pub use model::{Email, Profile, checked_email, checked_profile};
pub use service::{
    NewUser, ORDER, UserProblem, any, change_profile, find, get, get_many, insert, keyset, list, of_email,
    recorded,
};
pub(in crate::identity) use store::{
    admins, by_email, by_external_login, link, locked, prune_unverified, set_activity, set_email_verified,
    set_password, set_role, set_second_factor, set_totp_step, signed_in,
};
