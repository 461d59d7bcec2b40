//! Requests as lines: the newest at the end, where a terminal's eye is.

use std::fmt::Write as _;

use crate::cli::render;
use crate::server::requests::RequestView;

/// Digits of a hash that are shown.
const HASH_DIGITS: usize = 8;
/// Widths of the columns while new lines come: nobody knows yet how wide they will be.
const WIDTHS: [usize; 9] = [24, 6, 7, 16, 24, 28, 9, 8, 8];

/// What the columns are called.
pub(super) const HEAD: [&str; 10] =
    ["TIME", "STATUS", "METHOD", "ROUTE", "CODE", "RULE", "MS", "CLIENT", "USER", "ID"];

/// The requests under a head, the oldest first.
pub(super) fn table(found: &[RequestView]) -> String {
    let rows: Vec<_> = found.iter().rev().map(cells).collect();
    render::table(HEAD, &rows, "no requests")
}

/// One line, in columns that are as wide as they mostly need to be.
pub(super) fn line(cells: &[impl AsRef<str>; 10]) -> String {
    let mut text = String::new();
    for (n, cell) in cells.iter().enumerate() {
        let width = WIDTHS.get(n).copied().unwrap_or_default();
        let _ = write!(text, "{:<width$}  ", cell.as_ref());
    }
    text.trim_end().to_owned()
}

/// The cells of a request.
pub(super) fn cells(request: &RequestView) -> [String; 10] {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let short = |hash: &str| hash.chars().take(HASH_DIGITS).collect::<String>();
    [
        request.time.clone(),
        request.status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
        request.method.clone(),
        if request.route.is_empty() { "-".to_owned() } else { request.route.clone() },
        text(&request.code),
        request.rule.clone().or_else(|| request.stage.clone()).unwrap_or_else(|| "-".to_owned()),
        format!("{:.1}", request.duration_ms),
        short(&request.client_hash),
        request.user_hash.as_deref().map_or_else(|| "-".to_owned(), short),
        request.id.clone(),
    ]
}
