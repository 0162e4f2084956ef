//! Table `text_generation`.

use sea_orm::entity::prelude::*;

use crate::{
    Day, TextFinish, TextState, Timestamp,
    id::{ConnectionId, TextId},
};

/// A text that a model was asked for: never the text itself.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "text_generation")]
pub struct Model {
    /// The text.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TextId,
    /// By which connection.
    pub connection_id: ConnectionId,
    /// Who asked.
    pub created_by: String,
    /// The model that was asked for.
    pub model: String,
    /// The model that wrote it, as the platform tells.
    pub written_by: Option<String>,
    /// A keyed hash of what was asked for: the same for the same.
    pub digest: String,
    /// Where it stands.
    pub state: TextState,
    /// Why the model stopped.
    pub finish: Option<TextFinish>,
    /// What kind of failure it was, as the API calls it.
    pub problem: Option<String>,
    /// The same in words.
    pub problem_message: Option<String>,
    /// The text that answered this request, where it was not asked for anew.
    pub copy_of: Option<TextId>,
    /// The platform's id of the answer.
    pub external_id: Option<String>,
    /// Tokens read that were not cached.
    pub input_tokens: i64,
    /// Tokens read from the platform's cache.
    pub cache_read_tokens: i64,
    /// Tokens written into the platform's cache.
    pub cache_write_tokens: i64,
    /// Tokens written, those of thinking included.
    pub output_tokens: i64,
    /// Of these, tokens of thinking.
    pub reasoning_tokens: i64,
    /// In US dollars, millionths of a millionth; none where nobody tells.
    pub cost: Option<i64>,
    /// The day (UTC) whose budget it counts into.
    pub day: Day,
    /// What the budget counts of it: an estimate until it has ended.
    pub counted_cost: i64,
    /// The tokens that the budget counts of it.
    pub counted_tokens: i64,
    /// Whoever writes it says again and again that it goes on; none when it has ended.
    pub alive_until: Option<Timestamp>,
    /// When somebody wanted it written no further.
    pub cancel_requested_at: Option<Timestamp>,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
