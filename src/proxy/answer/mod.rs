//! What an upstream may answer. A guard between its socket and hyper's HTTP/1 parser: it holds each response head back
//! until it is whole, judges it strictly, follows the body to its end, and lets nothing through that could be read in
//! two ways. hyper then parses what every parser reads alike.
//!
//! - [`Guard`] follows one connection over all its exchanges.
//! - `head` judges one head; pure.
//! - [`Fault`] names what can be wrong.
//!
//! # Source
//! RFC 9112 sections 2.2, 4, 5, 6.3 and 9.3; RFC 9110 sections 5.5 and 15.2; THREATS UP-05 to UP-11, SM-29;
//! docs/decisions/0012.

mod body;
mod fault;
mod guard;
mod head;

pub use fault::Fault;
pub use guard::{Asked, Guard};
pub use head::{FIELDS_MAX, HEAD_BYTES_MAX};

#[cfg(test)]
mod tests;
