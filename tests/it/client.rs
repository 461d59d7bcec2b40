//! Stage 3: who asks, and through whom.

use crate::harness::{Setup, Upstream};

fn setup(upstream: &Upstream, server: &str) -> Setup {
    Setup::new(&format!("[server]\n{server}\n{}", upstream.config()))
}

#[test]
fn ip_01_a_stranger_cannot_speak_for_another_address() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream, "").start();
    let lies = [
        ("X-Forwarded-For", "1.2.3.4"),
        ("Forwarded", "for=1.2.3.4"),
        ("X-Real-IP", "1.2.3.4"),
        ("True-Client-IP", "1.2.3.4"),
        ("CF-Connecting-IP", "1.2.3.4"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Port", "1"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Forwarded-Uri", "/evil"),
        ("X-Original-URL", "/evil"),
        ("X-Rewrite-URL", "/evil"),
    ];
    assert_eq!(gateway.send("GET /up/a", &lies, b"").status, 200);
    let seen = upstream.only().to_ascii_lowercase();
    assert!(!seen.contains("1.2.3.4") && !seen.contains("evil"), "{seen}");
    assert!(seen.contains("x-forwarded-for: 127.0.0.1\r\n"), "{seen}");
    assert!(seen.contains("x-forwarded-proto: http\r\n"), "{seen}");
    assert!(seen.contains("x-forwarded-host: localhost\r\n"), "{seen}");
}

#[test]
fn ip_02_a_trusted_proxy_is_read_from_the_right() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream, "trusted_proxies = [\"127.0.0.0/8\"]").start();
    let headers = [
        ("X-Forwarded-For", "6.6.6.6, 1.2.3.4"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "App.Example"),
    ];
    assert_eq!(gateway.send("GET /up/a", &headers, b"").status, 200);
    let seen = upstream.only().to_ascii_lowercase();
    assert!(seen.contains("x-forwarded-for: 1.2.3.4\r\n"), "{seen}");
    assert!(seen.contains("x-forwarded-proto: https\r\n"), "{seen}");
    assert!(seen.contains("x-forwarded-host: app.example\r\n"), "{seen}");
}

#[test]
fn ip_03_an_unreadable_item_ends_at_the_peer() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream, "trusted_proxies = [\"127.0.0.1\"]").start();
    for bad in ["unknown", "1.2.3.4, ", "0x7f.1", "fe80::1%eth0"] {
        gateway.send("GET /up/a", &[("X-Forwarded-For", bad)], b"");
    }
    for seen in upstream.seen() {
        assert!(seen.to_ascii_lowercase().contains("x-forwarded-for: 127.0.0.1\r\n"), "{seen}");
    }
}

#[test]
fn in_production_plain_http_through_a_trusted_proxy_is_sent_to_https() {
    let upstream = Upstream::hello();
    let config = format!(
        "environment = \"production\"\n[server]\ntrusted_proxies = [\"127.0.0.1\"]\n{}",
        upstream.config()
    );
    let gateway =
        Setup::new(&config).env("BACKEND_SESSION_SECRET", "k3Jf9sLq0Zx7Vb2Nm5Ht8Wc1Rd4Yg6Pa").start();
    let plain = [("X-Forwarded-Proto", "http")];
    let get = gateway.send("GET /up/a?x=1", &plain, b"");
    assert_eq!(get.status, 308);
    assert_eq!(get.header("location"), Some("https://localhost/up/a?x=1"));
    assert_eq!(gateway.send("POST /up/a", &plain, b"x").status, 403);
    let secure = gateway.send("GET /up/a", &[("X-Forwarded-Proto", "https")], b"");
    assert_eq!(secure.status, 200);
    assert!(secure.header("strict-transport-security").is_some());
    assert_eq!(gateway.get("/up/a").header("strict-transport-security"), None);
}

#[test]
fn ip_05_a_zone_id_is_no_address_anywhere() {
    let upstream = Upstream::hello();
    let gateway = setup(&upstream, "trusted_proxies = [\"127.0.0.1\"]").start();
    for zone in ["fe80::1%eth0", "fe80::1%25eth0", "::1%lo"] {
        gateway.send("GET /up/a", &[("X-Forwarded-For", zone)], b"");
    }
    assert_eq!(upstream.seen().len(), 3);
    for seen in upstream.seen() {
        assert!(seen.to_ascii_lowercase().contains("x-forwarded-for: 127.0.0.1\r\n"), "{seen}");
    }
    assert_eq!(gateway.send("GET /up/a", &[("Host", "[fe80::1%25eth0]")], b"").status, 400);
    let folder = Setup::new("[server]\ntrusted_proxies = [\"fe80::1%eth0\"]\n").folder();
    let checked = crate::harness::gateway::verb(folder.path(), &["check"], &[], None);
    assert_eq!(checked.status.code(), Some(1));
}
