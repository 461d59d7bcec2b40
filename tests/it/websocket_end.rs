//! How WebSockets end: by either side, with the session that opened them, by a limit, by the end of the process, and never
//! by an edit.

use std::time::{Duration, Instant};

use std::io::{Read as _, Write as _};

use crate::harness::websocket::{Socket, echo, frame, switching};
use crate::harness::{Gateway, Setup, Upstream};

const SAME: (&str, &str) = ("Origin", "http://localhost");

fn open(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Socket {
    Socket::open(gateway.public, path, headers).map_err(|a| (a.status, a.text())).expect("a socket").0
}

fn closed(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metric(&format!("pluginmind_websockets_closed_total{{reason=\"{reason}\"}}"))
}

/// Reads a close frame with that code and the end behind it, and says how long that took.
fn ends_with(socket: &mut Socket, code: u16) -> Duration {
    let began = Instant::now();
    assert_eq!(socket.next().expect("a close frame").code(), code);
    assert_eq!(socket.next(), None);
    began.elapsed()
}

#[test]
fn either_side_that_goes_takes_the_other_along_and_each_socket_has_one_line_at_its_end() {
    let (upstream, seen) = echo();
    let mut gateway = Setup::new(&upstream.config()).start();
    let mut socket = open(&gateway, "/up/a", &[]);
    socket.echo("hello");
    gateway.until("it is counted", |g| g.metric("pluginmind_websockets_open ") == 1.0);
    assert!(!gateway.log().iter().any(|l| l.contains("\"http.route\":\"up\"")), "it is not over yet");
    drop(socket);
    gateway.until("the upstream heard of it", |_| seen.ends().len() == 1);
    assert_eq!(seen.ends()[0].as_ref().expect("a close frame").code(), 1001);
    let line = gateway.wait_for_log(|l| l.contains("\"http.route\":\"up\""));
    assert!(line.contains("\"http.response.status_code\":101"), "{line}");
    assert_eq!(closed(&gateway, "client"), 1.0);

    let mut socket = open(&gateway, "/up/a", &[]);
    socket.say("be gone");
    ends_with(&mut socket, 1011);
    gateway.until("it is counted", |g| closed(g, "upstream") == 1.0);
    gateway.until("none is open", |g| g.metric("pluginmind_websockets_open ") == 0.0);
    gateway.wait_for_log(|l| l.contains("RESPONSE_CUT"));
    assert_eq!(gateway.metric("pluginmind_websocket_bytes_total{direction=\"up\"}"), 11.0 + 13.0);
    assert_eq!(gateway.metric("pluginmind_websocket_bytes_total{direction=\"down\"}"), 7.0);
}

/// A way to end a session or a key.
type Ending = fn(&Gateway, &str);

fn must(output: &std::process::Output) {
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn ws_04_and_ad_07_a_socket_ends_with_the_session_that_opened_it() {
    let endings: [(&str, Ending); 6] = [
        ("signing out", |g, cookie| {
            assert_eq!(g.send("POST /auth/logout", &[("Cookie", cookie), SAME], b"").status, 204);
        }),
        ("signing out everywhere", |g, cookie| {
            assert_eq!(g.send("POST /auth/logout-all", &[("Cookie", cookie), SAME], b"").status, 204);
        }),
        ("sessions revoke", |g, _| must(&g.verb(&["sessions", "revoke", "--user", "ada"]))),
        ("sessions revoke --all", |g, _| must(&g.verb(&["sessions", "revoke", "--all"]))),
        ("users disable", |g, _| must(&g.verb(&["users", "disable", "ada"]))),
        ("users forget", |g, _| must(&g.verb(&["users", "forget", "ada"]))),
    ];
    let (upstream, seen) = echo();
    for (what, end) in endings {
        let gateway = Setup::new(&upstream.config()).user("ada", "password one", &[]).start();
        let cookie = gateway.sign_in("ada", "password one");
        let mut socket = open(&gateway, "/up/a", &[("Cookie", &cookie), SAME]);
        socket.echo("hello");
        let mut nobodys = open(&gateway, "/up/a", &[]);
        let before = seen.ends().len();
        end(&gateway, &cookie);
        let took = ends_with(&mut socket, 1008);
        assert!(took < Duration::from_secs(1), "{what}: {took:?}");
        gateway.until("the upstream's half is closed", |_| seen.ends().len() == before + 1);
        nobodys.echo("untouched");
        gateway.until("it is counted", |g| closed(g, "session") == 1.0);
    }
}

#[test]
fn ws_04_a_socket_ends_with_the_key_that_opened_it_and_with_the_time_of_a_session() {
    let (upstream, _) = echo();
    let gateway = Setup::new(&upstream.config()).start();
    let made = gateway.verb(&["keys", "create", "robot", "--format", "json"]);
    must(&made);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let mut socket = open(&gateway, "/up/a", &[("X-Api-Key", key)]);
    socket.echo("hello");
    must(&gateway.verb(&["keys", "revoke", id]));
    assert!(ends_with(&mut socket, 1008) < Duration::from_secs(1));

    let config = format!("[session]\nttl = \"5s\"\nidle = \"2s\"\n{}", upstream.config());
    let gateway = Setup::new(&config).user("ada", "password one", &[]).start();
    let began = Instant::now();
    let cookie = gateway.sign_in("ada", "password one");
    let mut quiet = open(&gateway, "/up/a", &[("Cookie", &cookie), SAME]);
    quiet.frame(0x89, b"pings are no use of a session").unwrap();
    assert_eq!(quiet.next().unwrap().0, 0x8a);
    ends_with(&mut quiet, 1008);
    assert!(began.elapsed() >= Duration::from_secs(2) && began.elapsed() < Duration::from_millis(4_500));
    let began = Instant::now();
    let cookie = gateway.sign_in("ada", "password one");
    let mut busy = open(&gateway, "/up/a", &[("Cookie", &cookie), SAME]);
    let code = loop {
        busy.say("messages are");
        match busy.next().expect("an echo or a close frame") {
            frame if frame.0 == 0x88 => break frame.code(),
            _ => std::thread::yield_now(),
        }
    };
    assert_eq!(code, 1008);
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}: used to the end of its ttl", began.elapsed());
}

#[test]
fn ws_05_a_hundred_sockets_that_say_nothing_are_closed_in_time() {
    let (upstream, seen) = echo();
    let config = format!(
        "[server]\nwebsocket_idle_timeout = \"1s\"\nwebsocket_per_user_max = 200\n[rate_limit]\nip_burst = 1000\nip_per_minute = 1000\n{}",
        upstream.config()
    );
    let gateway = Setup::new(&config).start();
    let mut idle: Vec<_> = (0..100).map(|_| open(&gateway, "/up/a", &[])).collect();
    let mut talking = open(&gateway, "/up/a", &[]);
    let began = Instant::now();
    while seen.ends().len() < 100 {
        talking.echo("still here");
        assert!(began.elapsed() < Duration::from_secs(15), "{} of 100 are closed", seen.ends().len());
    }
    for socket in &mut idle {
        ends_with(socket, 1001);
    }
    gateway.until("they are counted", |g| closed(g, "idle") == 100.0);
    talking.echo("and on");
}

#[test]
fn a_socket_lives_no_longer_than_it_may_whatever_goes_through_it() {
    let (upstream, _) = echo();
    let gateway =
        Setup::new(&format!("[server]\nwebsocket_lifetime_max = \"1s\"\n{}", upstream.config())).start();
    let began = Instant::now();
    let mut socket = open(&gateway, "/up/a", &[]);
    let code = loop {
        socket.say("on and on");
        match socket.next().expect("an echo or a close frame") {
            frame if frame.0 == 0x88 => break frame.code(),
            _ => {}
        }
    };
    assert_eq!(code, 1001);
    assert!(began.elapsed() >= Duration::from_millis(900) && began.elapsed() < Duration::from_secs(5));
    gateway.until("it is counted", |g| closed(g, "lifetime") == 1.0);
}

#[test]
fn hr_an_edit_closes_no_socket_on_changed_and_unchanged_routes() {
    let (upstream, seen) = echo();
    let gateway = Setup::new(&upstream.config()).user("ada", "password one", &[]).start();
    let cookie = gateway.sign_in("ada", "password one");
    let mut known = open(&gateway, "/up/a", &[("Cookie", &cookie), SAME]);
    let mut unknown = open(&gateway, "/up/b", &[]);
    let text = gateway.config();
    for n in 0..20 {
        let generation = gateway.generation();
        let tags = format!("auth = \"none\"\ntags = [\"t{n}\"]");
        let own = format!(
            "[[routes]]\npath = \"/n\"\nauth = \"none\"\nrespond = {{ status = 200, text = \"{n}\" }}\n"
        );
        gateway.save("config.toml", &format!("{}{own}", text.replace("auth = \"none\"", &tags)));
        while gateway.generation() == generation {
            known.echo("an echo goes on");
            unknown.echo("and on");
        }
    }
    known.echo("still");
    unknown.echo("open");
    // So do sockets of workers that others have taken over from.
    let generation = gateway.generation();
    gateway.save("config.toml", &text.replace("[server]", "[server]\nworkers = 3"));
    gateway.until("the edit is in force", |g| g.generation() > generation);
    gateway.until("other workers serve", |g| g.get("/live").status == 200);
    known.echo("still");
    unknown.echo("open");
    open(&gateway, "/up/c", &[]).echo("a new one");
    known.echo("still");
    // The route is gone, and the service with it; what is open stays open.
    let generation = gateway.generation();
    let listeners = text.split("[[services]]").next().unwrap_or_default();
    let rest = text.rsplit("auth = \"none\"\n").next().unwrap_or_default();
    gateway.save("config.toml", &format!("{listeners}{rest}"));
    gateway.until("the edit is in force", |g| g.generation() > generation);
    assert_eq!(gateway.get("/up/a").status, 404);
    known.echo("still");
    unknown.echo("open");
    assert_eq!(seen.heads().len(), 3);
}

#[test]
fn pr_01_a_drain_leaves_sockets_open_until_its_time_is_over_and_then_says_so() {
    let (upstream, seen) = echo();
    let mut gateway =
        Setup::new(&format!("[server]\ndrain_timeout = \"1500ms\"\n{}", upstream.config())).start();
    let mut sockets: Vec<_> = (0..10).map(|_| open(&gateway, "/up/a", &[])).collect();
    gateway.signal("TERM");
    let began = Instant::now();
    gateway.wait_for_log(|l| l.contains("\"draining\""));
    sockets.iter_mut().for_each(|socket| socket.echo("still open"));
    for socket in &mut sockets {
        ends_with(socket, 1001);
    }
    assert!(began.elapsed() >= Duration::from_millis(1_400), "{:?}", began.elapsed());
    assert_eq!(gateway.wait(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let lines = gateway.log().into_iter().filter(|l| l.contains("DRAINED")).count();
    assert_eq!(lines, 10, "each has its line");
    assert_eq!(seen.ends().len(), 10);

    let mut gateway =
        Setup::new(&format!("[server]\ndrain_timeout = \"60s\"\n{}", upstream.config())).start();
    let socket = open(&gateway, "/up/a", &[]);
    gateway.signal("TERM");
    gateway.wait_for_log(|l| l.contains("\"draining\""));
    drop(socket);
    assert_eq!(gateway.wait(), Some(0), "nobody is waited for who is gone");
}

#[test]
fn a_flood_from_the_upstream_does_not_outlive_the_lifetime_of_its_socket() {
    let upstream = Upstream::raw(|mut stream| {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
            head.push(byte[0]);
        }
        let answer = switching(&String::from_utf8_lossy(&head), "");
        let piece = frame(0x82, b"0123456789", false).repeat(20_000);
        let mut open = stream.write_all(answer.as_bytes()).is_ok();
        while open {
            open = stream.write_all(&piece).is_ok();
        }
    });
    let config = format!("[server]\nwebsocket_lifetime_max = \"1s\"\n{}", upstream.config());
    let gateway = Setup::new(&config).start();
    let mut socket = open(&gateway, "/up/a", &[]);
    let began = Instant::now();
    while socket.waste() {
        assert!(began.elapsed() < Duration::from_secs(5), "the flood goes on");
    }
    gateway.until("it is counted", |g| closed(g, "lifetime") == 1.0);
}
