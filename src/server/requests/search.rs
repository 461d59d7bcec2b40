//! Looking requests up in the database. Every call blocks: not for a worker.

use super::asked::{Asked, Wrong};
use super::person;
use super::view::RequestView;
use crate::base::address::Pseudonymiser;
use crate::store::{OpenError, Reader, UsageFilter};

/// Why nothing was found out.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// What was asked for is not possible as it was asked.
    #[error(transparent)]
    Wrong(#[from] Wrong),
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] OpenError),
}

/// The requests that fit, newest first.
///
/// # Errors
/// There is no such account, or the database cannot be read.
pub fn search(reader: &Reader, asked: &Asked, now_ms: i64) -> Result<Vec<RequestView>, SearchError> {
    let filter = filter(reader, asked, now_ms)?;
    Ok(reader.requests(&filter, asked.limit)?.into_iter().map(RequestView::of).collect())
}

/// A search that goes on: each look gives what was written since the one before.
pub struct Following {
    filter: UsageFilter,
    most: usize,
}

impl Following {
    /// Begins with the newest rows that fit, oldest first, and the search that goes on from there. Both look at the same
    /// moment of the log, so that no row is lost between them and none comes twice.
    ///
    /// # Errors
    /// As [`search`].
    pub fn begin(
        reader: &Reader,
        asked: &Asked,
        now_ms: i64,
    ) -> Result<(Vec<RequestView>, Self), SearchError> {
        let mut filter = filter(reader, asked, now_ms)?;
        // The end of the log first: a row that comes now is shown twice by nobody, for the listing ends here too.
        let end = reader.usage(1)?.first().map_or(0, |row| row.row);
        let mut rows = reader.requests(&filter, asked.limit)?;
        rows.retain(|row| row.row <= end);
        rows.reverse();
        filter.after = Some(end);
        Ok((rows.into_iter().map(RequestView::of).collect(), Self { filter, most: asked.limit }))
    }

    /// What was written since, oldest first. With many new rows one look does not give all of them; the next one goes on.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn next(&mut self, reader: &Reader) -> Result<Vec<RequestView>, SearchError> {
        // Asked before the rows: whatever is not after it has been seen when they are here.
        let end = reader.usage(1)?.first().map_or(0, |row| row.row);
        if self.filter.after.is_some_and(|after| after > end) {
            // The log was emptied, and its numbers begin anew.
            self.filter.after = Some(0);
        }
        let rows = reader.requests(&self.filter, self.most)?;
        let last = rows.last().map(|row| row.row);
        self.filter.after = if rows.len() < self.most { last.max(Some(end)) } else { last };
        Ok(rows.into_iter().map(RequestView::of).collect())
    }
}

fn filter(reader: &Reader, asked: &Asked, now_ms: i64) -> Result<UsageFilter, SearchError> {
    let people = Pseudonymiser::new(reader.pseudonym_key()?.expose());
    let user = asked.user.as_deref().map(|text| person::user(text, reader, &people)).transpose()?;
    Ok(UsageFilter {
        correlation_id: asked.id.clone(),
        user,
        client: asked.ip.map(|address| person::client(address, &people)),
        status: asked.status,
        code: asked.code.clone(),
        route: asked.route.clone(),
        plugin: asked.plugin.clone(),
        since_ms: asked.since_ms.map(|ms| now_ms.saturating_sub(ms)),
        after: None,
    })
}
