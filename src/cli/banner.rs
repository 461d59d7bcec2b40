//! What the start shows on a terminal.
