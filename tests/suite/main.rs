//! The end-to-end tests, in one binary: one module for each area. [`support`] says how to write one.

#[macro_use]
mod support;

mod access;
mod accounts;
mod architecture;
mod attribution;
mod audit;
mod budgets;
mod cli;
mod clients;
mod consent;
mod console;
mod conversions;
mod custom_fields;
mod demo;
mod doors;
mod endpoint;
mod engagement;
mod every_field;
mod export;
mod failures;
mod house;
mod imports;
mod jobs;
mod journeys;
mod killed;
mod leads;
mod lifecycle;
mod limits;
mod nodes;
mod notes;
mod persisted;
mod platforms;
mod repeats;
mod reports;
mod revenue;
mod row_filter;
mod scoring;
mod secrets;
mod server;
mod sessions;
mod stopped;
mod tags;
mod tokens;
