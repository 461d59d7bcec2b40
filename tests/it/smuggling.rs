//! THREATS, section SM: requests that two readers take for different ones. The rows that are not here stand with what they
//! attack: bodies in `body.rs`, pipelines in `envelope.rs`, upgrades in `stream.rs`.

use crate::harness::scene::{Scene, attack, closing};

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// A POST with these header lines, a chunked body, and a request behind it that must never be seen.
fn coded(headers: &str) -> String {
    attack("POST /case", headers, &format!("0\r\n\r\n{SMUGGLED}"))
}

/// A POST with these header lines, five bytes, and a request behind them that must never be seen.
fn sized(headers: &str) -> String {
    attack("POST /case", headers, &format!("hello{SMUGGLED}"))
}

#[test]
fn sm_01_and_sm_02_a_length_beside_a_coding_is_refused_in_either_order() {
    let mut scene = Scene::new("");
    scene.refused(
        attack("POST /case", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nG"),
        &[400],
    );
    scene.refused(
        attack("POST /case", "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", "0\r\n\r\nG"),
        &[400],
    );
    scene.end();
}

#[test]
fn sm_03_sm_04_sm_05_sm_06_and_sm_07_a_coding_is_chunked_once_and_nothing_else() {
    let mut scene = Scene::new("");
    for codings in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: compress, chunked\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: chunked, chunked\r\nContent-Length: 5\r\n",
    ] {
        scene.refused(coded(codings), &[400, 501]);
    }
    scene.end();
}

#[test]
fn sm_08_sm_09_and_sm_10_what_only_looks_like_a_coding_is_refused() {
    let mut scene = Scene::new("");
    for codings in [
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
        "Transfer-Encoding: \u{a0}chunked\r\n",
        "Transfer-Encoding: chunked\0\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-\r\nEncoding: chunked\r\n",
        "Transfer-Encoding chunked\r\n",
        ": chunked\r\n",
        ":\r\n",
        "X: y\r\n z\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
    ] {
        scene.refused(coded(codings), &[400, 501]);
    }
    scene.refused(format!("POST /case HTTP/1.1\r\n Host: a.test\r\n\r\n{SMUGGLED}"), &[400]);
    scene.end();
}

#[test]
fn sm_11_a_bare_line_feed_ends_nothing() {
    let mut scene = Scene::new("");
    scene.refused("GET /case HTTP/1.1\nHost: a.test\nAuthorization: canary\n\n", &[400]);
    scene.refused(attack("GET /case", "Foo: x\nContent-Length: 40\r\n", SMUGGLED), &[400]);
    scene.refused(coded("Foo: x\nTransfer-Encoding: chunked\r\n"), &[400]);
    scene.end();
}

#[test]
fn sm_12_control_characters_are_in_no_header() {
    let mut scene = Scene::new("");
    for value in ["a\rb", "a\0b", "a\r\0b", "\r", "\0", "a\u{b}b", "a\u{7f}b", "a\u{8}"] {
        scene.refused(attack("GET /case", &format!("X: {value}\r\n"), ""), &[400]);
    }
    scene.end();
}

#[test]
fn sm_13_the_old_version_has_no_chunks() {
    let mut scene = Scene::new("");
    scene.refused(format!("POST /case HTTP/1.0\r\nHost: a.test\r\n{CHUNKED}\r\n0\r\n\r\n{SMUGGLED}"), &[400]);
    scene.end();
}

#[test]
fn sm_15_and_sm_16_a_length_stands_once() {
    let mut scene = Scene::new("");
    for lengths in [
        "Content-Length: 5\r\nContent-Length: 45\r\n",
        "Content-Length: 5\r\nContent-Length:\r\n",
        "Content-Length:\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
    ] {
        scene.refused(sized(lengths), &[400]);
    }
    scene.end();
}

#[test]
fn sm_17_and_sm_18_a_length_is_a_plain_number_that_can_be_counted_to() {
    let mut scene = Scene::new("");
    for length in ["+5", "-1", "0x5", "1_0", "5Z", "", "1e3", " 1 1", "five", "5.0", "\u{665}"] {
        scene.refused(sized(&format!("Content-Length: {length}\r\n")), &[400]);
    }
    for length in
        ["100000000000000000000", "18446744073709551615", "9223372036854775808", "9000000000000000000"]
    {
        scene.refused(sized(&format!("Content-Length: {length}\r\n")), &[400, 413]);
    }
    scene.end();
}

#[test]
fn sm_19_and_sm_20_a_chunk_has_a_size_and_its_extensions_end_here() {
    let mut scene = Scene::new("");
    for head in [
        "0x1",
        "+1",
        "-0x0",
        "1_0",
        "",
        " 1",
        "1 ",
        "10000000000000001",
        "fffffffffffffffe",
        "1;a=b\nZ",
        "1;\r\rX",
        "1\n",
    ] {
        let chunked = attack("POST /case", CHUNKED, &format!("{head}\r\nZ\r\n0\r\n\r\n{SMUGGLED}"));
        scene.refused(chunked, &[400, 413]);
    }
    let extended = closing("POST /case", CHUNKED, "1;a=b\r\nZ\r\n1;c\r\nY\r\n0;d=\"e\"\r\n\r\n");
    scene.passes(extended, &["POST /case ZY"]);
    let endless = attack("POST /case", CHUNKED, &format!("1;{}\r\nZ\r\n0\r\n\r\n", "a".repeat(20_000)));
    scene.refused(endless, &[400]);
    scene.end();
}

#[test]
fn sm_21_a_chunk_ends_where_it_says() {
    let mut scene = Scene::new("");
    for body in [
        "1\r\nZXX0\r\n\r\n",
        "1\r\nZZ\r\n0\r\n\r\n",
        "1\r\nZ\r\n0\n\r\n",
        "1\r\nZ\r\n0\r\n\n",
        "1\r\nZ\n0\r\n\r\n",
    ] {
        scene.refused(attack("POST /case", CHUNKED, &format!("{body}{SMUGGLED}")), &[400]);
    }
    scene.end();
}

#[test]
fn sm_22_trailers_end_here_whatever_they_say() {
    let mut scene = Scene::new("");
    let trailers = "X-Auth-Request-User: admin\r\nContent-Length: 5\r\nHost: evil.test\r\nCookie: a=b\r\n";
    let arrived = scene
        .passes(closing("POST /case", CHUNKED, &format!("1\r\nZ\r\n0\r\n{trailers}\r\n")), &["POST /case Z"]);
    let head = format!("{:?}", arrived[0]);
    assert!(!head.contains("admin") && !head.contains("evil") && !head.contains("a=b"), "{head}");
    let endless = attack(
        "POST /case",
        CHUNKED,
        &format!("1\r\nZ\r\n0\r\n{}\r\n", "X: yyyyyyyyyyyyyy\r\n".repeat(4_000)),
    );
    scene.refused(endless, &[400, 431]);
    scene.end();
}

#[test]
fn sm_23_a_body_that_is_a_request_stays_a_body() {
    let mut scene = Scene::new("");
    for method in ["GET", "DELETE", "OPTIONS", "POST"] {
        let whole =
            closing(&format!("{method} /case"), &format!("Content-Length: {}\r\n", SMUGGLED.len()), SMUGGLED);
        scene.passes(whole, &[&format!("{method} /case {}", SMUGGLED.trim_end())]);
    }
    scene.end();
}

#[test]
fn sm_24_a_body_that_nobody_read_is_no_request() {
    let route = |path: &str, more: &str| {
        format!("[[routes]]\nname = \"{path}\"\npath = \"/{path}\"\n{more}\nrespond = {{ text = \"in\" }}\n")
    };
    let routes = [
        route("private", "auth = \"required\""),
        route("small", "auth = \"none\"\nbody_max = \"8 B\""),
        route("scarce", "auth = \"none\"\nrate_limit = { ip_per_minute = 1, ip_burst = 1 }"),
    ];
    let mut scene = Scene::new(&routes.concat());
    let body = |path: &str| {
        attack(&format!("POST /{path}"), &format!("Content-Length: {}\r\n", SMUGGLED.len()), SMUGGLED)
    };
    scene.refused(body("private"), &[401]);
    scene.refused(body("small"), &[413]);
    scene.end();
}

#[test]
fn sm_25_a_length_that_a_front_may_overlook_is_refused() {
    let mut scene = Scene::new("");
    for length in
        ["Content-Length:\u{b}40", "Content-Length :40", "Content-Length\t: 40", "\u{b}Content-Length: 40"]
    {
        scene.refused(attack("GET /case", &format!("{length}\r\n"), SMUGGLED), &[400]);
    }
    scene.end();
}

#[test]
fn sm_27_garbage_after_a_request_is_answered_in_its_turn_and_is_the_end() {
    let mut scene = Scene::new("");
    let good = attack("GET /first", "", "");
    for garbage in
        ["garbage\r\n\r\n", "GET /x HTTP/1.1\nHost: a\n\n", "\0\0\0\0\r\n\r\n", "GET /x HTTP/1.1\r\n\r\n"]
    {
        scene.answered(
            format!("{good}{good}{garbage}{SMUGGLED}"),
            &[200, 200, 400],
            &["GET /first", "GET /first"],
        );
    }
    scene.end();
}

#[test]
fn sm_30_nobody_is_connected_through() {
    let mut scene = Scene::new("");
    for line in ["CONNECT a.test:80", "CONNECT 127.0.0.1:22", "CONNECT /case"] {
        scene.refused(attack(line, "Connection: close\r\n", ""), &[400, 405, 501]);
        let length = format!("Connection: close\r\nContent-Length: {}\r\n", SMUGGLED.len());
        scene.refused(attack(line, &length, SMUGGLED), &[400, 405, 501]);
    }
    scene.end();
}

#[test]
fn sm_31_a_request_line_has_three_words_and_a_version_that_is_spoken_here() {
    let mut scene = Scene::new("");
    for line in [
        "GET /case HTTP/1.2",
        "GET /case HTTP/2.0",
        "GET /case HTTP/9",
        "GET /case HTTP/1.1\t",
        "GET /case  HTTP/1.1",
        "GET  /case HTTP/1.1",
        "GET\t/case HTTP/1.1",
        "GET /case\tHTTP/1.1",
        "GET\n /case HTTP/1.1",
        "GET /case",
        "GET /case http/1.1",
        "GET /case HTTP/1.1 HTTP/1.1",
    ] {
        scene.refused(format!("{line}\r\nHost: a.test\r\n\r\n{SMUGGLED}"), &[400, 505]);
    }
    scene.end();
}

#[test]
fn sm_32_a_few_empty_lines_are_nothing_and_many_are_the_end() {
    let mut scene = Scene::new("");
    let last = closing("GET /case", "", "");
    scene.passes(format!("\r\n{last}"), &["GET /case"]);
    scene.refused(format!("{}{last}", "\r\n".repeat(10_000)), &[400]);
    scene.end();
}

#[test]
fn sm_33_other_protocols_are_not_spoken_on_a_plain_port() {
    let mut scene = Scene::new("");
    let hello = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n";
    let lines = scene.gateway.log().len();
    scene.refused(hello, &[400]);
    scene.refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400, 505]);
    let written = scene.gateway.log()[lines..]
        .iter()
        .filter(|l| l.contains("\"WARN\"") || l.contains("\"ERROR\""))
        .count();
    assert_eq!(written, 0);
    scene.end();
}
