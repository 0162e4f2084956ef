//! What an answer says of itself besides its data, in `extensions`.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Response, Value, value};

/// What is to be said of one answer.
#[derive(Clone, Debug, Default)]
pub(in crate::api) struct Remarks(Arc<Mutex<Vec<Value>>>);

impl Remarks {
    /// Says how a field was read, where that is not the usual way, and why.
    pub(super) fn read(&self, field: &str, from: &str, because: &str) {
        let remark = value!({ "field": field, "from": from, "because": because });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(remark);
    }

    /// Writes `extensions.reads`, where there is something to say.
    pub(in crate::api) fn write(&self, response: &mut Response) {
        let remarks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if !remarks.is_empty() {
            response
                .extensions
                .insert("reads".to_owned(), Value::List(remarks));
        }
    }
}
