//! The rows of identities: who an account is at a provider.

use std::fmt;

use rusqlite::{Connection, params};

/// An identity on disk. Personal: `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityRow {
    /// The provider's issuer.
    pub issuer: String,
    /// The provider's name for the person.
    pub subject: String,
    /// Whose it is; that user's row must be there.
    pub user: [u8; 16],
    /// The provider's name in the configuration.
    pub provider: String,
    /// The verified address.
    pub email: Option<String>,
    /// The name to show.
    pub name: Option<String>,
    /// The last sign-in, in milliseconds since 1970-01-01 UTC.
    pub updated_ms: i64,
}

impl fmt::Debug for IdentityRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityRow").field("provider", &self.provider).finish_non_exhaustive()
    }
}

pub(super) fn save(connection: &Connection, row: &IdentityRow) -> rusqlite::Result<()> {
    let sql = "INSERT INTO identities (issuer, subject, user_id, provider, email, name, updated_ms) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
               ON CONFLICT (issuer, subject) DO UPDATE SET user_id = excluded.user_id, provider = excluded.provider, \
               email = excluded.email, name = excluded.name, updated_ms = excluded.updated_ms";
    connection
        .prepare_cached(sql)?
        .execute(params![
            row.issuer,
            row.subject,
            row.user,
            row.provider,
            row.email,
            row.name,
            row.updated_ms
        ])
        .map(drop)
}

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<IdentityRow>> {
    let sql = "SELECT issuer, subject, user_id, provider, email, name, updated_ms FROM identities";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(IdentityRow {
            issuer: row.get(0)?,
            subject: row.get(1)?,
            user: row.get(2)?,
            provider: row.get(3)?,
            email: row.get(4)?,
            name: row.get(5)?,
            updated_ms: row.get(6)?,
        })
    })?;
    rows.collect()
}
