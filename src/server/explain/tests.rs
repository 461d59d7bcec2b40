use super::*;

fn parsed(text: &str) -> Result<String, BadRequest> {
    RawRequest::parse(text.as_bytes()).map(|request| String::from_utf8(request.bytes()).unwrap())
}

#[test]
fn line_ends_of_unix_become_those_of_http_and_the_last_ones_may_be_missing() {
    for text in [
        "GET / HTTP/1.1\nHost: x",
        "GET / HTTP/1.1\nHost: x\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\nHost: x\n\n\n",
    ] {
        assert_eq!(parsed(text).unwrap(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "{text:?}");
    }
}

#[test]
fn a_body_without_a_length_gets_one_and_one_with_a_length_ends_there() {
    let given = parsed("POST / HTTP/1.1\nHost: x\n\na\nb\n").unwrap();
    assert_eq!(given, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\na\nb\n");
    let said = parsed("POST / HTTP/1.1\ncontent-length: 3\n\na\nb\n\n").unwrap();
    assert_eq!(said, "POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\na\nb");
    let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    assert_eq!(parsed(chunked).unwrap(), chunked);
}

#[test]
fn what_is_ambiguous_stays_so() {
    for text in [
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nabc",
        "GET /a b HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
    ] {
        assert_eq!(parsed(text).unwrap(), text);
    }
}

#[test]
fn no_request_and_half_a_request_are_told() {
    assert_eq!(parsed(""), Err(BadRequest::Empty));
    assert_eq!(parsed("\n\nGET / HTTP/1.1\n"), Err(BadRequest::Empty));
    let short = parsed("POST / HTTP/1.1\nContent-Length: 9\n\nabc");
    assert_eq!(short, Err(BadRequest::Short { said: 9, found: 3 }));
    let large = vec![b'a'; (16 << 20) + 1];
    assert_eq!(RawRequest::parse(&large), Err(BadRequest::TooLarge));
}

#[test]
fn a_cookie_joins_those_that_are_there_and_other_headers_stand_for_themselves() {
    let mut request = RawRequest::parse(b"GET / HTTP/1.1\ncookie: a=1\n").unwrap();
    request.add("Cookie", "b=2");
    request.add("X-A", "c");
    let text = String::from_utf8(request.bytes()).unwrap();
    assert_eq!(text, "GET / HTTP/1.1\r\ncookie: a=1; b=2\r\nX-A: c\r\n\r\n");
    assert_eq!(request.line(), "GET /");
}
