//! What the sandboxes of text models share: a "model" that writes by rule, and how its words come out of the wire.

pub(crate) mod completion;
mod ledger;
mod wire;
mod writer;

use std::fmt::Write as _;

use rust_decimal::Decimal;
use serde_json::{Value, json};

pub(crate) use self::ledger::{Minute, Orders};
pub(crate) use self::wire::Events;
pub(crate) use self::writer::{Ending, Order, Told, words, write};

/// A model of a sandbox.
#[derive(Clone, Debug)]
pub(crate) struct SandboxModel {
    /// As it is asked for.
    pub id: String,
    /// For people.
    pub name: String,
    /// How many tokens it can look at.
    pub context: u64,
    /// How many it writes at most.
    pub output: u64,
    /// US dollars for a token read, and for one written.
    pub price: (Decimal, Decimal),
    /// Whether it thinks before it writes.
    pub thinks: bool,
}

impl SandboxModel {
    /// Its prices as they are entered in the settings of a connection. Reading the cache costs a tenth of reading, writing
    /// it a quarter more.
    pub(crate) fn setting(&self) -> (String, Value) {
        let (input, output) = self.price;
        let million = |price: Decimal| json!((price * Decimal::from(1_000_000)).normalize().to_string());
        let prices = json!({
            "inputPerMillion": million(input),
            "outputPerMillion": million(output),
            "cacheReadPerMillion": million(input / Decimal::TEN),
            "cacheWritePerMillion": million(input * Decimal::new(125, 2)),
        });
        (self.id.clone(), prices)
    }
}

/// Families of models, with the thousandth parts of a dollar for a thousand tokens read and written.
const FAMILIES: [(&str, &str, i64, i64); 8] = [
    ("scribe", "Scribe", 300, 1_500),
    ("herald", "Herald", 250, 1_000),
    ("lyric", "Lyric", 55, 220),
    ("quill", "Quill", 1_250, 5_000),
    ("atlas", "Atlas", 15, 60),
    ("sonata", "Sonata", 90, 900),
    ("orator", "Orator", 500, 2_500),
    ("minuet", "Minuet", 4, 16),
];

/// So many models: the first one writes, the second thinks before it writes, and so on in turns.
pub(crate) fn models(count: usize, prefix: impl Fn(usize) -> String) -> Vec<SandboxModel> {
    (0..count)
        .map(|index| {
            let (family, name, input, output) = FAMILIES[(index / 2) % FAMILIES.len()];
            let generation = index / (2 * FAMILIES.len()) + 1;
            let thinks = index % 2 == 1;
            let mut id = format!("{}{family}-{generation}", prefix(index));
            let mut name = format!("{name} {generation}");
            if thinks {
                id.push_str("-think");
                let _ = write!(name, " Think");
            }
            SandboxModel {
                id,
                name,
                context: 128_000 << (index % 3),
                output: 16_384,
                price: (Decimal::new(input, 8), Decimal::new(output, 8)),
                thinks,
            }
        })
        .collect()
}
