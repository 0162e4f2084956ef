//! Text to be written by a model.

use std::pin::Pin;

use async_trait::async_trait;
use futures_util::Stream;
use rust_decimal::Decimal;

use crate::{Context, Result};

/// A platform that runs models.
#[async_trait]
pub trait TextGenerator: Send + Sync {
    /// The models there are, with their prices.
    ///
    /// # Errors
    /// The platform's.
    async fn models(&self, context: &Context) -> Result<Vec<Model>>;

    /// Writes, piece by piece: text as it comes, and one [`TextPiece::End`] as the last. A stream without an end has
    /// failed. Before the first piece a request is tried again as any other; behind it never.
    fn generate<'a>(
        &'a self,
        context: &'a Context,
        request: TextRequest,
    ) -> Pin<Box<dyn Stream<Item = Result<TextPiece>> + Send + 'a>>;
}

/// What is to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct TextRequest {
    /// The model by the platform's name.
    pub model: String,
    /// What it is told to be.
    pub system: Option<String>,
    /// What was said so far; the last is the user's.
    pub messages: Vec<TextMessage>,
    /// At most so many tokens.
    pub max_tokens: u32,
    /// 0 to 2; not sent to models that take none.
    pub temperature: Option<f64>,
    /// The answer is to be JSON of this schema: a name and the schema.
    pub json_schema: Option<(String, serde_json::Value)>,
    /// Who it is for, as a name that tells nothing about them.
    pub user: Option<String>,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextMessage {
    /// By whom.
    pub role: Role,
    /// What.
    pub text: String,
}

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Who asks.
    User,
    /// The model.
    Assistant,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum TextPiece {
    /// More text.
    Text(String),
    /// That was all.
    End {
        /// Why.
        finish: Finish,
        /// The model that wrote it.
        model: String,
        /// The platform's id of the answer.
        id: Option<String>,
        /// What it took.
        usage: Usage,
    },
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finish {
    /// It was done.
    Complete,
    /// It ran into the limit of tokens.
    Truncated,
    /// It, or the platform, would not.
    Refused,
    /// It wants a tool, which we never offer.
    ToolCall,
}

/// What an answer took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens read that were not cached.
    pub input: u64,
    /// Tokens read from the platform's cache.
    pub cache_read: u64,
    /// Tokens written into the platform's cache.
    pub cache_write: u64,
    /// Tokens written, those of thinking included.
    pub output: u64,
    /// Of these, tokens of thinking.
    pub reasoning: u64,
    /// In US dollars: as the platform says, or by the prices in the settings; `None` where neither tells.
    pub cost: Option<Decimal>,
}

/// A model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The platform's name of it.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// How many tokens it can look at.
    pub context: Option<u64>,
    /// US dollars for a million tokens read.
    pub input_price: Option<Decimal>,
    /// US dollars for a million tokens written.
    pub output_price: Option<Decimal>,
}
