//! `leadline demo`: a server over made-up data with live activity.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::{ArgMatches, Command, FromArgMatches};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::output::{counted, print};
use super::runtime::block_on;
use super::serve::{INTERRUPTED, Signals};
use crate::assembly::{self, Plan, Role};
use crate::clock::Clock;
use crate::config::{self, Definition, Flags, Settings};
use crate::demo::{self, DataSet};
use crate::identity::user::Profile;
use crate::identity::{Caller, Password, account, create_token};
use crate::telemetry::Telemetry;

/// Serve made-up leads with live activity, to try things out
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How many leads to make up, 1 to 1000000
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    leads: u64,
    /// Another seed makes other data
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Throw the data of an earlier start away and make it anew
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    _settings: OwnSettings,
}

/// Where the data lies unless `--data-dir` says otherwise.
const FOLDER: &str = "leadline-demo";
/// What is logged unless `--log` says otherwise.
const LOG: &str = "warn";
/// Settings with a default of the demonstration's own; environment and file are not heard.
const OWN: [(&str, &str); 4] = [
    ("data_dir", FOLDER),
    ("log", LOG),
    // It is a place to try things out.
    ("graphql_suggestions", "true"),
    // The platforms' stand-ins are on this machine.
    ("platforms_private_networks", "true"),
];
/// Settings that would lead it to what is in use.
const REFUSED: [&str; 3] = ["database_url", "database_replica_url", "nats_url"];
/// In the folder: what the data is.
const NOTE: &str = "demo.json";
/// The users: what they are called, their role.
const USERS: [(&str, &str); 3] = [("Administrator", "admin"), ("User", "user"), ("Viewer", "viewer")];

/// The e-mail address of the user with a role.
fn address(role: &str) -> String {
    format!("{role}@example.com")
}

/// Usual time between two things that happen.
const PACE: Duration = Duration::from_secs(1);

/// The flags of settings that differ from those of all commands; what they are given stands with the others.
#[derive(Clone, Debug)]
struct OwnSettings;

impl clap::Args for OwnSettings {
    fn augment_args(command: Command) -> Command {
        let definition = |key| Definition::of(key).expect("every setting is listed");
        let own = OWN.map(|(key, default)| config::flag(definition(key), &format!("[default: {default}]")));
        let refused = REFUSED.map(|key| config::flag(definition(key), "").hide(true));
        command.args(own).args(refused)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for OwnSettings {
    fn from_arg_matches(_: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self)
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), clap::Error> {
        Ok(())
    }
}

/// What the data in a folder is; kept beside the database.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    seed: u64,
    leads: u64,
    today: entity::Day,
    /// The token that was printed; none while the data is being made.
    token: Option<String>,
    /// The password of its three users.
    #[serde(default)]
    password: Option<String>,
    /// How much has happened at the platforms.
    #[serde(default)]
    happened: usize,
}

impl Note {
    fn read(folder: &Path) -> Result<Option<Self>, Failure> {
        let path = folder.join(NOTE);
        let broken = |why: String| Failure::new(format!("cannot read `{}`: {why}", path.display()));
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| broken(error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(broken(error.to_string())),
        }
    }

    fn write(&self, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(NOTE);
        let text = serde_json::to_vec_pretty(self).expect("plain fields can be written");
        write_private(&path, &text)
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))
    }

    fn set(&self) -> DataSet {
        DataSet {
            seed: self.seed,
            leads: self.leads,
            today: self.today,
        }
    }
}

/// A token is for its owner's eyes.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(bytes)
}

/// Gives the demonstration a folder and a database of its own: neither the environment nor a settings file may lead
/// made-up data into a database that is in use.
pub(super) fn keep_apart(flags: &mut Flags) -> Result<(), Failure> {
    for key in REFUSED {
        if flags.get(key).is_some() {
            let name = key.replace('_', "-");
            return Err(Failure::usage(format!(
                "`leadline demo` takes no --{name}: it is one process over an SQLite file of its own"
            ))
            .with_hint("leave it out; `--data-dir` says where the file lies"));
        }
        flags.alone(key);
    }
    for (key, default) in OWN {
        flags.or_set(key, || default.to_owned());
    }
    let file = Path::new(flags.get("data_dir").unwrap_or(FOLDER)).join("leadline.db");
    flags.or_set("database_url", || format!("sqlite:{}", file.display()));
    Ok(())
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> Result<(), Failure> {
    block_on(async {
        let telemetry = Telemetry::start(settings)?;
        let mut stop = Signals::new()?;
        // Before minutes are spent on the data.
        assembly::check_address(settings.listen).await?;
        let mut note = tokio::select! {
            note = prepared(arguments, settings) => note?,
            () = stop.next() => {
                eprintln!("\nstopped before the data was complete; the next start makes it anew");
                return Ok(());
            }
        };
        let role = Role {
            serve: true,
            work: true,
        };
        let running = Plan::new(settings, role).start().await?;
        let address = running.address().expect("a serving process listens");
        let url = settings.public_url(address);
        let (token, password) = (note.token.as_deref(), note.password.as_deref());
        print(&welcome(
            &url,
            token.unwrap_or_default(),
            password.unwrap_or_default(),
        ))?;
        let quiet = tokio_util::sync::CancellationToken::new();
        let trickle = tokio::spawn(demo::trickle(
            running.app().clone(),
            Caller::operator(),
            note.set(),
            PACE,
            quiet.clone(),
        ));
        let operator = Caller::operator();
        let connected = demo::Platforms::connect(running.app(), &operator, &url, note.happened).await;
        let platforms = match connected {
            Ok(platforms) => {
                let folder = settings.data_dir.clone();
                let told = move |words: Option<String>, happened| {
                    if let Some(words) = words {
                        // Whoever has closed the output wants to hear no more.
                        let _ = print(&format!("{words}\n"));
                    }
                    note.happened = happened;
                    if note.write(&folder).is_err() {
                        tracing::warn!("what happened at the platforms could not be noted");
                    }
                };
                Some(tokio::spawn(platforms.live(told, quiet.clone())))
            }
            Err(error) => {
                tracing::warn!(
                    ?error,
                    "the platforms of the demonstration could not be connected"
                );
                None
            }
        };
        stop.next().await;
        eprintln!("\nstopping");
        let ending = async {
            quiet.cancel();
            let _ = trickle.await;
            if let Some(platforms) = platforms {
                let _ = platforms.await;
            }
            running.stop().await;
            telemetry.shutdown().await;
        };
        tokio::select! {
            () = ending => {}
            () = stop.next() => std::process::exit(INTERRUPTED),
        }
        Ok(())
    })
}

/// The data in the folder: as an earlier start left it, or made now.
async fn prepared(arguments: &Arguments, settings: &Settings) -> Result<Note, Failure> {
    let folder = &settings.data_dir;
    match Note::read(folder)? {
        Some(note) if note.token.is_some() && note.password.is_some() && !arguments.fresh => {
            eprintln!(
                "using the data in {} ({}, made up to {}); --fresh makes it anew",
                folder.display(),
                counted(note.leads, "leads"),
                note.today
            );
            return Ok(note);
        }
        Some(_) => remove(folder)?,
        None if folder.join("leadline.db").exists() => {
            let what = format!(
                "`{}` holds data that is not of the demonstration",
                folder.display()
            );
            return Err(Failure::new(what).with_hint("choose another folder by `--data-dir DIRECTORY`"));
        }
        None => {}
    }
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::new(format!("cannot make the folder `{}`: {error}", folder.display())))?;
    let mut note = Note {
        seed: arguments.seed,
        leads: arguments.leads,
        today: Clock::system().now().day(),
        token: None,
        password: None,
        happened: 0,
    };
    note.write(folder)?;
    let (token, password) = made(settings, note.set()).await?;
    note.token = Some(token);
    note.password = Some(password);
    note.write(folder)?;
    Ok(note)
}

/// Removes the database of an earlier start, and only that.
fn remove(folder: &Path) -> Result<(), Failure> {
    // The note last: without it nobody knows whose the rest is.
    for name in ["leadline.db", "leadline.db.queue"]
        .iter()
        .flat_map(|file| ["", "-wal", "-shm"].map(|end| format!("{file}{end}")))
        .chain(["master.key".to_owned(), NOTE.to_owned()])
    {
        let path = folder.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::new(format!(
                    "cannot remove `{}`: {error}",
                    path.display()
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes the data, a token for it, and three users with a password.
async fn made(settings: &Settings, set: DataSet) -> Result<(String, String), Failure> {
    let begun = Instant::now();
    let clock = Clock::fixed(set.first_day().start());
    let role = Role {
        serve: false,
        work: true,
    };
    let running = Plan::new(settings, role)
        .with_clock(clock.clone())
        .start()
        .await?;
    let bar = bar(set.leads);
    let filled = demo::fill(
        running.app(),
        &Caller::operator(),
        set,
        &assembly::handlers(),
        &mut |filled| {
            bar.set_length(filled.parts);
            bar.set_position(filled.part);
            bar.set_message(format!(
                "{}, {}, {}",
                counted(filled.leads, "leads"),
                counted(filled.engagements, "engagements"),
                counted(filled.conversions, "conversions")
            ));
        },
    )
    .await;
    bar.finish_and_clear();
    let filled = filled?;
    clock.set(Clock::system().now());
    let scopes = ["admin".to_owned()];
    let token = create_token(running.app(), &Caller::operator(), "demo", &scopes, None).await?;
    let password = format!("demo-{:08x}-{:08x}", rand::random::<u32>(), rand::random::<u32>());
    for (name, role) in USERS {
        let profile = Profile {
            name: format!("Demo {name}"),
            ..Profile::default()
        };
        let chosen = Password::new(password.clone());
        let email = address(role);
        account::create(running.app(), &Caller::operator(), &email, profile, role, &chosen).await?;
    }
    running.stop().await;
    let took = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    let each = filled.leads as f64 / took;
    eprintln!(
        "made {} with {} and {} in {took:.1} s ({each:.0} leads/s) in {}",
        counted(filled.leads, "leads"),
        counted(filled.engagements, "engagements"),
        counted(filled.conversions, "conversions"),
        settings.data_dir.display()
    );
    Ok((token.secret, password))
}

/// On a terminal a bar, else nothing.
fn bar(leads: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        eprintln!("making up {} …", counted(leads, "leads"));
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("making up data {bar:30} {percent:>3}%  {msg}  {elapsed} (left: {eta})")
            .expect("a valid template");
    ProgressBar::new(1).with_style(style)
}

/// What is printed when the server stands.
fn welcome(url: &str, token: &str, password: &str) -> String {
    let users = USERS.map(|(_, role)| address(role)).join(", ");
    let queries: String = QUERIES
        .iter()
        .map(|(title, query)| format!("# {title}\n{query}\n\n"))
        .collect();
    let compact = QUERIES[0].1.split_whitespace().collect::<Vec<_>>().join(" ");
    let body = serde_json::json!({ "query": compact });
    format!(
        "\nLeadline is at {url}\n\
         Token (admin):  {token}\n\
         Console:        {url}/#token={token}\n\
         Users:          {users}\n\
         Their password: {password}\n\n\
         To paste into the console:\n\n{queries}\
         Or from a shell:\n\n\
         curl -s {url}/graphql -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{body}'\n\n\
         Something happens about once a second. Ctrl-C ends it; the data stays.\n\n\
         Every outside platform has a stand-in on this machine, and is connected. What happens there:\n"
    )
}

/// Title and text; the first is the one for the shell and holds no quotation mark.
const QUERIES: [(&str, &str); 4] = [
    (
        "The newest leads",
        "query NewestLeads {\n  leads(first: 3) {\n    nodes { displayName stage source createdAt score { current grade } }\n  }\n}",
    ),
    (
        "Why a score is what it is",
        "query Scores {\n  leads(first: 2) {\n    nodes {\n      displayName\n      score { current grade temperature explain { component factor points } }\n      tags { name }\n    }\n  }\n}",
    ),
    (
        "What a shop sold, and who was told of it",
        "query Orders {\n  connections(first: 10) { nodes { id name state account { name } lastSync { state } } }\n  orders(first: 3) {\n    nodes { name placedAt total { amount currencyCode } lead { displayName } }\n  }\n  conversionDeliveries(first: 3) { nodes { state sharedAs sentAt lead { displayName } } }\n}",
    ),
    (
        "Engagements, live",
        "subscription Engagements {\n  engagementRecorded {\n    cursor\n    engagement { type channel occurredAt }\n    lead { displayName stage }\n  }\n}",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_leaves_the_data_alone() {
        let ignored = include_str!("../../.gitignore");
        assert!(
            ignored.lines().any(|line| line == format!("/{FOLDER}")),
            "{ignored}"
        );
    }
}
