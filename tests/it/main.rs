//! The real binary on loopback, one file per stage.

mod harness;
