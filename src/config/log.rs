//! `[log]`: what is written to standard output.

use crate::base::document::Table;
use crate::base::nearest::nearest;

use super::count;

/// The least severe level that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    Trace,
    /// For developers.
    Debug,
    /// For operators.
    Info,
    /// Something to look at.
    Warn,
    /// Something failed.
    Error,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// Text.
    Text,
}

/// Logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least severe level that is written.
    pub level: Level,
    /// The form of log lines.
    pub format: Format,
    /// Whether each request writes its access line.
    pub access: bool,
    /// Most lines that wait to be written; what comes then is dropped and counted.
    pub queue_max: usize,
}

impl Log {
    /// Reads the table.
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let level = table.parsed(
            "level",
            "`trace`, `debug`, `info`, `warn` or `error`",
            "info",
            "The least severe level that is written, in any case.",
            parse_level,
        );
        let forms = [("auto", Format::Auto), ("json", Format::Json), ("text", Format::Text)];
        let format = table.choice(
            "format",
            &forms,
            "auto",
            "`auto` (text on a terminal, JSON elsewhere), `json` or `text`.",
        );
        let access = table.flag("access", true, "Whether each request writes its access line.");
        let queue_max = table.integer(
            "queue_max",
            10_000,
            (1, 1_000_000),
            "Most lines that wait to be written; what comes then is dropped and counted.",
        );
        table.finish();
        Self {
            level: level.unwrap_or(Level::Info),
            format: format.unwrap_or(Format::Auto),
            access,
            queue_max: count(queue_max),
        }
    }
}

fn parse_level(text: &str) -> Result<Level, String> {
    let words = ["trace", "debug", "info", "warn", "error"];
    match text.trim().to_ascii_lowercase().as_str() {
        "trace" => Ok(Level::Trace),
        "debug" => Ok(Level::Debug),
        "info" => Ok(Level::Info),
        "warn" | "warning" => Ok(Level::Warn),
        "error" | "critical" | "fatal" => Ok(Level::Error),
        other => {
            let near = nearest(other, words).map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
            Err(format!("`{text}` is not one of `{}`{near}", words.join("`, `")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_names_may_stand_in_any_case() {
        assert_eq!(parse_level("INFO"), Ok(Level::Info));
        assert_eq!(parse_level("Warning"), Ok(Level::Warn));
        assert!(parse_level("inof").unwrap_err().contains("did you mean `info`?"));
    }
}
