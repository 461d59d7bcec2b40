//! The process as a whole (THREATS PR): its end, its start, its memory, its threads, and sockets that are given to it.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::harness::client::{compose, request};
use crate::harness::gateway::verb;
use crate::harness::{Bystander, Connection, Gateway, Setup, Upstream};

const OPEN: &str = "[rate_limit]\nip_per_minute = 1_000_000\nip_burst = 1_000_000\n[[routes]]\npath = \"/ok\"\nrespond = { text = \"ok\" }\nauth = \"none\"\n";

/// Opens once, for everybody.
#[derive(Clone, Default)]
struct Barrier(Arc<(Mutex<bool>, Condvar)>);

impl Barrier {
    fn wait(&self) {
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(open, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

#[test]
fn pr_01_two_hundred_in_flight_of_all_kinds_are_finished() {
    let barrier = Barrier::default();
    let (tell, begun) = channel();
    let tell = Mutex::new(tell);
    let waits = barrier.clone();
    let upstream = Upstream::with(move |request, stream| {
        let told: Sender<()> = tell.lock().unwrap().clone();
        if request.contains("/up/download") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").ok();
            told.send(()).ok();
            waits.wait();
            return stream.write_all(b"done").is_ok();
        }
        if request.contains("/up/slow") {
            told.send(()).ok();
            waits.wait();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalfdone").is_ok()
    });
    let mut gateway =
        Setup::new(&format!("[server]\ndrain_timeout = \"60s\"\n{OPEN}{}", upstream.config())).start();
    let open = |request: Vec<u8>| {
        let mut connection = Connection::open(gateway.public);
        connection.send(request).unwrap();
        connection
    };
    let mut busy = Vec::new();
    for _ in 0..70 {
        busy.push(open(compose("GET /up/slow", &[], b"")));
        busy.push(open(compose("GET /up/download", &[], b"")));
    }
    (0..140).for_each(|_| begun.recv_timeout(Duration::from_secs(20)).unwrap());
    let mut uploads: Vec<_> = (0..60)
        .map(|_| {
            open(b"POST /up/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nhalf".to_vec())
        })
        .collect();
    gateway.until("all are in flight", |g| g.metric("pluginmind_http_requests_in_flight ") >= 200.0);

    gateway.signal("TERM");
    gateway.wait_for_log(|line| line.contains("\"draining\""));
    let ready = gateway.ask_admin("GET /ready", &[], b"");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("draining"), "{}", ready.text());
    gateway.until("nobody is let in any more", |g| TcpStream::connect(g.public).is_err());
    assert!(gateway.ended().is_none());
    uploads.iter_mut().for_each(|upload| upload.send("done").unwrap());
    barrier.open();
    for mut connection in busy.into_iter().chain(uploads) {
        let answer = connection.read().expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (200, "halfdone"));
        assert!(connection.closes());
    }
    assert_eq!(gateway.wait(), Some(0));
    gateway.wait_for_log(|line| line.contains("Finished"));
}

#[test]
fn pr_04_load_is_shed_near_the_memory_limit_and_taken_again_below_it() {
    let mut gateway = Setup::new(&format!("[server]\nmemory_max = 0\n{OPEN}")).start();
    let mut kept = Connection::open(gateway.public);
    let mut ask = |path: &str| {
        kept.send(compose(&format!("GET {path}"), &[], b"")).unwrap();
        kept.read().expect("an answer")
    };
    assert_eq!(ask("/ok").status, 200);
    gateway.save("config.toml", &gateway.config().replace("memory_max = 0", "memory_max = \"1 MiB\""));
    gateway.wait_for_log(|line| line.contains("memory is very short"));
    let shed = ask("/ok");
    assert_eq!((shed.status, shed.code().as_str()), (503, "SERVICE_UNAVAILABLE"));
    assert!(shed.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
    assert_eq!(ask("/live").status, 200, "a probe is answered");
    let ready = ask("/ready");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("memory"), "{}", ready.text());
    assert!(Connection::open(gateway.public).closes(), "nobody else is let in");
    assert!(gateway.metric("pluginmind_connections_refused_total{reason=\"memory\"}") >= 1.0);
    assert_eq!(gateway.metric("pluginmind_memory_pressure "), 2.0);
    assert_eq!(gateway.ask_admin("GET /live", &[], b"").status, 200);
    gateway.save("config.toml", &gateway.config().replace("\"1 MiB\"", "0"));
    gateway.wait_for_log(|line| line.contains("no longer short"));
    assert_eq!((ask("/ok").status, gateway.get("/ok").status), (200, 200));
}

#[test]
fn pr_04_bodies_that_are_held_are_bounded_by_the_memory_limit() {
    const PART: usize = 4 << 20;
    let config = format!(
        "[server]\nbody_max = \"8 MB\"\nbody_timeout = \"60s\"\nmemory_max = 0\n{OPEN}[[routes]]\npath = \"/held\"\nauth = \"none\"\nrespond = {{}}\nbody_schema = {{ type = \"string\" }}\n"
    );
    let mut gateway = Setup::new(&config).start();
    let limit = resident(&gateway) + (48 << 20);
    gateway
        .save("config.toml", &gateway.config().replace("memory_max = 0", &format!("memory_max = {limit}")));
    gateway.until("the edit is in force", |g| g.generation() == 2);
    let head = format!(
        "POST /held HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n\"",
        PART + 1_000
    );
    let mut flood = Vec::new();
    for _ in 0..60 {
        let mut connection = Connection::open(gateway.public);
        connection.stream().set_write_timeout(Some(Duration::from_secs(5))).unwrap();
        // What is refused meanwhile may be closed before all is sent.
        connection.send(&head).and_then(|()| connection.send(vec![b'a'; PART])).ok();
        flood.push(connection);
        if gateway.metric("pluginmind_memory_pressure ") > 0.0 {
            break;
        }
    }
    gateway.wait_for_log(|line| line.contains("memory is short") || line.contains("memory is very short"));
    assert!(flood.len() < 60, "240 MB were held where 48 are left");
    drop(flood);
    gateway.wait_for_log(|line| line.contains("no longer short"));
    assert_eq!(gateway.get("/ok").status, 200);
}

/// Memory that the process takes, in bytes.
fn resident(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}

#[test]
fn pr_06_probes_are_answered_while_passwords_keep_every_thread_busy() {
    let gateway =
        Setup::new(&format!("{OPEN}[auth.local]\nlockout_failures = 0\nlockout_network_failures = 0\n"))
            .user("ann", "a long password", &[])
            .start();
    let witness = Bystander::begin(gateway.public, "/live");
    let address = gateway.public;
    let guessing: Vec<_> = (0..16)
        .map(|n| {
            std::thread::spawn(move || {
                let body = format!("{{\"username\":\"ann\",\"password\":\"wrong {n}\"}}");
                (0..4).for_each(|_| {
                    request(
                        address,
                        "POST /auth/login",
                        &[("Content-Type", "application/json")],
                        body.as_bytes(),
                    );
                });
            })
        })
        .collect();
    guessing.into_iter().for_each(|thread| thread.join().unwrap());
    let seen = witness.end();
    assert_eq!(seen.odd, [0_u16; 0]);
    let median = seen.waits[seen.waits.len() / 2];
    assert!(median < Duration::from_millis(100), "{median:?} of {}", seen.waits.len());
}

fn serve(folder: &tempfile::TempDir) -> (Output, String) {
    let output = verb(folder.path(), &["serve"], &[], None);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

#[test]
fn pr_07_a_start_that_cannot_be_says_why_in_a_line_and_with_an_exit_code() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for table in ["server", "admin"] {
        let folder = Setup::new("").folder();
        let config = format!("[{table}]\nlisten = \"{address}\"\n");
        let other = if table == "server" { "admin" } else { "server" };
        std::fs::write(
            folder.path().join("config.toml"),
            format!("{config}[{other}]\nlisten = \"127.0.0.1:0\"\n"),
        )
        .unwrap();
        let (output, said) = serve(&folder);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&address) && said.contains("in use"), "{said}");
    }
    let folder = Setup::new("[server]\nbrust = 1\n").folder();
    let (output, said) = serve(&folder);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("`brust`"), "{said}");
    // A data folder that is missing is made.
    let gateway = Setup::new("[storage]\npath = \"deep/below/x.db\"\n").shell("umask 000").start();
    for file in
        ["deep/below/x.db", "deep/below/admin.token", "deep/below/admin.address", "deep/below/session.secret"]
    {
        let mode = std::fs::metadata(gateway.at(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
}

#[test]
fn pr_08_it_needs_no_privilege_and_writes_to_its_data_folder_alone() {
    // Nobody, without a capability, in a folder that is root's: only the data folder is theirs.
    let unprivileged = "if [ \"$(id -u)\" = 0 ] && command -v setpriv >/dev/null; then chmod 0755 .; mkdir data; chown 65534:65534 data; exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=-all \"$0\" \"$@\"; fi";
    let gateway = Setup::new(OPEN).shell(unprivileged).start();
    assert_eq!(gateway.get("/ok").status, 200);
    let capabilities = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let effective =
        capabilities.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim().to_owned();
    assert_eq!(u64::from_str_radix(&effective, 16).unwrap(), 0);
    let mut here: Vec<_> =
        std::fs::read_dir(gateway.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    here.sort();
    assert_eq!(here, ["config.toml", "data"]);
    assert_eq!(gateway.stop(), Some(0));
}

#[test]
fn pr_11_it_is_back_within_a_second_of_a_kill_however_often() {
    let kills = std::env::var("PLUGINMIND_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let mut gateway = Setup::new(OPEN).user("ann", "a long password", &[]).start();
    let cookie = gateway.sign_in("ann", "a long password");
    let mut slowest = Duration::ZERO;
    for n in 0..kills {
        let asking: Vec<_> = (0..5)
            .map(|_| {
                let mut connection = Connection::open(gateway.public);
                connection.send(compose("GET /ok", &[], b"")).unwrap();
                connection
            })
            .collect();
        // At another moment of its work each time.
        std::thread::park_timeout(Duration::from_millis(n * 7 % 40));
        let began = Instant::now();
        gateway = gateway.kill_and_restart();
        slowest = slowest.max(began.elapsed());
        drop(asking);
        let session = gateway.send("GET /auth/session", &[("Cookie", &cookie)], b"");
        assert_eq!(session.json()["hasToken"], true, "after kill {n}");
        assert!(
            gateway.verb(&["status"]).status.success(),
            "a stale address of the admin listener leads nobody astray"
        );
    }
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
}

/// Opens two sockets and hands them over as systemd does.
const ACTIVATE: &str = r#"exec python3 -c '
import os, socket, sys
names = os.environ["LISTEN_FDNAMES"].split(":")
for n, _ in enumerate(names):
    s = socket.create_server(("127.0.0.1", 0))
    os.dup2(s.fileno(), 50 + n)
    s.close()
for n, _ in enumerate(names):
    os.dup2(50 + n, 3 + n)
    os.close(50 + n)
os.environ["LISTEN_FDS"] = str(len(names))
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[1], sys.argv[1:])
' "$0" "$@""#;

fn activated(names: &str) -> (Gateway, SocketAddr, SocketAddr) {
    let mut gateway = Setup::new(OPEN).env("LISTEN_FDNAMES", names).shell(ACTIVATE).start();
    let line = gateway.wait_for_log(|line| line.contains("\"listening\""));
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address =
        |key: &str| SocketAddr::from(([127, 0, 0, 1], u16::try_from(line[key].as_u64().unwrap()).unwrap()));
    let (public, admin) = (address("port"), address("admin_port"));
    (gateway, public, admin)
}

#[test]
fn sockets_that_the_service_manager_opened_are_served_and_none_is_bound() {
    for names in ["admin:http", "http:admin", "unknown:unknown"] {
        let (gateway, public, admin) = activated(names);
        assert_ne!((public, admin), (gateway.public, gateway.admin));
        assert_eq!(request(public, "GET /ok", &[], b"").text(), "ok", "{names}");
        assert_eq!(request(admin, "GET /metrics", &[], b"").status, 200, "{names}");
        assert!(TcpStream::connect(gateway.public).is_err() && TcpStream::connect(gateway.admin).is_err());
        // The command line finds it for all that.
        assert!(gateway.verb(&["status"]).status.success());
        assert_eq!(gateway.stop(), Some(0));
    }
}

#[test]
fn one_socket_that_was_given_is_the_public_one_and_an_edit_of_its_address_changes_nothing() {
    let (mut gateway, public, admin) = activated("unknown");
    assert_eq!(admin, gateway.admin, "the other one is bound as ever");
    assert_eq!(request(public, "GET /ok", &[], b"").text(), "ok");
    gateway.save(
        "config.toml",
        &gateway
            .config()
            .replace("text = \"ok\"", "text = \"edited\"")
            .replace(&gateway.public.to_string(), "127.0.0.1:0"),
    );
    gateway.wait_for_log(|line| line.contains("given by the service manager"));
    gateway.until("the rest of the edit is in force", |_| {
        request(public, "GET /ok", &[], b"").text() == "edited"
    });
    assert_eq!(gateway.stop(), Some(0));
}

#[test]
fn sockets_without_a_use_are_refused_at_the_start() {
    let folder = Setup::new(OPEN).folder();
    let script = ACTIVATE
        .replace("\"$0\" \"$@\"", &format!("{} -c config.toml serve", crate::harness::gateway::BINARY));
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("LISTEN_FDNAMES", "a:b:c")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("gave 3 sockets"), "{said}");
}
