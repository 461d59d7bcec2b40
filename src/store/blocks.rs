//! The side index of `query_logs`: which rows of a block have a value. Nothing of it is made while a request waits; the
//! writer reads a block over once its rows are old enough and nobody wants to write.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

/// Row numbers in a block.
pub(super) const BLOCK_ROWS: i64 = 4_096;
/// Words of a set of all rows of a block.
const WORDS: usize = 64;
/// Bytes of such a set, where it is kept as it is.
const SET_BYTES: usize = WORDS * 8;
/// Bytes of a hash that are kept; what they find is compared whole.
const HASH_BYTES: usize = 8;
/// A block waits until its newest row is this old: while requests come, the time is theirs.
const AGE_MS: i64 = 60_000;
/// Unless this many rows wait behind it: a search looks at each of them.
const WAITING_ROWS_MAX: i64 = 20 * BLOCK_ROWS;

/// What rows are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    User = 1,
    Client = 2,
    Status = 3,
    Code = 4,
    Route = 5,
    Plugin = 6,
}

/// Values of a kind, from the first to the last, both included.
#[derive(Clone, Debug)]
pub(super) struct Term {
    kind: Kind,
    first: Vec<u8>,
    last: Vec<u8>,
}

impl Term {
    pub(super) fn text(kind: Kind, text: &str) -> Self {
        Self { kind, first: text.into(), last: text.into() }
    }

    pub(super) fn hash(kind: Kind, hash: &[u8; 16]) -> Self {
        let short = hash[..HASH_BYTES].to_vec();
        Self { kind, first: short.clone(), last: short }
    }

    pub(super) fn statuses((first, last): (u16, u16)) -> Self {
        Self { kind: Kind::Status, first: first.to_be_bytes().into(), last: last.to_be_bytes().into() }
    }
}

/// Some rows of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rows([u64; WORDS]);

impl Rows {
    const fn none() -> Self {
        Self([0; WORDS])
    }

    fn add(&mut self, place: u16) {
        if let Some(word) = self.0.get_mut(usize::from(place / 64)) {
            *word |= 1 << (place % 64);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Adds what was kept: every place as two bytes where that is shorter, else the set itself.
    fn add_kept(&mut self, kept: &[u8]) {
        if kept.len() == SET_BYTES {
            for (word, bytes) in self.0.iter_mut().zip(kept.as_chunks::<8>().0) {
                *word |= u64::from_le_bytes(*bytes);
            }
        } else {
            kept.as_chunks::<2>().0.iter().for_each(|place| self.add(u16::from_le_bytes(*place)));
        }
    }

    /// The places, in ascending order.
    pub(super) fn places(&self) -> impl DoubleEndedIterator<Item = i64> + '_ {
        let place = |n: &i64| {
            let (word, bit) = (usize::try_from(n / 64).unwrap_or(0), n % 64);
            self.0[word] >> bit & 1 == 1
        };
        (0..BLOCK_ROWS).filter(place)
    }
}

fn kept(places: &[u16]) -> Vec<u8> {
    if places.len() * 2 < SET_BYTES {
        return places.iter().flat_map(|place| place.to_le_bytes()).collect();
    }
    let mut set = Rows::none();
    places.iter().for_each(|place| set.add(*place));
    set.0.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A block that can be searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) number: i64,
    /// Times of its oldest and newest row, in milliseconds since 1970-01-01 UTC.
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
}

impl Block {
    /// The number of its first row.
    pub(super) fn begin(self) -> i64 {
        self.number.saturating_mul(BLOCK_ROWS)
    }

    /// The number after that of its last row.
    pub(super) fn end(self) -> i64 {
        self.begin().saturating_add(BLOCK_ROWS)
    }
}

/// Every block that can be searched, the oldest first.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Block>> {
    let mut statement =
        connection.prepare_cached("SELECT block, first_ms, last_ms FROM usage_blocks ORDER BY block")?;
    let blocks = statement.query_map([], |row| {
        Ok(Block { number: row.get(0)?, first_ms: row.get(1)?, last_ms: row.get(2)? })
    })?;
    blocks.collect()
}

/// The rows of a block that have every term.
pub(super) fn rows(connection: &Connection, block: Block, terms: &[Term]) -> rusqlite::Result<Rows> {
    let mut statement = connection.prepare_cached(
        "SELECT rows FROM usage_index WHERE block = ?1 AND kind = ?2 AND value BETWEEN ?3 AND ?4",
    )?;
    let mut found = Rows([u64::MAX; WORDS]);
    for term in terms {
        let mut having = Rows::none();
        let mut sets = statement.query(params![block.number, term.kind as u8, term.first, term.last])?;
        while let Some(set) = sets.next()? {
            having.add_kept(set.get_ref(0)?.as_blob()?);
        }
        found.0.iter_mut().zip(having.0).for_each(|(word, other)| *word &= other);
        if found.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// The number that the next row may have: above every row and every block, also when all rows were swept.
pub(super) fn next_row(connection: &Connection) -> rusqlite::Result<i64> {
    let last: Option<i64> = connection.query_row("SELECT max(id) FROM query_logs", [], |row| row.get(0))?;
    Ok(last.unwrap_or(0).saturating_add(1).max(first_unindexed(connection)?).max(1))
}

/// The number of the first row that no block holds yet; 0 where there are no blocks.
pub(super) fn first_unindexed(connection: &Connection) -> rusqlite::Result<i64> {
    let last: Option<i64> =
        connection.query_row("SELECT max(block) FROM usage_blocks", [], |row| row.get(0))?;
    Ok(last.map_or(0, |block| block.saturating_add(1).saturating_mul(BLOCK_ROWS)))
}

/// Makes the next block searchable, if it is full and old enough; whether it did.
pub(super) fn build(connection: &mut Connection, now_ms: i64) -> rusqlite::Result<bool> {
    let Some(block) = next(connection, now_ms)? else { return Ok(false) };
    let gathered = gather(connection, block)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let sql = "INSERT INTO usage_index (block, kind, value, rows) VALUES (?1, ?2, ?3, ?4)";
        let mut insert = transaction.prepare_cached(sql)?;
        for ((kind, value), places) in &gathered.places {
            insert.execute(params![block, *kind as u8, value, kept(places)])?;
        }
    }
    let sql = "INSERT INTO usage_blocks (block, first_ms, last_ms) VALUES (?1, ?2, ?3)";
    transaction.execute(sql, params![block, gathered.first_ms, gathered.last_ms])?;
    transaction.commit()?;
    Ok(true)
}

/// The block that is to be built, if one is.
fn next(connection: &Connection, now_ms: i64) -> rusqlite::Result<Option<i64>> {
    let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
    let (Some(first), Some(last)) =
        (one("SELECT min(id) FROM query_logs")?, one("SELECT max(id) FROM query_logs")?)
    else {
        return Ok(None);
    };
    let block = first.max(first_unindexed(connection)?) / BLOCK_ROWS;
    let end = (block + 1).saturating_mul(BLOCK_ROWS);
    if last < end {
        return Ok(None);
    }
    let newest: Option<i64> = connection
        .prepare_cached("SELECT time_ms FROM query_logs WHERE id < ?1 ORDER BY id DESC LIMIT 1")?
        .query_row([end], |row| row.get(0))
        .optional()?;
    let is_old = newest.is_none_or(|ms| ms <= now_ms.saturating_sub(AGE_MS));
    Ok((is_old || last - end >= WAITING_ROWS_MAX).then_some(block))
}

struct Gathered {
    places: BTreeMap<(Kind, Vec<u8>), Vec<u16>>,
    first_ms: i64,
    last_ms: i64,
}

fn gather(connection: &Connection, block: i64) -> rusqlite::Result<Gathered> {
    let begin = block.saturating_mul(BLOCK_ROWS);
    let mut statement = connection.prepare_cached(
        "SELECT id, time_ms, user_hash, client_hash, status, code, route, plugin FROM query_logs \
         WHERE id >= ?1 AND id < ?2 ORDER BY id",
    )?;
    let mut rows = statement.query([begin, begin.saturating_add(BLOCK_ROWS)])?;
    let mut gathered = Gathered { places: BTreeMap::new(), first_ms: i64::MAX, last_ms: i64::MIN };
    while let Some(row) = rows.next()? {
        let place = u16::try_from(row.get::<_, i64>(0)? - begin).unwrap_or(u16::MAX);
        let time_ms = row.get(1)?;
        gathered.first_ms = gathered.first_ms.min(time_ms);
        gathered.last_ms = gathered.last_ms.max(time_ms);
        let mut note = |kind, value: &[u8]| {
            gathered.places.entry((kind, value.to_vec())).or_default().push(place);
        };
        for (kind, column) in [(Kind::User, 2), (Kind::Client, 3)] {
            if let Some(hash) = row.get_ref(column)?.as_blob_or_null()? {
                note(kind, hash.get(..HASH_BYTES).unwrap_or(hash));
            }
        }
        note(Kind::Status, &row.get::<_, u16>(4)?.to_be_bytes());
        for (kind, column) in [(Kind::Code, 5), (Kind::Route, 6), (Kind::Plugin, 7)] {
            if let Some(text) = row.get_ref(column)?.as_bytes_or_null()? {
                note(kind, text);
            }
        }
    }
    Ok(gathered)
}

/// Removes the oldest block if none of its rows is left; whether it did.
pub(super) fn sweep(connection: &Connection) -> rusqlite::Result<bool> {
    let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
    let Some(oldest) = one("SELECT min(block) FROM usage_blocks")? else { return Ok(false) };
    let end = (oldest + 1).saturating_mul(BLOCK_ROWS);
    if one("SELECT min(id) FROM query_logs")?.is_some_and(|first| first < end) {
        return Ok(false);
    }
    connection.prepare_cached("DELETE FROM usage_index WHERE block = ?1")?.execute([oldest])?;
    connection.prepare_cached("DELETE FROM usage_blocks WHERE block = ?1")?.execute([oldest])?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_rows_reads_back_whether_it_is_kept_as_a_list_or_as_a_set() {
        for many in [0, 1, 255, 256, 4_096_u16] {
            let places: Vec<u16> = (0..many).map(|n| n * (4_095 / many.max(1)).max(1)).collect();
            let bytes = kept(&places);
            assert!(bytes.len() <= SET_BYTES);
            let mut rows = Rows::none();
            rows.add_kept(&bytes);
            let found: Vec<u16> = rows.places().map(|place| u16::try_from(place).unwrap()).collect();
            assert_eq!(found, places);
            assert_eq!(rows.is_empty(), many == 0);
        }
    }
}
