//! An answer as bytes, for what must be said where there is no request to answer.

use bytes::Bytes;
use hyper::Response;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};

/// The response as it stands on the wire, with its length, and with the close that follows it.
///
/// # Source
/// RFC 9112 sections 4 and 9.6.
pub fn bytes(mut response: Response<Bytes>) -> Vec<u8> {
    let length = HeaderValue::from(response.body().len());
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    let status = response.status();
    let mut out = Vec::with_capacity(512 + response.body().len());
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in response.headers() {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(response.body());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_its_length_and_says_that_it_is_the_last() {
        let response =
            Response::builder().status(408).header("x-request-id", "a").body("late".into()).unwrap();
        let text = String::from_utf8(bytes(response)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let lines: Vec<_> = head.split("\r\n").collect();
        assert_eq!(lines[0], "HTTP/1.1 408 Request Timeout");
        assert!(
            ["x-request-id: a", "content-length: 4", "connection: close"].iter().all(|h| lines.contains(h))
        );
        assert_eq!(body, "late");
    }
}
