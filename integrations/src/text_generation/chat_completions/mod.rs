//! The dialect of OpenRouter, OpenAI and all that calls itself compatible: `POST /chat/completions`.

mod client;
mod convert;
mod reader;
mod wire;

pub(crate) use self::client::{ChatJudge, Speaker, generate};
