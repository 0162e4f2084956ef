//! What a kind of import brings with it: what a record becomes, and how a batch of them is written.

use async_trait::async_trait;
use entity::id::LeadId;
use entity::{IdentityKind, Timestamp};

use super::convert::Record;
use super::mapping::Mapping;
use super::report::Rejection;
use super::targets::{Field, Target};
use super::value::Value;
use crate::app::App;
use crate::db::Tx;
use crate::error::{Error, Problem};
use crate::identity::Caller;
use crate::leads::lead::Identity;

/// Where records land: leads, engagements or conversions. Reading, batches, transactions, rejections and checkpoints are
/// the same for all ([`drive`](super::drive)); a sink only says what a record becomes and writes a batch of that.
#[async_trait]
pub trait Sink: Send + Sync {
    /// What a record becomes.
    type Item: Send;

    /// Reads a record; pure.
    ///
    /// # Errors
    /// What is wrong with it. It is rejected then.
    fn item(&self, file: &FileContext, record: &Record) -> Result<Self::Item, Vec<Fault>>;

    /// Writes a batch within the transaction; answers for each item in its order.
    ///
    /// # Errors
    /// The database's; a missing scope. Wrong items are answers, not errors.
    async fn write(
        &self,
        app: &App,
        tx: &Tx,
        caller: &Caller,
        now: Timestamp,
        file: &FileContext,
        items: Vec<Self::Item>,
    ) -> Result<Vec<Landed>, Error>;
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landed {
    /// Something new.
    Created,
    /// Something that was there has changed.
    Updated,
    /// It is there already.
    Unchanged,
    /// Nothing was done, for these reasons.
    Refused(Vec<Fault>),
}

impl Landed {
    /// Refused for the problems that a room found, named as its API names them.
    #[must_use]
    pub fn refused<C>(problems: Vec<Problem<C>>) -> Self {
        Self::Refused(problems.into_iter().map(Fault::from).collect())
    }
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path of the field, as the API or the target is called; empty where it is about the row as a whole.
    pub field: Vec<String>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Fault {
    /// A fault of one field, or of the row as a whole when the name is empty.
    pub fn new(field: &str, message: impl Into<String>) -> Self {
        Self {
            field: std::iter::once(field)
                .filter(|field| !field.is_empty())
                .map(str::to_owned)
                .collect(),
            message: message.into(),
        }
    }
}

impl<C> From<Problem<C>> for Fault {
    fn from(problem: Problem<C>) -> Self {
        let Problem {
            field,
            message,
            code: _,
        } = problem;
        Self { field, message }
    }
}

/// By what a row names its lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeadRef {
    /// By Leadline's own id.
    Id(LeadId),
    /// By what the lead is known by.
    Known(Identity),
}

/// The file that records come from.
#[derive(Clone, Debug)]
pub struct FileContext {
    /// Its columns and what they feed.
    pub mapping: Mapping,
    /// Whose external ids it has.
    pub namespace: String,
}

impl FileContext {
    /// The values of a record, with what each of them is for.
    pub fn values<'a>(&'a self, record: &'a Record) -> impl Iterator<Item = (&'a Target, &'a Value)> {
        self.mapping
            .bindings()
            .iter()
            .zip(&record.values)
            .filter_map(|(binding, value)| Some((&binding.target, value.as_ref()?)))
    }

    /// The lead that a record belongs to: by the first of its columns that names one.
    #[must_use]
    pub fn lead(&self, record: &Record) -> Option<LeadRef> {
        self.named(record).map(|(_, lead)| lead)
    }

    /// The first binding that names the lead, and the lead.
    fn named(&self, record: &Record) -> Option<(usize, LeadRef)> {
        let known = |kind, namespace: &str, text: &str| {
            LeadRef::Known(Identity {
                kind,
                namespace: namespace.to_owned(),
                value: text.to_owned(),
            })
        };
        let mut bindings = self.mapping.bindings().iter().zip(&record.values).enumerate();
        bindings.find_map(|(at, (binding, value))| {
            let target = &binding.target;
            let lead = match (target.field(), value.as_ref()?) {
                (Field::LeadId, Value::Lead(id)) => LeadRef::Id(*id),
                (Field::ExternalId, Value::Text(text)) => {
                    known(IdentityKind::External, self.namespace_of(target), text)
                }
                (Field::Email, Value::Text(text)) => known(IdentityKind::Email, "", text),
                (Field::Phone, Value::Text(text)) => known(IdentityKind::Phone, "", text),
                _ => return None,
            };
            Some((at, lead))
        })
    }

    /// Whose external ids a target takes: those of its key, else of the file.
    #[must_use]
    pub fn namespace_of<'a>(&'a self, target: &'a Target) -> &'a str {
        match target.key() {
            "" => &self.namespace,
            key => key,
        }
    }

    /// A dedupe key made of all values of a record, for files that have none of their own.
    #[must_use]
    pub fn row_key(&self, record: &Record) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut put = |text: &str| {
            // With its length, so that no text can pass for two.
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        put(&self.mapping.kind().to_string());
        put(&self.namespace);
        for (target, value) in self.values(record) {
            put(&target.to_string());
            put(&value.to_string());
        }
        format!("row:{}", hasher.finalize().to_hex())
    }

    /// A fault as the report shows it: with the column that feeds the field, and what stands there.
    pub(super) fn rejection(&self, record: &Record, fault: Fault) -> Rejection {
        let Fault { field, message } = fault;
        let at = self.position(record, &field);
        let bindings = self.mapping.bindings();
        let column = at
            .and_then(|at| bindings[at].column)
            .map(|column| self.mapping.header().names[column].as_str());
        let value = at
            .and_then(|at| record.values.get(at)?.as_ref())
            .map_or_else(String::new, ToString::to_string);
        Rejection::new(record.line, column, &value, "refused", message)
    }

    /// The binding that a room's path of a field means.
    fn position(&self, record: &Record, field: &[String]) -> Option<usize> {
        let head = field.first()?;
        let kind = self.mapping.kind();
        let target = match head.as_str() {
            "leadId" | "identity" => return self.named(record).map(|(at, _)| at),
            "externalIds" => return self.mapping.position(Field::ExternalId),
            _ => kind
                .target(&field.join("."))
                .or_else(|| kind.target_like(&field.concat()))
                .or_else(|| kind.target_like(head)),
        }?;
        self.mapping
            .bindings()
            .iter()
            .position(|binding| binding.target == target)
    }
}
