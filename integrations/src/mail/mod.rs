//! What platforms for mail share: addresses, mails as they are written, what replies and reports say, and mails that come in.

mod address;
mod letter;
mod received;
mod report;
mod status;

pub use self::address::mailbox;
pub use self::letter::{ID_HEADER, Letter};
pub use self::received::{Part, Received};
pub use self::status::{Enhanced, Stage, Verdict, enhanced, read, verdict};
