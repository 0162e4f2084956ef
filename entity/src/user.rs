//! Table `user_account`.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, id::UserId};

/// A person who uses the deployment.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "user_account")]
pub struct Model {
    /// The user.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// The e-mail address, in lower case.
    pub email: String,
    /// When it was shown that the address is theirs.
    pub email_verified_at: Option<Timestamp>,
    /// What they are called; may be empty.
    pub name: String,
    /// The address of their picture.
    pub avatar_url: Option<String>,
    /// Their time zone (IANA name).
    pub time_zone: String,
    /// Their language (BCP 47).
    pub language: String,
    /// The key of their role.
    pub role: String,
    /// The password, hashed with Argon2id (PHC form); none: they sign in elsewhere.
    pub password_hash: Option<String>,
    /// The seed of the second factor, sealed by the vault.
    pub totp_seed: Option<Vec<u8>>,
    /// When the second factor was switched on.
    pub totp_confirmed_at: Option<Timestamp>,
    /// The last time step whose code was used: no code is good twice.
    pub totp_last_step: Option<i64>,
    /// When they were created.
    pub created_at: Timestamp,
    /// When they last signed in.
    pub last_sign_in_at: Option<Timestamp>,
    /// When they were shut out.
    pub deactivated_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
