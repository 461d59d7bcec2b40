//! Bans: at once, for good, for as long as they hold, and never of those who can never be banned.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::websocket::{Socket, echo};
use crate::harness::{Answer, Connection, Gateway, Setup, client::compose};

const ROUTES: &str = r#"
[[routes]]
path = "/open"
auth = "none"
respond = { status = 200, text = "open" }

[[routes]]
path = "/private"
respond = { status = 200, text = "secret" }
"#;

/// Clients are whoever a proxy on loopback says they are.
fn behind_a_proxy(more: &str) -> Setup {
    Setup::new(&format!("[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n{more}{ROUTES}"))
}

fn from(gateway: &Gateway, path: &str, address: &str) -> Answer {
    gateway.send(&format!("GET {path}"), &[("X-Forwarded-For", address)], b"")
}

fn status(gateway: &Gateway, address: &str) -> u16 {
    from(gateway, "/open", address).status
}

/// Runs `bans …`, which must end well, and gives its document.
fn bans(gateway: &Gateway, arguments: &[&str]) -> Value {
    let output = gateway.verb(&[&["bans"], arguments, &["--format", "json"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("one document")
}

/// Runs `bans …`, which must end with 1, and gives what it complains about.
fn refused(gateway: &Gateway, arguments: &[&str]) -> String {
    let output = gateway.verb(&[&["bans"], arguments].concat());
    assert_eq!(output.status.code(), Some(1), "{arguments:?} {output:?}");
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn a_banned_address_is_refused_at_once_with_the_envelope_and_let_in_again_at_once() {
    let gateway = behind_a_proxy("").start();
    let mut open_before = Connection::open(gateway.public);
    let ask = compose("GET /open", &[("X-Forwarded-For", "203.0.113.5")], b"");
    open_before.send(&ask).unwrap();
    assert_eq!(open_before.read().unwrap().status, 200);
    let made = bans(&gateway, &["add", "203.0.113.5", "--reason", "scanner", "--ttl", "1h"]);
    assert_eq!(
        (made["address"].as_str(), made["kind"].as_str(), made["made_by"].as_str()),
        (Some("203.0.113.5"), Some("network"), Some("cli"))
    );
    open_before.send(&ask).unwrap();
    let answer = open_before.read().unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (403, "BANNED"), "on a connection from before");
    assert!(answer.json()["error"]["correlation_id"].is_string());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(!answer.text().contains("scanner"), "the reason is the operator's");
    assert_eq!(from(&gateway, "/nowhere", "203.0.113.5").code(), "BANNED");
    assert_eq!((status(&gateway, "203.0.113.6"), status(&gateway, "203.0.113.5")), (200, 403));
    let listed = bans(&gateway, &["list"]);
    assert_eq!((listed.as_array().map(Vec::len), listed[0]["reason"].as_str()), (Some(1), Some("scanner")));
    assert!(listed[0]["expires"].is_string());
    assert_eq!(gateway.metric("pluginmind_bans_active{kind=\"network\"}"), 1.0);
    assert_eq!(bans(&gateway, &["revoke", "203.0.113.5"])["revoked"], 1);
    assert_eq!(status(&gateway, "203.0.113.5"), 200);
    assert!(refused(&gateway, &["revoke", "203.0.113.5"]).contains("no such ban"));
    assert_eq!(bans(&gateway, &["list"]), serde_json::json!([]));
}

#[test]
fn probes_answer_the_banned_and_nothing_else_does_and_nothing_is_charged_or_asked() {
    let setup = behind_a_proxy("[rate_limit]\nip_per_minute = 1\nip_burst = 3\n");
    let gateway = setup
        .plugin("loud", r#"fn on_request(req) { if req.path == "/open" { deny(418, "loud.seen", ""); } }"#)
        .start();
    bans(&gateway, &["add", "203.0.113.5"]);
    for path in ["/live", "/ready", "/health", "/version"] {
        assert_eq!(from(&gateway, path, "203.0.113.5").status, 200, "{path}");
    }
    for _ in 0..10 {
        let answer = from(&gateway, "/open", "203.0.113.5");
        assert_eq!((answer.status, answer.code().as_str()), (403, "BANNED"), "no script was asked");
        assert_eq!(answer.header("ratelimit"), None);
    }
    for path in ["/services", "/auth/login", "/auth/session"] {
        assert_eq!(from(&gateway, path, "203.0.113.5").code(), "BANNED", "{path}");
    }
    bans(&gateway, &["revoke", "203.0.113.5"]);
    assert_eq!(from(&gateway, "/open", "203.0.113.5").code(), "loud.seen", "the bucket is as full as it was");
}

#[test]
fn ip_04_networks_are_banned_whole_in_both_families_and_in_whatever_spelling() {
    let gateway = behind_a_proxy("").start();
    bans(&gateway, &["add", "198.51.100.77/24"]);
    bans(&gateway, &["add", "2001:db8:1:2::/64"]);
    bans(&gateway, &["add", "::ffff:203.0.113.5"]);
    for banned in [
        "198.51.100.1",
        "::ffff:198.51.100.255",
        "2001:db8:1:2::1",
        "2001:DB8:1:2:ffff::",
        "203.0.113.5",
        "::ffff:203.0.113.5",
    ] {
        assert_eq!(status(&gateway, banned), 403, "{banned}");
    }
    for free in ["198.51.101.1", "2001:db8:1:3::1", "203.0.113.6"] {
        assert_eq!(status(&gateway, free), 200, "{free}");
    }
    let sentence = refused(&gateway, &["revoke", "198.51.100.1"]);
    assert!(sentence.contains("198.51.100.0/24"), "it says what to revoke: {sentence}");
    assert_eq!(bans(&gateway, &["revoke", "198.51.100.0/24"])["revoked"], 1);
    assert_eq!(status(&gateway, "198.51.100.1"), 200);
    assert_eq!(bans(&gateway, &["revoke", "--all"])["revoked"], 2);
    assert_eq!(status(&gateway, "2001:db8:1:2::1"), 200);
}

#[test]
fn who_an_untrusted_client_says_it_is_bans_nobody_and_hides_nobody() {
    let gateway = Setup::new(&format!("[bans]\nnever = []\n{ROUTES}")).start();
    bans(&gateway, &["add", "203.0.113.5"]);
    assert_eq!(status(&gateway, "203.0.113.5"), 200, "the peer is another one");
    bans(&gateway, &["add", "127.0.0.1", "--force"]);
    assert_eq!(status(&gateway, "198.51.100.1"), 403);
}

#[test]
fn who_can_never_be_banned_is_refused_and_passes_within_a_wider_ban() {
    let gateway = behind_a_proxy("").start();
    for never in ["127.0.0.1", "127.0.0.0/16", "::1", "::ffff:127.0.0.1"] {
        assert!(refused(&gateway, &["add", never]).contains("bans.never"), "{never}");
    }
    assert!(refused(&gateway, &["add", "127.0.0.1", "--force"]).contains("bans.never"), "by no force");
    bans(&gateway, &["add", "203.0.113.0/24"]);
    assert_eq!(status(&gateway, "203.0.113.7"), 403);
    let config = gateway.config();
    gateway.save("config.toml", &format!("{config}\n[bans]\nnever = [\"203.0.113.7\"]\n"));
    assert_eq!(gateway.change("/admin/api/reload", "").status, 200);
    assert_eq!((status(&gateway, "203.0.113.7"), status(&gateway, "203.0.113.8")), (200, 403));
    assert!(refused(&gateway, &["add", "203.0.113.7"]).contains("bans.never"));
}

#[test]
fn what_is_likely_a_slip_is_refused_without_force() {
    let gateway = behind_a_proxy("").start();
    for wide in ["0.0.0.0/0", "::/0", "64.0.0.0/2"] {
        assert!(refused(&gateway, &["add", wide]).contains("--force"), "{wide}");
    }
    for nonsense in ["here", "203.0.113.0/33", "fe80::1%eth0", ""] {
        refused(&gateway, &["add", nonsense]);
    }
    assert!(refused(&gateway, &["add", "203.0.113.5", "--ttl", "soon"]).contains("soon"));
    refused(&gateway, &["add", "203.0.113.5", "--ttl", "0s"]);
    assert_eq!(bans(&gateway, &["list"]), serde_json::json!([]));
    assert_eq!(gateway.verb(&["bans", "add"]).status.code(), Some(64));
    assert_eq!(gateway.verb(&["bans", "add", "203.0.113.5", "--user", "bob"]).status.code(), Some(64));
    bans(&gateway, &["add", "0.0.0.0/0", "--force"]);
    assert_eq!(status(&gateway, "203.0.113.5"), 403);
    assert_eq!(gateway.get("/open").status, 200, "loopback passes all the same");
}

#[test]
fn a_ban_ends_by_itself_and_not_before_its_time() {
    let gateway = behind_a_proxy("").start();
    let began = Instant::now();
    bans(&gateway, &["add", "203.0.113.5", "--ttl", "2s"]);
    let mut passed = None;
    gateway.until("it ends", |g| {
        passed = (status(g, "203.0.113.5") == 200).then(|| began.elapsed());
        passed.is_some()
    });
    assert!(passed.unwrap() >= Duration::from_secs(2), "{passed:?}");
    assert_eq!(bans(&gateway, &["list"]), serde_json::json!([]));
    assert_eq!(gateway.metric("pluginmind_bans_active{kind=\"network\"}"), 0.0);
}

#[test]
fn db_05_bans_outlive_a_kill_right_after_the_answer_and_so_do_their_ends() {
    let gateway = behind_a_proxy("").user("bob", "password two", &[]).start();
    let cookie = gateway.sign_in("bob", "password two");
    bans(&gateway, &["add", "203.0.113.5"]);
    bans(&gateway, &["add", "203.0.113.6"]);
    bans(&gateway, &["add", "--user", "bob"]);
    let gateway = gateway.kill_and_restart();
    assert_eq!((status(&gateway, "203.0.113.5"), status(&gateway, "203.0.113.7")), (403, 200));
    assert_eq!(gateway.send("GET /private", &[("Cookie", &cookie)], b"").code(), "BANNED");
    bans(&gateway, &["revoke", "203.0.113.5"]);
    bans(&gateway, &["revoke", "--user", "bob"]);
    let gateway = gateway.kill_and_restart();
    assert_eq!((status(&gateway, "203.0.113.5"), status(&gateway, "203.0.113.6")), (200, 403));
    assert_eq!(gateway.send("GET /private", &[("Cookie", &cookie)], b"").status, 200);
}

#[test]
fn without_a_gateway_bans_go_into_the_database_and_hold_from_the_start() {
    let mut gateway = behind_a_proxy("").user("bob", "password two", &[]).start();
    let folder = gateway.path().to_owned();
    let offline = |arguments: &[&str]| {
        crate::harness::gateway::verb(
            &folder,
            &[&["bans"], arguments, &["--format", "json"]].concat(),
            &[],
            None,
        )
    };
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    let added = offline(&["add", "203.0.113.5", "--ttl", "1h", "--reason", "offline"]);
    assert!(added.status.success(), "{added:?}");
    assert!(offline(&["add", "--user", "bob"]).status.success());
    assert_eq!(offline(&["add", "--user", "nobody"]).status.code(), Some(1));
    assert_eq!(offline(&["add", "127.0.0.1"]).status.code(), Some(1));
    assert!(offline(&["add", "203.0.113.6"]).status.success());
    assert!(offline(&["revoke", "203.0.113.6"]).status.success());
    let listed: Value = serde_json::from_slice(&offline(&["list"]).stdout).unwrap();
    let mut shown: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|b| b["address"].as_str().or(b["user"].as_str()))
        .collect();
    shown.sort_unstable();
    assert_eq!(shown, ["203.0.113.5", "bob"]);
    let gateway = gateway.kill_and_restart();
    assert_eq!((status(&gateway, "203.0.113.5"), status(&gateway, "203.0.113.6")), (403, 200));
    assert_eq!(bans(&gateway, &["list"]).as_array().map(Vec::len), Some(2));
}

#[test]
fn a_banned_user_is_refused_by_session_and_by_key_from_wherever() {
    let gateway =
        behind_a_proxy("").user("bob", "password two", &[]).user("ada", "password one", &[]).start();
    let made = gateway.verb(&["keys", "create", "ci", "--owner", "bob", "--format", "json"]);
    let key: Value = serde_json::from_slice(&made.stdout).unwrap();
    let bearer = format!("Bearer {}", key["key"].as_str().unwrap());
    let (bob, ada) = (gateway.sign_in("bob", "password two"), gateway.sign_in("ada", "password one"));
    let by_cookie =
        |cookie: &str, path: &str| gateway.send(&format!("GET {path}"), &[("Cookie", cookie)], b"");
    let by_key = || gateway.send("GET /private", &[("Authorization", &bearer)], b"").status;
    assert_eq!((by_cookie(&bob, "/private").status, by_key()), (200, 200));
    let banned = bans(&gateway, &["add", "--user", "bob", "--ttl", "1h"]);
    assert_eq!((banned["user"].as_str(), banned["kind"].as_str()), (Some("bob"), Some("user")));
    for path in ["/private", "/open", "/auth/me", "/auth/session"] {
        let answer = by_cookie(&bob, path);
        assert_eq!((answer.status, answer.code().as_str()), (403, "BANNED"), "{path}");
    }
    assert_eq!(by_key(), 403);
    assert_eq!(by_cookie(&bob, "/live").status, 200);
    assert_eq!((by_cookie(&ada, "/private").status, gateway.get("/open").status), (200, 200));
    assert_eq!(gateway.metric("pluginmind_bans_active{kind=\"user\"}"), 1.0);
    assert!(refused(&gateway, &["add", "--user", "nobody"]).contains("no such account"));
    assert!(refused(&gateway, &["revoke", "--user", "ada"]).contains("not banned"));
    assert_eq!(bans(&gateway, &["revoke", "--user", "bob"])["revoked"], 1);
    assert_eq!((by_cookie(&bob, "/private").status, by_key()), (200, 200));
}

#[test]
fn whoever_is_forgotten_leaves_no_ban_behind() {
    let gateway = behind_a_proxy("").user("bob", "password two", &[]).start();
    bans(&gateway, &["add", "--user", "bob"]);
    assert!(gateway.verb(&["users", "forget", "bob"]).status.success());
    assert_eq!(bans(&gateway, &["list"]), serde_json::json!([]));
}

#[test]
fn a_proxy_that_asks_is_told_that_its_client_is_banned() {
    let gateway = behind_a_proxy("").user("bob", "password two", &[]).start();
    let cookie = gateway.sign_in("bob", "password two");
    let ask = |address: &str, cookie: &str| {
        let headers = [
            ("X-Forwarded-For", address),
            ("X-Forwarded-Uri", "/open"),
            ("X-Forwarded-Method", "GET"),
            ("X-Forwarded-Host", "app.example"),
            ("X-Forwarded-Proto", "http"),
            ("Cookie", cookie),
        ];
        gateway.send("GET /auth/verify", &headers, b"").status
    };
    assert_eq!(ask("203.0.113.5", &cookie), 204);
    bans(&gateway, &["add", "203.0.113.5"]);
    assert_eq!((ask("203.0.113.5", &cookie), ask("203.0.113.6", &cookie)), (403, 204));
    bans(&gateway, &["add", "--user", "bob"]);
    assert_eq!((ask("203.0.113.6", &cookie), ask("203.0.113.6", "a=b")), (403, 204));
}

#[test]
fn ws_04_open_sockets_end_within_a_second_when_their_address_or_their_user_is_banned() {
    let (upstream, _seen) = echo();
    let config = format!("[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n{}", upstream.config());
    let gateway = Setup::new(&config).user("ada", "password one", &[]).start();
    let cookie = gateway.sign_in("ada", "password one");
    let open = |address: &str, more: &[(&str, &str)]| {
        let headers = [&[("X-Forwarded-For", address)], more].concat();
        Socket::open(gateway.public, "/up/a", &headers).map_err(|a| a.text()).expect("a socket").0
    };
    let same = ("Origin", "http://localhost");
    let mut nobody = open("203.0.113.5", &[]);
    let mut other = open("203.0.113.6", &[]);
    let mut ada = open("203.0.113.7", &[("Cookie", &cookie), same]);
    for socket in [&mut nobody, &mut other, &mut ada] {
        socket.echo("hello");
    }
    let ends = |socket: &mut Socket, body: &str| {
        assert_eq!(gateway.change("/admin/api/bans", body).status, 200);
        let began = Instant::now();
        assert_eq!(socket.next().expect("a close frame").code(), 1008);
        assert_eq!(socket.next(), None);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    };
    ends(&mut nobody, r#"{"address":"203.0.113.5"}"#);
    ends(&mut ada, r#"{"user":"ada"}"#);
    other.echo("still here");
}

#[test]
fn ad_08_each_change_has_a_line_without_an_address_or_a_reason() {
    let mut gateway = behind_a_proxy("").start();
    assert_eq!(status(&gateway, "203.0.113.5"), 200);
    let access = gateway.wait_for_log(|l| l.contains("\"http.route\":\"/open\""));
    let access: Value = serde_json::from_str(&access).unwrap();
    bans(&gateway, &["add", "203.0.113.5", "--reason", "scans us"]);
    bans(&gateway, &["revoke", "203.0.113.5"]);
    let line = gateway.wait_for_log(|l| l.contains("bans.add"));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["outcome"], "ok");
    assert_eq!(line["client.hash"], access["client.hash"], "one and the same pseudonym in both lines");
    gateway.wait_for_log(|l| l.contains("bans.revoke"));
    for told in gateway.log() {
        assert!(!told.contains("203.0.113.5") && !told.contains("scans us"), "{told}");
    }
}

#[test]
fn the_api_lists_bans_and_refuses_what_it_does_not_know() {
    let gateway = behind_a_proxy("").start();
    let add = |body: &str| gateway.change("/admin/api/bans", body);
    assert_eq!(add(r#"{"address":"203.0.113.5","made_by":"console"}"#).json()["made_by"], "console");
    assert_eq!(add(r#"{"address":"203.0.113.6"}"#).json()["made_by"], "api");
    for bad in [
        "{}",
        r#"{"address":"203.0.113.5","user":"a"}"#,
        r#"{"address":"x"}"#,
        r#"{"address":"203.0.113.5","made_by":"rule:x"}"#,
        r#"{"address":"203.0.113.5","until":"x"}"#,
        r#"{"address":"127.0.0.1"}"#,
    ] {
        assert_eq!(add(bad).status, 422, "{bad}");
    }
    assert_eq!(add(r#"{"user":"nobody"}"#).status, 404);
    let listed = gateway.ask_admin("GET /admin/api/bans", &[], b"").json();
    let shown: Vec<_> = listed.as_array().unwrap().iter().map(|b| b["address"].as_str().unwrap()).collect();
    assert_eq!(shown.len(), 2);
    assert_eq!(gateway.change("/admin/api/bans/revoke", r#"{"address":"203.0.113.9"}"#).status, 404);
    assert_eq!(gateway.change("/admin/api/bans/revoke", r#"{"all":true}"#).json()["revoked"], 2);
    let status = gateway.ask_admin("GET /admin/api/status", &[], b"").json();
    assert_eq!((status["bans"].as_u64(), status["lockdown"].as_bool()), (Some(0), Some(false)));
}

#[test]
fn there_are_no_more_bans_than_the_configuration_allows() {
    let gateway = behind_a_proxy("[bans]\nmax = 2\n").start();
    bans(&gateway, &["add", "203.0.113.1"]);
    bans(&gateway, &["add", "203.0.113.2"]);
    assert!(refused(&gateway, &["add", "203.0.113.3"]).contains("bans.max"));
    bans(&gateway, &["add", "203.0.113.2", "--reason", "again"]);
    bans(&gateway, &["revoke", "203.0.113.1"]);
    bans(&gateway, &["add", "203.0.113.3"]);
}
