//! A refusal as `on_deny` sees it, and the words that it may put in place of the refusal's own.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

/// A refusal, whoever made it.
#[derive(Clone, Debug, Default)]
pub struct DenialFacts {
    /// The plugin that refused; empty where the gateway itself did.
    pub plugin: Arc<str>,
    /// The code of the envelope.
    pub code: String,
    /// The status.
    pub status: u16,
    /// The sentence for the client.
    pub message: String,
}

/// Other words for a refusal. The verdict, its status and its code stay what they are.
#[derive(Clone, Debug, Default)]
pub struct DenialWords {
    /// In place of the sentence for the client.
    pub message: Option<String>,
    /// In place of `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Headers beside those of the refusal.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl DenialWords {
    /// Lays later words over these.
    pub(super) fn overlay(&mut self, later: Self) {
        self.message = later.message.or(self.message.take());
        self.retry_after = later.retry_after.or(self.retry_after);
        self.headers.extend(later.headers);
    }
}
