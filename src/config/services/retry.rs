//! When a request is sent a second time.

use crate::base::document::Table;

use super::super::count;
use super::short_count;

/// Most further addresses that a request may be sent to.
const RETRIES_MOST: i64 = 10;

/// What may be sent again, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Most further addresses that a safe request without a body is sent to after one gave no answer.
    pub most: usize,
    /// Most of it, in hundredths of all requests.
    pub budget_percent: u32,
    /// Statuses that count as no answer.
    pub statuses: Vec<u16>,
}

impl Retry {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            most: count(table.integer(
                "retries",
                1,
                (0, RETRIES_MOST),
                "How many further addresses a GET, HEAD or OPTIONS without a body is sent to after one gave no answer.",
            )),
            budget_percent: short_count(table.integer(
                "retry_budget",
                20,
                (0, 100),
                "Most requests that are sent again, in hundredths of all; a hundred in a row beside that.",
            )),
            statuses: table.list(
                "retry_statuses",
                "list of statuses",
                &[],
                "Statuses that count as no answer: of `502`, `503` and `504`, in quotes.",
                parse_status,
            ),
        }
    }
}

fn parse_status(text: &str) -> Result<u16, String> {
    match text {
        "502" => Ok(502),
        "503" => Ok(503),
        "504" => Ok(504),
        _ => Err(format!("`{text}` is not one of \"502\", \"503\" and \"504\"")),
    }
}
