//! How people become users, prove that an address is theirs, choose and change their password, and are shut out.

mod activity;
pub mod graphql;
mod invitations;
mod mails;
mod passwords;
mod service;
mod sign_up;
mod store;

pub use activity::{change_role, deactivate, reactivate};
pub use entity::invitation::Model as Invitation;
pub use invitations::{InvitationProblem, invite, list as invitations, revoke as revoke_invitation};
pub(in crate::identity) use invitations::{open_of as open_invitation, take as take_invitation};
pub use passwords::{change_password, forgot_password, recover, reset_password};
pub use service::{create, prune, set_up, set_up_code, verify_email};
pub use sign_up::{SignUpDraft, sign_up};
