//! `leadline mail`: the outbox of mails to users.

use clap::Subcommand;
use entity::id::MailId;

use super::failure::Failure;
use super::output::{moment, print, table};
use super::runtime::with_app;
use crate::config::Settings;
use crate::db::PageRequest;
use crate::identity::{Caller, mail};

/// Show the mails that were written to users
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the newest mails
    List {
        /// How many, 1 to 100
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100))]
        last: u64,
    },
    /// Print a mail with its text, which may hold a link by which somebody signs in
    Show {
        /// Its id, `mail_…`; the newest when left out
        id: Option<String>,
    },
}

pub(super) fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    with_app(settings, async |app| {
        let operator = Caller::operator();
        match arguments.action {
            Action::List { last } => {
                let found = mail::list(app, &operator, &PageRequest::first(last)).await?;
                if found.items.is_empty() {
                    return print("there are no mails\n");
                }
                let rows: Vec<_> = found
                    .items
                    .iter()
                    .map(|mail| {
                        [
                            mail.id.to_string(),
                            moment(mail.created_at),
                            mail.state.to_string(),
                            mail.recipient.clone(),
                            mail.subject.clone(),
                            mail.error.clone().unwrap_or_default(),
                        ]
                    })
                    .collect();
                print(&table(
                    ["ID", "WRITTEN", "STATE", "TO", "SUBJECT", "ERROR"],
                    &rows,
                ))
            }
            Action::Show { id } => {
                let found = match id {
                    Some(id) => {
                        let id = MailId::parse(&id).map_err(|error| Failure::usage(error.to_string()))?;
                        mail::get(app, &operator, id).await?
                    }
                    None => mail::list(app, &operator, &PageRequest::first(1))
                        .await?
                        .items
                        .pop(),
                };
                let Some(mail) = found else {
                    return Err(Failure::usage("there is no such mail")
                        .with_hint("`leadline mail list` shows the ids"));
                };
                let body = mail::get_body(app, &operator, &mail).await?;
                print(&format!(
                    "To: {}\nSubject: {}\nWritten: {}\n\n{body}",
                    mail.recipient,
                    mail.subject,
                    moment(mail.created_at)
                ))
            }
        }
    })
}
