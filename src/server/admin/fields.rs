//! The fields of a JSON body: every one that is missing, of another kind or unknown is told at once.

use serde_json::{Map, Value};

use crate::base::refusal::{Detail, Refusal};
use crate::schema;

/// Deepest nesting of an admin body.
const DEPTH_MAX: usize = 8;

/// A JSON object whose fields are taken out one by one.
pub(super) struct Fields {
    object: Map<String, Value>,
    details: Vec<Detail>,
}

impl Fields {
    /// Reads a body.
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        schema::check(body, DEPTH_MAX).map_err(|why| Refusal::BadRequest(why.sentence()))?;
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => Ok(Self { object, details: Vec::new() }),
            Ok(_) => Err(Refusal::InvalidInput(vec![detail("", "must be an object")])),
            Err(_) => Err(Refusal::BadRequest("The body is not valid JSON.")),
        }
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, name: &str) -> String {
        let text = self.text_or_absent(name);
        if text.is_none() && !self.details.iter().any(|d| d.path.strip_prefix('/') == Some(name)) {
            self.wrong(name, "must be a text");
        }
        text.unwrap_or_default()
    }

    /// A text that may be absent.
    pub(super) fn text_or_absent(&mut self, name: &str) -> Option<String> {
        match self.object.remove(name)? {
            Value::String(text) => Some(text),
            _ => {
                self.wrong(name, "must be a text");
                None
            }
        }
    }

    /// A value of any kind, which may be absent.
    pub(super) fn value(&mut self, name: &str) -> Option<Value> {
        self.object.remove(name)
    }

    /// A list of texts; absent is empty.
    pub(super) fn texts(&mut self, name: &str) -> Vec<String> {
        let list = match self.object.remove(name) {
            None => return Vec::new(),
            Some(Value::Array(list)) => list,
            Some(_) => {
                self.wrong(name, "must be a list of texts");
                return Vec::new();
            }
        };
        let texts: Vec<_> = list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
        if texts.len() != list.len() {
            self.wrong(name, "must be a list of texts");
        }
        texts
    }

    /// A whole number that may be absent.
    pub(super) fn integer_or_absent(&mut self, name: &str) -> Option<i64> {
        let number = self.object.remove(name)?.as_i64();
        if number.is_none() {
            self.wrong(name, "must be a whole number");
        }
        number
    }

    /// Whether a field is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// A flag; absent is false.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        match self.object.remove(name) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(_) => {
                self.wrong(name, "must be true or false");
                false
            }
        }
    }

    /// Notes what is wrong with a field.
    pub(super) fn wrong(&mut self, name: &str, message: &str) {
        self.details.push(detail(name, message));
    }

    /// Everything must have been taken, and nothing been wrong.
    pub(super) fn finish(mut self) -> Result<(), Refusal> {
        let unknown = self
            .object
            .keys()
            .take(schema::DETAILS_MAX)
            .map(|_| detail("", "holds a field that is not known"));
        // The name of a field that nobody knows is the client's word, and is not given back.
        self.details.extend(unknown.take(1));
        if self.details.is_empty() { Ok(()) } else { Err(Refusal::InvalidInput(self.details)) }
    }
}

/// One finding about a field.
pub(super) fn detail(name: &str, message: &str) -> Detail {
    let path = if name.is_empty() { String::new() } else { format!("/{name}") };
    Detail { path, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_with_a_body_is_told_at_once() {
        let mut fields = Fields::read(br#"{"name":1,"roles":["a",2],"all":"yes","x":{}}"#).unwrap();
        fields.text("name");
        fields.text("password");
        fields.texts("roles");
        fields.flag("all");
        let refusal = fields.finish().unwrap_err();
        let paths: Vec<_> = refusal.details().iter().map(|d| d.path.as_str()).collect();
        assert_eq!(paths, ["/name", "/password", "/roles", "/all", ""]);
    }

    #[test]
    fn what_is_no_object_or_reads_in_two_ways_is_refused() {
        let status = |body: &[u8]| Fields::read(body).map(|_| ()).unwrap_err().status().as_u16();
        assert_eq!(status(b"[]"), 422);
        assert_eq!(status(b""), 400);
        assert_eq!(status(b"{"), 400);
        assert_eq!(status(br#"{"all":true,"all":false}"#), 400);
    }
}
