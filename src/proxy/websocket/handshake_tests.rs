use super::*;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    lines.iter().map(|(n, v)| (HeaderName::try_from(*n).unwrap(), v.parse().unwrap())).collect()
}

fn with(lines: &[(&str, &str)], other: &[(&str, &str)]) -> HeaderMap {
    let mut headers = map(lines);
    for (name, value) in other {
        if value.is_empty() {
            headers.remove(*name);
        } else {
            headers.insert(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
    }
    headers
}

const ASKED: [(&str, &str); 4] = [
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "WebSocket"),
    ("sec-websocket-key", KEY),
    ("sec-websocket-version", "13"),
];
const ANSWERED: [(&str, &str); 3] =
    [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", ACCEPT)];

fn read(other: &[(&str, &str)]) -> Result<Handshake, BadHandshake> {
    Handshake::read(&Method::GET, Version::HTTP_11, false, &with(&ASKED, other))
}

#[test]
fn ws_02_what_is_no_handshake_is_told_from_one_of_another_version() {
    assert!(read(&[]).is_ok());
    for version in ["7", "8", "777", "12", "013", "13, 8"] {
        assert_eq!(read(&[("sec-websocket-version", version)]), Err(BadHandshake::Version), "{version}");
    }
    for other in [
        ("sec-websocket-version", ""),
        ("sec-websocket-key", ""),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ"),
        ("sec-websocket-key", "AAAA"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZSBhbmQ="),
        ("sec-websocket-key", "not base64 at all!!!!!=="),
        ("sec-websocket-protocol", "a b"),
        ("sec-websocket-protocol", "a,,b"),
        ("sec-websocket-extensions", "x y; z"),
    ] {
        assert!(matches!(read(&[other]), Err(BadHandshake::Malformed(_))), "{other:?}");
    }
    let mut twice = map(&ASKED);
    twice.append("sec-websocket-key", KEY.parse().unwrap());
    let headers = map(&ASKED);
    for (method, version, has_body, headers) in [
        (Method::POST, Version::HTTP_11, false, &headers),
        (Method::GET, Version::HTTP_10, false, &headers),
        (Method::GET, Version::HTTP_2, false, &headers),
        (Method::GET, Version::HTTP_11, true, &headers),
        (Method::GET, Version::HTTP_11, false, &twice),
    ] {
        let read = Handshake::read(&method, version, has_body, headers);
        assert!(matches!(read, Err(BadHandshake::Malformed(_))), "{method} {version:?} {has_body}");
    }
    let many = vec!["p"; OFFERS_MAX + 1].join(",");
    assert!(read(&[("sec-websocket-protocol", &many)]).is_err(), "an offer is bounded");
}

#[test]
fn ws_03_and_sm_29_only_the_proof_of_this_key_and_what_was_offered_is_an_answer() {
    let asked = read(&[
        ("sec-websocket-protocol", "chat, v2"),
        ("sec-websocket-extensions", "permessage-deflate; a=1"),
    ]);
    let asked = asked.unwrap();
    let answer = |other: &[(&str, &str)]| asked.is_answered_by(&with(&ANSWERED, other));
    assert_eq!(answer(&[]), Some(Agreed::default()));
    assert!(answer(&[("sec-websocket-protocol", "v2")]).is_some());
    let deflate = answer(&[("sec-websocket-extensions", "permessage-deflate; b")]);
    assert_eq!(deflate.map(|a| a.reserved_bits()), Some(0x40));
    for other in [
        ("connection", "keep-alive"),
        ("connection", ""),
        ("upgrade", "h2c"),
        ("upgrade", ""),
        ("upgrade", "websocket, h2c"),
        ("sec-websocket-accept", ""),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp="),
        ("sec-websocket-accept", "S3PPLMBITXAQ9KYGZZHZRBK+XOO="),
        ("sec-websocket-protocol", "v3"),
        ("sec-websocket-protocol", "chat, v2"),
        ("sec-websocket-extensions", "x-webkit-deflate-frame"),
        ("sec-websocket-extensions", "permessage-deflate, x"),
    ] {
        assert_eq!(answer(&[other]), None, "{other:?}");
    }
    let nothing_asked = read(&[]).unwrap();
    assert_eq!(nothing_asked.is_answered_by(&with(&ANSWERED, &[("sec-websocket-protocol", "chat")])), None);
}
