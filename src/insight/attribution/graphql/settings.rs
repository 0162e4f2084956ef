//! The settings of attribution.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::{EngagementType, Timestamp};

use crate::api::types::{Access, scoped, user_errors};
use crate::insight::attribution::{Change, Settings, SettingsProblem, update_settings};
use crate::jobs::graphql::Job;

/// The weights of `U_SHAPED`.
#[derive(SimpleObject, InputObject, Clone, Copy)]
#[graphql(name = "UShapedWeights", input_name = "UShapedWeightsInput")]
struct UShaped {
    /// Of the first touch, 0–1.
    first: f64,
    /// Of the last, 0–1.
    last: f64,
    /// Of all others together, 0–1.
    rest: f64,
}

/// The weights of `W_SHAPED`.
#[derive(SimpleObject, InputObject, Clone, Copy)]
#[graphql(name = "WShapedWeights", input_name = "WShapedWeightsInput")]
struct WShaped {
    /// Of the first touch, 0–1.
    first: f64,
    /// Of the last one when the lead became an opportunity, 0–1.
    opportunity: f64,
    /// Of the last touch, 0–1.
    last: f64,
    /// Of all others together, 0–1.
    rest: f64,
}

/// How conversions are attributed.
#[derive(SimpleObject)]
pub(super) struct AttributionSettings {
    /// Counts the changes, from 1.
    version: i32,
    /// Touches so many days before a conversion count for it, 1–365.
    window_days: i32,
    /// `TIME_DECAY`: after so many days a touch counts half, above 0, at most 365.
    half_life_days: f64,
    /// Which engagements are touches.
    touch_types: Vec<EngagementType>,
    /// The weights of `U_SHAPED`; those of places that a journey lacks go to the others in proportion.
    u_shaped: UShaped,
    /// The weights of `W_SHAPED`, likewise.
    w_shaped: WShaped,
    /// Whether the sums by these settings are complete.
    is_summed_up: bool,
    /// When they were set; null while they are as they came.
    created_at: Option<Timestamp>,
    /// Who set them.
    created_by: Option<String>,
}

impl From<Settings> for AttributionSettings {
    fn from(stored: Settings) -> Self {
        let is_summed_up = stored.is_summed_up();
        let settings = stored.settings;
        let [first, last, rest] = settings.u_shaped;
        let u_shaped = UShaped { first, last, rest };
        let [first, opportunity, last, rest] = settings.w_shaped;
        Self {
            version: stored.version,
            window_days: i32::try_from(settings.window_days).unwrap_or(i32::MAX),
            half_life_days: settings.half_life_days,
            touch_types: settings.touch_types.into_iter().collect(),
            u_shaped,
            w_shaped: WShaped {
                first,
                opportunity,
                last,
                rest,
            },
            is_summed_up,
            created_at: stored.created_at,
            created_by: stored.created_by,
        }
    }
}

user_errors!(
    /// An expected failure of a change of the settings of attribution.
    AttributionSettingsUserError,
    SettingsProblem
);

/// A change of the settings of attribution; what is absent stays as it is.
#[derive(InputObject)]
struct AttributionSettingsUpdateInput {
    /// Touches so many days before a conversion count for it, 1–365.
    window_days: Option<i32>,
    /// `TIME_DECAY`: after so many days a touch counts half, above 0, at most 365.
    half_life_days: Option<f64>,
    /// Which engagements are touches: what a lead does itself, and ads shown to it.
    touch_types: Option<Vec<EngagementType>>,
    /// The weights of `U_SHAPED`.
    u_shaped: Option<UShaped>,
    /// The weights of `W_SHAPED`.
    w_shaped: Option<WShaped>,
    /// Change them only if this is still their version.
    expected_version: Option<i32>,
}

/// The answer of `attributionSettingsUpdate`.
#[derive(SimpleObject)]
struct AttributionSettingsUpdatePayload {
    /// The settings as they are now; null when there are user errors.
    settings: Option<AttributionSettings>,
    /// Sums up what there is by these settings; null when nothing changed, or one that will do so waits already.
    job: Option<Job>,
    /// What was wrong.
    user_errors: Vec<AttributionSettingsUserError>,
}

/// Changes of attribution.
#[derive(Default)]
pub struct AttributionMutation;

#[scoped]
#[Object]
impl AttributionMutation {
    /// Changes how conversions are attributed. One conversion is told by the new settings at once; sums are, when the job is
    /// done, and until then by the former ones.
    #[scope("settings:write", all_rows)]
    async fn attribution_settings_update(
        &self,
        ctx: &Context<'_>,
        input: AttributionSettingsUpdateInput,
    ) -> Result<AttributionSettingsUpdatePayload> {
        let AttributionSettingsUpdateInput {
            window_days,
            half_life_days,
            touch_types,
            u_shaped,
            w_shaped,
            expected_version,
        } = input;
        let change = Change {
            // What is negative is no window either.
            window_days: window_days.map(|days| u32::try_from(days).unwrap_or_default()),
            half_life_days,
            touch_types,
            u_shaped: u_shaped.map(|UShaped { first, last, rest }| [first, last, rest]),
            w_shaped: w_shaped.map(|weights| {
                let WShaped {
                    first,
                    opportunity,
                    last,
                    rest,
                } = weights;
                [first, opportunity, last, rest]
            }),
            expected_version,
        };
        let outcome = update_settings(ctx.app(), ctx.caller()?, change).await;
        let (changed, user_errors) = AttributionSettingsUserError::split(outcome)?;
        let (settings, job) = changed.unzip();
        Ok(AttributionSettingsUpdatePayload {
            settings: settings.map(Into::into),
            job: job.flatten().map(Job::new),
            user_errors,
        })
    }
}
