//! Files and what is made of them.

pub mod files;
