//! What the verbs write: results to standard output, complaints to standard error. A reader that has gone away is no
//! error; a result that could not be written, to a full disk for one, is.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::options::Format;
use crate::base::problems::{Problems, Severity};

/// Whether a result of this process was lost on its way out.
static LOST: AtomicBool = AtomicBool::new(false);

/// Writes a text and a line end to standard output.
pub fn print(text: &str) {
    if let Err(lost) = write(io::stdout().lock(), text) {
        LOST.store(true, Ordering::Relaxed);
        error(&format!("the result cannot be written: {}", lost.kind()));
    }
}

/// Whether a result could not be written.
pub fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Writes one sentence about what went wrong to standard error.
pub fn error(sentence: &str) {
    complain(&format!("error: {sentence}"));
}

/// Writes a text as it is to standard error.
pub fn complain(text: &str) {
    // There is nobody else to tell.
    write(io::stderr().lock(), text).ok();
}

/// Writes one JSON document to standard output.
pub fn json(value: &impl Serialize) {
    print(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Writes a result in the form that was asked for.
pub fn result(format: Format, value: &impl Serialize, human: impl FnOnce() -> String) {
    match format {
        Format::Json => json(value),
        Format::Human | Format::Junit | Format::Github => print(&human()),
    }
}

/// Writes everything that was found: as JSON one array; for a person each with its line and caret, and a count.
pub fn problems(problems: &Problems, format: Format) {
    match format {
        // No command where nothing was found: an empty line would be none either.
        Format::Github if problems.is_empty() => {}
        Format::Github => print(&super::github::lines(problems)),
        other => result(other, problems, || report(problems)),
    }
}

/// Everything that was found, as a person reads it, with a count at the end.
pub fn report(problems: &Problems) -> String {
    let mut text = problems.render();
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&count(problems));
    text
}

fn count(problems: &Problems) -> String {
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    let warnings = problems.len() - errors;
    let many = |n: usize, word: &str| match n {
        1 => format!("1 {word}"),
        n => format!("{n} {word}s"),
    };
    let errors = if errors == 0 { "no problems".to_owned() } else { many(errors, "problem") };
    if warnings == 0 { errors } else { format!("{errors}, {}", many(warnings, "warning")) }
}

/// Rows under a head, in columns as wide as they need to be; nothing but a sentence where there is no row.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]], none: &str) -> String {
    if rows.is_empty() {
        return none.to_owned();
    }
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(head)];
    lines.extend(rows.iter().map(|row| line(std::array::from_fn(|i| row[i].as_str()))));
    lines.join("\n")
}

/// Writes a text and a line end; whoever has closed the other end has read enough.
fn write(mut to: impl Write, text: &str) -> io::Result<()> {
    match writeln!(to, "{text}").and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::problems::Problem;

    #[test]
    fn the_count_tells_problems_and_warnings_apart() {
        let count_of = |errors: usize, warnings: usize| {
            let mut problems = Problems::default();
            (0..errors).for_each(|_| problems.push(Problem::of("x", "y")));
            (0..warnings).for_each(|_| problems.push(Problem::of("x", "y").warning()));
            count(&problems)
        };
        assert_eq!(count_of(0, 0), "no problems");
        assert_eq!(count_of(2, 1), "2 problems, 1 warning");
        assert_eq!(count_of(1, 0), "1 problem");
        assert_eq!(count_of(0, 2), "no problems, 2 warnings");
    }

    #[test]
    fn columns_are_as_wide_as_they_need_to_be() {
        let rows = [["a".to_owned(), "long one".to_owned()], ["bcd".to_owned(), String::new()]];
        assert_eq!(table(["x", "y"], &rows, ""), "x    y\na    long one\nbcd");
        assert_eq!(table::<1>(["x"], &[], "nothing"), "nothing");
    }

    #[test]
    fn a_reader_that_has_gone_away_is_no_error_and_a_full_disk_is_one() {
        struct Shut(io::ErrorKind);
        impl Write for Shut {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(self.0.into())
            }
        }
        assert!(write(Shut(io::ErrorKind::BrokenPipe), "text").is_ok());
        assert!(write(Shut(io::ErrorKind::StorageFull), "text").is_err());
    }
}
