//! The rows of alerts: that they were raised, and that they are over.

use rusqlite::{Connection, params};

/// One message of an alert. A person or an address is a keyed hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRow {
    /// The message's own id.
    pub event_id: String,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// The alert's name.
    pub name: String,
    /// What the alert is about.
    pub about: String,
    /// `raised` or `recovered`.
    pub event: String,
    /// How bad it is.
    pub severity: String,
    /// What happened.
    pub title: String,
    /// More of it, of rules' alerts.
    pub detail: String,
    /// A keyed hash, or the name of a service or a plugin.
    pub subject: Option<String>,
    /// How often it happened.
    pub count: u64,
    /// In what time.
    pub window: Option<String>,
    /// The generation of the policy.
    pub generation: u64,
    /// `log` where only the log was told, else `waiting`, `delivered`, `failed` or `dropped`.
    pub delivered: String,
}

const COLUMNS: &str = "event_id, time_ms, name, about, event, severity, title, detail, subject, count, window, \
                       generation, delivered";

pub(super) fn insert(connection: &Connection, row: &AlertRow) -> rusqlite::Result<()> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let sql = format!(
        "INSERT INTO alerts ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
    );
    connection
        .prepare_cached(&sql)?
        .execute(params![
            row.event_id,
            row.time_ms,
            row.name,
            row.about,
            row.event,
            row.severity,
            row.title,
            row.detail,
            row.subject,
            number(row.count),
            row.window,
            number(row.generation),
            row.delivered,
        ])
        .map(drop)
}

/// Notes what became of a message; one that is not there is no error.
pub(super) fn became(connection: &Connection, event_id: &str, delivered: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE alerts SET delivered = ?2 WHERE event_id = ?1";
    connection.prepare_cached(sql)?.execute(params![event_id, delivered]).map(drop)
}

/// The newest messages not before a time, the newest first.
pub(super) fn newest(connection: &Connection, since_ms: i64, most: usize) -> rusqlite::Result<Vec<AlertRow>> {
    let sql = format!("SELECT {COLUMNS} FROM alerts WHERE time_ms >= ?1 ORDER BY id DESC LIMIT ?2");
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(params![since_ms, i64::try_from(most).unwrap_or(i64::MAX)], |row| {
        let number = |n: i64| u64::try_from(n).unwrap_or(0);
        Ok(AlertRow {
            event_id: row.get(0)?,
            time_ms: row.get(1)?,
            name: row.get(2)?,
            about: row.get(3)?,
            event: row.get(4)?,
            severity: row.get(5)?,
            title: row.get(6)?,
            detail: row.get(7)?,
            subject: row.get(8)?,
            count: number(row.get(9)?),
            window: row.get(10)?,
            generation: number(row.get(11)?),
            delivered: row.get(12)?,
        })
    })?;
    rows.collect()
}
