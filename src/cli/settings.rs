//! `leadline settings`: the settings in effect and where each came from.

use std::fmt::Write as _;

use crate::config::{DEFINITIONS, Effective, Settings};

use super::failure::Failure;
use super::output::print;

/// Show the settings in effect and where each came from, without secrets
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print the reference of all settings as Markdown instead
    #[arg(long)]
    reference: bool,
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> Result<(), Failure> {
    print(&if arguments.reference {
        reference()
    } else {
        table(&settings.effective())
    })
}

/// One line for each setting: key, value, origin.
fn table(lines: &[Effective]) -> String {
    const UNSET: &str = "-";
    let shown = |line: &Effective| {
        if line.value.is_empty() {
            UNSET.to_owned()
        } else {
            line.value.clone()
        }
    };
    let width = |of: &dyn Fn(&Effective) -> usize| lines.iter().map(of).max().unwrap_or(0);
    let keys = width(&|line| line.key.len());
    // The log filter is long; the origins need not all stand behind it.
    let values = width(&|line| shown(line).chars().count()).min(48);
    let mut text = format!("{:keys$}  {:values$}  FROM\n", "SETTING", "VALUE");
    for line in lines {
        let _ = writeln!(
            text,
            "{:keys$}  {:values$}  {}",
            line.key,
            shown(line),
            line.origin
        );
    }
    text
}

/// The reference that `docs/settings.md` holds.
fn reference() -> String {
    let mut text = String::from(
        "# Settings\n\n\
         Each setting can be given as a flag, as an environment variable or as a key in `leadline.toml` in the\n\
         working directory (or the file named by `--config` or `LEADLINE_CONFIG`). A flag wins over the\n\
         environment, the environment over the file. An empty variable counts as not set; an unknown key or\n\
         `LEADLINE_*` variable is an error. `leadline settings` shows what is in effect and where it came from.\n\n\
         This page is written by `leadline settings --reference`.\n\n\
         | key | flag | environment | meaning | default |\n| --- | --- | --- | --- | --- |\n",
    );
    for definition in DEFINITIONS {
        let default = if definition.default.contains(' ') || definition.default == "none" {
            definition.default.to_owned()
        } else {
            format!("`{}`", definition.default)
        };
        let _ = writeln!(
            text,
            "| `{}` | `--{} {}` | `{}` | {} | {default} |",
            definition.key,
            definition.flag(),
            definition.value,
            definition.variable(),
            definition.help,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lines_up() {
        let line = |key, value: &str, origin: &str| Effective {
            key,
            value: value.into(),
            origin: origin.into(),
        };
        let lines = [
            line("listen", "127.0.0.1:8080", "default"),
            line("nats_url", "", "default"),
        ];
        assert_eq!(
            table(&lines),
            "SETTING   VALUE           FROM\n\
             listen    127.0.0.1:8080  default\n\
             nats_url  -               default\n"
        );
    }

    #[test]
    fn the_reference_in_the_documentation_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == reference(),
            "docs/settings.md is out of date; mend it by `leadline settings --reference > docs/settings.md`"
        );
    }
}
