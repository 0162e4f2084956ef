//! What a deal may be, and how it may go on. Pure.

use entity::id::{DealStageId, LeadId};
use entity::{Day, DealChange, DealState, Timestamp};

use super::super::{Deal, DealStage};
use crate::error::Problem;
use crate::leads::contact::{Currency, normalise_email};

/// Longest name of a deal or stage, in characters.
pub const MOST_NAME_CHARS: usize = 200;
/// Longest reason, in characters.
pub const MOST_REASON_CHARS: usize = 1_000;
/// Highest value, in minor units: sums of thousands of them fit.
pub const MOST_VALUE: i64 = 1_000_000_000_000_000;
/// How far ahead a deal may be expected to be closed, in days.
const MOST_DAYS_AHEAD: i64 = 3_660;

/// What can be wrong with a call about deals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "DealErrorCode")]
pub enum DealProblem {
    /// There is no such deal.
    NotFound,
    /// There is no such lead.
    LeadNotFound,
    /// There is no such stage.
    StageNotFound,
    /// The stage was taken out of use.
    StageArchived,
    /// A stage that deals are or were in cannot be left out: archive it.
    StageInUse,
    /// The deal is in that stage already.
    AlreadyInStage,
    /// The deal is open already.
    AlreadyOpen,
    /// The deal was won already.
    AlreadyWon,
    /// The deal was lost already.
    AlreadyLost,
    /// The deal is closed: open it again first.
    Closed,
    /// Needed and absent.
    Missing,
    /// Not of the form that is wanted.
    Malformed,
    /// A number, day or moment outside of its range.
    OutOfRange,
    /// A text that is too long.
    TooLong,
    /// It is listed twice.
    Duplicate,
    /// More than there may be.
    TooMany,
    /// Somebody else changed it meanwhile.
    Outdated,
}

/// What is wrong with a call about deals.
pub type Problems = Vec<Problem<DealProblem>>;

/// A deal that is about to be opened.
#[derive(Clone, Debug)]
pub struct NewDeal {
    /// With which lead.
    pub lead_id: LeadId,
    /// What it is called.
    pub name: String,
    /// In which stage it begins; in the first one when absent.
    pub stage_id: Option<DealStageId>,
    /// Value in minor units.
    pub value_minor: Option<i64>,
    /// ISO 4217, of the value.
    pub currency: Option<String>,
    /// When it is expected to be closed.
    pub expected_close: Option<Day>,
    /// E-mail of the person responsible.
    pub owner: Option<String>,
    /// When it was opened; now when absent.
    pub opened_at: Option<Timestamp>,
}

/// A change of a deal; `None` leaves as is, `Some(None)` clears.
#[derive(Clone, Debug, Default)]
pub struct DealPatch {
    /// What it is called.
    pub name: Option<String>,
    /// Value in minor units and its currency, ISO 4217.
    pub value: Option<Option<(i64, String)>>,
    /// When it is expected to be closed.
    pub expected_close: Option<Option<Day>>,
    /// E-mail of the person responsible.
    pub owner: Option<Option<String>>,
}

/// What happened to a deal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub change: DealChange,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: Option<String>,
}

fn problem(field: &str, code: DealProblem, message: impl Into<String>) -> Problem<DealProblem> {
    Problem::new(field, code, message)
}

/// A text folded for searching: lower case, blanks at the ends dropped and those between made one.
#[must_use]
pub fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// A name as it is kept.
///
/// # Errors
/// What is wrong with it.
pub fn name(field: &str, text: &str) -> Result<String, Problem<DealProblem>> {
    let text = text.trim();
    if text.is_empty() {
        return Err(problem(field, DealProblem::Missing, "a name is needed"));
    }
    if text.chars().count() > MOST_NAME_CHARS {
        let message = format!("a name has at most {MOST_NAME_CHARS} characters");
        return Err(problem(field, DealProblem::TooLong, message));
    }
    if text.chars().any(char::is_control) {
        let message = "a name is one line of text, without control characters";
        return Err(problem(field, DealProblem::Malformed, message));
    }
    Ok(text.to_owned())
}

/// A reason as it is kept; an empty one is none.
///
/// # Errors
/// What is wrong with it.
pub fn reason(text: Option<&str>) -> Result<Option<String>, Problem<DealProblem>> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.chars().count() > MOST_REASON_CHARS {
        let message = format!("a reason has at most {MOST_REASON_CHARS} characters");
        return Err(problem("reason", DealProblem::TooLong, message));
    }
    if text.contains('\0') {
        return Err(problem("reason", DealProblem::Malformed, "no text holds a NUL"));
    }
    Ok(Some(text.to_owned()))
}

/// A value with its currency as they are kept.
///
/// # Errors
/// What is wrong with them.
pub fn value(
    minor: Option<i64>,
    currency: Option<&str>,
) -> Result<Option<(i64, String)>, Problem<DealProblem>> {
    let (minor, currency) = match (minor, currency) {
        (None, None) => return Ok(None),
        (Some(_), None) => {
            let message = "a value needs a currency, e.g. `EUR`";
            return Err(problem("value", DealProblem::Missing, message));
        }
        (None, Some(_)) => return Err(problem("value", DealProblem::Missing, "a currency needs a value")),
        (Some(minor), Some(currency)) => (minor, currency),
    };
    let currency = currency
        .parse::<Currency>()
        .map_err(|error| problem("value", DealProblem::Malformed, error.to_string()))?;
    if !(0..=MOST_VALUE).contains(&minor) {
        let message = format!("the value of a deal is from 0 to {MOST_VALUE} minor units");
        return Err(problem("value", DealProblem::OutOfRange, message));
    }
    Ok(Some((minor, currency.code().to_owned())))
}

/// The e-mail of the person responsible as it is kept.
///
/// # Errors
/// What is wrong with it.
pub fn owner(address: Option<&str>) -> Result<Option<String>, Problem<DealProblem>> {
    let Some(address) = address.filter(|address| !address.trim().is_empty()) else {
        return Ok(None);
    };
    normalise_email(address)
        .map(Some)
        .map_err(|error| problem("ownerEmail", DealProblem::Malformed, error.to_string()))
}

/// Whether a deal may be expected to be closed on a day.
///
/// # Errors
/// What is wrong with it.
pub fn expected_close(
    day: Option<Day>,
    opened_at: Timestamp,
    now: Timestamp,
) -> Result<(), Problem<DealProblem>> {
    let Some(day) = day else { return Ok(()) };
    // The day of whoever opened it may be that before the one in UTC.
    if day < opened_at.plus_days(-1).day() {
        let message = format!("{day} lies before the deal was opened, {opened_at}");
        return Err(problem("expectedClose", DealProblem::OutOfRange, message));
    }
    if day > now.plus_days(MOST_DAYS_AHEAD).day() {
        let message = format!("{day} lies more than ten years ahead");
        return Err(problem("expectedClose", DealProblem::OutOfRange, message));
    }
    Ok(())
}

/// When a deal was opened.
///
/// # Errors
/// A moment in the future, or before 1970.
pub fn opened_at(at: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Problem<DealProblem>> {
    let at = at.unwrap_or(now);
    if at > now || at < Timestamp(0) {
        let message = format!("{at} lies in the future or before 1970");
        return Err(problem("openedAt", DealProblem::OutOfRange, message));
    }
    Ok(at)
}

/// The stage that a deal may come into: the wanted one, or the first.
///
/// # Errors
/// It is not there, or out of use.
pub fn stage(stages: &[DealStage], wanted: Option<DealStageId>) -> Result<DealStageId, Problem<DealProblem>> {
    let found = match wanted {
        Some(id) => stages.iter().find(|stage| stage.id == id),
        None => stages.iter().find(|stage| stage.archived_at.is_none()),
    };
    let Some(stage) = found else {
        let message = match wanted {
            Some(id) => format!("there is no stage `{id}`"),
            None => "there is no stage in use".to_owned(),
        };
        return Err(problem("stageId", DealProblem::StageNotFound, message));
    };
    if stage.archived_at.is_some() {
        let message = format!("the stage `{}` was taken out of use", stage.name);
        return Err(problem("stageId", DealProblem::StageArchived, message));
    }
    Ok(stage.id)
}

/// Changes what a deal is called, its value, when it is expected to be closed and who is responsible; `None` where it is so
/// already.
///
/// # Errors
/// What is wrong with the change; a closed deal keeps its value and day.
pub fn change(deal: &mut Deal, patch: DealPatch, now: Timestamp) -> Result<Option<Step>, Problems> {
    let before = deal.clone();
    let mut problems = Vec::new();
    let DealPatch {
        name: called,
        value: worth,
        expected_close: day,
        owner: responsible,
    } = patch;
    if let Some(text) = called {
        match name("name", &text) {
            Ok(name) => {
                deal.folded_name = folded(&name);
                deal.name = name;
            }
            Err(problem) => problems.push(problem),
        }
    }
    if let Some(worth) = worth {
        let (minor, currency) = worth.unzip();
        match value(minor, currency.as_deref()) {
            Ok(worth) => (deal.value_minor, deal.currency) = worth.unzip(),
            Err(problem) => problems.push(problem),
        }
    }
    if let Some(day) = day {
        // What was expected before stays as good as it was.
        if day != before.expected_close
            && let Err(problem) = expected_close(day, deal.opened_at, now)
        {
            problems.push(problem);
        }
        deal.expected_close = day;
    }
    if let Some(address) = responsible {
        match owner(address.as_deref()) {
            Ok(owner) => deal.owner = owner,
            Err(problem) => problems.push(problem),
        }
    }
    let worth = |deal: &Deal| (deal.value_minor, deal.currency.clone());
    if deal.state != DealState::Open && problems.is_empty() {
        for (field, is_other) in [
            ("value", worth(deal) != worth(&before)),
            ("expectedClose", deal.expected_close != before.expected_close),
        ] {
            if is_other {
                problems.push(closed(field));
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok((*deal != before).then_some(Step {
        change: DealChange::Updated,
        at: now,
        reason: None,
    }))
}

fn closed(field: &str) -> Problem<DealProblem> {
    let message = "the deal is closed: open it again first";
    problem(field, DealProblem::Closed, message)
}

/// Moves an open deal to another stage.
///
/// # Errors
/// It is closed, or there already; the stage is not there, or out of use.
pub fn go_to(
    deal: &mut Deal,
    stages: &[DealStage],
    to: DealStageId,
    now: Timestamp,
) -> Result<Step, Problems> {
    if deal.state != DealState::Open {
        return Err(vec![closed("id")]);
    }
    let to = stage(stages, Some(to)).map_err(|problem| vec![problem])?;
    if to == deal.stage_id {
        let message = "the deal is in that stage already";
        return Err(vec![problem("stageId", DealProblem::AlreadyInStage, message)]);
    }
    deal.stage_id = to;
    Ok(Step {
        change: DealChange::Moved,
        at: now,
        reason: None,
    })
}

/// Closes a deal, an open one or one that was closed otherwise.
///
/// # Errors
/// It was closed so already; a loss without a reason; a moment in the future or before the deal was opened.
pub fn close(
    deal: &mut Deal,
    is_won: bool,
    why: Option<&str>,
    at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Step, Problems> {
    let (to, change, already, message) = if is_won {
        let message = "the deal was won already";
        (DealState::Won, DealChange::Won, DealProblem::AlreadyWon, message)
    } else {
        let message = "the deal was lost already";
        (
            DealState::Lost,
            DealChange::Lost,
            DealProblem::AlreadyLost,
            message,
        )
    };
    if deal.state == to {
        return Err(vec![problem("id", already, message)]);
    }
    let mut problems = Vec::new();
    let why = reason(why).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    if !is_won && why.is_none() && problems.is_empty() {
        let message = "say why the deal was lost";
        problems.push(problem("reason", DealProblem::Missing, message));
    }
    // One opened a moment ahead of this clock (by another machine) is closed at its own beginning.
    let moment = at.unwrap_or_else(|| now.max(deal.opened_at));
    if at.is_some() && (moment < deal.opened_at || moment > now) {
        let message = format!(
            "{moment} is out of range: from {}, when the deal was opened, to now, {now}",
            deal.opened_at
        );
        problems.push(problem("closedAt", DealProblem::OutOfRange, message));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    deal.state = to;
    deal.reason.clone_from(&why);
    deal.closed_at = Some(moment);
    Ok(Step {
        change,
        at: moment,
        reason: why,
    })
}

/// Opens a closed deal again, in the stage in which it was.
///
/// # Errors
/// It is open.
pub fn open_again(deal: &mut Deal, now: Timestamp) -> Result<Step, Problems> {
    if deal.state == DealState::Open {
        let message = "the deal is open already";
        return Err(vec![problem("id", DealProblem::AlreadyOpen, message)]);
    }
    deal.state = DealState::Open;
    deal.reason = None;
    deal.closed_at = None;
    Ok(Step {
        change: DealChange::Reopened,
        at: now,
        reason: None,
    })
}

#[cfg(test)]
mod tests;
