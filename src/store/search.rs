//! Finding requests. The newest rows are looked at one by one; of older ones, the blocks say which are worth it. Either way
//! a row is compared with the whole filter before it is shown.

use rusqlite::{Connection, ToSql, params_from_iter};

use super::blocks::{self, Block, Kind, Term};
use super::usage::{COLUMNS, UsageFilter, UsageListed, listed};

/// Requests that a filter lets through: the newest first, or, after a row, the oldest first.
pub(super) fn find(
    connection: &Connection,
    filter: &UsageFilter,
    most: usize,
) -> rusqlite::Result<Vec<UsageListed>> {
    // One state of the database for all of its statements.
    let snapshot = connection.unchecked_transaction()?;
    let search = Search::of(filter, &snapshot);
    let after = filter.after.unwrap_or(-1);
    let since = filter.since_ms.unwrap_or(i64::MIN);
    if filter.correlation_id.is_some() {
        // The one index of the table itself finds these.
        let mut found = Vec::new();
        search.range(after.saturating_add(1), i64::MAX, most, &mut found)?;
        return Ok(found);
    }
    let mut parts: Vec<Part> = vec![Part::Rows(blocks::first_unindexed(&snapshot)?, i64::MAX)];
    let blocks = blocks::all(&snapshot)?.into_iter().rev();
    parts.extend(blocks.filter(|b| b.last_ms >= since && b.end() > after).map(Part::Block));
    if filter.after.is_some() {
        parts.reverse();
    }
    let mut found = Vec::new();
    for part in parts {
        let room = most - found.len();
        if room == 0 {
            break;
        }
        match part {
            Part::Rows(from, to) => search.range(from.max(after.saturating_add(1)), to, room, &mut found)?,
            Part::Block(block) if search.terms.is_empty() => {
                search.range(
                    block.begin().max(after.saturating_add(1)),
                    block.end() - 1,
                    room,
                    &mut found,
                )?;
            }
            Part::Block(block) => search.block(block, room, &mut found)?,
        }
    }
    Ok(found)
}

/// The number of the first row that may be from that time or later.
pub(super) fn first_row_since(connection: &Connection, since_ms: i64) -> rusqlite::Result<i64> {
    let first = blocks::all(connection)?.into_iter().find(|block| block.last_ms >= since_ms);
    first.map_or_else(|| blocks::first_unindexed(connection), |block| Ok(block.begin()))
}

enum Part {
    /// Rows by their numbers, both included.
    Rows(i64, i64),
    Block(Block),
}

struct Search<'a> {
    connection: &'a Connection,
    terms: Vec<Term>,
    /// What a row must fulfil, after the numbers of the rows.
    conditions: String,
    values: Vec<Box<dyn ToSql>>,
    after: Option<i64>,
}

impl<'a> Search<'a> {
    fn of(filter: &UsageFilter, connection: &'a Connection) -> Self {
        let mut search = Self {
            connection,
            terms: Vec::new(),
            conditions: String::new(),
            values: Vec::new(),
            after: filter.after,
        };
        for (column, kind, hash) in
            [("user_hash", Kind::User, filter.user), ("client_hash", Kind::Client, filter.client)]
        {
            if let Some(hash) = hash {
                search.terms.push(Term::hash(kind, &hash));
                search.and(&format!("{column} = ?"), Box::new(hash));
            }
        }
        for (column, kind, text) in [
            ("code", Kind::Code, &filter.code),
            ("route", Kind::Route, &filter.route),
            ("plugin", Kind::Plugin, &filter.plugin),
        ] {
            if let Some(text) = text {
                search.terms.push(Term::text(kind, text));
                search.and(&format!("{column} = ?"), Box::new(text.clone()));
            }
        }
        if let Some(id) = &filter.correlation_id {
            search.and("correlation_id = ?", Box::new(id.clone()));
        }
        if let Some(statuses) = filter.status {
            search.terms.push(Term::statuses(statuses));
            search.and("status >= ?", Box::new(statuses.0));
            search.and("status <= ?", Box::new(statuses.1));
        }
        if let Some(since) = filter.since_ms {
            search.and("time_ms >= ?", Box::new(since));
        }
        search
    }

    fn and(&mut self, condition: &str, value: Box<dyn ToSql>) {
        self.conditions.push_str(" AND ");
        self.conditions.push_str(condition);
        self.values.push(value);
    }

    /// Looks at rows one by one, from the first number to the last.
    fn range(&self, from: i64, to: i64, room: usize, found: &mut Vec<UsageListed>) -> rusqlite::Result<()> {
        let order = if self.after.is_some() { "ASC" } else { "DESC" };
        let sql = format!(
            "SELECT {COLUMNS} FROM query_logs WHERE id >= ? AND id <= ?{} ORDER BY id {order} LIMIT {room}",
            self.conditions
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let numbers: [&dyn ToSql; 2] = [&from, &to];
        let values = numbers.into_iter().chain(self.values.iter().map(|value| &**value));
        for row in statement.query_map(params_from_iter(values), listed)? {
            found.push(row?);
        }
        Ok(())
    }

    /// Looks at those rows of a block that the side index names.
    fn block(&self, block: Block, room: usize, found: &mut Vec<UsageListed>) -> rusqlite::Result<()> {
        let rows = blocks::rows(self.connection, block, &self.terms)?;
        if rows.is_empty() {
            return Ok(());
        }
        let sql = format!("SELECT {COLUMNS} FROM query_logs WHERE id = ?{}", self.conditions);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let full = found.len() + room;
        let mut look = |place: i64| -> rusqlite::Result<bool> {
            let id = block.begin() + place;
            let values = std::iter::once(&id as &dyn ToSql).chain(self.values.iter().map(|value| &**value));
            for row in statement.query_map(params_from_iter(values), listed)? {
                found.push(row?);
            }
            Ok(found.len() < full)
        };
        match self.after {
            Some(after) => {
                for place in rows.places().filter(|place| block.begin() + place > after) {
                    if !look(place)? {
                        break;
                    }
                }
            }
            None => {
                for place in rows.places().rev() {
                    if !look(place)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}
