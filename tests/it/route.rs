//! Stages 3 and 6: what policy judges is what the upstream receives.

use crate::harness::{Connection, Setup, Upstream};

const CONFIG: &str = r#"
[[routes]]
name = "admin"
path = "/up/admin/*"
auth = "required"
respond = { status = 200, text = "admin" }

[[routes]]
name = "other-host"
path = "/up/*"
host = "other.example"
auth = "none"
respond = { status = 200, text = "other" }

[[routes]]
name = "get-only"
path = "/get"
methods = ["GET"]
auth = "none"
respond = { status = 200, text = "got" }

[[routes]]
name = "post-only"
path = "/get"
methods = ["POST"]
auth = "none"
respond = { status = 200, text = "posted" }
"#;

fn setup(upstream: &Upstream) -> Setup {
    Setup::new(&format!("{CONFIG}{}", upstream.config()))
}

/// Sends a raw request line and headers, gives the status; 0 when the connection closed without an answer.
fn raw(gateway: &crate::harness::Gateway, bytes: &str) -> u16 {
    let mut connection = Connection::open(gateway.public);
    connection.send(bytes).unwrap();
    connection.read().map_or(0, |a| a.status)
}

#[test]
fn rt_01_to_rt_08_no_ambiguous_path_reaches_the_upstream() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream).start();
    for bad in [
        "/up/../admin",
        "/up/%2e%2e/admin",
        "/up/.%2e/admin",
        "/%2e%2e/",
        "/up/a%2fb",
        "/up/a%5cb",
        "/up/a\\b",
        "/up//admin",
        "//up/a",
        "/up/..;/admin",
        "/up/%252e%252e/admin",
        "/up/%2561dmin",
        "/up/%00",
        "/up/%0d%0a",
        "/up/%c0%ae",
        "/up/%ff",
        "/up/%zz",
        "/up/%2",
    ] {
        assert_eq!(gateway.get(bad).status, 400, "{bad}");
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn rt_06_what_is_judged_is_what_is_forwarded() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream).start();
    assert_eq!(
        gateway.get("/up/%61dmin/x").status,
        401,
        "an encoded letter does not get past the narrow route"
    );
    assert_eq!(gateway.get("/up/%61%2D%c3%a9?q=%61//..").status, 200);
    assert!(upstream.only().starts_with("GET /up/a-%C3%A9?q=%61//.. HTTP/1.1\r\n"), "{}", upstream.only());
}

#[test]
fn rt_09_a_query_never_takes_part_in_matching() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream).start();
    assert_eq!(gateway.get("/up/admin/x?/up/a").status, 401);
    assert_eq!(gateway.get("/nothing?x=/up/a").status, 404);
}

#[test]
fn rt_10_to_rt_12_other_forms_of_target_name_this_host_or_are_refused() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream).start();
    for bad in [
        "GET http://evil.test/up/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET http://localhost@evil/up/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET ftp://localhost/up/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET evil:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        assert_eq!(raw(&gateway, bad), 400, "{bad}");
    }
    assert_eq!(raw(&gateway, "GET http://localhost/up/x HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    assert_eq!(raw(&gateway, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"), 204);
    assert_eq!(raw(&gateway, "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n"), 405);
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn rt_13_one_valid_host_or_nothing() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream).start();
    for bad in [
        "GET /up/x HTTP/1.1\r\n\r\n",
        "GET /up/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /up/x HTTP/1.1\r\nHost: \r\n\r\n",
        "GET /up/x HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /up/x HTTP/1.1\r\nHost: a/../\r\n\r\n",
        "GET /up/x HTTP/1.1\r\nHost: a:99999\r\n\r\n",
        "GET /up/x HTTP/1.1\r\nHost: a:80:80\r\n\r\n",
        "GET /up/x HTTP/1.1\r\nHost: [::1%25eth0]\r\n\r\n",
    ] {
        assert_eq!(raw(&gateway, bad), 400, "{bad}");
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn rt_14_hosts_match_without_case_and_trailing_dot() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream).start();
    for host in ["other.example", "OTHER.Example", "other.example.", "other.example:8080"] {
        assert_eq!(gateway.send("GET /up/x", &[("Host", host)], b"").text(), "other", "{host}");
    }
    assert_eq!(gateway.send("GET /up/x", &[("Host", "another.example")], b"").text(), "hello");
}

#[test]
fn rt_17_methods_are_what_they_are() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream).start();
    assert_eq!(gateway.send("get /up/x", &[], b"").status, 405);
    assert_eq!(gateway.send("PROPFIND /up/x", &[], b"").status, 405);
    assert_eq!(gateway.get("/get").text(), "got");
    assert_eq!(gateway.send("POST /get", &[], b"").text(), "posted");
    let other = gateway.send("DELETE /get", &[("X-HTTP-Method-Override", "GET")], b"");
    assert_eq!((other.status, other.header("allow")), (405, Some("GET, HEAD, POST")));
    gateway.send("POST /up/x", &[("X-HTTP-Method-Override", "DELETE")], b"");
    assert!(!upstream.only().to_ascii_lowercase().contains("override"));
}

#[test]
fn encoded_slashes_pass_only_where_the_route_keeps_them() {
    let upstream = Upstream::hello();
    let config = upstream.config().replace("auth = \"none\"", "auth = \"none\"\nencoded_slashes = \"keep\"");
    let gateway = Setup::new(&config).start();
    assert_eq!(gateway.get("/up/a%2fb").status, 200);
    assert!(upstream.only().starts_with("GET /up/a%2Fb HTTP/1.1"));
}

#[test]
fn own_paths_win_over_routes_and_move_with_the_prefix() {
    let config = "[gateway]\nprefix = \"/gw\"\n[[routes]]\npath = \"/*\"\nauth = \"none\"\nrespond = { status = 200, text = \"app\" }\n";
    let gateway = Setup::new(config).start();
    assert_eq!(gateway.get("/live").text(), "app");
    assert_eq!(gateway.get("/gw/live").json()["status"], "ok");
}

#[test]
fn rt_18_long_targets_are_refused_and_many_parameters_are_nothing_special() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream).start();
    for kilobytes in [9, 64, 70] {
        let answer = gateway.get(&format!("/up/{}", "a".repeat(kilobytes * 1_000)));
        assert!(matches!(answer.status, 414 | 431), "{kilobytes} KB: {}", answer.status);
    }
    let many: Vec<String> = (0..1_000).map(|i| format!("p{i}=1")).collect();
    assert_eq!(gateway.get(&format!("/up/x?{}", many.join("&"))).status, 200);
    assert_eq!(gateway.get(&format!("/up/x?{}", "&".repeat(8_000))).status, 200);
    assert_eq!(upstream.seen().len(), 2);
}

#[test]
fn a_route_may_send_its_callers_elsewhere_with_path_and_query() {
    let config = r#"
[[routes]]
path = "/old/*"
auth = "none"
strip_prefix = "/old"
redirect = { to = "https://new.example{path}{query}" }

[[routes]]
path = "/moved"
auth = "none"
redirect = { to = "/here", status = 301 }
"#;
    let gateway = Setup::new(config).start();
    let mut connection = Connection::open(gateway.public);
    for (target, status, location) in [
        ("/old/a/b?c=d", 308, "https://new.example/a/b?c=d"),
        ("/old/%2F%2Fevil.example", 400, ""),
        ("/old//evil.example", 400, ""),
        ("/moved?x=1", 301, "/here"),
    ] {
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        let answer = connection.read().unwrap();
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(answer.header("location").unwrap_or_default(), location, "{target}");
    }
}
