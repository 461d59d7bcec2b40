//! The style and the script, as they stand in the binary.

use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};

use super::place::Place;
use crate::pipeline::answer::Body;

const STYLE: &str = include_str!("assets/console.css");
const SCRIPT: &str = include_str!("assets/console.js");

/// The asset of a place, where it is one. They are the same for everybody and tell nothing.
pub(super) fn find(place: Place) -> Option<Response<Body>> {
    let (text, kind) = match place {
        Place::Style => (STYLE, "text/css; charset=utf-8"),
        Place::Script => (SCRIPT, "text/javascript; charset=utf-8"),
        _ => return None,
    };
    let mut answer = Response::new(Body::full(text));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Some(answer)
}
