//! The command line: one file for each command.

mod demo;
mod doctor;
mod export;
mod failure;
mod import;
mod keys;
mod mail;
mod migrate;
mod output;
mod platforms;
mod rollups;
mod runtime;
mod schema;
mod serve;
mod settings;
mod token;
mod user;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::{Flags, Settings};

pub use self::failure::Failure;
pub use self::output::print;

/// Lead intelligence and marketing automation behind one GraphQL API
#[derive(Debug, Parser)]
#[command(
    name = "leadline",
    version,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(flatten)]
    settings: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Serve(serve::Arguments),
    /// Do the background work only: handlers of events, jobs, upkeep
    Worker,
    /// Bring the database schema up to date; `serve` and `worker` do it by themselves
    Migrate,
    Import(Box<import::Arguments>),
    Export(export::Arguments),
    /// Look over the deployment: each line says ok, warning or error, and how to mend it; exit code 1 on errors
    Doctor,
    Rollups(rollups::Arguments),
    User(user::Arguments),
    Token(token::Arguments),
    Mail(mail::Arguments),
    Keys(keys::Arguments),
    Integrations(platforms::IntegrationArguments),
    Connections(platforms::ConnectionArguments),
    Schema(schema::Arguments),
    Settings(settings::Arguments),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    match run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return help_or_failure(error),
    };
    let mut flags = cli.settings;
    if matches!(cli.command, Command::Demo(_)) {
        demo::keep_apart(&mut flags)?;
    }
    let settings = Settings::load(&flags)?;
    match cli.command {
        Command::Demo(arguments) => demo::run(&arguments, &settings),
        Command::Serve(arguments) => serve::run(&arguments, &settings),
        Command::Worker => serve::run_worker(&settings),
        Command::Migrate => migrate::run(&settings),
        Command::Import(arguments) => import::run(*arguments, &settings),
        Command::Export(arguments) => export::run(arguments, &settings),
        Command::Doctor => doctor::run(&settings),
        Command::Rollups(arguments) => rollups::run(&arguments, &settings),
        Command::User(arguments) => user::run(arguments, &settings),
        Command::Token(arguments) => token::run(arguments, &settings),
        Command::Mail(arguments) => mail::run(arguments, &settings),
        Command::Keys(arguments) => keys::run(&arguments, &settings),
        Command::Integrations(arguments) => platforms::run_integrations(&arguments, &settings),
        Command::Connections(arguments) => platforms::run_connections(arguments, &settings),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Settings(arguments) => settings::run(&arguments, &settings),
    }
}

/// Help and version are asked for, not failed at; without any argument the help says what there is.
fn help_or_failure(error: clap::Error) -> Result<(), Failure> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // The parser colours it on a terminal, and leaves a closed pipe alone.
            let _ = error.print();
            Ok(())
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let commands = Cli::command()
                .get_subcommands()
                .map(|command| command.get_name().to_owned())
                .collect::<Vec<_>>();
            let what = format!("a command is missing; one of {}", commands.join(", "));
            Err(Failure::usage(what).with_hint("more by `leadline --help`"))
        }
        _ => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["leadline"], arguments].concat())
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_setting_may_stand_before_or_behind_the_command() {
        for arguments in [
            ["--listen", "127.0.0.1:9", "settings"],
            ["settings", "--listen", "127.0.0.1:9"],
        ] {
            let cli = parse(&arguments).expect("it parses");
            let settings =
                Settings::read(&cli.settings, [], std::path::Path::new("/nonexistent")).expect("it fits");
            assert_eq!(settings.listen.port(), 9, "{arguments:?}");
        }
    }

    #[test]
    fn the_demo_shows_the_settings_that_it_takes() {
        let help = |command: &str| {
            let text = parse(&[command, "--help"]).unwrap_err().to_string();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let demo = help("demo");
        for line in [
            "--data-dir <DIR> Directory for the embedded database, uploads and generated files [default: leadline-demo]",
            "`info,leadline=debug` [default: warn]",
            "[env: LEADLINE_LISTEN]",
        ] {
            assert!(demo.contains(line), "`{line}` is missing in\n{demo}");
        }
        for refused in ["--database-url", "--database-replica-url", "--nats-url"] {
            assert!(!demo.contains(refused), "{demo}");
            assert!(help("serve").contains(refused));
            let mut flags = parse(&["demo", refused, "x"]).expect("it parses").settings;
            let failure = format!("{:?}", demo::keep_apart(&mut flags).unwrap_err());
            assert!(failure.contains(&format!("takes no {refused}: ")), "{failure}");
        }
    }

    #[test]
    fn the_demo_listens_to_no_setting_that_leads_elsewhere() {
        let environment = [
            ("LEADLINE_DATA_DIR", "elsewhere"),
            ("LEADLINE_DATABASE_URL", "postgres://host/name"),
            ("LEADLINE_DATABASE_REPLICA_URL", "postgres://host/name"),
            ("LEADLINE_NATS_URL", "nats://host"),
        ];
        for (arguments, folder) in [
            (&["demo"][..], "leadline-demo"),
            (&["demo", "--data-dir", "here"], "here"),
            (&["--data-dir", "here", "demo"], "here"),
        ] {
            let mut flags = parse(arguments).expect("it parses").settings;
            demo::keep_apart(&mut flags).expect("nothing is refused");
            let environment = environment.map(|(name, value)| (name.into(), value.into()));
            let settings =
                Settings::read(&flags, environment, std::path::Path::new("/nonexistent")).expect("it fits");
            assert_eq!(settings.data_dir.to_str(), Some(folder));
            assert_eq!(
                settings.database_url.expose(),
                format!("sqlite:{folder}/leadline.db")
            );
            assert!(settings.nats_url.is_none());
        }
    }

    #[test]
    fn a_mistyped_command_gets_the_nearest_as_hint() {
        let failure = Failure::from(parse(&["setings"]).unwrap_err());
        let shown = format!("{failure:?}");
        assert!(shown.contains("unrecognized subcommand 'setings'"), "{shown}");
        assert!(
            shown.contains("a similar subcommand exists: 'settings'"),
            "{shown}"
        );
        assert!(shown.contains("code: 2"), "{shown}");
    }
}
