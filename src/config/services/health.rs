//! The active health check of a service.

use std::time::Duration;

use crate::base::document::Table;
use crate::base::target::CanonicalPath;

use super::{TIMEOUT_LEAST, short_count};

/// How a service is asked whether it is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The path that is asked for; without one nobody asks.
    pub path: Option<String>,
    /// From one check to the next.
    pub interval: Duration,
    /// Longest wait for the answer, connecting apart.
    pub timeout: Duration,
    /// Checks in a row that an address must pass before it counts as up again.
    pub healthy_after: u32,
    /// Checks in a row that an address must fail before it counts as down.
    pub unhealthy_after: u32,
}

impl Health {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            path: table.parsed(
                "health",
                "path",
                "",
                "The path of its health check: 200 to 399 is healthy. None: only what requests see counts.",
                parse_path,
            ),
            interval: table.duration(
                "health_interval",
                "5s",
                Duration::from_millis(100),
                "From one health check to the next, give or take a tenth.",
            ),
            timeout: table.duration(
                "health_timeout",
                "5s",
                TIMEOUT_LEAST,
                "Longest wait for the answer to a health check.",
            ),
            healthy_after: short_count(table.integer(
                "healthy_after",
                1,
                (1, 100),
                "Checks in a row that an address must pass before it counts as up again.",
            )),
            unhealthy_after: short_count(table.integer(
                "unhealthy_after",
                2,
                (1, 100),
                "Checks in a row that an address must fail before it counts as down; at the start the first decides.",
            )),
        }
    }
}

fn parse_path(text: &str) -> Result<String, String> {
    match CanonicalPath::parse(text) {
        Ok(path) if path.as_str() == text => Ok(path.as_str().to_owned()),
        _ => Err(format!("`{text}` is not a path such as \"/health\"")),
    }
}
