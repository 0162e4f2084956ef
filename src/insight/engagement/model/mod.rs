//! The rules of engagement: what each type means ([`kinds`]), how surely a person stands behind an open or click
//! ([`confidence`]), how engagements are counted ([`counts`]), and what a recorded engagement must satisfy ([`draft`]).

pub mod confidence;
pub mod counts;
pub mod draft;
pub mod kinds;

pub use confidence::{HUMAN, MACHINE, MessageEvent, human_confidence, lone_confidence};
pub use counts::{ChannelCounts, TypeCounts};
pub use draft::{EngagementDraft, ProblemCode};
pub use kinds::{default_channel, is_inbound, is_outbound_message, is_reply, is_touch_point};
