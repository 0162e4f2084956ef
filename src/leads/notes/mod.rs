//! Notes that people and programs write on leads.

pub mod graphql;
mod service;
mod store;

pub use entity::note::Model as Note;
pub use service::{
    NewNote, NoteChange, NoteProblem, ORDER, add, add_many, change, checked, delete, get_many, list, lists,
    notes_keyset, written,
};
