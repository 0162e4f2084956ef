//! Gathers what was given: flags over environment over file.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, FromArgMatches};
use toml::de::{DeTable, DeValue};

use super::SettingsError;
use super::definition::{DEFAULT_FILE, DEFINITIONS, Definition, ENVIRONMENT_PREFIX};

/// Where the value of a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag on the command line.
    Flag,
    /// An environment variable.
    Environment,
    /// A line of a settings file.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Nobody set it.
    Default,
}

impl Origin {
    /// Where the setting stands, as a reader finds it: `flag --listen`, `environment LEADLINE_LISTEN`,
    /// `leadline.toml:3` or `default`.
    pub fn describe(&self, definition: &Definition) -> String {
        match self {
            Self::Flag => format!("flag --{}", definition.flag()),
            Self::Environment => format!("environment {}", definition.variable()),
            Self::File { path, line } => format!("{}:{line}", path.display()),
            Self::Default => "default".to_owned(),
        }
    }
}

/// A value as it was written, not yet checked. It may be a secret: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) text: String,
    pub(super) origin: Origin,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// What was given for each key.
pub(super) type Layers = BTreeMap<&'static str, Given>;

/// The settings given as flags. Part of every command.
#[derive(Clone, Default)]
pub struct Flags {
    config: Option<PathBuf>,
    values: BTreeMap<&'static str, String>,
    /// Settings of which environment and file are not heard.
    alone: BTreeSet<&'static str>,
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.values.keys().collect();
        f.debug_struct("Flags")
            .field("config", &self.config)
            .field("keys", &keys)
            .finish()
    }
}

impl Flags {
    /// Gives a setting as a flag would, unless it is given.
    pub fn or_set(&mut self, key: &'static str, value: impl FnOnce() -> String) {
        self.values.entry(key).or_insert_with(value);
    }

    /// Takes a setting from the flags alone, whatever environment and file say.
    pub fn alone(&mut self, key: &'static str) {
        self.alone.insert(key);
    }

    /// The value of a setting that is given as a flag.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }
}

/// The flag of a setting in the help, with a note on where its value comes from otherwise.
pub fn flag(definition: &Definition, otherwise: &str) -> Arg {
    Arg::new(definition.key)
        .long(definition.flag())
        .value_name(definition.value)
        .help_heading("Settings")
        .hide_short_help(true)
        .help(format!("{} {otherwise}", definition.help))
}

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .global(true)
            .help_heading("Settings")
            .hide_short_help(true)
            .help(format!(
                "Settings file [env: {ENVIRONMENT_PREFIX}CONFIG] [default: {DEFAULT_FILE} in the working directory, if it is there]"
            ));
        DEFINITIONS
            .iter()
            .fold(command.arg(config), |command, definition| {
                let variable = definition.variable();
                let arg = flag(
                    definition,
                    &format!("[env: {variable}] [default: {}]", definition.default),
                );
                command.arg(arg.global(true))
            })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |key: &str| matches.value_source(key) == Some(ValueSource::CommandLine);
        let values = DEFINITIONS
            .iter()
            .filter(|definition| given(definition.key))
            .filter_map(|definition| {
                Some((definition.key, matches.get_one::<String>(definition.key)?.clone()))
            })
            .collect();
        Ok(Self {
            config: matches.get_one::<PathBuf>("config").cloned(),
            values,
            alone: BTreeSet::new(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Reads all three layers. `directory` is the working directory: the file is looked for in it.
pub(super) fn read(
    flags: &Flags,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    directory: &Path,
) -> Result<Layers, SettingsError> {
    let (config, from_environment) = read_environment(environment)?;
    let mut layers = Layers::new();
    match flags.config.clone().or(config) {
        Some(path) => layers.extend(read_file(directory, &path, true)?),
        None => layers.extend(read_file(directory, Path::new(DEFAULT_FILE), false)?),
    }
    layers.extend(from_environment);
    layers.retain(|key, _| !flags.alone.contains(key));
    for (key, text) in &flags.values {
        layers.insert(
            key,
            Given {
                text: text.clone(),
                origin: Origin::Flag,
            },
        );
    }
    Ok(layers)
}

/// The settings file named in the environment, and the settings given there.
fn read_environment(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Option<PathBuf>, Layers), SettingsError> {
    let mut config = None;
    let mut layers = Layers::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(ENVIRONMENT_PREFIX)) else {
            continue;
        };
        // An empty variable is the usual way of container files to leave a setting out.
        if value.is_empty() && is_known(name) {
            continue;
        }
        if name == CONFIG_VARIABLE {
            config = Some(PathBuf::from(value));
            continue;
        }
        let Some(definition) = DEFINITIONS
            .iter()
            .find(|definition| definition.variable() == name)
        else {
            let known = DEFINITIONS
                .iter()
                .map(Definition::variable)
                .chain([CONFIG_VARIABLE.to_owned()]);
            return Err(unknown(&format!("environment variable `{name}`"), name, known));
        };
        let Ok(text) = value.into_string() else {
            return Err(SettingsError::new(
                format!("the environment variable `{name}` is not valid UTF-8"),
                "write it as UTF-8 text",
            ));
        };
        layers.insert(
            definition.key,
            Given {
                text,
                origin: Origin::Environment,
            },
        );
    }
    Ok((config, layers))
}

const CONFIG_VARIABLE: &str = "LEADLINE_CONFIG";

fn is_known(variable: &str) -> bool {
    variable == CONFIG_VARIABLE
        || DEFINITIONS
            .iter()
            .any(|definition| definition.variable() == variable)
}

fn read_file(directory: &Path, path: &Path, required: bool) -> Result<Layers, SettingsError> {
    let text = match std::fs::read_to_string(directory.join(path)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !required => return Ok(Layers::new()),
        Err(error) => {
            return Err(SettingsError::new(
                format!("the settings file `{}` cannot be read: {error}", path.display()),
                "name a readable file by --config or LEADLINE_CONFIG",
            ));
        }
    };
    parse_file(path, &text)
}

fn parse_file(path: &Path, text: &str) -> Result<Layers, SettingsError> {
    let line_at = |offset: usize| {
        text.as_bytes()[..offset]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1
    };
    // The parser's own display quotes the line, which may hold a password: only its message is passed on.
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(span.start));
        SettingsError::new(
            format!(
                "{}:{line}: this is not TOML: {}",
                path.display(),
                error.message().replace('\n', " ")
            ),
            "write one `key = value` to a line, and text between double quotes",
        )
    })?;
    let mut layers = Layers::new();
    for (key, value) in table.get_ref() {
        let line = line_at(key.span().start);
        let place = format!("{}:{line}", path.display());
        let name: &str = key.get_ref();
        let Some(definition) = Definition::of(name) else {
            let known = DEFINITIONS.iter().map(|definition| definition.key.to_owned());
            return Err(unknown(&format!("key `{name}` at {place}"), name, known));
        };
        let text = plain_text(value.get_ref()).ok_or_else(|| {
            SettingsError::new(
                format!("setting `{name}` ({place}): this form of value does not fit"),
                format!("write {} = \"{}\"", definition.key, definition.value),
            )
        })?;
        let origin = Origin::File {
            path: path.to_owned(),
            line,
        };
        layers.insert(definition.key, Given { text, origin });
    }
    Ok(layers)
}

/// A value of the file in the form in which flags and environment give it; a list is joined by commas.
fn plain_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Array(items) => {
            let items: Option<Vec<String>> = items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    _ => None,
                })
                .collect();
            Some(items?.join(","))
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// The error for a name nobody knows: it lists the valid ones, the nearest first.
fn unknown(what: &str, name: &str, known: impl Iterator<Item = String>) -> SettingsError {
    let mut known: Vec<String> = known.collect();
    // The sort is stable: names equally far away keep the order of the list.
    known.sort_by_key(|candidate| strsim::damerau_levenshtein(candidate, name));
    SettingsError::new(
        format!("unknown {what}"),
        format!("valid are: {}", known.join(", ")),
    )
}
