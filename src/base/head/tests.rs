//! The scanner over many heads, whole and in pieces.

use std::ops::Range;

use proptest::prelude::*;

use super::chunks::{Chunks, EXTENSION_BYTES_MAX, TRAILERS_MAX};
use super::host::is_host;
use super::request::{Length, Line, Version, length, method_of};
use super::{Facts, Fault, Fields, Finder, decimal};
use crate::base::target::Host;

/// Everything that a reader of requests asks of a head.
fn read(head: &[u8]) -> Result<Length, Fault> {
    let mut finder = Finder::new(4);
    let end = finder.find(head)?.expect("a whole head");
    assert_eq!(end, head.len());
    let line = Line::parse(finder.first_line(head).expect("there is one"))?;
    length(line.version, &Facts::gather(finder.field_lines(head, end))?)
}

fn with(lines: &str) -> Result<Length, Fault> {
    read(format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").as_bytes())
}

fn target(first: &str) -> Result<(), Fault> {
    Line::parse(first.as_bytes()).map(|_| ())
}

#[test]
fn a_plain_head_is_read() {
    let head = b"\r\n\r\nPUT /a?b=c HTTP/1.1\r\nHost: a.example:80\r\nX:\r\nContent-Length:  12 \t\r\n\r\n";
    assert_eq!(read(head), Ok(Length::Exact(12)));
    let mut finder = Finder::new(4);
    assert_eq!(finder.find(head), Ok(Some(head.len())));
    assert_eq!((finder.start(), finder.lines()), (4, 4));
    let fields: Vec<_> = Fields::new(finder.field_lines(head, head.len())).map(Result::unwrap).collect();
    assert_eq!((fields[1].name, fields[1].value), (&b"X"[..], &b""[..]));
    assert_eq!(fields[2].value, b"12");
    assert_eq!(method_of(b"PUT /a"), Some(&b"PUT"[..]));
    assert_eq!(with(""), Ok(Length::Exact(0)));
    assert_eq!(with("transfer-ENCODING: Chunked\r\n"), Ok(Length::Chunked));
    assert_eq!(read(b"GET / HTTP/1.0\r\n\r\n"), Ok(Length::Exact(0)));
}

#[test]
fn sm_03_to_sm_08_only_one_line_that_says_chunked_and_nothing_else_is_a_coding() {
    for values in [
        "chunked\r\nTransfer-Encoding: chunked",
        "identity\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: identity",
        "gzip, chunked",
        ",chunked",
        "chunked,",
        "chunked, chunked",
        "xchunked",
        "\"chunked\"",
        "chunked;q=1",
        "",
        "identity",
        "chunked\u{a0}",
    ] {
        let lines = format!("Transfer-Encoding: {values}\r\n");
        assert_eq!(with(&lines), Err(Fault::TransferEncoding), "{values}");
    }
    for value in ["\u{b}chunked", "chunked\0"] {
        assert_eq!(with(&format!("Transfer-Encoding: {value}\r\n")), Err(Fault::Control), "{value:?}");
    }
}

#[test]
fn sm_01_sm_13_a_length_beside_a_coding_is_refused_and_so_is_a_coding_of_http_1_0() {
    assert_eq!(with("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n"), Err(Fault::BothLengths));
    assert_eq!(with("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n"), Err(Fault::BothLengths));
    let old = b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(read(old), Err(Fault::TransferEncoding));
}

#[test]
fn sm_15_to_sm_18_one_length_and_only_digits() {
    for value in [
        "1\r\nContent-Length: 2",
        "1\r\nContent-Length:",
        "5\r\nContent-Length: 5",
        "5, 5",
        "0005",
        "00",
        "+1",
        "-1",
        "0x1",
        "1_0",
        "1Z",
        "",
        "1e3",
        "1 1",
        "18446744073709551615",
        "9223372036854775808",
        "100000000000000000000",
    ] {
        assert_eq!(with(&format!("Content-Length: {value}\r\n")), Err(Fault::ContentLength), "{value}");
    }
    assert_eq!(decimal(b"9223372036854775807"), Some(9_223_372_036_854_775_807));
    assert_eq!(decimal(b"0"), Some(0));
}

#[test]
fn sm_09_sm_10_a_line_has_a_name_a_colon_and_no_fold() {
    for line in
        ["Transfer-Encoding : chunked", "no colon", ": x", ":", "a b: c", "Content-Length\t: 5", "\u{e9}: x"]
    {
        assert_eq!(with(&format!("{line}\r\n")), Err(Fault::Name), "{line}");
    }
    for fold in [" X: y", "X: y\r\n z", "Transfer-Encoding:\r\n chunked", "X:\r\n\ty"] {
        assert_eq!(with(&format!("{fold}\r\n")), Err(Fault::Fold), "{fold}");
    }
    assert_eq!(read(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"), Err(Fault::Fold));
}

#[test]
fn sm_11_sm_12_only_cr_and_lf_together_end_a_line() {
    for bad in [
        "GET / HTTP/1.1\nHost: a\n\n",
        "\n\nGET",
        "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\n\n",
    ] {
        assert_eq!(Finder::new(4).find(bad.as_bytes()), Err(Fault::LineEnd), "{bad:?}");
    }
    for bad in ["a\rb", "a\0b", "a\r\0b", "a\u{7f}b", "a\u{1}b", "\r\rX"] {
        let head = format!("GET / HTTP/1.1\r\nX: {bad}\r\n\r\n");
        assert_eq!(Finder::new(4).find(head.as_bytes()), Err(Fault::Control), "{bad:?}");
    }
    assert!(Finder::new(4).find(b"\x16\x03\x01").is_err(), "a TLS handshake is refused at its first byte");
}

#[test]
fn sm_31_sm_33_the_first_line_is_three_words_and_the_version_one_of_two() {
    for bad in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/1.1\t",
        "GET / HTTP/1.1 ",
        "",
        " GET / HTTP/1.1",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / HTTP/9",
        "GET / http/1.1",
        "GET / HTTP/1.10",
        "G|T / HTTP/1.1",
        "1 / HTTP/1.1",
        "GET / HTTP/1.1 HTTP/1.1",
        "PRI * HTTP/2.0",
        "GET\0 / HTTP/1.1",
    ] {
        assert!(target(bad).is_err(), "{bad:?}");
    }
    for good in ["GET / HTTP/1.1", "get / HTTP/1.0", "M-SEARCH / HTTP/1.1", "BASELINE-CONTROL / HTTP/1.1"] {
        assert_eq!(target(good), Ok(()), "{good}");
    }
    assert_eq!(Line::parse(b"A / HTTP/1.0").map(|l| l.version), Ok(Version::Http10));
}

#[test]
fn sm_32_a_few_empty_lines_are_tolerated() {
    let after = |n: usize| Finder::new(4).find(format!("{}GET", "\r\n".repeat(n)).as_bytes());
    assert_eq!(after(4), Ok(None));
    assert_eq!(after(5), Err(Fault::BlankLines));
}

#[test]
fn rt_08_to_rt_12_a_target_has_one_of_the_forms_of_its_method() {
    for bad in [
        "GET evil:80",
        "GET admin",
        "GET !",
        "GET *",
        "OPTIONS */x",
        "OPTIONS **",
        "GET /a#b",
        "GET /?a#b",
        "GET #",
        "GET /\u{e9}",
        "GET /<a>",
        "GET http://",
        "GET http:///x",
        "GET http://a@evil/",
        "GET ftp://a/",
        "GET http:/a",
        "GET http://a b/",
        "GET http://a\\b/",
        "GET http://a:0/",
        "GET //",
        "CONNECT /",
        "CONNECT a",
        "CONNECT a:b",
        "GET http://[::1/",
        "GET ?a",
        "GET http://a/#",
        "GET mailto:x",
    ] {
        let is_bad = target(&format!("{bad} HTTP/1.1")).is_err();
        // Two slashes are a path; that it is refused is the pipeline's.
        assert_eq!(is_bad, bad != "GET //", "{bad}");
    }
    for good in [
        "GET /",
        "GET /a?b",
        "GET /a?b?c",
        "GET /[a]|{b}^",
        "GET /?a[]=b",
        "OPTIONS *",
        "GET http://a/",
        "GET HTTPS://a.example:80?x",
        "GET http://[::1]:8080/a",
        "CONNECT a.example:443",
        "GET /%zz",
    ] {
        assert_eq!(target(&format!("{good} HTTP/1.1")), Ok(()), "{good}");
    }
}

#[test]
fn rt_07_what_passes_of_a_target_is_what_hyper_reads() {
    for byte in 0_u8..=255 {
        for (front, back) in
            [(&b"/"[..], &b"x"[..]), (b"/?", b"x"), (b"http://a/", b""), (b"http://a?", b""), (b"", b"")]
        {
            let text = [front, &[byte], back].concat();
            let line = [b"GET ", &text[..], b" HTTP/1.1"].concat();
            if Line::parse(&line).is_ok() {
                let uri = http::Uri::try_from(&text[..]);
                let written = text.iter().filter(|b| **b != b'/').collect::<Vec<_>>();
                let uri = uri.unwrap_or_else(|why| panic!("{}: {why}", text.escape_ascii())).to_string();
                // It writes an empty path as a slash; nothing else is changed, and nothing is cut.
                assert_eq!(uri.as_bytes().iter().filter(|b| **b != b'/').collect::<Vec<_>>(), written);
            }
        }
    }
}

#[test]
fn what_passes_of_a_header_is_what_hyper_reads() {
    for byte in 0_u8..=255 {
        if let Some(Ok(field)) = Fields::new(&[b'x', byte, b':', b'\r', b'\n']).next() {
            assert!(http::HeaderName::from_bytes(field.name).is_ok(), "{byte}");
        }
        if Finder::new(0).find(&[b'x', byte, b'y', b'\r', b'\n']).is_ok() {
            assert!(http::HeaderValue::from_bytes(&[byte]).is_ok(), "{byte}");
        }
    }
}

#[test]
fn rt_13_there_is_one_host_and_it_is_one() {
    let host = |lines: &str| read(format!("GET / HTTP/1.1\r\n{lines}\r\n").as_bytes());
    for bad in
        ["", "Host:\r\n", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: a/../\r\n", "Host: a:99999\r\n"]
    {
        assert_eq!(host(bad), Err(Fault::Host), "{bad:?}");
    }
    assert_eq!(read(b"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n"), Err(Fault::Host));
    assert_eq!(read(b"GET / HTTP/1.0\r\nHost: u@a\r\n\r\n"), Err(Fault::Host));
}

/// The length that is of the body, and whether it ends there; the fault where it is none.
fn follow(bytes: &[u8]) -> (usize, Result<bool, ()>) {
    match Chunks::new().follow(bytes) {
        Ok(followed) => (followed.length, Ok(followed.is_end)),
        Err((_, length)) => (length, Err(())),
    }
}

/// The same, in pieces.
fn follow_in(bytes: &[u8], pieces: &[Range<usize>]) -> (usize, Result<bool, ()>) {
    let mut chunks = Chunks::new();
    let mut length = 0;
    for piece in pieces {
        let piece = &bytes[piece.clone()];
        match chunks.follow(piece) {
            Ok(followed) => {
                length += followed.length;
                if followed.is_end {
                    return (length, Ok(true));
                }
                assert_eq!(followed.length, piece.len());
            }
            Err((_, here)) => {
                assert!(chunks.follow(b"0").is_err(), "a fault stays");
                return (length + here, Err(()));
            }
        }
    }
    (length, Ok(false))
}

#[test]
fn sm_19_to_sm_21_chunks_are_framed_exactly() {
    for (good, rest) in [
        ("0\r\n\r\n", ""),
        ("3\r\nabc\r\n0\r\n\r\n", "GET"),
        ("a;x=y\r\n0123456789\r\n00\r\n\r\n", ""),
        ("1;a=\"b;c\\\"\"\r\n\r\r\n0\r\nX: y\r\nX-Z:\r\n\r\n", "\r\n"),
        ("0000000000000001\r\na\r\n0\r\n\r\n", ""),
    ] {
        assert_eq!(follow([good, rest].concat().as_bytes()), (good.len(), Ok(true)), "{good:?}");
    }
    for bad in [
        "0x1\r\na\r\n",
        "+1\r\na\r\n",
        "-0x0\r\n",
        "1_0\r\n",
        "\r\n",
        " 1\r\na\r\n",
        "00000000000000001\r\na\r\n",
        "fffffffffffffffe\r\na",
        "1 \r\na",
        "1\t\r\na",
        "1;a\n",
        "1;\r\rX",
        "1;a=b\nZ",
        "1\r\nZXX0\r\n",
        "1\r\nZ\n0",
        "0\n\r\n",
        "0\r\nX:POST / HTTP/1.1\r\nhost\r\n\r\n",
        "0\r\n X: y\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\nX: \0\r\n",
        "0\r\nX: y\n\r\n",
        "0\r\n\n",
        "1\n",
        "g\r\n",
        ";a\r\n",
        "1;\"\r\n",
        "1 a\r\n",
        "1 1;a\r\n",
        "0\r\nX: a\rb\r\n",
    ] {
        assert!(follow(bad.as_bytes()).1.is_err(), "{bad:?}");
    }
    assert_eq!(follow(b"1\r\nZXX0\r\n"), (4, Err(())), "what was well framed is told");
    for (body, fits) in
        [("1 \t;a\r\nZ\r\n0\r\n\r\n", true), ("1 \r\n", false), ("1 a\r\n", false), (" ;a", false)]
    {
        assert_eq!(Chunks::with_blanks().follow(body.as_bytes()).is_ok(), fits, "{body:?}");
        assert!(follow(body.as_bytes()).1.is_err(), "{body:?}");
    }
}

#[test]
fn sm_20_sm_22_extensions_and_trailers_have_an_end() {
    let extension = |n: usize| format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(n));
    assert_eq!(follow(extension(EXTENSION_BYTES_MAX - 1).as_bytes()).1, Ok(true));
    assert!(follow(extension(EXTENSION_BYTES_MAX).as_bytes()).1.is_err());
    let spread = "1;xxxx\r\na\r\n".repeat(EXTENSION_BYTES_MAX / 4);
    assert!(follow(spread.as_bytes()).1.is_err(), "the limit is for the body, not for the chunk");
    let trailers = |n: usize| format!("0\r\n{}\r\n", "a: b\r\n".repeat(n));
    assert_eq!(follow(trailers(TRAILERS_MAX).as_bytes()).1, Ok(true));
    assert!(follow(trailers(TRAILERS_MAX + 1).as_bytes()).1.is_err());
    assert!(follow(format!("0\r\na: {}\r\n\r\n", "x".repeat(9_000)).as_bytes()).1.is_err());
}

#[test]
fn every_cut_of_a_body_and_of_a_head_gives_the_same() {
    let body = b"5;a=\"b\"\r\nhello\r\n1\r\n!\r\n0\r\nX-T: v\r\n\r\nGET";
    let head = b"\r\nPOST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5";
    for cut in 0..=body.len() {
        assert_eq!(follow_in(body, &[0..cut, cut..body.len()]), (body.len() - 3, Ok(true)), "{cut}");
    }
    for cut in 0..=head.len() {
        let mut finder = Finder::new(4);
        let first = finder.find(&head[..cut]).unwrap();
        let found = first.or_else(|| finder.find(head).unwrap());
        assert_eq!(found, Some(head.len() - 1), "{cut}");
    }
}

/// Pieces between the cuts, which may be in any order.
fn pieces(length: usize, mut cuts: Vec<usize>) -> Vec<Range<usize>> {
    cuts.iter_mut().for_each(|cut| *cut %= length + 1);
    cuts.extend([0, length]);
    cuts.sort_unstable();
    cuts.windows(2).map(|w| w[0]..w[1]).collect()
}

proptest! {
    #[test]
    fn chunks_in_pieces_are_chunks_at_once(
        parts in prop::collection::vec("(0|1|3|a|\r\n|\r|\n|;|x|\"|:| |abc|0\r\n\r\n|1\r\na\r\n|X: y\r\n)", 0..12),
        cuts in prop::collection::vec(0_usize..64, 0..8),
    ) {
        let body = parts.concat();
        let pieces = pieces(body.len(), cuts);
        prop_assert_eq!(follow(body.as_bytes()), follow_in(body.as_bytes(), &pieces));
    }

    #[test]
    fn a_head_in_pieces_ends_where_it_ends_at_once(
        parts in prop::collection::vec("(GET / HTTP/1.1|a: b|\r\n|\r\n|\r\n|\r|\n|\0| |\t|:|xyz)", 0..12),
        cuts in prop::collection::vec(0_usize..64, 0..8),
    ) {
        let head = parts.concat();
        let head = head.as_bytes();
        let whole = Finder::new(2).find(head).map_err(|_| ());
        let mut finder = Finder::new(2);
        let mut found = Ok(None);
        for piece in pieces(head.len(), cuts) {
            found = finder.find(&head[..piece.end]).map_err(|_| ());
            if !matches!(found, Ok(None)) {
                break;
            }
        }
        // A fault behind the end is the next head's; in pieces it is not reached.
        prop_assert_eq!(found, whole);
    }

    #[test]
    fn one_look_at_a_head_finds_what_a_look_at_each_line_does(
        parts in prop::collection::vec("(GET / HTTP/1.1|a: b|\r\n|\r\n|\r\n|\r\n\r\n|\r|\n|\0| |\t|:|\x7f|é|xyz)", 0..12),
        many in any::<bool>(),
    ) {
        let head = if many { ["GET / HTTP/1.1\r\na: b\r\n", &parts.concat(), "\r\n\r\n"].concat() } else { parts.concat() };
        let (mut at_once, mut by_line) = (Finder::new(2), Finder::new(2));
        let found = at_once.find(head.as_bytes());
        prop_assert_eq!(found, by_line.find_by_line(head.as_bytes()), "{:?}", head);
        if found.is_ok() {
            prop_assert_eq!(at_once, by_line, "{:?}", head);
        }
    }

    #[test]
    fn a_host_is_one_here_where_it_is_one_in_the_pipeline(text in "[a-zA-Z0-9._:\\[\\]/@ %-]{0,24}") {
        prop_assert_eq!(is_host(text.as_bytes()), Host::parse(&text).is_ok(), "{}", text);
    }

    #[test]
    fn an_address_is_a_host_here_where_it_is_one_in_the_pipeline(text in "\\[[0-9a-f:.]{0,12}\\](:[0-9]{0,6})?") {
        prop_assert_eq!(is_host(text.as_bytes()), Host::parse(&text).is_ok(), "{}", text);
    }

    #[test]
    fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut finder = Finder::new(4);
        if let Ok(Some(end)) = finder.find(&bytes) {
            let _ = Line::parse(finder.first_line(&bytes).unwrap_or_default());
            let _ = Facts::gather(finder.field_lines(&bytes, end));
        }
        let _ = Facts::gather(&bytes);
        let _ = Line::parse(&bytes);
        let _ = Chunks::new().follow(&bytes);
        is_host(&bytes);
    }
}
