//! The difference between two moments of the policy files.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline, group_diff_ops};

use super::FileChange;
use super::texts::{Lines, Texts};
use crate::base::clock::Clock;

/// Most bytes of a difference, but for the line that says so; what comes after is left out, and that is said.
pub const DIFF_BYTES_MAX: usize = 64 * 1024;
/// Longest time that the comparison of one edit may take; then what is left is shown as gone and come.
const TIME_MAX: Duration = Duration::from_millis(200);
/// Lines around a change.
const AROUND: usize = 3;

/// What an edit changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The files, by name.
    pub changes: Vec<FileChange>,
    /// As `diff -u` writes it.
    pub text: String,
    /// Whether the text has come to its limit.
    is_full: bool,
}

static NOTHING: Lines = Lines { hashes: Vec::new(), shown: Vec::new() };

/// What has changed between two moments.
pub fn difference(before: &Texts, after: &Texts) -> Difference {
    let deadline = Clock::System.now() + TIME_MAX;
    let names: BTreeSet<&String> = before.files.keys().chain(after.files.keys()).collect();
    let mut found = Difference::default();
    for name in names {
        let old = before.files.get(name).map_or(&NOTHING, |lines| lines);
        let new = after.files.get(name).map_or(&NOTHING, |lines| lines);
        if old == new {
            continue;
        }
        let is_there = [before, after].map(|texts| texts.files.contains_key(name));
        found.file(name, is_there, old, new, deadline);
    }
    found
}

impl Difference {
    fn file(&mut self, name: &str, is_there: [bool; 2], old: &Lines, new: &Lines, deadline: Instant) {
        let ops = capture_diff_slices_deadline(Algorithm::Myers, &old.hashes, &new.hashes, Some(deadline));
        let mut change = FileChange { file: name.to_owned(), added: 0, removed: 0 };
        for op in &ops {
            if !matches!(op, DiffOp::Equal { .. }) {
                change.removed += op.old_range().len();
                change.added += op.new_range().len();
            }
        }
        self.changes.push(change);
        let [old_name, new_name] = [is_there[0], is_there[1]].map(|is| if is { name } else { "/dev/null" });
        self.line(format_args!("--- {old_name}"));
        self.line(format_args!("+++ {new_name}"));
        let too_large = |lines: &Lines| lines.shown.len() != lines.hashes.len();
        if too_large(old) || too_large(new) {
            self.line(format_args!("(too large to be shown)"));
            return;
        }
        for group in group_diff_ops(ops, AROUND) {
            self.group(&group, old, new);
        }
    }

    fn group(&mut self, ops: &[DiffOp], old: &Lines, new: &Lines) {
        let (Some(first), Some(last)) = (ops.first(), ops.last()) else { return };
        let span = |of: fn(&DiffOp) -> Range<usize>| of(first).start..of(last).end;
        let place = |range: Range<usize>| {
            let from = if range.is_empty() { range.start } else { range.start + 1 };
            format!("{from},{}", range.len())
        };
        self.line(format_args!(
            "@@ -{} +{} @@",
            place(span(DiffOp::old_range)),
            place(span(DiffOp::new_range))
        ));
        for op in ops {
            if matches!(op, DiffOp::Equal { .. }) {
                self.lines(' ', &new.shown[op.new_range()]);
            } else {
                self.lines('-', &old.shown[op.old_range()]);
                self.lines('+', &new.shown[op.new_range()]);
            }
        }
    }

    fn lines(&mut self, mark: char, lines: &[Box<str>]) {
        for line in lines {
            self.line(format_args!("{mark}{line}"));
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        if self.is_full {
            return;
        }
        let before = self.text.len();
        let _ = writeln!(self.text, "{line}");
        if self.text.len() > DIFF_BYTES_MAX {
            self.text.truncate(before);
            self.text.push_str("(the rest is left out)\n");
            self.is_full = true;
        }
    }
}
