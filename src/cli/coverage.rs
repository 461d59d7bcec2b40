//! What the cases reached, for a person.

use std::fmt::Write as _;

use super::render;
use crate::script::{PluginCoverage, Share};

/// A table, then every line and every code that was not reached.
pub(super) fn text(coverage: &[PluginCoverage]) -> String {
    let rows: Vec<_> =
        coverage.iter().map(|c| [c.plugin.to_string(), lines(c.lines), share(c.codes)]).collect();
    let mut out = render::table(["PLUGIN", "LINES", "CODES"], &rows, "no plugin");
    for (nth, missed) in coverage.iter().flat_map(|c| &c.missed_lines).enumerate() {
        out.push_str(if nth == 0 { "\n\nnever reached:" } else { "" });
        let _ = write!(out, "\n  {}:{}  {}", missed.file, missed.line, missed.text);
    }
    for (nth, missed) in coverage.iter().flat_map(|c| &c.missed_codes).enumerate() {
        out.push_str(if nth == 0 { "\n" } else { "" });
        let _ =
            write!(out, "\n`{}` is never produced by a test ({}:{})", missed.text, missed.file, missed.line);
    }
    out
}

/// A sentence for each plugin whose lines are reached too seldom; empty where there is none.
pub(super) fn short_of(coverage: &[PluginCoverage], min: u8) -> String {
    let short = coverage.iter().filter(|c| c.lines.percent() < usize::from(min)).map(|c| {
        format!("error: the tests of `{}` reach {} of its lines, less than {min} %", c.plugin, lines(c.lines))
    });
    short.collect::<Vec<_>>().join("\n")
}

fn share(share: Share) -> String {
    format!("{}/{}", share.covered, share.total)
}

fn lines(lines: Share) -> String {
    format!("{} ({} %)", share(lines), lines.percent())
}
