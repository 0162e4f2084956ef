//! Users, sessions, roles, invitations; the keys of the vault and of access tokens; mails; the audit log.

use sea_orm_migration::prelude::*;

use crate::build::{col, index, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        table("user_account")
            .col(col("id").uuid().primary_key())
            .col(col("email").text().unique_key())
            .col(opt("email_verified_at").big_integer())
            .col(col("name").text())
            .col(opt("avatar_url").text())
            .col(col("time_zone").text())
            .col(col("language").text())
            .col(col("role").text())
            .col(opt("password_hash").text())
            .col(opt("totp_seed").binary())
            .col(opt("totp_confirmed_at").big_integer())
            .col(opt("totp_last_step").big_integer())
            .col(col("created_at").big_integer())
            .col(opt("last_sign_in_at").big_integer())
            .col(opt("deactivated_at").big_integer())
            .create(m)
            .await?;
        table("role")
            .col(col("key").text().primary_key())
            .col(col("name").text())
            .col(col("description").text())
            .col(col("scopes").text())
            .col(col("created_at").big_integer())
            .col(col("updated_at").big_integer())
            .create(m)
            .await?;
        table("session")
            .col(col("id").uuid().primary_key())
            .col(col("user_id").uuid())
            .col(col("created_at").big_integer())
            .col(col("last_seen_at").big_integer())
            .col(col("expires_at").big_integer())
            .col(opt("ended_at").big_integer())
            .col(opt("end_reason").text())
            .col(col("generation").integer())
            .col(col("refreshed_at").big_integer())
            .col(col("user_agent").text())
            .col(col("address").text())
            .create(m)
            .await?;
        index(m, "CREATE INDEX session_of_user ON session (user_id, created_at)").await?;
        index(m, "CREATE INDEX session_expiry ON session (expires_at)").await?;
        table("refresh_token")
            .col(col("hash").binary().primary_key())
            .col(col("session_id").uuid())
            .col(col("generation").integer())
            .col(col("created_at").big_integer())
            .clustered()
            .create(m)
            .await?;
        index(
            m,
            "CREATE INDEX refresh_token_of_session ON refresh_token (session_id)",
        )
        .await?;
        table("one_time_code")
            .col(col("hash").binary().primary_key())
            .col(col("purpose").text())
            .col(opt("user_id").uuid())
            .col(opt("payload").binary())
            .col(col("created_at").big_integer())
            .col(col("expires_at").big_integer())
            .create(m)
            .await?;
        index(
            m,
            "CREATE INDEX one_time_code_of_user ON one_time_code (user_id, purpose)",
        )
        .await?;
        index(
            m,
            "CREATE INDEX one_time_code_expiry ON one_time_code (expires_at)",
        )
        .await?;
        table("recovery_code")
            .col(col("hash").binary().primary_key())
            .col(col("user_id").uuid())
            .col(opt("used_at").big_integer())
            .create(m)
            .await?;
        index(m, "CREATE INDEX recovery_code_of_user ON recovery_code (user_id)").await?;
        table("invitation")
            .col(col("id").uuid().primary_key())
            .col(col("email").text())
            .col(col("role").text())
            .col(col("hash").binary().unique_key())
            .col(col("invited_by").text())
            .col(col("created_at").big_integer())
            .col(col("expires_at").big_integer())
            .col(opt("accepted_at").big_integer())
            .col(opt("user_id").uuid())
            .col(opt("revoked_at").big_integer())
            .create(m)
            .await?;
        table("external_login")
            .col(col("issuer").text())
            .col(col("subject").text())
            .col(col("user_id").uuid())
            .col(col("created_at").big_integer())
            .key(["issuer", "subject"])
            .create(m)
            .await?;
        table("sign_in_failure")
            .col(col("key").binary().primary_key())
            .col(col("failures").integer())
            .col(col("since").big_integer())
            .col(opt("blocked_until").big_integer())
            .create(m)
            .await?;
        table("signing_key")
            .col(col("id").uuid().primary_key())
            .col(col("algorithm").text())
            .col(col("secret").binary())
            .col(col("created_at").big_integer())
            .col(opt("retired_at").big_integer())
            .create(m)
            .await?;
        // One at most signs at any time, whatever the number of servers that begin at once.
        index(
            m,
            "CREATE UNIQUE INDEX signing_key_in_use ON signing_key (algorithm) WHERE retired_at IS NULL",
        )
        .await?;
        table("data_key")
            .col(col("id").uuid().primary_key())
            .col(col("master").text())
            .col(col("wrapped").binary())
            .col(col("created_at").big_integer())
            .create(m)
            .await?;
        table("mail")
            .col(col("id").uuid().primary_key())
            .col(col("recipient").text())
            .col(col("subject").text())
            .col(col("body").binary())
            .col(col("state").text())
            .col(col("attempts").integer())
            .col(opt("next_attempt_at").big_integer())
            .col(opt("error").text())
            .col(col("created_at").big_integer())
            .col(opt("sent_at").big_integer())
            .create(m)
            .await?;
        index(
            m,
            "CREATE INDEX mail_waiting ON mail (next_attempt_at) WHERE state = 'WAITING'",
        )
        .await?;
        table("audit_entry")
            .col(col("id").uuid().primary_key())
            .col(col("at").big_integer())
            .col(col("actor").text())
            .col(col("action").text())
            .col(col("subject").text())
            .col(opt("lead_id").uuid())
            .col(col("count").integer())
            .col(col("detail").text())
            .col(opt("address").text())
            .col(opt("user_agent").text())
            .col(opt("request_id").text())
            .create(m)
            .await?;
        index(m, "CREATE INDEX audit_entry_at ON audit_entry (at, id)").await?;
        index(
            m,
            "CREATE INDEX audit_entry_of_actor ON audit_entry (actor, at, id)",
        )
        .await?;
        index(
            m,
            "CREATE INDEX audit_entry_of_subject ON audit_entry (subject, at, id)",
        )
        .await
    }
}
