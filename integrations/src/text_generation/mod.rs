//! What the platforms that run models share. They speak two dialects: chat completions ([`chat_completions`]: OpenRouter,
//! OpenAI and all that is compatible), and Anthropic's own (in its folder). Both stream server-sent events.

mod base_url;
pub(crate) mod chat_completions;
mod deadlines;
mod errors;
mod prices;
pub(crate) mod sandbox;
mod stream;
#[cfg(test)]
mod stream_tests;
#[cfg(test)]
pub(crate) mod trial;

pub(crate) use self::base_url::BaseUrl;
pub(crate) use self::deadlines::Deadlines;
pub(crate) use self::errors::{ErrorTable, Told, name_of, with_headers};
pub(crate) use self::prices::{Prices, decimal};
pub(crate) use self::stream::{Ended, Opened, Reader, Step, Stop, open, within};
