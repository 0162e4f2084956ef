//! How a command fails: one line on standard error, a hint, an exit code.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use crate::config::SettingsError;

/// The end of a command that did not succeed.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    what: String,
    hint: Option<String>,
}

/// Exit code for wrong usage and settings.
pub const USAGE: u8 = 2;
/// Exit code for every other failure.
pub const FAILED: u8 = 1;

impl Failure {
    /// A failure at work, with exit code 1.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            code: FAILED,
            what: what.into(),
            hint: None,
        }
    }

    /// Wrong usage, with exit code 2.
    pub fn usage(what: impl Into<String>) -> Self {
        Self {
            code: USAGE,
            what: what.into(),
            hint: None,
        }
    }

    /// The same failure with a line that says how to mend it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure as part of something that it ended.
    #[must_use]
    pub fn within(mut self, what: &str) -> Self {
        self.what = format!("{what}: {}", self.what);
        self
    }

    /// The lines for standard error.
    fn render(&self, coloured: bool) -> String {
        let (red, green, plain) = if coloured {
            ("\x1b[1;31m", "\x1b[32m", "\x1b[0m")
        } else {
            ("", "", "")
        };
        let mut text = format!("{red}error:{plain} {}\n", one_line(&self.what));
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "{green}hint:{plain} {}", one_line(hint));
        }
        text
    }

    /// Prints the failure on standard error and gives the exit code.
    pub(super) fn report(&self) -> ExitCode {
        let coloured =
            io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        // Where standard error is closed there is nobody left to tell.
        let _ = io::Write::write_all(&mut io::stderr(), self.render(coloured).as_bytes());
        ExitCode::from(self.code)
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::usage(error.to_string()).with_hint(error.hint())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<SettingsError>() {
            Ok(error) => error.into(),
            // `{:#}` gives the chain of causes on one line.
            Err(error) => Self::new(format!("{error:#}")),
        }
    }
}

impl From<clap::Error> for Failure {
    /// The first paragraph of the parser's message is the error; its tip, or where to read on, is the hint.
    fn from(error: clap::Error) -> Self {
        let text = error.render().to_string();
        let mut paragraphs = text.split("\n\n");
        let what = paragraphs.next().unwrap_or_default();
        let what = what.strip_prefix("error: ").unwrap_or(what);
        let tip = text
            .lines()
            .find_map(|line| line.trim_start().strip_prefix("tip: "));
        let hint = match (tip, text.lines().find_map(|line| line.strip_prefix("Usage: "))) {
            (Some(tip), _) => tip.to_owned(),
            (None, Some(usage)) => format!("usage: {usage}; more by --help"),
            (None, None) => "more by --help".to_owned(),
        };
        Self::usage(what).with_hint(hint)
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_failure_is_one_line_and_a_hint() {
        let failure = Failure::new("the port is\n  taken").with_hint("choose another by --listen");
        assert_eq!(
            failure.render(false),
            "error: the port is taken\nhint: choose another by --listen\n"
        );
        assert_eq!(failure.code, 1);
    }

    #[test]
    fn colour_is_only_on_the_labels() {
        let text = Failure::usage("x").with_hint("y").render(true);
        assert_eq!(text, "\x1b[1;31merror:\x1b[0m x\n\x1b[32mhint:\x1b[0m y\n");
    }

    #[test]
    fn settings_errors_keep_hint_and_code_through_anyhow() {
        let error = anyhow::Error::from(SettingsError::new("what", "how")).context("starting");
        let failure = Failure::from(error);
        assert_eq!(
            (failure.code, failure.what.as_str(), failure.hint.as_deref()),
            (2, "what", Some("how"))
        );
    }

    #[test]
    fn the_causes_stand_on_one_line() {
        let error = Err::<(), _>(anyhow::anyhow!("no such file"))
            .context("cannot open `x.csv`")
            .unwrap_err();
        assert_eq!(
            Failure::from(error).render(false),
            "error: cannot open `x.csv`: no such file\n"
        );
    }
}
