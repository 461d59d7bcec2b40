//! API keys, for machines: `pm_<id>_<secret>`. The id is public and names the key; of the secret only a hash is kept.

mod form;
mod header;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

pub use self::form::{KeyId, KeySecret, SecretDigest};
pub use self::header::{Header, Presented, presented, words};
pub use self::table::{ApiKeys, KEYS_MAX, KeyError};

use super::ids::UserId;
use crate::base::address::{Pseudonym, Pseudonymiser};
use crate::base::secret::Secret;

/// The last use is noted at most this often.
const NOTE_EVERY_MS: u64 = 60_000;
/// Never used, or never expires, or not revoked: no moment.
const NEVER_MS: i64 = i64::MIN;

/// What a new key is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewKey {
    /// What operators call it.
    pub name: String,
    /// Whose key it is: an account's id, or a word; empty for nobody's.
    pub owner: String,
    /// A word for rules, such as a price plan; may be empty.
    pub tier: String,
    /// What routes may ask for as `roles`.
    pub scopes: Vec<String>,
    /// Requests a minute, in place of a user's.
    pub per_minute: Option<u32>,
    /// When it ends by itself, in milliseconds since 1970-01-01 UTC.
    pub expires_ms: Option<i64>,
}

/// A key as storage keeps it; times in milliseconds since 1970-01-01 UTC.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// The public part.
    pub id: KeyId,
    /// What stands for the secret part.
    pub digest: SecretDigest,
    /// What it was made to be.
    pub made: NewKey,
    /// When it was made.
    pub created_ms: i64,
    /// The last use, at most a minute behind.
    pub last_used_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
}

/// One key in memory. Everything about it is fixed but when it was last used and whether it was revoked.
pub struct ApiKey {
    id: KeyId,
    digest: SecretDigest,
    made: NewKey,
    created_ms: i64,
    last_used_ms: AtomicI64,
    revoked_ms: AtomicI64,
    pseudonym: OnceLock<Pseudonym>,
    subject: OnceLock<Arc<str>>,
}

/// A key that was just made: the only moment at which its whole text is known.
#[derive(Debug)]
pub struct Issued {
    /// The key.
    pub key: Arc<ApiKey>,
    /// `pm_<id>_<secret>`.
    pub text: Secret<String>,
}

impl ApiKey {
    fn from_row(row: KeyRow) -> Self {
        Self {
            id: row.id,
            digest: row.digest,
            made: row.made,
            created_ms: row.created_ms,
            last_used_ms: AtomicI64::new(row.last_used_ms.unwrap_or(NEVER_MS)),
            revoked_ms: AtomicI64::new(row.revoked_ms.unwrap_or(NEVER_MS)),
            pseudonym: OnceLock::new(),
            subject: OnceLock::new(),
        }
    }

    /// The public part.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What operators call it.
    pub fn name(&self) -> &str {
        &self.made.name
    }

    /// Whose key it is: an account's id, or a word; empty for nobody's.
    pub fn owner(&self) -> &str {
        &self.made.owner
    }

    /// The account that it belongs to, by id; `None` where the owner is a word or nobody.
    pub fn account(&self) -> Option<UserId> {
        UserId::parse(&self.made.owner)
    }

    /// The word for rules.
    pub fn tier(&self) -> &str {
        &self.made.tier
    }

    /// What routes may ask for as `roles`.
    pub fn scopes(&self) -> &[String] {
        &self.made.scopes
    }

    /// Requests a minute, in place of a user's.
    pub fn per_minute(&self) -> Option<u32> {
        self.made.per_minute
    }

    /// Whether it was revoked.
    pub fn is_revoked(&self) -> bool {
        self.revoked_ms.load(Ordering::Acquire) != NEVER_MS
    }

    /// Whether its time is over.
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.made.expires_ms.is_some_and(|end| now_ms >= end)
    }

    /// What buckets, upstreams and pseudonyms know it by; no account's id looks like it. Written at the first call.
    pub fn subject(&self) -> Arc<str> {
        Arc::clone(self.subject.get_or_init(|| Arc::from(format!("key:{}", self.id.text()))))
    }

    /// What logs and rows call it, under the database's key. Computed at the first call.
    pub fn pseudonym(&self, people: &Pseudonymiser) -> Pseudonym {
        *self.pseudonym.get_or_init(|| people.user(&self.subject()))
    }

    /// As storage keeps it.
    pub fn row(&self) -> KeyRow {
        let moment = |at: &AtomicI64| Some(at.load(Ordering::Acquire)).filter(|ms| *ms != NEVER_MS);
        KeyRow {
            id: self.id,
            digest: self.digest.clone(),
            made: self.made.clone(),
            created_ms: self.created_ms,
            last_used_ms: moment(&self.last_used_ms),
            revoked_ms: moment(&self.revoked_ms),
        }
    }

    /// Notes a use; whether the disk should be told.
    fn used(&self, now_ms: i64) -> bool {
        let noted = self.last_used_ms.load(Ordering::Relaxed);
        (noted == NEVER_MS || now_ms.abs_diff(noted) >= NOTE_EVERY_MS)
            && self.last_used_ms.compare_exchange(noted, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Ends it; the first moment stands. Returns that moment.
    fn revoke(&self, now_ms: i64) -> i64 {
        match self.revoked_ms.compare_exchange(NEVER_MS, now_ms, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => now_ms,
            Err(first) => first,
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRow").field("id", &self.id).finish_non_exhaustive()
    }
}
