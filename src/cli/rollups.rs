//! `leadline rollups`: the sums that reports are read from.

use clap::Subcommand;

use super::failure::Failure;
use super::output::{counted, print};
use super::runtime::with_app;
use crate::config::Settings;
use crate::identity::Caller;
use crate::insight::analytics;
use crate::insight::attribution::{self, Verified};
use crate::insight::journeys;

/// Look over the sums that reports are read from
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make them anew from the rows they are of, and name each difference; writes nothing; exit code 1 on differences
    Verify,
    /// Have servers and workers make them anew; until that is done reports are read from those that there are
    Rebuild,
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> Result<(), Failure> {
    with_app(settings, async |app| {
        if matches!(arguments.action, Action::Rebuild) {
            attribution::rebuild(app, &Caller::operator()).await?;
            analytics::rebuild(app).await?;
            return print("all sums are made anew by the next server or worker that is free\n");
        }
        let attribution = attribution::verify(app).await?;
        let reports = analytics::verify(app).await?;
        let days = journeys::verify_deployment(app).await?;
        let mut differences = days.differences.len() as u64;
        for line in &days.differences {
            print(&format!("{line}\n"))?;
        }
        let said = match days.differences.len() {
            0 => "no differences".to_owned(),
            some => counted(some as u64, "differences"),
        };
        print(&format!(
            "days: {said}, {} looked at\n",
            counted(days.days, "days")
        ))?;
        for (what, found) in [("attribution", attribution), ("reports", reports)] {
            shown(what, &found)?;
            differences += found.differences;
        }
        if differences == 0 {
            return Ok(());
        }
        let what = format!("{} in all", counted(differences, "differences"));
        Err(Failure::new(what).with_hint("`leadline rollups rebuild` has them made anew"))
    })
}

fn shown(what: &str, found: &Verified) -> Result<(), Failure> {
    for line in &found.named {
        print(&format!("{line}\n"))?;
    }
    let differences = match found.differences {
        0 => "no differences".to_owned(),
        some => counted(some, "differences"),
    };
    let mut line = format!(
        "{what}: {differences}, {} looked at",
        counted(found.leads, "leads")
    );
    if found.pending > 0 {
        let left = counted(found.pending, "leads");
        line.push_str(&format!(
            "; {left} left out: something of them is not taken in yet"
        ));
    }
    print(&format!("{line}\n"))
}
