//! The end-to-end tests, in one binary: one module for each area. [`support`] says how to write one.

#[macro_use]
mod support;

mod architecture;
mod cli;
mod console;
mod every_field;
mod export;
mod failures;
mod house;
mod imports;
mod killed;
mod leads;
mod lifecycle;
mod scoring;
mod server;
