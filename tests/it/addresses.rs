//! Who is at the other end: the address of the socket, of a trusted proxy's word, or of a PROXY header (THREATS IP).

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream};
use std::time::Duration;

use crate::harness::client::compose;
use crate::harness::{Connection, Gateway, Setup, Upstream};

/// Says who asked, in the answer.
const WHO: &str = "fn on_request(req) { deny(418, \"who.asked\", `${req.ip}`); }\n";

fn setup(server: &str) -> Setup {
    Setup::new(&format!(
        "[server]\n{server}\n[rate_limit]\nip_per_minute = 1_000_000\nip_burst = 1_000_000\n"
    ))
    .plugin("who", WHO)
}

/// Whom the gateway takes the client of this connection for.
fn who(connection: &mut Connection, headers: &[(&str, &str)]) -> String {
    connection.send(compose("GET /who", headers, b"")).unwrap();
    let answer = connection.read().expect("an answer");
    assert_eq!(answer.status, 418, "{}", answer.text());
    answer.json()["error"]["message"].as_str().unwrap().to_owned()
}

/// A connection that begins with these bytes.
fn with_header(gateway: &Gateway, header: &[u8]) -> Connection {
    let mut connection = Connection::open(gateway.public);
    connection.send(header).unwrap();
    connection
}

/// A header of version 2 for TCP.
fn binary(source: IpAddr) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    let (family, addresses) = match source {
        IpAddr::V4(v4) => (0x11, [v4.octets(), Ipv4Addr::LOCALHOST.octets()].concat()),
        IpAddr::V6(v6) => (0x21, [v6.octets(), Ipv6Addr::LOCALHOST.octets()].concat()),
    };
    bytes.push(family);
    bytes.extend(u16::try_from(addresses.len() + 4).unwrap().to_be_bytes());
    bytes.extend(addresses);
    bytes.extend([0x30, 0x39, 0, 80]);
    bytes
}

const FRONT: &str = "proxy_protocol = [\"127.0.0.0/8\"]";

#[test]
fn a_front_tells_who_its_client_is_in_both_versions() {
    let gateway = setup(FRONT).start();
    for (header, expected) in [
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 80\r\n".to_vec(), "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 12345 80\r\n".to_vec(), "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 12345 80\r\n".to_vec(), "192.0.2.7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (binary("192.0.2.9".parse().unwrap()), "192.0.2.9"),
        (binary("2001:db8::9".parse().unwrap()), "2001:db8::9"),
        (binary("::ffff:192.0.2.9".parse().unwrap()), "192.0.2.9"),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), "127.0.0.1"),
    ] {
        // Together with the request, and apart from it, a byte at a time.
        let mut whole = with_header(&gateway, &header);
        assert_eq!(who(&mut whole, &[]), expected);
        assert_eq!(who(&mut whole, &[]), expected, "for every request of the connection");
        let mut slow = Connection::open(gateway.public);
        for byte in header {
            slow.send([byte]).unwrap();
        }
        assert_eq!(who(&mut slow, &[]), expected);
    }
}

#[test]
fn ip_01_the_word_of_a_front_is_about_the_peer_and_of_nobody_else() {
    let gateway = setup(&format!("{FRONT}\ntrusted_proxies = [\"10.0.0.0/8\"]")).start();
    let forwarded = [("X-Forwarded-For", "203.0.113.5")];
    let mut stranger = with_header(&gateway, b"PROXY TCP4 192.0.2.7 127.0.0.1 1 80\r\n");
    assert_eq!(who(&mut stranger, &forwarded), "192.0.2.7", "whom the front tells of is no trusted proxy");
    let mut proxy = with_header(&gateway, b"PROXY TCP4 10.1.2.3 127.0.0.1 1 80\r\n");
    assert_eq!(who(&mut proxy, &forwarded), "203.0.113.5", "this one is");
    // A second header is no header, but the beginning of a bad request.
    let mut twice = with_header(&gateway, b"PROXY TCP4 192.0.2.7 127.0.0.1 1 80\r\nPROXY UNKNOWN\r\n\r\n");
    assert_eq!(twice.read().expect("an answer").status, 400);
}

#[test]
fn a_front_without_a_readable_header_is_cut_off_without_a_word_and_counted() {
    let mut gateway = setup(&format!("{FRONT}\nheader_timeout = \"300ms\"")).start();
    let bad: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PROXY TCP4 192.0.2.07 127.0.0.1 1 80\r\n",
        b"PROXY TCP4 192.0.2.7 127.0.0.1 1 80\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\xff\xff",
        // Half a header, and then nothing.
        b"PROXY TCP4 192",
    ];
    for header in bad {
        let mut connection = with_header(&gateway, header);
        assert_eq!(connection.read_rest(), "", "{}", String::from_utf8_lossy(header));
    }
    let mut silent = Connection::open(gateway.public);
    assert_eq!(silent.read_rest(), "");
    let refused = |g: &Gateway| g.metric("pluginmind_connections_refused_total{reason=\"proxy_header\"}");
    gateway.until("each is counted", |g| refused(g) == 7.0);
    // Who only looks whether the port is open is none of them.
    drop(TcpStream::connect(gateway.public).unwrap());
    gateway.wait_for_log(|line| line.contains("no readable PROXY header"));
    let lines = gateway.log().iter().filter(|line| line.contains("PROXY header")).count();
    assert_eq!((lines, refused(&gateway)), (1, 7.0), "told once in a while");
}

#[test]
fn who_is_no_front_must_not_begin_with_a_header() {
    let gateway = setup("proxy_protocol = [\"10.0.0.0/8\"]").start();
    let mut honest = Connection::open(gateway.public);
    assert_eq!(who(&mut honest, &[]), "127.0.0.1");
    let mut liar =
        with_header(&gateway, b"PROXY TCP4 192.0.2.7 127.0.0.1 1 80\r\nGET /who HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = liar.read().expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (400, "BAD_REQUEST"));
    assert!(liar.closes());
}

#[test]
fn a_front_that_tells_of_tls_makes_the_request_a_secure_one() {
    let upstream = Upstream::hello();
    let gateway = Setup::new(&format!("[server]\n{FRONT}\n{}", upstream.config())).start();
    for (bits, proto) in [(1_u8, "https"), (0, "http")] {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14".to_vec();
        header.extend([192, 0, 2, 7, 127, 0, 0, 1, 0x30, 0x39, 0, 80, 0x20, 0, 5, bits, 0, 0, 0, 0]);
        let mut connection = with_header(&gateway, &header);
        connection.send(compose("GET /up/x", &[], b"")).unwrap();
        assert_eq!(connection.read().unwrap().status, 200);
        let seen = upstream.seen().pop().unwrap().to_ascii_lowercase();
        assert!(seen.contains(&format!("x-forwarded-proto: {proto}\r\n")), "{seen}");
        assert!(seen.contains("x-forwarded-for: 192.0.2.7\r\n"), "{seen}");
    }
}

#[test]
fn sl_10_addresses_that_a_front_tells_have_a_limit_each() {
    let gateway = setup(&format!("{FRONT}\nconnections_per_address_max = 2")).start();
    let header = |n: u8| format!("PROXY TCP4 192.0.2.{n} 127.0.0.1 1 80\r\n");
    let mut kept: Vec<_> = (0..2).map(|_| with_header(&gateway, header(1).as_bytes())).collect();
    for connection in &mut kept {
        assert_eq!(who(connection, &[]), "192.0.2.1");
    }
    assert!(with_header(&gateway, header(1).as_bytes()).closes());
    assert_eq!(gateway.metric("pluginmind_connections_refused_total{reason=\"address\"}"), 1.0);
    assert_eq!(who(&mut with_header(&gateway, header(2).as_bytes()), &[]), "192.0.2.2");
    drop(kept.pop());
    gateway.until("there is room again", |g| {
        let mut connection = with_header(g, header(1).as_bytes());
        connection.send(compose("GET /who", &[], b"")).is_ok() && connection.read().is_some()
    });
}

#[test]
fn ip_04_a_mapped_address_is_the_ipv4_address_for_every_rule_of_trust() {
    let gateway = setup("trusted_proxies = [\"::ffff:127.0.0.0/104\"]").start();
    let mut connection = Connection::open(gateway.public);
    for (told, expected) in [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, ::ffff:127.0.0.9", "192.0.2.1"),
        // Translated, not mapped: addresses of their own.
        ("64:ff9b::c000:201", "64:ff9b::c000:201"),
        ("::ffff:0:192.0.2.1", "::ffff:0:c000:201"),
    ] {
        assert_eq!(who(&mut connection, &[("X-Forwarded-For", told)]), expected, "{told}");
    }
}

#[test]
fn ip_06_a_client_without_an_address_is_the_front_itself_and_not_trusted_for_it() {
    let gateway = setup(&format!("{FRONT}\ntrusted_proxies = [\"10.0.0.0/8\"]")).start();
    let mut unix = b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8".to_vec();
    unix.extend(b"@abstract");
    unix.resize(16 + 216, 0);
    let mut connection = with_header(&gateway, &unix);
    let headers = [("X-Forwarded-For", "203.0.113.5"), ("X-Real-IP", "@")];
    assert_eq!(who(&mut connection, &headers), "127.0.0.1");
    for odd in ["@", "unix:", "", "unknown", "_hidden"] {
        let mut connection = with_header(&gateway, b"PROXY TCP4 10.0.0.1 127.0.0.1 1 80\r\n");
        assert_eq!(who(&mut connection, &[("X-Forwarded-For", odd)]), "10.0.0.1", "{odd}");
    }
}

#[test]
fn ip_08_a_flood_of_addresses_is_answered_and_takes_bounded_memory() {
    let config = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n[rate_limit]\nkeys_max = 1_000\nip_per_minute = 1\nip_burst = 60\n";
    let gateway =
        Setup::new(&format!("{config}[[routes]]\npath = \"/x\"\nrespond = {{}}\nauth = \"none\"\n")).start();
    let mut connection = Connection::open(gateway.public);
    let mut ask = |address: &str| {
        connection.send(compose("GET /x", &[("X-Forwarded-For", address)], b"")).unwrap();
        connection.read().expect("an answer").status
    };
    // One that is throttled stays so, however many others come.
    while ask("192.0.2.1") == 200 {}
    let refused = (0..5_000_u32).filter(|n| ask(&Ipv4Addr::from(0xC633_0000 + n).to_string()) == 429).count();
    assert!(refused > 0, "newcomers share one bucket when the table is full");
    assert_eq!(ask("192.0.2.1"), 429);
}

#[test]
fn ip_09_to_trust_everybody_is_told_loudly_at_the_start_and_by_check() {
    let config = "[server]\ntrusted_proxies = [\"0.0.0.0/0\"]\nproxy_protocol = [\"::/0\"]\n";
    let mut gateway = Setup::new(config).start();
    for key in ["server.trusted_proxies", "server.proxy_protocol"] {
        gateway.wait_for_log(|line| line.contains("\"WARN\"") && line.contains(key));
        let check = gateway.verb(&["check"]);
        let said =
            format!("{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
        assert!(check.status.success() && said.contains(key), "{said}");
    }
}

#[test]
fn a_front_may_wait_before_it_speaks_and_be_drained_meanwhile() {
    let gateway = setup(FRONT).start();
    let mut waits = TcpStream::connect(gateway.public).unwrap();
    waits.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    waits.write_all(b"PROXY").unwrap();
    gateway.until("it is there", |g| g.metric("pluginmind_connections ") >= 1.0);
    assert_eq!(gateway.stop(), Some(0));
}
