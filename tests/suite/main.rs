//! The end-to-end tests, in one binary: one module for each area.

mod architecture;
