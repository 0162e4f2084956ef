//! `leadline integrations` and `leadline connections`: the platforms there are, and whether what is connected works.

use clap::Subcommand;
use entity::id::ConnectionId;

use super::failure::Failure;
use super::output::{moment, print, table};
use super::runtime::with_app;
use crate::app::{App, Platforms};
use crate::config::Settings;
use crate::db::PageRequest;
use crate::error::Failure as Refusal;
use crate::identity::Caller;
use crate::platforms::connections::{self, Checked, Connection, ConnectionOrder};

/// Show the outside platforms that this deployment can be connected with
#[derive(Debug, clap::Args)]
pub(super) struct IntegrationArguments {
    #[command(subcommand)]
    action: IntegrationAction,
}

#[derive(Debug, Subcommand)]
enum IntegrationAction {
    /// List them
    List,
}

/// Show and try the connections to outside platforms
#[derive(Debug, clap::Args)]
pub(super) struct ConnectionArguments {
    #[command(subcommand)]
    action: ConnectionAction,
}

#[derive(Debug, Subcommand)]
enum ConnectionAction {
    /// List them
    List,
    /// Try whether their credentials work; exit code 1 when one does not
    Test {
        /// The connection's id, `conn_…`; all of them when left out
        id: Option<String>,
    },
}

pub(super) fn run_integrations(arguments: &IntegrationArguments, settings: &Settings) -> Result<(), Failure> {
    let IntegrationAction::List = arguments.action;
    let platforms = Platforms::new(&settings.platforms).map_err(|error| {
        Failure::usage(format!("setting `platforms_off`: {error}"))
            .with_hint("write the keys of platforms between commas")
    })?;
    let rows: Vec<_> = platforms
        .registry
        .iter()
        .map(|integration| {
            let manifest = integration.manifest();
            let facets = integration.facets().names().join(" ").to_lowercase();
            [
                manifest.key.to_owned(),
                manifest.name.to_owned(),
                facets,
                manifest.docs.to_owned(),
            ]
        })
        .collect();
    print(&table(["KEY", "NAME", "CAN", "DOCUMENTATION"], &rows))
}

pub(super) fn run_connections(arguments: ConnectionArguments, settings: &Settings) -> Result<(), Failure> {
    with_app(settings, async |app| match arguments.action {
        ConnectionAction::List => {
            let found = all(app).await?;
            if found.is_empty() {
                return print("there are no connections\n");
            }
            let rows: Vec<_> = found
                .iter()
                .map(|row| {
                    [
                        row.id.to_string(),
                        row.platform.clone(),
                        row.name.clone(),
                        row.state.to_string(),
                        row.checked_at.map(moment).unwrap_or_default(),
                        row.problem.clone().unwrap_or_default(),
                    ]
                })
                .collect();
            print(&table(
                ["ID", "PLATFORM", "NAME", "STATE", "TRIED", "PROBLEM"],
                &rows,
            ))
        }
        ConnectionAction::Test { id } => {
            let ids = match id {
                Some(id) => {
                    vec![ConnectionId::parse(&id).map_err(|error| Failure::usage(error.to_string()))?]
                }
                None => all(app).await?.into_iter().map(|row| row.id).collect(),
            };
            try_out(app, &ids).await
        }
    })
}

async fn all(app: &App) -> Result<Vec<Connection>, Failure> {
    let operator = Caller::operator();
    let mut found = Vec::new();
    let mut page = PageRequest::first(100);
    loop {
        let rows = connections::list(app, &operator, None, &page).await?;
        page.after = rows.items.last().map(ConnectionOrder::keyset);
        found.extend(rows.items);
        if !rows.has_next {
            return Ok(found);
        }
    }
}

async fn try_out(app: &App, ids: &[ConnectionId]) -> Result<(), Failure> {
    if ids.is_empty() {
        return print("there are no connections\n");
    }
    let mut broken = 0;
    for id in ids {
        let Checked {
            connection,
            missing_scopes,
            problem,
            ..
        } = match connections::test(app, &Caller::operator(), *id).await {
            Ok(checked) => checked,
            Err(Refusal::Error(error)) => return Err(error.into()),
            Err(Refusal::Problems(problems)) => {
                let messages: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
                return Err(Failure::usage(messages.join("; "))
                    .with_hint("`leadline connections list` shows the ids"));
            }
        };
        let account = connection.account_name.unwrap_or_default();
        let name = format!("{} {} ({})", connection.platform, connection.name, connection.id);
        print(&match problem {
            Some((kind, message)) => {
                broken += 1;
                format!("error    {name}: {kind}: {message}\n")
            }
            None if missing_scopes.is_empty() => format!("ok       {name}: {account}\n"),
            None => format!(
                "warning  {name}: {account}; not granted: {}\n",
                missing_scopes.join(", ")
            ),
        })?;
    }
    if broken > 0 {
        return Err(Failure::new(format!(
            "{broken} of {} connections do not work",
            ids.len()
        )));
    }
    Ok(())
}
