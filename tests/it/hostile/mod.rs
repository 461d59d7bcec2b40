//! Some thousand hostile connections against one real gateway, before an upstream that keeps every byte. What the reference
//! reader finds in a connection's bytes is what may arrive upstream, once, in order, as policy judged it; what it does not
//! find is refused in the envelope, and the connection ends.

mod case;
mod client;
mod corpus;
mod grammar;
mod judge;

pub use case::Case;

/// Every case: the written ones and the systematic ones.
pub fn all() -> Vec<Case> {
    let mut cases = case::written();
    cases.extend(grammar::all());
    cases
}
