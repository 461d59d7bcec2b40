//! The scanner over many heads.
