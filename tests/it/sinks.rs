//! LG-06: a log that cannot be written costs lines, which are counted, and nothing else.

use crate::harness::{Gateway, Setup};

const CONFIG: &str = r#"
[log]
queue_max = 100

[rate_limit]
ip_per_minute = 1_000_000
ip_burst = 1_000_000

[[routes]]
path = "/open"
auth = "none"
respond = { status = 200, text = "ok" }
"#;

const DROPPED: &str = "pluginmind_log_lines_dropped_total";

/// Another level than `info`, so that the start is not waited for in a log that nobody reads.
fn start(shell: &str) -> Gateway {
    Setup::new(CONFIG).env("LOG_LEVEL", "debug").shell(shell).start()
}

/// More lines than a pipe and the queue hold together.
fn ask_often(gateway: &Gateway) {
    for _ in 0..700 {
        assert_eq!(gateway.get("/open").status, 200);
    }
}

#[test]
fn lg_06_requests_go_on_while_nobody_reads_the_pipe() {
    let gateway = start("mkfifo pipe; exec 3<>pipe; exec >pipe");
    ask_often(&gateway);
    gateway.until("lines are dropped", |g| g.metric(DROPPED) > 0.0);
    assert_eq!(gateway.ask_admin("GET /ready", &[], b"").status, 200);
    assert_eq!(gateway.stop(), Some(0), "the end does not wait for the pipe for ever");
}

#[test]
fn lg_06_requests_go_on_while_the_disk_of_the_log_is_full() {
    let gateway = start("exec >/dev/full");
    ask_often(&gateway);
    gateway.until("every line is counted", |g| g.metric(DROPPED) >= 700.0);
    assert_eq!(gateway.stop(), Some(0));
}

#[test]
fn lg_06_requests_go_on_when_the_reader_of_the_pipe_is_gone() {
    let gateway = start("mkfifo pipe; (exec <pipe) & exec >pipe; wait");
    ask_often(&gateway);
    gateway.until("every line is counted", |g| g.metric(DROPPED) >= 700.0);
    assert_eq!(gateway.stop(), Some(0));
}
