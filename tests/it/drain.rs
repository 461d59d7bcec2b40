//! The end of the process: what is in flight is finished, and nothing new begins.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use crate::harness::{Connection, Gateway, Setup, Upstream, client::compose};

/// An upstream that answers when it is told to.
fn held() -> (Upstream, Sender<()>) {
    let (release, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::with(move |_, stream| {
        wait.lock().unwrap().recv().ok();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").is_ok()
    });
    (upstream, release)
}

fn in_flight(gateway: &Gateway, upstream: &Upstream, count: usize) -> Vec<Connection> {
    let connections = (0..count)
        .map(|n| {
            let mut connection = Connection::open(gateway.public);
            connection.send(compose(&format!("GET /up/{n}"), &[], b"")).unwrap();
            connection
        })
        .collect();
    gateway.until("they are in flight", |_| upstream.seen().len() == count);
    connections
}

fn setup(upstream: &Upstream, drain_timeout: &str) -> Setup {
    Setup::new(&format!("[server]\ndrain_timeout = \"{drain_timeout}\"\n{}", upstream.config()))
}

#[test]
fn pr_01_sigterm_and_sigint_finish_what_is_in_flight_and_refuse_what_is_new() {
    for signal in ["TERM", "INT"] {
        let (upstream, release) = held();
        let mut gateway = setup(&upstream, "60s").start();
        let mut idle = Connection::open(gateway.public);
        idle.send(compose("GET /live", &[], b"")).unwrap();
        assert_eq!(idle.read().unwrap().status, 200);
        let busy = in_flight(&gateway, &upstream, 20);
        gateway.signal(signal);
        gateway.wait_for_log(|l| l.contains("\"draining\""));
        gateway.until("nobody listens any more", |g| TcpStream::connect(g.public).is_err());
        assert!(idle.closes(), "an idle connection is not waited for");
        assert!(gateway.ended().is_none(), "what is in flight is waited for");
        busy.iter().for_each(|_| release.send(()).unwrap());
        for mut connection in busy {
            let answer = connection.read().expect("an answer");
            assert_eq!((answer.status, answer.text().as_str()), (200, "late"));
            assert!(connection.closes());
        }
        assert_eq!(gateway.wait(), Some(0));
        assert_eq!(
            gateway.log().iter().filter(|l| l.contains("\"request\"")).count(),
            21,
            "every request has its line"
        );
        gateway.wait_for_log(|l| l.contains("\"stopped\""));
    }
}

#[test]
fn pr_01_ready_says_503_to_who_asks_while_it_drains() {
    let (upstream, release) = held();
    let mut gateway = setup(&upstream, "60s").start();
    let mut asking = Connection::open(gateway.public);
    asking.send("GET /ready HTTP/1.1\r\nHost: localhost\r\n").unwrap();
    let busy = in_flight(&gateway, &upstream, 1);
    gateway.signal("TERM");
    gateway.wait_for_log(|l| l.contains("\"draining\""));
    asking.send("\r\n").ok();
    if let Some(answer) = asking.read() {
        assert_eq!(answer.status, 503);
        assert!(answer.text().contains("draining"), "{}", answer.text());
    }
    release.send(()).unwrap();
    assert_eq!(busy.into_iter().next().unwrap().read().unwrap().status, 200);
    assert_eq!(gateway.wait(), Some(0));
}

#[test]
fn pr_01_the_grace_ends_and_so_does_the_process() {
    let (upstream, _release) = held();
    let mut gateway = setup(&upstream, "1s").start();
    let mut busy = in_flight(&gateway, &upstream, 2);
    let began = Instant::now();
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    assert!(
        (Duration::from_secs(1)..Duration::from_secs(15)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    assert!(busy.iter_mut().all(Connection::closes));
    gateway.wait_for_log(|l| l.contains("\"drained\"") && l.contains("Cut(2)"));
}

#[test]
fn pr_01_a_second_signal_cuts_at_once() {
    let (upstream, _release) = held();
    let mut gateway = setup(&upstream, "600s").start();
    let mut busy = in_flight(&gateway, &upstream, 1);
    gateway.signal("TERM");
    gateway.wait_for_log(|l| l.contains("\"draining\""));
    gateway.signal("HUP");
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    assert!(busy[0].closes());
}

#[test]
fn pr_02_signals_that_mean_nothing_do_nothing() {
    let (upstream, _release) = held();
    let mut gateway = setup(&upstream, "1s").start();
    for signal in ["USR1", "USR2", "PIPE", "HUP", "XFSZ"] {
        gateway.signal(signal);
        assert_eq!(gateway.get("/live").status, 200, "{signal}");
    }
    assert!(gateway.ended().is_none());
    assert_eq!(gateway.stop(), Some(0));
}

#[test]
fn pr_03_without_file_descriptors_it_waits_and_recovers() {
    let config = "[rate_limit]\nip_per_minute = 1_000_000\nip_burst = 1_000_000\n";
    let mut gateway = Setup::new(config).shell("ulimit -n 64").start();
    let ticks = |gateway: &Gateway| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", gateway.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let crowd: Vec<_> = (0..200).map(|_| TcpStream::connect(gateway.public)).collect();
    gateway.wait_for_log(|l| l.contains("WARN") || l.contains("ERROR"));
    let (before, began) = (ticks(&gateway), Instant::now());
    while began.elapsed() < Duration::from_secs(2) {
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let spent = ticks(&gateway) - before;
    assert!(spent < 40, "{spent} of 200 ticks were spent on waiting");
    // One line in ten seconds for each of the two listeners.
    let told = gateway.log().iter().filter(|line| line.contains("cannot be accepted")).count();
    assert!((1..=2).contains(&told), "{told} lines");
    drop(crowd);
    gateway.until("it accepts again", |g| {
        let mut connection = Connection::open(g.public);
        connection.send(compose("GET /live", &[], b"")).is_ok()
            && connection.read().is_some_and(|a| a.status == 200)
    });
    assert_eq!(gateway.stop(), Some(0));
}

#[test]
fn pr_07_a_start_that_fails_says_why_in_one_sentence_and_shows_no_secret() {
    let folder = Setup::new("").file("data", "in the way").folder();
    let secret = ("BACKEND_SESSION_SECRET".to_owned(), "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b".to_owned());
    let output =
        crate::harness::gateway::verb(folder.path(), &["serve"], std::slice::from_ref(&secret), None);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("data") && !said.contains(&secret.1), "{said}");
}
