//! Sockets and workers are replaced while they serve: the new ones first, and nothing of the old is dropped.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use crate::harness::client::{Answer, compose, request};
use crate::harness::{Connection, Gateway, Setup, Upstream, free_port};

const FIXED: &str = "[[routes]]\npath = \"/fixed\"\nrespond = { text = \"fixed\" }\nauth = \"none\"\n";

/// An upstream that answers when it is told to.
fn held() -> (Upstream, Sender<()>) {
    let (release, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::with(move |_, stream| {
        wait.lock().unwrap().recv().ok();
        std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").is_ok()
    });
    (upstream, release)
}

/// Saves the config with one text in the place of another.
fn edit(gateway: &Gateway, from: &str, to: &str) {
    let config = gateway.config();
    assert!(config.contains(from), "{from} is not in\n{config}");
    gateway.save("config.toml", &config.replace(from, to));
}

fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, &format!("GET {path}"), &[], b"")
}

fn is_listened_on(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

fn threads(gateway: &Gateway, name: &str) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", gateway.pid())).unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|comm| comm.starts_with(name)).count()
}

#[test]
fn a_new_address_is_served_and_what_the_old_one_has_is_finished() {
    let (upstream, release) = held();
    let gateway = Setup::new(&format!("{FIXED}{}", upstream.config())).start();
    let (old, new) = (gateway.public, free_port());
    let mut busy = Connection::open(old);
    busy.send(compose("GET /up/1", &[], b"")).unwrap();
    gateway.until("it is in flight", |_| upstream.seen().len() == 1);
    let mut idle = Connection::open(old);
    idle.send(compose("GET /fixed", &[], b"")).unwrap();
    assert_eq!(idle.read().unwrap().header("connection"), None);
    let mut fresh = Connection::open(old);

    edit(&gateway, &old.to_string(), &new.to_string());
    gateway.until("the new one answers", |_| is_listened_on(new));
    assert_eq!(get(new, "/fixed").text(), "fixed");
    gateway.until("the old one is closed", |_| !is_listened_on(old));
    for connection in [&mut idle, &mut fresh] {
        connection.send(compose("GET /fixed", &[], b"")).unwrap();
        let answer = connection.read().expect("who is there already is still answered");
        assert_eq!((answer.text().as_str(), answer.header("connection")), ("fixed", Some("close")));
        assert!(connection.closes());
    }
    release.send(()).unwrap();
    let answer = busy.read().unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "late"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(busy.closes());
    gateway.until("the old workers are gone", |g| threads(g, "worker-0") == 1);
    let stays = Connection::open(new);
    drop(stays);
    assert_eq!(gateway.stop(), Some(0));
}

#[test]
fn an_address_that_cannot_be_had_is_a_refused_edit_and_the_old_one_stays() {
    let gateway = Setup::new(FIXED).start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    std::fs::write(
        gateway.at("config.toml"),
        gateway
            .config()
            .replace(&gateway.public.to_string(), &address.to_string())
            .replace("\"fixed\" }", "\"other\" }"),
    )
    .unwrap();
    let output = gateway.verb(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("server.listen") && said.contains("in use"), "{said}");
    assert_eq!(gateway.get("/fixed").text(), "fixed", "nothing of the edit is in force");
    let ready = gateway.get("/ready");
    assert_eq!((ready.status, ready.json()["policy"].as_str()), (200, Some("stale")));
    // Once it can be had, the same file is in force.
    drop(taken);
    assert!(gateway.verb(&["reload"]).status.success());
    gateway.until("the new one answers", |_| is_listened_on(address));
    assert_eq!(get(address, "/fixed").text(), "other");
}

#[test]
fn an_address_that_covers_the_old_one_on_the_same_port_can_be_had() {
    let gateway = Setup::new(FIXED).start();
    let everywhere = format!("0.0.0.0:{}", gateway.public.port());
    edit(&gateway, &gateway.public.to_string(), &everywhere);
    let there = SocketAddr::from(([127, 0, 0, 2], gateway.public.port()));
    gateway.until("all addresses are listened on", |_| is_listened_on(there));
    assert_eq!(get(there, "/fixed").text(), "fixed");
    edit(&gateway, &everywhere, &gateway.public.to_string());
    gateway.until("one is listened on", |_| !is_listened_on(there));
    assert_eq!(gateway.get("/fixed").text(), "fixed");
    // Nobody else may have the port for all that.
    assert!(TcpListener::bind(gateway.public).is_err());
}

#[test]
fn twenty_new_addresses_in_a_row_lose_no_request_that_was_sent() {
    let gateway = Setup::new(FIXED).start();
    let mut address = gateway.public;
    for n in 0..20 {
        let mut connection = Connection::open(address);
        let next = if n % 2 == 0 { free_port() } else { gateway.public };
        edit(&gateway, &address.to_string(), &next.to_string());
        connection.send(compose("GET /fixed", &[], b"")).unwrap();
        assert_eq!(connection.read().expect("an answer").status, 200);
        gateway.until("the new one answers", |_| is_listened_on(next));
        address = next;
    }
    gateway.until("the old workers are gone", |g| threads(g, "worker-0") == 1);
}

#[test]
fn the_command_line_finds_the_admin_listener_where_it_is() {
    let gateway = Setup::new(FIXED).start();
    let (old, new) = (gateway.admin, free_port());
    edit(&gateway, &old.to_string(), &new.to_string());
    gateway.until("the new one answers", |_| is_listened_on(new));
    gateway.until("the old one is closed", |_| !is_listened_on(old));
    assert_eq!(get(new, "/live").status, 200);
    for verb in ["status", "reload", "healthcheck"] {
        assert!(gateway.verb(&[verb]).status.success(), "{verb}");
    }
    // An edit that is refused says an address where nobody is: the gateway is found for all that.
    edit(&gateway, &new.to_string(), &format!("{}\"\nbrust = \"", free_port()));
    gateway.until("the edit is refused", |g| g.get("/ready").json()["policy"] == "stale");
    let status = gateway.verb(&["status"]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("brust"), "{status:?}");
}

#[test]
fn a_port_that_the_kernel_chose_stays_and_is_found() {
    let gateway = Setup::new(FIXED).start();
    edit(&gateway, &gateway.admin.to_string(), "127.0.0.1:0");
    gateway.until("the old one is closed", |g| !is_listened_on(g.admin));
    let address = || std::fs::read_to_string(gateway.at("data/admin.address")).unwrap();
    let chosen = address();
    assert!(gateway.verb(&["status"]).status.success());
    assert!(gateway.verb(&["reload"]).status.success());
    assert_eq!(address(), chosen, "the port did not change, so the socket is the same");
    let file = gateway.at("data/admin.address");
    assert_eq!(gateway.stop(), Some(0));
    assert!(!file.exists());
}

#[test]
fn another_number_of_workers_is_in_force_at_once_and_the_socket_stays() {
    let gateway = Setup::new(&format!("[server]\nworkers = 1\n{FIXED}")).start();
    assert_eq!(threads(&gateway, "worker-"), 1);
    let mut before = Connection::open(gateway.public);
    for workers in [3, 2] {
        let now = if workers == 3 { 1 } else { 3 };
        edit(&gateway, &format!("workers = {now}"), &format!("workers = {workers}"));
        before.send(compose("GET /fixed", &[], b"")).unwrap();
        assert_eq!(before.read().unwrap().status, 200);
        drop(before);
        gateway.until("there are as many as were asked for", |g| threads(g, "worker-") == workers);
        before = Connection::open(gateway.public);
    }
}

#[test]
fn another_token_opens_the_admin_listener_at_once_and_the_old_one_no_more() {
    let mut gateway = Setup::new(&format!("[admin]\n{FIXED}")).file("token", "another-token-of-16\n").start();
    let ask = |gateway: &Gateway, token: &str| {
        let headers = [("Authorization", token), ("Content-Type", "application/json")];
        gateway.ask_admin("POST /admin/api/sessions/revoke", &headers, b"{\"all\":true}").status
    };
    let (old, new) = (gateway.token(), "Bearer another-token-of-16");
    assert_eq!((ask(&gateway, &old), ask(&gateway, new)), (200, 401));
    edit(&gateway, "[admin]\n", "[admin]\ntoken_file = \"token\"\n");
    gateway.wait_for_log(|line| line.contains("token was renewed"));
    assert_eq!((ask(&gateway, new), ask(&gateway, &old)), (200, 401));
    // The file is not watched; whoever asks for a reload has it read again.
    gateway.save("token", "short");
    gateway.signal("HUP");
    gateway.until("a token that is none is refused", |g| g.get("/ready").json()["policy"] == "stale");
    assert_eq!(ask(&gateway, new), 200);
    gateway.save("token", "a-third-token-of-16-and-more");
    gateway.signal("HUP");
    gateway.until("it is in force", |g| g.get("/ready").json()["policy"] == "current");
    assert_eq!((ask(&gateway, "Bearer a-third-token-of-16-and-more"), ask(&gateway, new)), (200, 401));
}

#[test]
fn the_form_of_log_lines_follows_an_edit() {
    let mut gateway = Setup::new(&format!("[log]\nformat = \"json\"\n{FIXED}")).start();
    edit(&gateway, "format = \"json\"", "format = \"text\"");
    gateway.wait_for_log(|line| line.contains("policy applied") && !line.starts_with('{'));
    gateway.get("/fixed");
    gateway.wait_for_log(|line| line.contains("/fixed") && !line.starts_with('{'));
    edit(&gateway, "format = \"text\"", "format = \"auto\"");
    gateway.wait_for_log(|line| line.contains("policy applied") && line.contains("\"generation\":3"));
}

#[test]
fn the_drain_waits_for_what_an_old_address_has_as_well() {
    let (upstream, release) = held();
    let mut gateway = Setup::new(&format!("{FIXED}{}", upstream.config())).start();
    let new = free_port();
    let mut busy = Connection::open(gateway.public);
    busy.send(compose("GET /up/1", &[], b"")).unwrap();
    gateway.until("it is in flight", |_| upstream.seen().len() == 1);
    edit(&gateway, &gateway.public.to_string(), &new.to_string());
    gateway.until("the new one answers", |_| is_listened_on(new));
    gateway.signal("TERM");
    gateway.wait_for_log(|line| line.contains("\"draining\""));
    assert!(gateway.ended().is_none());
    release.send(()).unwrap();
    assert_eq!(busy.read().unwrap().text(), "late");
    assert_eq!(gateway.wait(), Some(0));
    gateway.wait_for_log(|line| line.contains("Finished"));
}
