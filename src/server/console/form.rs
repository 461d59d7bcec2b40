//! A form that a browser sent: read whole, up to a limit, and only as a form.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use hyper::body::Body as HttpBody;

use crate::base::refusal::Refusal;
use crate::base::target::query_pairs;
use crate::pipeline::arrival::Arrival;
use crate::server::admin;

/// Most fields of a form.
const FIELDS_MAX: usize = 64;

/// The fields of a form.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// It is no form, is not UTF-8, has too many fields, is longer than `most` bytes, or does not come.
    ///
    /// # Source
    /// URL Standard section 5 (`application/x-www-form-urlencoded`).
    pub(super) async fn receive<B>(head: &Arrival, body: B, most: usize) -> Result<Self, Refusal>
    where
        B: HttpBody + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let kind = head.text_header(CONTENT_TYPE).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refusal::UnsupportedMediaType);
        }
        Self::parse(&admin::collect(head, body, most).await?)
    }

    fn parse(body: &Bytes) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(body).map_err(|_| Refusal::BadRequest("The form is not UTF-8."))?;
        let fields: Vec<_> = query_pairs(text).take(FIELDS_MAX + 1).collect();
        if fields.len() > FIELDS_MAX {
            return Err(Refusal::BadRequest("The form has too many fields."));
        }
        Ok(Self(fields))
    }

    /// The text of a field without the blanks around it; empty where it is absent, the first where it repeats.
    pub(super) fn text(&self, name: &str) -> &str {
        self.whole(name).trim()
    }

    /// The text of a field as it was typed.
    pub(super) fn whole(&self, name: &str) -> &str {
        self.0.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Result<Form, Refusal> {
        Form::parse(&Bytes::from(text.to_owned()))
    }

    #[test]
    fn fields_are_decoded_and_an_absent_one_is_empty() {
        let form = form("a=+x%2By+&b&a=second&%C3%A9=1").ok().unwrap();
        assert_eq!((form.whole("a"), form.text("a")), (" x+y ", "x+y"));
        assert_eq!((form.text("b"), form.text("none"), form.text("é")), ("", "", "1"));
    }

    #[test]
    fn a_form_of_endless_fields_is_refused() {
        assert!(form(&"a=1&".repeat(FIELDS_MAX)).is_ok());
        assert!(form(&"a=1&".repeat(FIELDS_MAX + 1)).is_err());
    }
}
