//! What somebody sends to sign in: JSON from a program, a form from the page.

use bytes::Bytes;
use http::header::CONTENT_TYPE;

use crate::base::refusal::{Detail, Refusal};
use crate::base::secret::Secret;
use crate::base::target::query_pairs;
use crate::pipeline::arrival::Arrival;
use crate::schema;

/// The longest body that the gateway's own endpoints read, in bytes.
pub const OWN_BODY_BYTES_MAX: u64 = 16 << 10;

/// Deepest nesting of a JSON body of the gateway's own endpoints.
const OWN_JSON_DEPTH_MAX: usize = 8;

/// A name and a password, and how they came.
#[derive(Debug)]
pub struct Credentials {
    /// The account's name.
    pub username: String,
    /// The password.
    pub password: Secret<String>,
    /// Present when a form sent them: where the browser wants to go.
    pub form_return_to: Option<String>,
}

/// Reads credentials from a body.
///
/// # Errors
/// 415 for another type than JSON or a form, 400 for broken JSON, 422 with details for another shape.
pub fn read(head: &Arrival, body: &Bytes) -> Result<Credentials, Refusal> {
    let kind = head.text_header(CONTENT_TYPE).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => from_json(body),
        "application/x-www-form-urlencoded" => from_form(body),
        _ => Err(Refusal::UnsupportedMediaType),
    }
}

fn from_json(body: &Bytes) -> Result<Credentials, Refusal> {
    schema::check(body, OWN_JSON_DEPTH_MAX).map_err(|why| Refusal::BadRequest(why.sentence()))?;
    let value: serde_json::Value =
        serde_json::from_slice(body).map_err(|_| Refusal::BadRequest("The body is not valid JSON."))?;
    let text = |name: &str| value.get(name).and_then(|v| v.as_str()).map(str::to_owned);
    complete(text("username"), text("password"), None)
}

fn from_form(body: &Bytes) -> Result<Credentials, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| Refusal::BadRequest("The form is not UTF-8."))?;
    let (mut username, mut password, mut return_to) = (None, None, String::from("/"));
    for (name, value) in query_pairs(text) {
        match name.as_str() {
            "username" => username = Some(value),
            "password" => password = Some(value),
            "return_to" => return_to = value,
            _ => {}
        }
    }
    complete(username, password, Some(return_to))
}

fn complete(
    username: Option<String>,
    password: Option<String>,
    form_return_to: Option<String>,
) -> Result<Credentials, Refusal> {
    let missing = |name: &str, value: &Option<String>| {
        value.is_none().then(|| Detail { path: format!("/{name}"), message: "must be a text".to_owned() })
    };
    let details: Vec<_> =
        [missing("username", &username), missing("password", &password)].into_iter().flatten().collect();
    match (username, password) {
        (Some(username), Some(password)) => {
            Ok(Credentials { username, password: Secret::new(password), form_return_to })
        }
        _ => Err(Refusal::InvalidInput(details)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_the_wrong_shape_names_every_missing_field() {
        let refusal = from_json(&Bytes::from_static(b"{\"password\":1}")).unwrap_err();
        let paths: Vec<_> = refusal.details().iter().map(|d| d.path.as_str()).collect();
        assert_eq!(paths, ["/username", "/password"]);
        assert!(matches!(from_json(&Bytes::from_static(b"{")), Err(Refusal::BadRequest(_))));
    }

    #[test]
    fn a_form_brings_its_way_back() {
        let c = from_form(&Bytes::from_static(b"username=a%40b&password=x+y&return_to=%2Fapp")).unwrap();
        assert_eq!((c.username.as_str(), c.password.expose().as_str()), ("a@b", "x y"));
        assert_eq!(c.form_return_to.as_deref(), Some("/app"));
    }
}
