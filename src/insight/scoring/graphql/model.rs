//! Versions of the scoring model, recalculation, back-tests.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use entity::id::{JobId, LeadId, ScoreModelId};
use entity::{Grade, ScoreModelState, Temperature, Timestamp};

use crate::api::types::{Access, scoped, user_errors};
use crate::api::{Eager, Lead};
use crate::db::CallKey;
use crate::insight::scoring::{
    self, BacktestResult, DraftChange, Moves, Sample, ScoreModel as Definition, ScoringProblem, Side,
    StoredModel,
};
use crate::jobs::graphql::Job;
use crate::leads::lead::graphql as lead;

/// A version of the scoring model.
pub struct ScoreModel(pub StoredModel);

#[Object]
impl ScoreModel {
    /// The version's id.
    async fn id(&self) -> ScoreModelId {
        self.0.id
    }
    /// Counts up; scores name it.
    async fn version(&self) -> i32 {
        self.0.version
    }
    /// Draft, in force, or retired.
    async fn state(&self) -> ScoreModelState {
        self.0.state
    }
    /// Every number a score depends on.
    async fn definition(&self) -> Result<Definition> {
        Ok(scoring::definition(&self.0)?)
    }
    /// Why it was made.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }
    /// Who made it.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }
    /// When it was made.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// When it was last edited.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }
    /// When it came into force; null for a draft.
    async fn published_at(&self) -> Option<Timestamp> {
        self.0.published_at
    }
}

/// One side of a comparison.
#[derive(SimpleObject)]
struct ScoreBacktestSide {
    /// Score before decay.
    base: i32,
    /// Score after decay.
    current: f64,
    /// By the current score.
    grade: Grade,
    /// By the current score.
    temperature: Temperature,
}

impl From<Side> for ScoreBacktestSide {
    fn from(side: Side) -> Self {
        let Side {
            base,
            current,
            grade,
            temperature,
        } = side;
        Self {
            base,
            current,
            grade,
            temperature,
        }
    }
}

/// A lead that would move.
struct ScoreBacktestSample(Sample);

#[scoped]
#[Object]
impl ScoreBacktestSample {
    /// The id of the lead.
    async fn lead_id(&self) -> LeadId {
        self.0.lead_id
    }
    /// The lead; null once it is deleted.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        lead::load(ctx, self.0.lead_id).await
    }
    /// By the model in force.
    async fn before(&self) -> ScoreBacktestSide {
        self.0.before.into()
    }
    /// By the draft.
    async fn after(&self) -> ScoreBacktestSide {
        self.0.after.into()
    }
}

/// How many leads go from one grade to another, or stay.
#[derive(SimpleObject)]
struct GradeMove {
    /// By the model in force.
    from: Grade,
    /// By the draft.
    to: Grade,
    /// How many leads.
    leads: u64,
}

/// How many leads go from one temperature to another, or stay.
#[derive(SimpleObject)]
struct TemperatureMove {
    /// By the model in force.
    from: Temperature,
    /// By the draft.
    to: Temperature,
    /// How many leads.
    leads: u64,
}

/// What a back-test found; so far, while its job runs.
struct ScoreBacktest(BacktestResult);

#[expect(clippy::cast_precision_loss, reason = "a mean for display")]
fn mean(sum: i64, leads: u64) -> Option<f64> {
    (leads > 0).then(|| sum as f64 / leads as f64)
}

#[Object]
impl ScoreBacktest {
    /// The job that does it.
    async fn job(&self) -> Job {
        Job::new(self.0.job.clone())
    }
    /// The id of the draft.
    async fn draft_id(&self) -> ScoreModelId {
        self.0.draft_id
    }
    /// Version of the model it is compared with.
    async fn before_version(&self) -> i32 {
        self.0.before_version
    }
    /// Version of the draft.
    async fn after_version(&self) -> i32 {
        self.0.after_version
    }
    /// For which moment the scores are compared.
    async fn as_of(&self) -> Timestamp {
        self.0.as_of
    }
    /// How many leads were compared.
    async fn leads(&self) -> u64 {
        self.0.moves.leads
    }
    /// How many leads would change grade or temperature.
    async fn moved(&self) -> u64 {
        self.0.moves.moved
    }
    /// How many leads would change grade.
    async fn grade_changes(&self) -> u64 {
        self.0.moves.grade_changes()
    }
    /// How many leads would change temperature.
    async fn temperature_changes(&self) -> u64 {
        self.0.moves.temperature_changes()
    }
    /// Mean base by the model in force; null without leads.
    async fn mean_base_before(&self) -> Option<f64> {
        mean(self.0.moves.base_before, self.0.moves.leads)
    }
    /// Mean base by the draft; null without leads.
    async fn mean_base_after(&self) -> Option<f64> {
        mean(self.0.moves.base_after, self.0.moves.leads)
    }
    /// Leads by grade before and after; pairs without leads are left out.
    async fn grades(&self) -> Vec<GradeMove> {
        let Moves { grades, .. } = &self.0.moves;
        let pairs = Grade::ALL
            .iter()
            .flat_map(|from| Grade::ALL.iter().map(move |to| (*from, *to)));
        pairs
            .map(|(from, to)| GradeMove {
                from,
                to,
                leads: grades[from.index()][to.index()],
            })
            .filter(|one| one.leads > 0)
            .collect()
    }
    /// Leads by temperature before and after; pairs without leads are left out.
    async fn temperatures(&self) -> Vec<TemperatureMove> {
        let Moves { temperatures, .. } = &self.0.moves;
        let all = Temperature::ALL;
        let pairs = all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to)));
        pairs
            .map(|(from, to)| TemperatureMove {
                from,
                to,
                leads: temperatures[from.index()][to.index()],
            })
            .filter(|one| one.leads > 0)
            .collect()
    }
    /// The leads that would move farthest, up to 20.
    async fn samples(&self) -> Vec<ScoreBacktestSample> {
        self.0.samples.iter().copied().map(ScoreBacktestSample).collect()
    }
}

/// Queries about scoring.
#[derive(Default)]
pub struct ScoringQuery;

#[scoped]
#[Object]
impl ScoringQuery {
    /// The scoring model in force.
    #[scope("scoring:read")]
    async fn score_model(&self, ctx: &Context<'_>) -> Result<ScoreModel> {
        Ok(ScoreModel(scoring::published(ctx.app(), ctx.caller()?).await?))
    }

    /// All versions of the scoring model, newest first.
    #[scope("scoring:read")]
    async fn score_models(&self, ctx: &Context<'_>) -> Result<Vec<ScoreModel>> {
        let models = scoring::models(ctx.app(), ctx.caller()?).await?;
        Ok(models.into_iter().map(ScoreModel).collect())
    }

    /// What a back-test found; null when there is none with this id.
    #[scope("scoring:read", all_rows)]
    async fn score_backtest(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the job that `scoreModelBacktest` answered.")] job_id: JobId,
    ) -> Result<Option<ScoreBacktest>> {
        let found = scoring::backtest_result(ctx.app(), ctx.caller()?, job_id).await?;
        Ok(found.map(ScoreBacktest))
    }
}

user_errors!(
    /// An expected failure of a call about scoring.
    ScoringUserError,
    ScoringProblem
);

/// What a new draft is.
#[derive(InputObject, Debug)]
struct ScoreModelDraftCreateInput {
    /// All its numbers; those of the model in force where absent.
    definition: Option<Definition>,
    /// Why it is made, up to 500 characters.
    note: Option<String>,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// What a draft becomes.
#[derive(InputObject)]
struct ScoreModelDraftUpdateInput {
    /// The draft.
    id: ScoreModelId,
    /// All its numbers; as they are where absent.
    definition: Option<Definition>,
    /// Why it is made, up to 500 characters; absent leaves it, null clears it.
    note: MaybeUndefined<String>,
}

/// Which draft comes into force.
#[derive(InputObject, Debug)]
struct ScoreModelPublishInput {
    /// The draft.
    id: ScoreModelId,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// Which draft is tried.
#[derive(InputObject, Debug)]
struct ScoreModelBacktestInput {
    /// The draft.
    draft_id: ScoreModelId,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// Input of `scoresRecalculate`.
#[derive(InputObject, Debug, Default)]
struct ScoresRecalculateInput {
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// The answer of `scoreModelDraftCreate` and `scoreModelDraftUpdate`.
#[derive(SimpleObject)]
struct ScoreModelDraftPayload {
    /// The draft; null when there are user errors.
    model: Option<ScoreModel>,
    /// What was wrong with the input.
    user_errors: Vec<ScoringUserError>,
}

/// The answer of `scoreModelPublish`.
#[derive(SimpleObject)]
struct ScoreModelPublishPayload {
    /// The model in force; null when there are user errors.
    model: Option<ScoreModel>,
    /// The recalculation of all scores.
    job: Option<Job>,
    /// What was wrong with the input.
    user_errors: Vec<ScoringUserError>,
}

/// The answer of `scoreModelBacktest`.
#[derive(SimpleObject)]
struct ScoreModelBacktestPayload {
    /// The comparison; read what it found by `scoreBacktest`.
    job: Option<Job>,
    /// What was wrong with the input.
    user_errors: Vec<ScoringUserError>,
}

/// The answer of `scoresRecalculate`.
#[derive(SimpleObject)]
struct ScoresRecalculatePayload {
    /// The recalculation.
    job: Job,
}

/// Changes of scoring.
#[derive(Default)]
pub struct ScoringMutation;

#[scoped]
#[Object]
impl ScoringMutation {
    /// Makes a draft of the scoring model.
    #[scope("scoring:write", all_rows)]
    async fn score_model_draft_create(
        &self,
        ctx: &Context<'_>,
        input: ScoreModelDraftCreateInput,
    ) -> Result<ScoreModelDraftPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let ScoreModelDraftCreateInput {
            definition,
            note,
            idempotency_key: _,
        } = input;
        let change = DraftChange {
            definition,
            note: Some(note),
        };
        let outcome = scoring::create_draft(ctx.app(), ctx.caller()?, change, key.as_ref()).await;
        let (model, user_errors) = ScoringUserError::split(outcome)?;
        Ok(ScoreModelDraftPayload {
            model: model.map(ScoreModel),
            user_errors,
        })
    }

    /// Edits a draft of the scoring model.
    #[scope("scoring:write", all_rows)]
    async fn score_model_draft_update(
        &self,
        ctx: &Context<'_>,
        input: ScoreModelDraftUpdateInput,
    ) -> Result<ScoreModelDraftPayload> {
        let ScoreModelDraftUpdateInput { id, definition, note } = input;
        let note = match note {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(note) => Some(Some(note)),
        };
        let change = DraftChange { definition, note };
        let outcome = scoring::update_draft(ctx.app(), ctx.caller()?, id, change).await;
        let (model, user_errors) = ScoringUserError::split(outcome)?;
        Ok(ScoreModelDraftPayload {
            model: model.map(ScoreModel),
            user_errors,
        })
    }

    /// Puts a draft into force, retires the model before it and recalculates all scores. What is read is by the new
    /// model at once.
    #[scope("scoring:write", all_rows)]
    async fn score_model_publish(
        &self,
        ctx: &Context<'_>,
        input: ScoreModelPublishInput,
    ) -> Result<ScoreModelPublishPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let outcome = scoring::publish(ctx.app(), ctx.caller()?, input.id, key.as_ref()).await;
        let (published, user_errors) = ScoringUserError::split(outcome)?;
        let (model, job) = published.unzip();
        Ok(ScoreModelPublishPayload {
            model: model.map(ScoreModel),
            job: job.map(Job::new),
            user_errors,
        })
    }

    /// Compares a draft with the model in force over all leads, as of now; changes nothing.
    #[scope("scoring:write", all_rows)]
    async fn score_model_backtest(
        &self,
        ctx: &Context<'_>,
        input: ScoreModelBacktestInput,
    ) -> Result<ScoreModelBacktestPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let outcome = scoring::backtest(ctx.app(), ctx.caller()?, input.draft_id, key.as_ref()).await;
        let (job, user_errors) = ScoringUserError::split(outcome)?;
        Ok(ScoreModelBacktestPayload {
            job: job.map(Job::new),
            user_errors,
        })
    }

    /// Computes all scores anew from what is stored of the leads.
    #[scope("scoring:write", all_rows)]
    async fn scores_recalculate(
        &self,
        ctx: &Context<'_>,
        #[graphql(default)] input: ScoresRecalculateInput,
    ) -> Result<ScoresRecalculatePayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let job = scoring::recalculate(ctx.app(), ctx.caller()?, key.as_ref()).await?;
        Ok(ScoresRecalculatePayload { job: Job::new(job) })
    }
}
