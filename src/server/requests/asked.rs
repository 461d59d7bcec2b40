//! Which requests are looked for, in the words of the command line and of the API's query.

use std::net::IpAddr;

use crate::base::ids::CorrelationId;
use crate::base::units::parse_duration;

/// Requests that are shown where nobody says how many.
pub const LIMIT_DEFAULT: usize = 100;
/// Most requests that one search gives.
pub const LIMIT_MAX: usize = 10_000;
/// The longest word that is looked for, in bytes: no name of a route, plugin or code is longer.
const WORD_BYTES_MAX: usize = 256;

/// What is looked for; everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// A correlation id.
    pub id: Option<String>,
    /// An account by name, address or id, or an API key as `key:ID`.
    pub user: Option<String>,
    /// An address.
    pub ip: Option<IpAddr>,
    /// First and last status; 0 is a request without an answer.
    pub status: Option<(u16, u16)>,
    /// The refusal's code.
    pub code: Option<String>,
    /// The route's name.
    pub route: Option<String>,
    /// The plugin that decided.
    pub plugin: Option<String>,
    /// How far back, in milliseconds.
    pub since_ms: Option<i64>,
    /// Most requests that are given.
    pub limit: usize,
}

/// What is wrong with what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// A word does not have its form.
    #[error("`{name}`: {why}")]
    Form {
        /// The filter.
        name: String,
        /// Which form is expected.
        why: String,
    },
    /// There is no filter of that name.
    #[error("`{0}` is not a filter: there are id, user, ip, status, code, route, plugin, since and limit")]
    Unknown(String),
    /// No account has that name or id.
    #[error("there is no such account; of somebody who was forgotten nothing can be found")]
    NoSuchUser,
}

impl Asked {
    /// Everything, [`LIMIT_DEFAULT`] at most.
    pub fn all() -> Self {
        Self { limit: LIMIT_DEFAULT, ..Self::default() }
    }

    /// Reads filters by their names; an empty value is none, as a form sends it.
    ///
    /// # Errors
    /// The first filter that is not one, or whose value does not have its form.
    pub fn read(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, Wrong> {
        let mut asked = Self::all();
        for (name, value) in pairs {
            let value = value.trim();
            if !value.is_empty() {
                asked.set(&name, value)?;
            }
        }
        Ok(asked)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Wrong> {
        let form = |why: String| Wrong::Form { name: name.to_owned(), why };
        let word = || {
            let fits = value.len() <= WORD_BYTES_MAX && !value.contains(char::is_control);
            fits.then(|| value.to_owned()).ok_or_else(|| form("it is too long, or no text".to_owned()))
        };
        match name {
            "id" => self.id = Some(id(value).map_err(form)?),
            "user" => self.user = Some(word()?),
            "ip" => {
                let address = value.parse().map_err(|_| form("it is not an IP address".to_owned()))?;
                self.ip = Some(address);
            }
            "status" => self.status = Some(status(value).map_err(form)?),
            "code" => self.code = Some(word()?),
            "route" => self.route = Some(word()?),
            "plugin" => self.plugin = Some(word()?),
            "since" => self.since_ms = Some(since(value).map_err(form)?),
            "limit" => self.limit = limit(value).map_err(form)?,
            other => return Err(Wrong::Unknown(other.chars().take(40).collect())),
        }
        Ok(())
    }
}

/// A correlation id, in the form that the gateway takes and gives.
///
/// # Errors
/// A sentence about that form.
pub fn id(text: &str) -> Result<String, String> {
    let id = CorrelationId::accept(text.as_bytes());
    id.map(|id| id.as_str().to_owned()).ok_or_else(|| {
        "a correlation id is 1 to 64 letters, digits, `.`, `_` and `-`, as in X-Request-ID".to_owned()
    })
}

/// `403`, `4xx`, `400-499`, or `none` for a request without an answer.
fn status(text: &str) -> Result<(u16, u16), String> {
    let form = || "a status is `403`, `4xx`, `400-499`, or `none` for no answer".to_owned();
    let one = |text: &str| text.parse::<u16>().ok().filter(|status| (100..=599).contains(status));
    let lower = text.to_ascii_lowercase();
    if lower == "none" {
        return Ok((0, 0));
    }
    if let Some(class) = lower.strip_suffix("xx") {
        let class = class.parse::<u16>().ok().filter(|class| (1..=5).contains(class)).ok_or_else(form)?;
        return Ok((class * 100, class * 100 + 99));
    }
    let (first, last) = lower.split_once('-').unwrap_or((&lower, &lower));
    let range = one(first.trim()).zip(one(last.trim()));
    range.filter(|(first, last)| first <= last).ok_or_else(form)
}

fn since(text: &str) -> Result<i64, String> {
    let duration = parse_duration(text)?;
    Ok(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

fn limit(text: &str) -> Result<usize, String> {
    let number = text.parse::<usize>().ok().filter(|n| (1..=LIMIT_MAX).contains(n));
    number.ok_or_else(|| format!("it is a number from 1 to {LIMIT_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Asked, Wrong> {
        Asked::read(query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn a_status_is_one_a_class_a_range_or_none() {
        let status = |text: &str| read(&[("status", text)]).map(|asked| asked.status.unwrap());
        assert_eq!(status("403"), Ok((403, 403)));
        assert_eq!(status("4xx"), Ok((400, 499)));
        assert_eq!(status("5XX"), Ok((500, 599)));
        assert_eq!(status("400-404"), Ok((400, 404)));
        assert_eq!(status("none"), Ok((0, 0)));
        for bad in ["9xx", "xx", "99", "600", "404-400", "4", "-", "400-", "4xx-5xx", "four"] {
            assert!(status(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_said_is_not_asked_and_an_empty_field_says_nothing() {
        assert_eq!(read(&[]), Ok(Asked::all()));
        assert_eq!(read(&[("user", ""), ("status", "  "), ("code", "")]), Ok(Asked::all()));
    }

    #[test]
    fn every_filter_has_its_form() {
        let asked = read(&[
            ("id", "a-1"),
            ("user", "ada@example.org"),
            ("ip", "::ffff:10.0.0.1"),
            ("code", "x.y"),
            ("route", "api"),
            ("plugin", "geo-block"),
            ("since", "1h"),
            ("limit", "5"),
        ]);
        let asked = asked.unwrap();
        assert_eq!((asked.since_ms, asked.limit, asked.id.as_deref()), (Some(3_600_000), 5, Some("a-1")));
        for (name, bad) in [
            ("id", "a b"),
            ("id", "<x>"),
            ("ip", "localhost"),
            ("since", "yesterday"),
            ("limit", "0"),
            ("limit", "10001"),
            ("route", "a\nb"),
            ("query", "x"),
        ] {
            let wrong = read(&[(name, bad)]).unwrap_err().to_string();
            assert!(wrong.contains(name), "{wrong}");
        }
    }
}
