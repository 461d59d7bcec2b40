//! The private gateway: the own binary with the operator's configuration, but for what would reach anybody else. It listens on
//! loopback, writes into a folder of its own, and asks nobody: services are played, webhooks, providers and exports are off.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use toml::{Table, Value as Toml};

use crate::base::secret::Secret;
use crate::config::Inputs;
use crate::server::admin::token::TOKEN_FILE;

/// Longest wait for it to listen.
const START_MAX: Duration = Duration::from_secs(30);
/// Longest wait for it to end by itself.
const END_MAX: Duration = Duration::from_secs(45);
/// Most of what it says is kept, in bytes.
const SAID_BYTES_MAX: usize = 256 << 20;

/// Variables that would take a key of the run's away, or belong to whoever started this process.
const NOT_PASSED_ON: [&str; 16] = [
    "LOG_LEVEL",
    "RATE_LIMIT_PER_MIN",
    "RATE_LIMIT_BURST",
    "RATE_LIMIT_IP_PER_MIN",
    "RATE_LIMIT_IP_BURST",
    "PLUGINMIND_CONFIG",
    "PLUGINMIND_SERVER__LISTEN",
    "PLUGINMIND_SERVER__TRUSTED_PROXIES",
    "PLUGINMIND_SERVER__PROXY_PROTOCOL",
    "PLUGINMIND_ADMIN__LISTEN",
    "PLUGINMIND_ADMIN__TOKEN_FILE",
    "PLUGINMIND_STORAGE__PATH",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];
/// Beginnings of such variables.
const NOT_PASSED_ON_SECTIONS: [&str; 6] = [
    "PLUGINMIND_SERVER__TLS",
    "PLUGINMIND_LOG__",
    "PLUGINMIND_RATE_LIMIT__",
    "PLUGINMIND_AUTH__PROVIDERS",
    "PLUGINMIND_TRACING__",
    "PLUGINMIND_STORAGE__USAGE",
];

/// Why there is no private gateway.
#[derive(Debug, thiserror::Error)]
pub enum NoGateway {
    /// A file, a port or a process.
    #[error("{0}: {1}")]
    Io(&'static str, #[source] io::Error),
    /// The file is no TOML.
    #[error("the configuration cannot be read: {0}")]
    Toml(&'static str),
    /// It did not start; what it said last.
    #[error("the private gateway did not start: {0}")]
    Ended(String),
}

/// The operator's configuration as the run has it, as TOML.
///
/// # Errors
/// The text is no TOML.
pub fn configuration(
    text: &str,
    data: &Path,
    level: &str,
    stand_in: SocketAddr,
) -> Result<String, NoGateway> {
    let mut root: Table = text.parse().map_err(|_| NoGateway::Toml("it is no TOML"))?;
    let server = section(&mut root, "server");
    server.insert("listen".to_owned(), "127.0.0.1:0".into());
    for key in ["tls", "proxy_protocol"] {
        server.remove(key);
    }
    let proxies = server.entry("trusted_proxies").or_insert_with(|| Toml::Array(Vec::new()));
    if let Toml::Array(list) = proxies {
        list.push("127.0.0.1/32".into());
    }
    let admin = section(&mut root, "admin");
    admin.insert("listen".to_owned(), "127.0.0.1:0".into());
    admin.remove("token_file");
    let database = data.join("pluginmind.db").display().to_string();
    section(&mut root, "storage").insert("path".to_owned(), database.into());
    // Every request has its row then.
    section(&mut root, "storage").remove("usage_sample");
    section(&mut root, "log").insert("level".to_owned(), level.into());
    section(&mut root, "log").insert("format".to_owned(), "json".into());
    // The canaries come faster than people; what a refused request leaves behind is tested elsewhere.
    let limits = ["user_per_minute", "user_burst", "ip_per_minute", "ip_burst"];
    root.insert(
        "rate_limit".to_owned(),
        limits.map(|key| (key.to_owned(), Toml::Integer(1_000_000))).into_iter().collect::<Table>().into(),
    );
    root.remove("tracing");
    section(&mut root, "auth").remove("providers");
    for service in tables(&mut root, "services") {
        service.insert("urls".to_owned(), vec![format!("http://{stand_in}")].into());
        for key in ["tls", "health"] {
            service.remove(key);
        }
    }
    for route in tables(&mut root, "routes") {
        route.remove("rate_limit");
    }
    for alert in tables(&mut root, "alerts") {
        for key in ["webhook", "secret_file", "shape"] {
            alert.remove(key);
        }
    }
    Ok(root.to_string())
}

fn section<'a>(root: &'a mut Table, name: &str) -> &'a mut Table {
    let value = root.entry(name).or_insert_with(|| Toml::Table(Table::new()));
    if !value.is_table() {
        *value = Toml::Table(Table::new());
    }
    value.as_table_mut().expect("it was made one")
}

fn tables<'a>(root: &'a mut Table, name: &str) -> impl Iterator<Item = &'a mut Table> {
    root.get_mut(name).and_then(Toml::as_array_mut).into_iter().flatten().filter_map(Toml::as_table_mut)
}

/// The running private gateway. Dropped, it is ended.
pub struct PrivateGateway {
    child: Child,
    data: PathBuf,
    said: Arc<Mutex<Vec<u8>>>,
    /// The public listener.
    pub public: SocketAddr,
    /// The admin listener.
    pub admin: SocketAddr,
}

impl PrivateGateway {
    /// Starts it in a folder; `inputs` are the operator's, `level` the log level, `stand_in` where services are played.
    ///
    /// # Errors
    /// [`NoGateway`].
    pub fn start(
        inputs: &Inputs,
        folder: &Path,
        level: &str,
        stand_in: SocketAddr,
    ) -> Result<Self, NoGateway> {
        let data = folder.join("data");
        let text = configuration(&inputs.source.text, &data, level, stand_in)?;
        let file = folder.join("config.toml");
        let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
        written
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|e| NoGateway::Io("the configuration of the run cannot be written", e))?;
        let binary =
            std::env::current_exe().map_err(|e| NoGateway::Io("the own binary is not to be found", e))?;
        let is_passed_on = |name: &str| {
            !NOT_PASSED_ON.contains(&name)
                && !NOT_PASSED_ON_SECTIONS.iter().any(|begin| name.starts_with(begin))
        };
        let mut child = Command::new(binary)
            .env_clear()
            .envs(inputs.environment.iter().filter(|(name, _)| is_passed_on(name)))
            .args([
                Path::new("--config"),
                &file,
                Path::new("--relative-to"),
                &inputs.folder,
                Path::new("serve"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| NoGateway::Io("the private gateway cannot be started", e))?;
        let said = Arc::new(Mutex::new(Vec::new()));
        let (tell, told) = channel();
        let streams = [
            child.stdout.take().map(|s| Box::new(s) as Box<dyn Read + Send>),
            child.stderr.take().map(|s| Box::new(s) as Box<dyn Read + Send>),
        ];
        for stream in streams.into_iter().flatten() {
            let (said, tell) = (Arc::clone(&said), tell.clone());
            thread::spawn(move || listen_to(stream, &said, &tell));
        }
        drop(tell);
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut gateway = Self { child, data, said, public: nowhere, admin: nowhere };
        gateway.wait_for_ports(&told)?;
        Ok(gateway)
    }

    /// The line that says where it listens comes at level `info`; above that, the file that says where the admin side is.
    fn wait_for_ports(&mut self, told: &Receiver<(u16, u16)>) -> Result<(), NoGateway> {
        match told.recv_timeout(START_MAX) {
            Ok((public, admin)) => {
                self.public.set_port(public);
                self.admin.set_port(admin);
                Ok(())
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let said = self.said();
                let last = String::from_utf8_lossy(&said).trim().to_owned();
                Err(NoGateway::Ended(if last.is_empty() { "it says nothing".to_owned() } else { last }))
            }
        }
    }

    /// All that it has said on standard output and error.
    pub fn said(&self) -> Vec<u8> {
        self.said.lock().map(|said| said.clone()).unwrap_or_default()
    }

    /// The folder that it writes to.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The token of its admin API.
    ///
    /// # Errors
    /// The file is not there.
    pub fn token(&self) -> Result<Secret<String>, NoGateway> {
        let read = fs::read_to_string(self.data.join(TOKEN_FILE));
        read.map(|text| Secret::new(text.trim().to_owned()))
            .map_err(|e| NoGateway::Io("the token of the private gateway cannot be read", e))
    }

    /// Has it end by itself, so that all is written; whether it did.
    #[expect(clippy::disallowed_methods, reason = "the command line has no worker that this could block")]
    pub fn end(&mut self) -> bool {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.map(|pid| kill_process(pid, Signal::TERM));
        let step = Duration::from_millis(50);
        for _ in 0..END_MAX.as_millis() / step.as_millis() {
            match self.child.try_wait() {
                Ok(Some(_)) => return true,
                Ok(None) => thread::sleep(step),
                Err(_) => break,
            }
        }
        false
    }
}

impl Drop for PrivateGateway {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Keeps what a stream says, and tells the ports once they are said.
fn listen_to(stream: impl Read, said: &Mutex<Vec<u8>>, tell: &Sender<(u16, u16)>) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        if let Some(ports) = ports(&line) {
            // Told once; later nobody waits.
            tell.send(ports).ok();
        }
        let Ok(mut all) = said.lock() else { return };
        if all.len() < SAID_BYTES_MAX {
            all.append(&mut line);
        }
        line.clear();
    }
}

fn ports(line: &[u8]) -> Option<(u16, u16)> {
    let line: Value = serde_json::from_slice(line).ok()?;
    if line.get("message")? != "listening" {
        return None;
    }
    let port = |name: &str| line.get(name).and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    Some((port("port")?, port("admin_port")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_reach_anybody_else_is_off_and_the_rest_is_the_operators() {
        let text = r#"
            environment = "production"
            [server]
            listen = "0.0.0.0:443"
            trusted_proxies = ["10.0.0.0/8"]
            proxy_protocol = ["10.0.0.0/8"]
            tls = { certificate = "c.pem", key = "k.pem" }
            [admin]
            token_file = "token"
            [storage]
            path = "/var/lib/pluginmind/pluginmind.db"
            retention = "7d"
            [log]
            level = "error"
            [auth.providers.google]
            client_id = "x"
            [tracing]
            otlp = "http://collector:4318"
            [[services]]
            name = "app"
            urls = ["http://app:3000", "http://app2:3000"]
            health = "/health"
            [[routes]]
            path = "/api/*"
            service = "app"
            rate_limit = { ip_per_minute = 1 }
            [[alerts]]
            when = "rate_limited"
            webhook = "https://hooks.example.com/x"
        "#;
        let stand_in = SocketAddr::from(([127, 0, 0, 1], 4444));
        let made: Table =
            configuration(text, Path::new("/run/check"), "trace", stand_in).unwrap().parse().unwrap();
        let written = made.to_string();
        for gone in
            ["0.0.0.0:443", "c.pem", "token_file", "/var/lib", "google", "collector", "app:3000", "hooks"]
        {
            assert!(!written.contains(gone), "{gone} in {written}");
        }
        assert_eq!(made["environment"].as_str(), Some("production"));
        assert_eq!(made["storage"]["retention"].as_str(), Some("7d"));
        assert_eq!(made["storage"]["path"].as_str(), Some("/run/check/pluginmind.db"));
        assert_eq!(made["log"]["level"].as_str(), Some("trace"));
        assert_eq!(made["services"][0]["urls"].as_array().map(Vec::len), Some(1));
        assert_eq!(made["server"]["trusted_proxies"].as_array().map(Vec::len), Some(2));
        assert_eq!(made["alerts"][0]["when"].as_str(), Some("rate_limited"));
        assert!(configuration("[", Path::new("/x"), "trace", stand_in).is_err());
    }

    #[test]
    fn the_ports_are_read_from_the_line_that_says_them() {
        assert_eq!(ports(br#"{"message":"listening","port":1,"admin_port":2}"#), Some((1, 2)));
        assert_eq!(ports(br#"{"message":"request","port":1,"admin_port":2}"#), None);
    }
}
