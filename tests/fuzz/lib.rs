//! Fuzz targets as plain functions: libFuzzer calls them here, and `cargo test` with a generator of its own.

#[path = "../it/harness/strict.rs"]
pub mod strict;
pub mod targets;
