//! The rows of users.

use std::fmt;

use rusqlite::types::Type;
use rusqlite::{Connection, params};

use crate::base::secret::Secret;

/// A user on disk. Personal: `Debug` shows neither name nor password.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Opaque id.
    pub id: [u8; 16],
    /// Canonical sign-in name; unique.
    pub name: String,
    /// PHC string of the password, if there is one.
    pub password: Option<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// May not act.
    pub disabled: bool,
    /// In milliseconds since 1970-01-01 UTC.
    pub created_ms: i64,
    /// The key under which the person is a pseudonym; `None` only in a database that was not opened for writing since
    /// people have such keys.
    pub pseudonym_key: Option<Secret<[u8; 32]>>,
}

impl fmt::Debug for UserRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserRow")
            .field("roles", &self.roles)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

pub(super) fn save(connection: &Connection, row: &UserRow) -> rusqlite::Result<()> {
    let sql = "INSERT INTO users (id, name, password, roles, disabled, created_ms, pseudonym_key) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
               ON CONFLICT (id) DO UPDATE SET name = excluded.name, password = excluded.password, \
               roles = excluded.roles, disabled = excluded.disabled, pseudonym_key = excluded.pseudonym_key";
    let roles = serde_json::to_string(&row.roles).expect("strings serialise");
    let key = row.pseudonym_key.as_ref().map(Secret::expose);
    let values = params![row.id, row.name, row.password, roles, row.disabled, row.created_ms, key];
    securely(connection, || connection.prepare_cached(sql)?.execute(values).map(drop))
}

/// Removes the row and with it the key of the person's pseudonyms, its sessions' by the foreign key, the API keys that it
/// owns, and its ban. What stood there is overwritten with zeros: a row that was merely unlinked could still be read in the
/// file.
pub(super) fn erase(connection: &Connection, id: &[u8; 16], owner: &str) -> rusqlite::Result<()> {
    securely(connection, || {
        connection.execute("DELETE FROM api_keys WHERE owner = ?1", [owner])?;
        connection.execute("DELETE FROM bans WHERE kind = 'user' AND target = ?1", [owner])?;
        connection.execute("DELETE FROM users WHERE id = ?1", [id]).map(drop)
    })
}

/// Does something such that what gives way to it is overwritten with zeros, on pages that are freed too. A change of a row
/// frees what stood there before: a copy that an erasure would not find later.
fn securely(connection: &Connection, change: impl FnOnce() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    let secure = |how: &str| connection.pragma_update_and_check(None, "secure_delete", how, |_| Ok(()));
    secure("on")?;
    let done = change();
    secure("fast")?;
    done
}

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<UserRow>> {
    let sql =
        "SELECT id, name, password, roles, disabled, created_ms, pseudonym_key FROM users ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let roles: String = row.get(3)?;
        let roles = serde_json::from_str(&roles)
            .map_err(|e| rusqlite::Error::FromSqlConversionFailure(3, Type::Text, Box::new(e)))?;
        Ok(UserRow {
            id: row.get(0)?,
            name: row.get(1)?,
            password: row.get(2)?,
            roles,
            disabled: row.get(4)?,
            created_ms: row.get(5)?,
            pseudonym_key: row.get::<_, Option<[u8; 32]>>(6)?.map(Secret::new),
        })
    })?;
    rows.collect()
}
