//! How usage rows are written: many with one statement, and of each row only what is not as in the row before it in its
//! place. Most columns of most rows are (the route, the method, the policy, what nobody refused), and to bind a value costs
//! more than to compare it.

use std::sync::LazyLock;

use rusqlite::{Connection, Statement, ToSql};

use super::UsageRow;

/// Rows of one statement. What it costs to begin and end a statement is shared by so many; more gain little.
const MANY: usize = 16;
/// Rows of a statement for what is left over.
const SOME: usize = 4;

const COLUMNS: [&str; 19] = [
    "id",
    "time_ms",
    "correlation_id",
    "duration_us",
    "trace",
    "method",
    "route",
    "status",
    "code",
    "stage",
    "bytes_in",
    "bytes_out",
    "client_hash",
    "user_hash",
    "plugin",
    "rule_line",
    "generation",
    "service",
    "policy",
];

/// `OR FAIL`: the whole transaction is undone if a row is refused, so that the statement need not be able to undo itself.
fn sql(rows: usize) -> String {
    let row = format!("({})", ["?"; COLUMNS.len()].join(", "));
    let values = vec![row; rows].join(", ");
    format!("INSERT OR FAIL INTO query_logs ({}) VALUES {values}", COLUMNS.join(", "))
}

/// Adds rows under numbers from `first` on, which is higher than every one before it; the number after the last.
pub(in crate::store) fn insert<'a>(
    connection: &Connection,
    first: i64,
    rows: impl Iterator<Item = &'a UsageRow>,
) -> rusqlite::Result<i64> {
    static SQL: LazyLock<[String; 3]> = LazyLock::new(|| [MANY, SOME, 1].map(sql));
    let rows: Vec<&UsageRow> = rows.collect();
    let (many, rest) = rows.as_chunks::<MANY>();
    let (some, rest) = rest.as_chunks::<SOME>();
    let (single, _) = rest.as_chunks::<1>();
    let next = groups(connection, &SQL[0], first, many)?;
    let next = groups(connection, &SQL[1], next, some)?;
    groups(connection, &SQL[2], next, single)
}

/// Runs a statement of `N` rows for each group of as many; the number after the last of them.
fn groups<const N: usize>(
    connection: &Connection,
    sql: &str,
    mut next: i64,
    groups: &[[&UsageRow; N]],
) -> rusqlite::Result<i64> {
    if groups.is_empty() {
        return Ok(next);
    }
    let mut statement = connection.prepare_cached(sql)?;
    let mut before: Option<&[&UsageRow; N]> = None;
    for group in groups {
        for (place, row) in group.iter().enumerate() {
            let bound = before.map(|before| before[place]);
            Place { statement: &mut statement, at: place * COLUMNS.len() }.bind(next, row, bound)?;
            next += 1;
        }
        statement.raw_execute()?;
        before = Some(group);
    }
    Ok(next)
}

/// The place of one row in a statement.
struct Place<'a, 'c> {
    statement: &'a mut Statement<'c>,
    /// The number of the parameter before the first of the place.
    at: usize,
}

impl Place<'_, '_> {
    /// Binds a row; `before` is the row that is bound there already. The columns are those of [`COLUMNS`], in that order.
    fn bind(mut self, id: i64, row: &UsageRow, before: Option<&UsageRow>) -> rusqlite::Result<()> {
        self.value(id)?;
        self.value(row.time_ms)?;
        self.value(row.correlation_id.as_str())?;
        self.value(number(row.duration_us))?;
        self.value(&row.trace)?;
        self.changed(&row.method, before.map(|before| &before.method))?;
        self.changed(&row.route, before.map(|before| &before.route))?;
        self.changed(&row.status, before.map(|before| &before.status))?;
        self.changed(&row.code, before.map(|before| &before.code))?;
        self.changed(&row.stage, before.map(|before| &before.stage))?;
        self.changed(&number(row.bytes_in), before.map(|before| number(before.bytes_in)).as_ref())?;
        self.changed(&number(row.bytes_out), before.map(|before| number(before.bytes_out)).as_ref())?;
        self.changed(&row.client_hash, before.map(|before| &before.client_hash))?;
        self.changed(&row.user_hash, before.map(|before| &before.user_hash))?;
        self.changed(&row.plugin, before.map(|before| &before.plugin))?;
        self.changed(&row.rule_line, before.map(|before| &before.rule_line))?;
        self.changed(&number(row.generation), before.map(|before| number(before.generation)).as_ref())?;
        self.changed(&row.service, before.map(|before| &before.service))?;
        self.changed(&row.policy, before.map(|before| &before.policy))
    }

    fn changed<T: ToSql + PartialEq>(&mut self, value: &T, before: Option<&T>) -> rusqlite::Result<()> {
        if before == Some(value) {
            self.at += 1;
            return Ok(());
        }
        self.value(value)
    }

    fn value(&mut self, value: impl ToSql) -> rusqlite::Result<()> {
        self.at += 1;
        self.statement.raw_bind_parameter(self.at, value)
    }
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
