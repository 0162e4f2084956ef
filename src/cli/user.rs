//! `leadline user`: makes and lists users, and helps those who cannot get in.

use std::io::{self, BufRead as _, IsTerminal as _};

use clap::Subcommand;
use entity::id::UserId;

use super::failure::Failure;
use super::output::{moment, print, table};
use super::runtime::with_app;
use crate::app::App;
use crate::config::Settings;
use crate::db::PageRequest;
use crate::identity::user::{Profile, User};
use crate::identity::{Caller, Password, account, session, user};

/// Make and list users, give them roles, shut them out
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a user; asks for the password, or reads it as one line from standard input
    Create {
        /// The e-mail address they sign in with
        #[arg(long)]
        email: String,
        /// What they may do: admin, user, viewer, or a role of your own
        #[arg(long)]
        role: String,
        /// What they are called
        #[arg(long, default_value = "")]
        name: String,
    },
    /// List all users, the oldest first
    List,
    /// Give a user another role
    Role {
        /// The user's id or e-mail address
        user: String,
        /// The role's key
        role: String,
    },
    /// Shut a user out: their sessions end at once
    Deactivate {
        /// The user's id or e-mail address
        user: String,
    },
    /// Let a user in again
    Reactivate {
        /// The user's id or e-mail address
        user: String,
    },
    /// Set a user's password, lift blocks after wrong ones, and switch their second factor off; asks for the password
    Recover {
        /// The user's id or e-mail address
        user: String,
    },
}

pub(super) fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    with_app(settings, async |app| {
        let operator = Caller::operator();
        match arguments.action {
            Action::Create { email, role, name } => {
                let profile = Profile {
                    name,
                    ..Profile::default()
                };
                let password = password()?;
                let user = account::create(app, &operator, &email, profile, &role, &password).await?;
                print(&format!(
                    "made the user {} ({}) with the role `{}`\n",
                    user.email, user.id, user.role
                ))
            }
            Action::List => print(&list(app).await?),
            Action::Role { user, role } => {
                let id = find(app, &user).await?.id;
                let user = account::change_role(app, &operator, id, &role).await?;
                print(&format!("{} has the role `{}`\n", user.email, user.role))
            }
            Action::Deactivate { user } => {
                let id = find(app, &user).await?.id;
                let user = account::deactivate(app, &operator, id).await?;
                print(&format!("{} is shut out; their sessions ended\n", user.email))
            }
            Action::Reactivate { user } => {
                let id = find(app, &user).await?.id;
                let user = account::reactivate(app, &operator, id).await?;
                print(&format!("{} can sign in again\n", user.email))
            }
            Action::Recover { user } => {
                let user = find(app, &user).await?;
                account::recover(app, &operator, user.id, &password()?).await?;
                print(&format!(
                    "{} can sign in with the new password, without a second factor\n",
                    user.email
                ))
            }
        }
    })
}

/// Asks without showing it; from a pipe it reads one line.
fn password() -> Result<Password, Failure> {
    let unreadable = |error: io::Error| Failure::new(format!("the password cannot be read: {error}"));
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map_err(unreadable)?;
        return Ok(Password::new(line.trim_end_matches(['\r', '\n']).to_owned()));
    }
    let first = rpassword::prompt_password("password: ").map_err(unreadable)?;
    let again = rpassword::prompt_password("again: ").map_err(unreadable)?;
    if first != again {
        return Err(Failure::usage("the two passwords differ"));
    }
    Ok(Password::new(first))
}

async fn find(app: &App, given: &str) -> Result<User, Failure> {
    let found = match UserId::parse(given) {
        Ok(id) => user::find(app.db().read(), id).await?,
        Err(_) => user::of_email(app, given).await?,
    };
    found.ok_or_else(|| {
        Failure::usage(format!("there is no user `{given}`")).with_hint("`leadline user list` shows all")
    })
}

async fn list(app: &App) -> Result<String, Failure> {
    let operator = Caller::operator();
    let mut rows = Vec::new();
    let mut page = PageRequest::first(100);
    loop {
        let found = user::list(app, &operator, &page).await?;
        for user in &found.items {
            let state = match (user.deactivated_at, user.email_verified_at) {
                (Some(at), _) => format!("shut out {}", moment(at)),
                (None, None) => "address not verified".to_owned(),
                (None, Some(_)) => "active".to_owned(),
            };
            rows.push([
                user.id.to_string(),
                user.email.clone(),
                user.role.clone(),
                state,
                if user.totp_confirmed_at.is_some() {
                    "yes"
                } else {
                    "no"
                }
                .to_owned(),
                session::list(app, user.id).await?.len().to_string(),
                user.last_sign_in_at.map_or_else(|| "never".to_owned(), moment),
            ]);
        }
        match found.items.last() {
            Some(last) if found.has_next => page.after = Some(user::keyset(last)),
            _ => break,
        }
    }
    if rows.is_empty() {
        return Ok("there are no users; make one by `leadline user create`\n".to_owned());
    }
    let head = [
        "ID",
        "E-MAIL",
        "ROLE",
        "STATE",
        "SECOND FACTOR",
        "SESSIONS",
        "LAST SIGN-IN",
    ];
    Ok(table(head, &rows))
}
