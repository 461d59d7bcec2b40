//! Identifiers: the correlation id of a request.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::uuid_v7;

/// The longest correlation id that a client may choose, in bytes.
pub const CORRELATION_ID_BYTES_MAX: usize = 64;

/// The id that stands on every response, log line and usage row of one request: `^[A-Za-z0-9._-]{1,64}$`.
#[derive(Clone)]
pub struct CorrelationId {
    text: Arc<str>,
    made_here: bool,
}

impl PartialEq for CorrelationId {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for CorrelationId {}

impl Hash for CorrelationId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl CorrelationId {
    /// Keeps a client's id if it has the allowed form.
    pub fn accept(text: &[u8]) -> Option<Self> {
        let fits = (1..=CORRELATION_ID_BYTES_MAX).contains(&text.len());
        let clean = text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        let text = std::str::from_utf8(text).ok()?;
        (fits && clean).then(|| Self { text: text.into(), made_here: false })
    }

    /// A new time-ordered id (UUIDv7, RFC 9562 section 5.7).
    pub fn generate() -> Self {
        let mut text = uuid::Uuid::encode_buffer();
        let text = Arc::from(&*uuid_v7::fresh().hyphenated().encode_lower(&mut text));
        Self { text, made_here: true }
    }

    /// The id as text, safe to print anywhere.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the gateway made it; else a client chose it.
    pub fn is_made_here(&self) -> bool {
        self.made_here
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_allowed_form_is_kept() {
        for good in ["a", "A-b_c.9", &"x".repeat(64)] {
            assert_eq!(
                CorrelationId::accept(good.as_bytes()).map(|i| i.as_str().to_owned()).as_deref(),
                Some(good)
            );
        }
        for bad in ["", "a b", "a\r\n", "<script>", "é", &"x".repeat(65)] {
            assert!(CorrelationId::accept(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_generated_id_is_one_that_would_be_accepted() {
        let id = CorrelationId::generate();
        assert_eq!(CorrelationId::accept(id.as_str().as_bytes()), Some(id.clone()));
        assert!(id.is_made_here());
        let kept = CorrelationId::accept(id.as_str().as_bytes()).unwrap();
        assert!(!kept.is_made_here(), "whoever sends it chose it");
    }
}
