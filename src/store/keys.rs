//! The rows of API keys.

use std::fmt;

use rusqlite::types::Type;
use rusqlite::{Connection, params};

/// A key on disk; times in milliseconds since 1970-01-01 UTC. `Debug` shows nothing that stands for its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Public id.
    pub id: [u8; 8],
    /// SHA-256 of the secret.
    pub digest: [u8; 32],
    /// What operators call it.
    pub name: String,
    /// An account's id, a word, or empty.
    pub owner: String,
    /// A word for rules; may be empty.
    pub tier: String,
    /// What routes may ask for.
    pub scopes: Vec<String>,
    /// Requests a minute, in place of a user's.
    pub per_minute: Option<u32>,
    /// When it was made.
    pub created_ms: i64,
    /// When it ends by itself.
    pub expires_ms: Option<i64>,
    /// The last use, at most a minute behind.
    pub last_used_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
}

impl fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRow").field("id", &self.id).finish_non_exhaustive()
    }
}

pub(super) fn insert(connection: &Connection, row: &KeyRow) -> rusqlite::Result<()> {
    let sql = "INSERT INTO api_keys (id, digest, name, owner, tier, scopes, per_minute, created_ms, expires_ms, \
               last_used_ms, revoked_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let scopes = serde_json::to_string(&row.scopes).expect("strings serialise");
    connection
        .prepare_cached(sql)?
        .execute(params![
            row.id,
            row.digest,
            row.name,
            row.owner,
            row.tier,
            scopes,
            row.per_minute,
            row.created_ms,
            row.expires_ms,
            row.last_used_ms,
            row.revoked_ms
        ])
        .map(drop)
}

/// The first revocation stands.
pub(super) fn revoke(connection: &Connection, id: [u8; 8], revoked_ms: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE api_keys SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL";
    connection.prepare_cached(sql)?.execute(params![id, revoked_ms]).map(drop)
}

pub(super) fn touch(connection: &Connection, id: [u8; 8], last_used_ms: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE api_keys SET last_used_ms = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id, last_used_ms]).map(drop)
}

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<KeyRow>> {
    let sql = "SELECT id, digest, name, owner, tier, scopes, per_minute, created_ms, expires_ms, last_used_ms, \
               revoked_ms FROM api_keys ORDER BY created_ms DESC, id DESC";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let scopes: String = row.get(5)?;
        let scopes = serde_json::from_str(&scopes)
            .map_err(|e| rusqlite::Error::FromSqlConversionFailure(5, Type::Text, Box::new(e)))?;
        Ok(KeyRow {
            id: row.get(0)?,
            digest: row.get(1)?,
            name: row.get(2)?,
            owner: row.get(3)?,
            tier: row.get(4)?,
            scopes,
            per_minute: row.get(6)?,
            created_ms: row.get(7)?,
            expires_ms: row.get(8)?,
            last_used_ms: row.get(9)?,
            revoked_ms: row.get(10)?,
        })
    })?;
    rows.collect()
}
