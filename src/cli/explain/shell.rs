//! A command line as a shell would split it.

use std::iter::Peekable;
use std::str::Chars;

/// Splits a line into words, as a POSIX shell does, and bash with `$'…'`. Nothing is expanded: a `$` is a `$`.
///
/// # Errors
/// A quote that is not closed.
///
/// # Source
/// POSIX.1-2024, Shell Command Language 2.2 Quoting.
pub(super) fn words(line: &str) -> Result<Vec<String>, &'static str> {
    let mut chars = line.chars().peekable();
    let (mut words, mut word) = (Vec::new(), None::<String>);
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'\n') => drop(chars.next()),
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '\'' => single(&mut chars, word.get_or_insert_default())?,
            '"' => double(&mut chars, word.get_or_insert_default())?,
            '$' if chars.peek() == Some(&'\'') => {
                chars.next();
                escaped(&mut chars, word.get_or_insert_default())?;
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single(chars: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), &'static str> {
    for c in chars {
        match c {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
    Err("a `'` is not closed")
}

fn double(chars: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), &'static str> {
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(()),
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c) if matches!(c, '"' | '\\' | '$' | '`') => word.push(c),
                Some(c) => word.extend(['\\', c]),
                None => break,
            },
            c => word.push(c),
        }
    }
    Err("a `\"` is not closed")
}

/// `$'…'`, in which browsers copy bodies.
fn escaped(chars: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), &'static str> {
    while let Some(c) = chars.next() {
        match c {
            '\'' => return Ok(()),
            '\\' => match chars.next() {
                Some('n') => word.push('\n'),
                Some('r') => word.push('\r'),
                Some('t') => word.push('\t'),
                Some('x') => word.extend(code(chars, 2)),
                Some('u') => word.extend(code(chars, 4)),
                Some(c) => word.push(c),
                None => break,
            },
            c => word.push(c),
        }
    }
    Err("a `$'` is not closed")
}

fn code(chars: &mut Peekable<Chars<'_>>, digits: usize) -> Option<char> {
    let mut value = 0;
    for _ in 0..digits {
        let Some(digit) = chars.peek().and_then(|c| c.to_digit(16)) else { break };
        value = value * 16 + digit;
        chars.next();
    }
    char::from_u32(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_and_quotes_taken_off_as_a_shell_does() {
        for (line, expected) in [
            ("curl http://x/", &["curl", "http://x/"][..]),
            ("  a   b\t c\n", &["a", "b", "c"]),
            ("-H 'A: b c' \"d\\\"e\\n\"", &["-H", "A: b c", "d\"e\\n"]),
            ("a\\ b 'c'\"d\"e ''", &["a b", "cde", ""]),
            ("curl \\\n  -d x", &["curl", "-d", "x"]),
            ("$'a\\'b\\u0041\\x42\\n' $x", &["a'bAB\n", "$x"]),
            ("'it'\\''s'", &["it's"]),
        ] {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn a_quote_that_is_not_closed_is_an_error() {
        for line in ["'a", "\"a", "\"a\\", "$'a", "a 'b' 'c"] {
            assert!(words(line).is_err(), "{line}");
        }
    }
}
