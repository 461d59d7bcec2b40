//! WebSockets: who may open one, what opens one, and that nothing else does.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::harness::tls::{Authority, Client};
use crate::harness::websocket::{Frame, HANDSHAKE, Socket, answering, echo, frame, switching};
use crate::harness::{Answer, Connection, Gateway, Setup, Upstream, client::compose};

const PATIENCE: Duration = Duration::from_secs(20);

fn open(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Socket {
    Socket::open(gateway.public, path, headers).map_err(|a| (a.status, a.text())).expect("a socket").0
}

fn refused(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Answer {
    Socket::open(gateway.public, path, headers).err().expect("no socket")
}

/// The handshake with some headers in the place of its own; an empty value leaves one out.
fn handshake(other: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let is_other = |name: &str| other.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let own = HANDSHAKE.into_iter().filter(|(name, _)| !is_other(name));
    own.chain(other.iter().copied().filter(|(_, value)| !value.is_empty())).collect()
}

#[test]
fn a_socket_carries_messages_of_every_size_both_ways_and_its_head_says_what_was_agreed() {
    let (upstream, seen) =
        answering(|head| switching(head, "Sec-WebSocket-Protocol: v2\r\nServer: leaky\r\nX-App: 1\r\n"));
    let gateway = Setup::new(&upstream.config()).start();
    let offer = [("Sec-WebSocket-Protocol", "v1, v2"), ("X-Auth-Request-User", "forged")];
    let (mut socket, answer) = Socket::open(gateway.public, "/up/chat?a=1", &offer).unwrap();
    assert_eq!(answer.header("sec-websocket-protocol"), Some("v2"));
    assert_eq!(answer.all("upgrade"), ["websocket"]);
    assert_eq!(answer.all("connection"), ["Upgrade"]);
    assert_eq!(answer.header("x-app"), Some("1"));
    assert!(answer.header("x-request-id").is_some() && answer.header("server").is_none());
    for length in [0, 1, 125, 126, 65_535, 65_536, 1_000_000] {
        let text = "x".repeat(length);
        socket.echo(&text);
    }
    socket.frame(0x01, b"two ").unwrap();
    socket.frame(0x89, b"ping").unwrap();
    socket.frame(0x80, b"parts").unwrap();
    let back: Vec<_> = (0..3).map(|_| socket.next().unwrap().0).collect();
    assert_eq!(back, [0x01, 0x8a, 0x80]);
    socket.frame(0x88, &[0x03, 0xe8]).unwrap();
    assert_eq!(socket.next().unwrap().code(), 1000);
    assert_eq!(socket.next(), None);
    let head = seen.heads()[0].to_ascii_lowercase();
    assert!(head.starts_with("get /up/chat?a=1 http/1.1"), "{head}");
    for line in
        ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", "x-forwarded-for: 127"]
    {
        assert_eq!(head.matches(line).count(), 1, "{line} in {head}");
    }
    assert!(!head.contains("forged"), "{head}");
}

#[test]
fn ws_01_a_page_of_another_site_opens_nothing_with_a_session() {
    let (upstream, seen) = echo();
    let config = format!("[cors]\norigins = [\"https://listed.example\"]\n{}", upstream.config());
    let gateway = Setup::new(&config).user("ada", "password one", &[]).start();
    let cookie = gateway.sign_in("ada", "password one");
    let cookie = ("Cookie", cookie.as_str());
    for foreign in ["https://evil.example", "null", "http://localhost.evil", "https://localhost", ""] {
        let headers = [cookie, ("Origin", foreign)];
        let headers = if foreign.is_empty() { &headers[..1] } else { &headers[..] };
        let answer = refused(&gateway, "/up/a", headers);
        assert_eq!((answer.status, answer.code().as_str()), (403, "ORIGIN_NOT_ALLOWED"), "{foreign:?}");
    }
    assert_eq!(seen.heads().len(), 0, "refused before the upstream heard of it");
    for ours in ["http://localhost", "https://listed.example"] {
        open(&gateway, "/up/a", &[cookie, ("Origin", ours)]).echo("hello");
    }
    open(&gateway, "/up/a", &[("Origin", "https://evil.example")]).echo("without a session nobody is harmed");
    assert_eq!(seen.heads().len(), 3);
}

#[test]
fn ws_02_what_is_no_handshake_opens_nothing() {
    let (upstream, seen) = echo();
    let gateway = Setup::new(&upstream.config()).start();
    for other in [
        &[("Sec-WebSocket-Key", "")][..],
        &[("Sec-WebSocket-Key", "AAAA")],
        &[("Sec-WebSocket-Version", "")],
        &[("Sec-WebSocket-Protocol", "a b")],
    ] {
        let answer = gateway.send("GET /up/a", &handshake(other), b"");
        assert_eq!((answer.status, answer.code().as_str()), (400, "BAD_REQUEST"), "{other:?}");
    }
    for version in ["7", "8", "777"] {
        let answer = gateway.send("GET /up/a", &handshake(&[("Sec-WebSocket-Version", version)]), b"");
        assert_eq!((answer.status, answer.code().as_str()), (426, "UPGRADE_REQUIRED"), "{version}");
        assert_eq!(answer.all("sec-websocket-version"), ["13"]);
        assert_eq!(answer.all("upgrade"), ["websocket"]);
    }
    let answer = gateway.send("POST /up/a", &handshake(&[]), b"");
    assert_eq!((answer.status, answer.code().as_str()), (400, "BAD_REQUEST"));
    let answer = gateway.send("GET /up/a", &handshake(&[]), b"body");
    assert_eq!((answer.status, answer.code().as_str()), (400, "BAD_REQUEST"));
    let mut old = Connection::open(gateway.public);
    let asked = String::from_utf8(compose("GET /up/a", &handshake(&[]), b"")).unwrap();
    old.send(asked.replace("HTTP/1.1", "HTTP/1.0")).unwrap();
    assert_eq!(old.read().unwrap().status, 400);
    assert_eq!(seen.heads().len(), 0);
}

#[test]
fn ws_03_and_sm_29_only_a_101_that_answers_this_handshake_opens_a_tunnel() {
    type Said = Box<dyn Fn(&str) -> String + Send + Sync>;
    let wrong =
        |from: &'static str, to: &'static str| move |head: &str| switching(head, "").replace(from, to);
    let more = |line: &'static str| move |head: &str| switching(head, line);
    let answers: [Said; 7] = [
        Box::new(wrong("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: x")),
        Box::new(wrong("Sec-WebSocket-Accept: ", "X: ")),
        Box::new(wrong("Upgrade: websocket\r\n", "Upgrade: h2c\r\n")),
        Box::new(wrong("Upgrade: websocket\r\n", "")),
        Box::new(wrong("Connection: Upgrade\r\n", "")),
        Box::new(more("Sec-WebSocket-Protocol: unasked\r\n")),
        Box::new(more("Sec-WebSocket-Extensions: permessage-deflate\r\n")),
    ];
    for (n, answer) in answers.into_iter().enumerate() {
        let (upstream, seen) = answering(answer);
        let gateway = Setup::new(&upstream.config()).start();
        let refused = refused(&gateway, "/up/a", &[]);
        assert_eq!((refused.status, refused.code().as_str()), (502, "UPSTREAM_UNREACHABLE"), "{n}");
        gateway.until("its connection is closed", |_| seen.ends() == [None]);
    }
}

#[test]
fn sm_29_a_101_that_nobody_asked_for_is_a_502_and_its_connection_is_closed() {
    let (tell, closed) = channel();
    let tell = Mutex::new(tell);
    let upstream = Upstream::raw(move |mut stream| {
        use std::io::{Read as _, Write as _};
        let mut head = [0; 4096];
        // What of the head has come is enough: the answer is the same.
        let _ = stream.read(&mut head);
        stream.write_all(switching("sec-websocket-key: x", "").as_bytes()).ok();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale").ok();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).ok();
        tell.lock().unwrap().send(rest).ok();
    });
    let gateway = Setup::new(&upstream.config()).start();
    for headers in [&[][..], &[("Connection", "Upgrade"), ("Upgrade", "foo")], &[("Upgrade", "websocket")]] {
        let answer = gateway.send("GET /up/a", headers, b"");
        assert_eq!((answer.status, answer.code().as_str()), (502, "UPSTREAM_UNREACHABLE"), "{headers:?}");
        assert_eq!(closed.recv_timeout(PATIENCE).unwrap(), b"", "nothing more was sent over it");
    }
}

#[test]
fn ws_03_an_answer_that_is_no_101_is_an_answer_and_what_follows_is_a_request() {
    for (status, line) in
        [(200, "200 OK"), (401, "401 Unauthorized"), (426, "426 Upgrade Required"), (404, "404 X")]
    {
        let (upstream, seen) = answering(move |_| {
            format!(
                "HTTP/1.1 {line}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno"
            )
        });
        let gateway = Setup::new(&upstream.config()).start();
        let mut connection = Connection::open(gateway.public);
        let mut both = compose("GET /up/a", &handshake(&[("Sec-WebSocket-Protocol", "x")]), b"");
        both.extend(compose("GET /auth/me", &[], b""));
        connection.send(both).unwrap();
        let answer = connection.read().expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (status, "no"));
        assert_eq!(answer.all("upgrade"), Vec::<&str>::new(), "no protocol is offered that is not spoken");
        if let Some(next) = connection.read() {
            assert_eq!(next.status, 401, "it was judged as a request");
        }
        assert_eq!(seen.heads().len(), 1, "nothing was sent behind the handshake");
        assert_eq!(refused(&gateway, "/up/a", &[]).status, status);
        gateway.until("each had a connection of its own", |_| seen.heads().len() == 2);
    }
}

#[test]
fn sm_28_and_h2_16_another_upgrade_is_a_plain_request_and_what_follows_is_judged() {
    let upstream = Upstream::hello();
    let gateway = Setup::new(&upstream.config()).start();
    for headers in [
        &[("Connection", "Upgrade"), ("Upgrade", "foo")][..],
        &[
            ("Connection", "Upgrade, HTTP2-Settings"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
        ],
        &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")],
    ] {
        let before = upstream.seen().len();
        let mut connection = Connection::open(gateway.public);
        let mut both = compose("GET /up/a", headers, b"");
        both.extend(compose("GET /auth/me", &[], b""));
        connection.send(both).unwrap();
        let answer = connection.read().expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"), "{headers:?}");
        assert_eq!(connection.read().expect("an answer to the second").status, 401, "{headers:?}");
        let seen = upstream.seen();
        assert_eq!(seen.len(), before + 1, "{headers:?}");
        let head = seen[before].to_ascii_lowercase();
        for name in ["\nupgrade:", "\nconnection:", "\nhttp2-settings:"] {
            assert!(!head.contains(name), "{name} in {head}");
        }
    }
}

#[test]
fn frames_that_come_right_behind_the_handshake_are_the_tunnels() {
    let (upstream, _) =
        answering(|head| [switching(head, "").as_bytes(), &frame(0x81, b"hi", false)].concat());
    let gateway = Setup::new(&upstream.config()).start();
    let mut connection = Connection::open(gateway.public);
    let mut bytes = compose("GET /up/a", &handshake(&[]), b"");
    bytes.extend(frame(0x81, b"early", true));
    connection.send(bytes).unwrap();
    let head = connection.read_until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    connection.read_until("\u{2}hi");
    connection.read_until("\u{5}early");
}

#[test]
fn a_route_that_takes_no_sockets_and_one_without_a_service_open_none() {
    let (upstream, seen) = echo();
    let closed = upstream.config().replace("path = \"/up/*\"", "path = \"/closed/*\"\nwebsocket = false");
    let closed = closed.replace("name = \"up\"\npath", "name = \"closed\"\npath");
    let own = "[[routes]]\npath = \"/own\"\nauth = \"none\"\nrespond = { status = 200, text = \"own\" }\n";
    let gateway = Setup::new(&format!("{closed}{own}")).start();
    let answer = refused(&gateway, "/closed/a", &[]);
    assert_eq!((answer.status, answer.code().as_str()), (403, "FORBIDDEN"));
    assert_eq!((refused(&gateway, "/own", &[]).text().as_str(), seen.heads().len()), ("own", 0));
    assert_eq!(refused(&gateway, "/live", &[]).status, 200);
}

#[test]
fn ws_06_every_stage_judges_the_handshake_and_no_message() {
    let (upstream, seen) = echo();
    let rules = r#"
fn on_request(req) {
    if req.upgrade == "websocket" && req.query("refuse") == "request" { deny(403, "mine.request", "no"); }
    if req.upgrade == "" && req.path == "/up/plain" { deny(418, "mine.plain", "no socket"); }
}
fn on_upstream(req, up) {
    if req.query("refuse") == "upstream" { deny(403, "mine.upstream", "no"); }
    up.set_header("X-Rule", "up");
    up.remove_header("Sec-WebSocket-Key");
}
fn on_response(req, res) {
    if req.query("refuse") == "response" { deny(403, "mine.response", "no"); }
    if req.query("refuse") == "status" { res.set_status(203); }
    res.set_header("X-Rule", `${res.status}`);
}
"#;
    let staff = upstream.config().split_once("[[routes]]").unwrap().1.replace("/up/*", "/staff/*");
    let staff = staff
        .replace("name = \"up\"", "name = \"staff\"")
        .replace("\"none\"", "\"required\"\nroles = [\"staff\"]");
    let limited = "rate_limit = { ip_per_minute = 1, ip_burst = 1 }";
    let few = staff.replace("staff/*", "few/*").replace("\"staff\"\npath", "\"few\"\npath");
    let few = few.replace("auth = \"required\"\nroles = [\"staff\"]", &format!("auth = \"none\"\n{limited}"));
    let config = format!("{}[[routes]]{staff}[[routes]]{few}", upstream.config());
    let gateway = Setup::new(&config).plugin("mine", rules).user("bob", "password two", &[]).start();
    for stage in ["request", "upstream"] {
        let answer = refused(&gateway, &format!("/up/a?refuse={stage}"), &[]);
        assert_eq!((answer.status, answer.code()), (403, format!("mine.{stage}")));
    }
    assert_eq!(gateway.get("/up/plain").status, 418);
    assert_eq!(refused(&gateway, "/staff/a", &[]).status, 401);
    let cookie = gateway.sign_in("bob", "password two");
    let answer = refused(&gateway, "/staff/a", &[("Cookie", &cookie), ("Origin", "http://localhost")]);
    assert_eq!((answer.status, answer.code().as_str()), (403, "FORBIDDEN"));
    assert_eq!(seen.heads().len(), 0);
    let answer = refused(&gateway, "/up/a?refuse=response", &[]);
    assert_eq!((answer.status, answer.code().as_str()), (403, "mine.response"));
    gateway.until("the upstream's half is closed", |_| seen.ends() == [None]);
    let answer = refused(&gateway, "/up/a?refuse=status", &[]);
    assert_eq!((answer.status, answer.header("upgrade"), answer.body.len()), (203, None, 0));
    gateway.until("the upstream's half is closed", |_| seen.ends() == [None, None]);
    let (mut socket, answer) = Socket::open(gateway.public, "/up/a", &[]).unwrap();
    assert_eq!(answer.header("x-rule"), Some("101"));
    assert!(seen.heads()[2].to_ascii_lowercase().contains("x-rule: up"));
    socket.echo("{\"not\": \"json\"");
    drop(open(&gateway, "/few/a", &[]));
    assert_eq!(refused(&gateway, "/few/a", &[]).status, 429, "a handshake is charged");
    for _ in 0..50 {
        socket.echo("a message is not");
    }
}

#[test]
fn ws_05_a_message_past_the_limit_and_what_is_no_frame_end_the_socket_with_their_code() {
    let (upstream, seen) = echo();
    let gateway =
        Setup::new(&format!("[server]\nwebsocket_message_max = \"1 KiB\"\n{}", upstream.config())).start();
    let cases = [
        (frame(0x82, &[0; 1_025], true), 1009),
        ([&[0x82, 0xff, 0x7f][..], &[0xff; 7], &[0; 4]].concat(), 1009),
        ([frame(0x02, &[0; 1_000], true), frame(0x80, &[0; 25], true)].concat(), 1009),
        (frame(0x81, b"not masked", false), 1002),
        (frame(0xc1, b"reserved", true), 1002),
        (frame(0x83, b"opcode", true), 1002),
        (frame(0x89, &[0; 126], true), 1002),
        (frame(0x09, b"fragmented ping", true), 1002),
        (frame(0x80, b"continues nothing", true), 1002),
    ];
    for (ends, (bytes, code)) in (1..).zip(cases) {
        let mut socket = open(&gateway, "/up/a", &[]);
        socket.echo(&"x".repeat(1_024));
        socket.send(&bytes).unwrap();
        assert_eq!(socket.next().expect("a close frame").code(), code, "{:x?}", &bytes[..4]);
        assert_eq!(socket.next(), None);
        gateway.until("the upstream's half is closed", |_| seen.ends().len() == ends);
    }
    assert_eq!(gateway.metric("pluginmind_websockets_closed_total{reason=\"message_too_big\"}"), 3.0);
    assert_eq!(gateway.metric("pluginmind_websockets_closed_total{reason=\"malformed\"}"), 6.0);
}

#[test]
fn ws_05_one_user_or_address_has_so_many_sockets_and_gets_a_place_back() {
    let (upstream, seen) = echo();
    let gateway = Setup::new(&format!("[server]\nwebsocket_per_user_max = 3\n{}", upstream.config()))
        .user("ada", "password one", &[])
        .start();
    let mut held: Vec<_> = (0..3).map(|_| open(&gateway, "/up/a", &[])).collect();
    let answer = refused(&gateway, "/up/a", &[]);
    assert_eq!((answer.status, answer.code().as_str()), (429, "RATE_LIMIT_EXCEEDED"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(seen.heads().len(), 3, "refused before the upstream heard of it");
    let cookie = gateway.sign_in("ada", "password one");
    open(&gateway, "/up/a", &[("Cookie", &cookie), ("Origin", "http://localhost")]).echo("somebody else");
    drop(held.pop());
    gateway.until("the place is free", |g| Socket::open(g.public, "/up/a", &[]).is_ok());
    held.iter_mut().for_each(|socket| socket.echo("still open"));
}

#[test]
fn a_socket_passes_over_tls_from_the_client_and_to_the_upstream() {
    let (upstream, seen) = echo();
    let authority = Authority::new("ca");
    let pair = authority.server(&["a.example"]);
    let tls = "[server.tls]\ncertificate = \"tls/a.pem\"\nkey = \"tls/a.key\"\n[server]\n";
    let inner = Setup::new(&format!("{}{tls}", upstream.config()))
        .file("tls/a.pem", &pair.certificate)
        .file("tls/a.key", &pair.key)
        .start();
    let text = "x".repeat(100_000);

    let mut client = Client::new(&authority, None).connect(inner.public, "a.example").unwrap();
    client.send(compose("GET /up/a", &handshake(&[("Host", "a.example")]), b"")).unwrap();
    assert_eq!(client.read().unwrap().status, 101);
    client.send(frame(0x81, text.as_bytes(), true)).unwrap();
    let back = frame(0x81, text.as_bytes(), false);
    assert!(client.exactly(back.len()).unwrap() == back);
    drop(client);
    inner.until("the upstream heard that it is over", |_| seen.ends().len() == 1);

    // The gateway that speaks TLS is the upstream of one that does not.
    let service = upstream
        .config()
        .replace(&format!("http://{}", upstream.address), &format!("https://{}", inner.public));
    let service = service.replace("urls", "ca = \"ca.pem\"\ntls_name = \"a.example\"\nurls");
    let outer = Setup::new(&service).file("ca.pem", &authority.pem()).start();
    let mut socket = open(&outer, "/up/a", &[("Host", "a.example")]);
    socket.echo("small");
    socket.echo(&text);
    drop(socket);
    outer.until("the upstream heard that it is over", |_| seen.ends().len() == 2);
    assert_eq!(seen.ends()[1].as_ref().expect("a close frame").code(), 1001);
}

#[test]
fn a_compressed_message_passes_where_both_sides_agreed_on_it() {
    let (upstream, _) = answering(|head| switching(head, "Sec-WebSocket-Extensions: permessage-deflate\r\n"));
    let gateway = Setup::new(&upstream.config()).start();
    let mut socket = open(
        &gateway,
        "/up/a",
        &[("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")],
    );
    socket.frame(0xc1, b"squeezed").unwrap();
    assert_eq!(socket.next(), Some(Frame(0xc1, b"squeezed".to_vec())));
}
