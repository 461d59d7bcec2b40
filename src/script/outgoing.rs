//! What `on_upstream` changes of the request that goes upstream.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

/// One change of a header.
#[derive(Clone, Debug)]
pub enum HeaderEdit {
    /// In place of what stands there.
    Set(HeaderName, HeaderValue),
    /// Beside what stands there.
    Add(HeaderName, HeaderValue),
    /// Away with it.
    Remove(HeaderName),
}

/// Every change, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    /// Changes of headers.
    pub edits: Vec<HeaderEdit>,
    /// How long the answer's head may take; the service's own limit where absent.
    pub timeout: Option<Duration>,
}

/// Changes of headers that one request takes.
pub(super) const EDITS_MAX: usize = 64;

impl Outgoing {
    /// Lays later changes over these.
    pub(super) fn overlay(&mut self, later: Self) {
        self.edits.extend(later.edits);
        self.edits.truncate(EDITS_MAX);
        self.timeout = later.timeout.or(self.timeout);
    }

    /// Makes the changes.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for edit in &self.edits {
            match edit {
                HeaderEdit::Set(name, value) => drop(headers.insert(name, value.clone())),
                HeaderEdit::Add(name, value) => drop(headers.append(name, value.clone())),
                HeaderEdit::Remove(name) => drop(headers.remove(name)),
            }
        }
    }
}
