//! Which leads belong into an audience, ready for statements.

use super::AudienceProblem;
use super::model::{belonging, wrong};
use crate::app::App;
use crate::error::{Error, Outcome};
use crate::identity::{RowFilter, Rows};
use crate::leads::custom_fields;
use crate::leads::filter::LeadFilter;
use crate::leads::visible::Visible;

/// Which leads belong into an audience at this moment.
pub(super) struct Selection {
    /// Those leads. Where the filter cannot be used any more: all that would be allowed to, so that only those go who have
    /// to.
    pub(super) belonging: Visible,
    /// Why the filter cannot be used any more, e.g. because another version of Leadline wrote it.
    pub(super) unusable: Option<String>,
}

/// The leads for which a filter holds.
pub(super) async fn matching(app: &App, filter: &LeadFilter) -> Result<Visible, Error> {
    if *filter == LeadFilter::default() {
        return Ok(Visible::all());
    }
    let text = serde_json::to_string(filter)?;
    Visible::of(app, &Rows::Where(RowFilter::new(&text))).await
}

/// What is wrong with a filter; `None` for one that can be used.
async fn fault(app: &App, filter: &LeadFilter) -> Result<Option<String>, Error> {
    let definitions = custom_fields::definitions(app).await?;
    let own = filter.check(&definitions);
    // What is asked besides counts towards the limits, too.
    let checked = own.and_then(|()| belonging(Some(filter.clone())).check(&definitions));
    Ok(checked.err().map(|error| error.to_string()))
}

/// A filter as it is kept.
pub(super) async fn checked_filter(app: &App, filter: &LeadFilter) -> Outcome<String, AudienceProblem> {
    match fault(app, filter).await? {
        Some(message) => Err(wrong("filter", AudienceProblem::InvalidFilter, message).into()),
        None => Ok(serde_json::to_string(filter)?),
    }
}

/// Which leads belong into an audience with a filter as it is kept.
pub(super) async fn selection(app: &App, kept: &str) -> Result<Selection, Error> {
    let (filter, unusable) = match serde_json::from_str::<LeadFilter>(kept) {
        Ok(filter) => {
            let fault = fault(app, &filter).await?;
            (Some(filter), fault)
        }
        Err(error) => (None, Some(error.to_string())),
    };
    let filter = filter.filter(|filter| unusable.is_none() && *filter != LeadFilter::default());
    Ok(Selection {
        belonging: matching(app, &belonging(filter)).await?,
        unusable,
    })
}
