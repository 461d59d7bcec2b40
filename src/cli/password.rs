//! A password from whoever is there: a prompt that does not show it, or the first line of standard input.

use std::io::{self, BufRead as _, IsTerminal as _, Read};

use super::failure::Failure;
use crate::auth::password::PASSWORD_BYTES_MAX;
use crate::base::secret::Secret;

/// Reads the new password of an account.
pub(super) fn read() -> Result<Secret<String>, Failure> {
    if io::stdin().is_terminal() { prompt() } else { first_line(io::stdin().lock()) }
}

fn prompt() -> Result<Secret<String>, Failure> {
    let ask = |text: &str| {
        let answer = rpassword::prompt_password(text).map(Secret::new);
        answer.map_err(|error| Failure::cannot_run(format!("the password cannot be read: {error}")))
    };
    let password = ask("Password: ")?;
    if ask("Again: ")? == password {
        Ok(password)
    } else {
        Err(Failure::problem("the two passwords are not the same"))
    }
}

fn first_line(input: impl Read) -> Result<Secret<String>, Failure> {
    // One byte more than is allowed, and its line end, so that a longer one is seen as such.
    let most = u64::try_from(PASSWORD_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(3);
    let mut line = Vec::new();
    let read = io::BufReader::new(input.take(most)).read_until(b'\n', &mut line);
    read.map_err(|error| Failure::cannot_run(format!("the password cannot be read: {error}")))?;
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok("") => Err(Failure::problem("no password on the first line of standard input")),
        Ok(text) => Ok(Secret::new(text.to_owned())),
        Err(_) => Err(Failure::problem("the password is not UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password_and_its_end_is_not_part_of_it() {
        for input in ["correct horse", "correct horse\n", "correct horse\r\nmore\n"] {
            assert_eq!(first_line(input.as_bytes()).unwrap().expose(), "correct horse");
        }
        assert_eq!(first_line(" a \n".as_bytes()).unwrap().expose(), " a ");
        for input in [&b""[..], b"\n", b"\r\nx", b"\xff\n"] {
            assert!(first_line(input).is_err());
        }
        let endless = first_line(io::repeat(b'x')).unwrap();
        assert!(endless.expose().len() > PASSWORD_BYTES_MAX, "and is refused later");
    }
}
