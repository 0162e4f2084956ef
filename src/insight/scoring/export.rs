//! The scores of exported leads, and how filters read scores.

use std::collections::HashMap;

use async_trait::async_trait;
use entity::id::LeadId;

use super::{ScoresCache, scale, scores};
use crate::app::App;
use crate::error::Error;
use crate::leads::export::{ExportedScore, ScoreSource};
use crate::leads::filter::ScoreScale;
use crate::leads::visible::ScaleSource;

/// Tells exports the scores of leads, as they are when they are read.
#[derive(Debug, Default)]
pub struct ExportScores(ScoresCache);

#[async_trait]
impl ScoreSource for ExportScores {
    async fn scores(&self, app: &App, leads: &[LeadId]) -> Result<HashMap<LeadId, ExportedScore>, Error> {
        let found = scores(app, &self.0, leads, false).await?;
        Ok(found
            .into_iter()
            .map(|(id, scored)| {
                let score = ExportedScore {
                    current: scored.score.current,
                    grade: scored.score.grade,
                    temperature: scored.score.temperature,
                };
                (id, score)
            })
            .collect())
    }

    async fn scale(&self, app: &App) -> Result<ScoreScale, Error> {
        scale(app, &self.0).await
    }
}

/// Tells row filters how scores are read.
#[derive(Debug, Default)]
pub struct ScoreScales(ScoresCache);

#[async_trait]
impl ScaleSource for ScoreScales {
    async fn scale(&self, app: &App) -> Result<ScoreScale, Error> {
        scale(app, &self.0).await
    }
}
