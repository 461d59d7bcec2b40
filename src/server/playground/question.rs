//! What is asked of the playground, and how it is read from text.

use std::net::{IpAddr, Ipv4Addr};

use http::StatusCode;

use super::REQUEST_BYTES_MAX;
use crate::script::{Edit, SCRIPT_BYTES_MAX};
use crate::server::explain::{Assumed, BadRequest, RawRequest};

/// A request, what is assumed about it, and an edit that nobody has saved.
#[derive(Clone, Debug)]
pub struct Question {
    /// The request, as it would come.
    pub request: RawRequest,
    /// Where it comes from.
    pub client: IpAddr,
    /// Who sends it.
    pub assumed: Assumed,
    /// The country of the client, whatever the database says: two upper-case letters.
    pub country: Option<String>,
    /// What every upstream answers.
    pub upstream: StatusCode,
    /// The edit.
    pub edit: Option<Edit>,
}

/// What is wrong with a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuestion {
    /// The request.
    #[error(transparent)]
    Request(#[from] BadRequest),
    /// It is larger than `REQUEST_BYTES_MAX`.
    #[error("the request is larger than 64 KiB")]
    RequestTooLarge,
    /// The script is larger than a plugin's may be.
    #[error("the script is larger than 64 KiB")]
    ScriptTooLarge,
    /// A script without a plugin.
    #[error("a script needs `plugin`: whose main.rhai it is")]
    WhosePlugin,
    /// Not an address.
    #[error("the client is an IP address, as `203.0.113.7`")]
    Client,
    /// Not a country.
    #[error("a country is two letters, as `CH`")]
    Country,
    /// Not a status.
    #[error("a status is a number from 200 to 599")]
    Status,
    /// Roles of nobody.
    #[error("roles need `user` or `api_key_tier`: whose they are")]
    WhoseRoles,
    /// Two who send it.
    #[error("`user` and `api_key_tier` cannot both send the request")]
    TwoSenders,
}

/// The parts of a question as they were written; what is empty was not written.
#[derive(Clone, Debug, Default)]
pub struct RequestFields {
    /// Raw HTTP.
    pub request: Vec<u8>,
    /// An IP address.
    pub ip: String,
    /// An account's name.
    pub user: String,
    /// The tier of an API key.
    pub api_key_tier: String,
    /// Roles of that account, or scopes of that key.
    pub roles: Vec<String>,
    /// Two letters.
    pub country: String,
    /// A number.
    pub upstream_status: String,
    /// A plugin's name.
    pub plugin: String,
    /// Its edited `main.rhai`; absent where it is as it is.
    pub script: Option<String>,
}

impl RequestFields {
    /// Reads them.
    ///
    /// # Errors
    /// See [`BadQuestion`].
    pub fn question(self) -> Result<Question, BadQuestion> {
        if self.request.len() > REQUEST_BYTES_MAX {
            return Err(BadQuestion::RequestTooLarge);
        }
        let is_longer = |text: &String| u64::try_from(text.len()).is_ok_and(|n| n > SCRIPT_BYTES_MAX);
        if self.script.as_ref().is_some_and(is_longer) {
            return Err(BadQuestion::ScriptTooLarge);
        }
        let edit = match (self.plugin.trim(), self.script) {
            ("", Some(_)) => return Err(BadQuestion::WhosePlugin),
            (plugin, Some(main)) => Some(Edit { plugin: plugin.to_owned(), main }),
            (_, None) => None,
        };
        let client = match self.ip.trim() {
            "" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            text => text.parse().map_err(|_| BadQuestion::Client)?,
        };
        Ok(Question {
            request: RawRequest::parse(&self.request)?,
            client,
            assumed: assumed(self.user.trim(), self.api_key_tier.trim(), self.roles)?,
            country: country(self.country.trim())?,
            upstream: status(self.upstream_status.trim())?,
            edit,
        })
    }
}

fn assumed(user: &str, tier: &str, roles: Vec<String>) -> Result<Assumed, BadQuestion> {
    match (user, tier) {
        ("", "") if roles.is_empty() => Ok(Assumed::AsSent),
        ("", "") => Err(BadQuestion::WhoseRoles),
        (name, "") => Ok(Assumed::User { name: name.to_owned(), roles }),
        ("", tier) => Ok(Assumed::Key { tier: tier.to_owned(), scopes: roles }),
        _ => Err(BadQuestion::TwoSenders),
    }
}

fn country(text: &str) -> Result<Option<String>, BadQuestion> {
    match text {
        "" => Ok(None),
        code if code.len() == 2 && code.bytes().all(|b| b.is_ascii_alphabetic()) => {
            Ok(Some(code.to_ascii_uppercase()))
        }
        _ => Err(BadQuestion::Country),
    }
}

fn status(text: &str) -> Result<StatusCode, BadQuestion> {
    if text.is_empty() {
        return Ok(StatusCode::OK);
    }
    let status = text.parse::<u16>().ok().filter(|status| (200..600).contains(status));
    status.and_then(|status| StatusCode::from_u16(status).ok()).ok_or(BadQuestion::Status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> RequestFields {
        RequestFields { request: b"GET /a HTTP/1.1\nHost: a.example\n".to_vec(), ..RequestFields::default() }
    }

    #[test]
    fn what_is_not_written_has_a_value_of_its_own() {
        let question = fields().question().unwrap();
        assert_eq!(question.client, IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!((question.upstream, question.assumed), (StatusCode::OK, Assumed::AsSent));
        assert_eq!((question.edit, question.country), (None, None));
    }

    #[test]
    fn an_empty_script_is_an_edit_too() {
        let fields = RequestFields { plugin: "a".into(), script: Some(String::new()), ..fields() };
        assert_eq!(
            fields.question().unwrap().edit,
            Some(Edit { plugin: "a".to_owned(), main: String::new() })
        );
    }

    #[test]
    fn everything_that_is_out_of_bounds_is_told() {
        use BadQuestion as B;
        let wrong = |change: fn(&mut RequestFields)| {
            let mut fields = fields();
            change(&mut fields);
            fields.question().unwrap_err()
        };
        assert_eq!(wrong(|f| f.request.clear()), B::Request(BadRequest::Empty));
        assert_eq!(wrong(|f| f.request = vec![b'a'; REQUEST_BYTES_MAX + 1]), B::RequestTooLarge);
        assert_eq!(wrong(|f| f.script = Some("a".repeat((64 << 10) + 1))), B::ScriptTooLarge);
        assert_eq!(wrong(|f| f.script = Some(String::new())), B::WhosePlugin);
        assert_eq!(wrong(|f| f.ip = "here".into()), B::Client);
        assert_eq!(wrong(|f| f.country = "CHE".into()), B::Country);
        assert_eq!(wrong(|f| f.upstream_status = "101".into()), B::Status);
        assert_eq!(wrong(|f| f.roles = vec!["staff".into()]), B::WhoseRoles);
        assert_eq!(wrong(|f| (f.user, f.api_key_tier) = ("a".into(), "b".into())), B::TwoSenders);
    }
}
