//! Row filters: from the text that a token carries to the tree.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use serde_json::Value;

use crate::app::App;
use crate::error::Error;
use crate::identity::RowFilter;
use crate::leads::custom_fields;
use crate::leads::filter::{LeadFilter, ScoreScale};

/// Filters kept in memory; each is as long as its text a few times.
const MOST_KEPT: u64 = 1_000;

/// Tells how filters read scores. Scoring stands above this room, so the assembly brings it.
#[async_trait]
pub trait ScaleSource: Send + Sync {
    /// The scale of the model in force.
    ///
    /// # Errors
    /// The database's.
    async fn scale(&self, app: &App) -> Result<ScoreScale, Error>;
}

/// What an application knows of row filters.
struct Known {
    /// The trees by their texts; `None` for a text that is none.
    read: moka::sync::Cache<RowFilter, Option<Arc<LeadFilter>>>,
    /// Those of which the log was told that they show nothing.
    broken: Mutex<HashSet<RowFilter>>,
    scales: OnceLock<Arc<dyn ScaleSource>>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            read: moka::sync::Cache::new(MOST_KEPT),
            broken: Mutex::default(),
            scales: OnceLock::new(),
        }
    }
}

/// From now on filters on scores are read by this; the first call counts.
pub fn read_scores_by(app: &App, source: Arc<dyn ScaleSource>) {
    // A second one would be the same.
    let _ = app.memory::<Known>().scales.set(source);
}

/// A row filter of a lead filter in JSON.
///
/// # Errors
/// [`Error::BadInput`] that says where and what, with the valid names for one that is unknown; the database's.
pub async fn row_filter(app: &App, json: &str) -> Result<RowFilter, Error> {
    let filter: LeadFilter = serde_json::from_str(json).map_err(|error| {
        Error::BadInput(format!(
            "row filter: {error}; expected a JSON object such as {{\"source\":{{\"eq\":\"partner-x\"}}}}"
        ))
    })?;
    let definitions = custom_fields::definitions(app).await?;
    filter
        .check(&definitions)
        .map_err(|error| Error::BadInput(format!("row filter: {error}")))?;
    let tree = serde_json::to_value(&filter)?;
    if let Some(place) = empty(&tree, "filter".to_owned()) {
        return Err(Error::BadInput(format!(
            "row filter: {place} is empty, which hides nothing; say which leads, or leave the filter out for a token that \
             shows all of them"
        )));
    }
    Ok(RowFilter::new(&serde_json::to_string(&filter)?))
}

/// The first place of a tree where nothing is said. A condition without content holds for every lead: in a filter of
/// somebody's own that is harmless, in a row filter it would show what it was meant to hide.
fn empty(tree: &Value, place: String) -> Option<String> {
    match tree {
        Value::Object(parts) if parts.is_empty() => Some(place),
        Value::Array(items) if items.is_empty() => Some(place),
        Value::Object(parts) => parts
            .iter()
            .find_map(|(name, part)| empty(part, format!("{place}.{name}"))),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(n, item)| empty(item, format!("{place}.{n}"))),
        _ => None,
    }
}

/// Reads what [`row_filter`] wrote, and nothing else: a text that is read but says something else when it is written again
/// (a list where an object belongs) is none.
fn read(text: &RowFilter) -> Option<Arc<LeadFilter>> {
    let filter: LeadFilter = serde_json::from_str(text.as_str()).ok()?;
    let again = serde_json::to_string(&filter).ok()?;
    (again == text.as_str() && filter != LeadFilter::default()).then(|| Arc::new(filter))
}

/// The tree of a row filter and how it reads scores; `None`, told to the log once, for one that cannot be used any more:
/// a later or earlier version wrote it, or a custom field that it names is gone.
pub(super) async fn checked(
    app: &App,
    text: &RowFilter,
) -> Result<Option<(Arc<LeadFilter>, ScoreScale)>, Error> {
    let known = app.memory::<Known>();
    let Some(filter) = known.read.get_with_by_ref(text, || read(text)) else {
        known.tell(text, "it is no lead filter of this version");
        return Ok(None);
    };
    // Each time, as definitions change; they are in memory.
    let definitions = custom_fields::definitions(app).await?;
    if let Err(error) = filter.check(&definitions) {
        known.tell(text, &error.to_string());
        return Ok(None);
    }
    let scale = match known.scales.get() {
        _ if !filter.reads_scores() => ScoreScale::default(),
        Some(source) => source.scale(app).await?,
        None => {
            known.tell(text, "nobody tells how scores are read");
            return Ok(None);
        }
    };
    Ok(Some((filter, scale)))
}

impl Known {
    /// Tells the log, once for each filter. Its values are not told: they may be personal.
    fn tell(&self, text: &RowFilter, why: &str) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        if broken.len() < usize::try_from(MOST_KEPT).unwrap_or(usize::MAX) && broken.insert(text.clone()) {
            tracing::error!(why, "a row filter cannot be used: its tokens show nothing");
        }
    }
}

#[cfg(test)]
pub(super) fn kept(app: &App) -> (u64, usize) {
    let known = app.memory::<Known>();
    known.read.run_pending_tasks();
    let broken = known.broken.lock().unwrap_or_else(PoisonError::into_inner);
    (known.read.entry_count(), broken.len())
}
