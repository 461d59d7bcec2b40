//! The one oracle of the tests on the wire: a second person, signed in on a connection of their own, asks again and again
//! while a test attacks, and must notice nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::client::compose;
use super::{Connection, Gateway, Recorder};

/// Longest wait for the gateway to let go of what a test opened.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);

/// Descriptors that a gateway may hold more than before: of the log, of a timer, of a pooled connection under way.
const DESCRIPTORS_MORE: usize = 4;

/// What the gateway's memory may grow by, in kilobytes.
const MEMORY_MORE_KB: usize = 32 * 1024;

/// Pause between two questions, so that the attack has the machine.
const PAUSE: Duration = Duration::from_millis(5);

/// The second person and what the gateway looked like before the attack.
pub struct Witness {
    user: String,
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Vec<String>>,
    descriptors: usize,
    memory_kb: usize,
    panics: f64,
    lines: usize,
}

impl Witness {
    /// Signs in and begins to ask for `/witness`, which the config must send to the [`Recorder`].
    pub fn start(gateway: &Gateway, name: &str, password: &str) -> Self {
        let cookie = gateway.sign_in(name, password);
        let mut connection = Connection::open(gateway.public);
        let user = ask(&mut connection, &cookie).expect("a first answer");
        let (stop, address) = (Arc::new(AtomicBool::new(false)), gateway.public);
        let (flag, expected) = (Arc::clone(&stop), user.clone());
        Self {
            user,
            stop,
            descriptors: descriptors(gateway),
            memory_kb: memory_kb(gateway),
            panics: gateway.metric("pluginmind_panics_total"),
            lines: gateway.log().len(),
            asking: std::thread::spawn(move || watch(connection, address, &cookie, &expected, &flag)),
        }
    }

    /// Ends the asking and gives everything that was not as it must be; `secrets` must stand in no line of the log.
    pub fn finish(self, gateway: &Gateway, recorder: &Recorder, secrets: &[&str]) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        let mut faults = self.asking.join().expect("the witness asks to the end");
        if gateway.metric("pluginmind_panics_total") > self.panics {
            faults.push("a panic was counted".to_owned());
        }
        let begun = Instant::now();
        let held = || descriptors(gateway).saturating_sub(recorder.open());
        while held() > self.descriptors + DESCRIPTORS_MORE && begun.elapsed() < SETTLED_WITHIN {
            std::thread::yield_now();
        }
        if held() > self.descriptors + DESCRIPTORS_MORE {
            faults.push(format!("{} descriptors, {} before", held(), self.descriptors));
        }
        let grown = memory_kb(gateway).saturating_sub(self.memory_kb);
        if grown > MEMORY_MORE_KB {
            faults.push(format!("{grown} kB of memory more than before"));
        }
        let log = gateway.log();
        faults.extend(log[self.lines..].iter().filter_map(|line| odd_line(line, secrets)));
        let foreign = |user: &str| user != self.user && user != "nobody";
        let users = recorder.requests().into_iter().filter_map(|m| m.header("x-auth-request-user"));
        faults.extend(
            users.filter(|user| foreign(user)).map(|user| format!("the upstream was told of {user}")),
        );
        faults
    }
}

/// Asks until told to stop. A connection that the gateway closes is a fault only when no answer came on it.
fn watch(
    mut connection: Connection,
    address: SocketAddr,
    cookie: &str,
    expected: &str,
    stop: &AtomicBool,
) -> Vec<String> {
    let mut faults = Vec::new();
    while !stop.load(Ordering::SeqCst) && faults.len() < 3 {
        match ask(&mut connection, cookie) {
            Ok(user) if user == expected => {}
            Ok(user) => faults.push(format!("the witness is {expected} and was answered as {user}")),
            Err(fault) => {
                faults.push(fault);
                connection = Connection::open(address);
            }
        }
        std::thread::park_timeout(PAUSE);
    }
    faults
}

/// Who the upstream says is asking.
fn ask(connection: &mut Connection, cookie: &str) -> Result<String, String> {
    connection
        .send(compose("GET /witness", &[("Cookie", cookie)], b""))
        .map_err(|e| format!("the witness: {e}"))?;
    let answer = connection.read().ok_or("the witness was hung up on")?;
    let text = answer.text();
    let mark = text.strip_prefix("mark ").and_then(|m| m.split(' ').nth(1));
    mark.map(str::to_owned).ok_or(format!("the witness got {} {text}", answer.status))
}

/// Open file descriptors of the gateway.
pub fn descriptors(gateway: &Gateway) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).expect("the gateway runs").count()
}

/// Memory of the gateway that is resident now.
fn memory_kb(gateway: &Gateway) -> usize {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("the gateway runs");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kb| kb.parse().ok()).unwrap_or(0)
}

/// A line that is no JSON object, an access line without an id, or one that holds a secret.
fn odd_line(line: &str, secrets: &[&str]) -> Option<String> {
    let Ok(serde_json::Value::Object(members)) = serde_json::from_str(line) else {
        return Some(format!("a line that is no JSON object: {line}"));
    };
    if members.contains_key("http.response.status_code") && !members.contains_key("correlation.id") {
        return Some(format!("a line without an id: {line}"));
    }
    secrets.iter().find(|secret| line.contains(*secret)).map(|secret| format!("{secret} in {line}"))
}
