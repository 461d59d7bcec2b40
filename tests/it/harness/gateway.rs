//! The real binary, started in a folder of its own on free ports, and ended with the test.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::client::{Answer, request};

/// Longest wait for the start, for a log line, for the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a gateway is started with.
pub struct Setup {
    config: String,
    files: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    users: Vec<(String, String, Vec<String>)>,
    shell: Option<String>,
}

/// A running gateway.
pub struct Gateway {
    /// The public listener.
    pub public: SocketAddr,
    /// The admin listener.
    pub admin: SocketAddr,
    folder: tempfile::TempDir,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    news: Receiver<()>,
    environment: Vec<(String, String)>,
    shell: Option<String>,
}

impl Setup {
    /// A configuration without `[server] listen` and `[admin] listen`: the ports are chosen here. Further keys of these
    /// two tables go in [`Setup::server`].
    pub fn new(config: &str) -> Self {
        Self {
            config: config.to_owned(),
            files: Vec::new(),
            environment: Vec::new(),
            users: Vec::new(),
            shell: None,
        }
    }

    /// Adds a file below the config file's folder.
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    /// Adds a plugin that enforces, with `on_error = "deny"`.
    pub fn plugin(self, name: &str, main: &str) -> Self {
        let manifest = manifest(name, "enforce");
        self.file(&format!("plugins/{name}/plugin.toml"), &manifest)
            .file(&format!("plugins/{name}/main.rhai"), main)
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a local account before the start.
    pub fn user(mut self, name: &str, password: &str, roles: &[&str]) -> Self {
        self.users.push((
            name.to_owned(),
            password.to_owned(),
            roles.iter().map(|r| (*r).to_owned()).collect(),
        ));
        self
    }

    /// Has a shell do this before it becomes the gateway: `ulimit`, `trap`, `umask`.
    pub fn shell(mut self, line: &str) -> Self {
        self.shell = Some(line.to_owned());
        self
    }

    /// Writes the files and starts the gateway; returns when it listens.
    pub fn start(self) -> Gateway {
        let folder = tempfile::tempdir().expect("a folder");
        let (public, admin) = (free_port(), free_port());
        self.write(folder.path(), public, admin);
        for (name, password, roles) in &self.users {
            let mut arguments = vec!["users", "add", name];
            for role in roles {
                arguments.extend(["--role", role]);
            }
            let output = verb(folder.path(), &arguments, &self.environment, Some(password));
            assert!(output.status.success(), "users add: {output:?}");
        }
        Gateway::spawn(folder, public, admin, self.environment, self.shell)
    }

    /// Writes the files without starting anything; for verbs that need no gateway.
    pub fn folder(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        self.write(folder.path(), free_port(), free_port());
        folder
    }

    fn write(&self, folder: &Path, public: SocketAddr, admin: SocketAddr) {
        fs::write(folder.join("config.toml"), with_ports(&self.config, public, admin)).expect("a file");
        for (path, text) in &self.files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
    }
}

/// Puts the two listen keys into the config: into `[server]` and `[admin]` where these stand, else as tables at the end.
fn with_ports(config: &str, public: SocketAddr, admin: SocketAddr) -> String {
    let mut out = config.to_owned();
    for (table, address) in [("[server]", public), ("[admin]", admin)] {
        let key = format!("{table}\nlisten = \"{address}\"");
        if out.lines().any(|l| l.trim() == table) {
            out = out.replacen(table, &key, 1);
        } else {
            out.extend(["\n", &key, "\n"]);
        }
    }
    out
}

/// A manifest with that name and mode.
pub fn manifest(name: &str, mode: &str) -> String {
    format!(
        "name = \"{name}\"\nversion = \"1.0.0\"\napi = 1\ndescription = \"A test.\"\nmode = \"{mode}\"\non_error = \"deny\"\n"
    )
}

/// A port that nobody else is given between this look and the gateway's: below those from which the kernel serves
/// clients and listeners without a wish, each once a process, and every process begins elsewhere.
pub fn free_port() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let nth = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id().wrapping_mul(211));
        let port = 10_000 + u16::try_from(nth % 20_000).expect("less than 20 000");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_pluginmind");

fn command(folder: &Path, environment: &[(String, String)], shell: Option<&str>) -> Command {
    let mut command = Command::new(if shell.is_some() { "sh" } else { BINARY });
    if let Some(line) = shell {
        command.arg("-c").arg(format!("{line}; exec \"$0\" \"$@\"")).arg(BINARY);
    }
    command.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(environment.iter().map(|(n, v)| (n, v))).arg("-c").arg(folder.join("config.toml"));
    command
}

/// Runs a verb in a folder to its end.
pub fn verb(
    folder: &Path,
    arguments: &[&str],
    environment: &[(String, String)],
    input: Option<&str>,
) -> Output {
    let mut child = command(folder, environment, None)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.unwrap_or_default().as_bytes()).and_then(|()| stdin.write_all(b"\n")).ok();
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

impl Gateway {
    fn spawn(
        folder: tempfile::TempDir,
        public: SocketAddr,
        admin: SocketAddr,
        environment: Vec<(String, String)>,
        shell: Option<String>,
    ) -> Self {
        let mut child = command(folder.path(), &environment, shell.as_deref())
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (tell, news) = channel();
        let stdout = child.stdout.take().expect("piped");
        let stderr = child.stderr.take().expect("piped");
        for stream in [Box::new(stdout) as Box<dyn std::io::Read + Send>, Box::new(stderr)] {
            let (lines, tell) = (Arc::clone(&lines), tell.clone());
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    lines.lock().expect("no panic").push(line);
                    tell.send(()).ok();
                }
            });
        }
        let mut gateway = Self { public, admin, folder, child, lines, news, environment, shell };
        // A log level above `info` hides the line that says so; then the admin listener, opened last, is asked.
        let quiet =
            |(name, value): &(String, String)| name == "LOG_LEVEL" && !value.eq_ignore_ascii_case("info");
        if gateway.environment.iter().any(quiet) {
            gateway.until("it listens", Self::listens);
        } else {
            gateway.wait_for_log(|line| line.contains("\"listening\""));
        }
        gateway
    }

    /// The config file's folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path below the config file's folder.
    pub fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Replaces a file by rename, as editors do.
    pub fn save(&self, path: &str, text: &str) {
        let target = self.at(path);
        fs::create_dir_all(target.parent().expect("a parent")).expect("a folder");
        let draft = target.with_file_name(".draft-of-the-test");
        fs::write(&draft, text).expect("a file");
        fs::rename(draft, target).expect("a rename");
    }

    /// The config file's text.
    pub fn config(&self) -> String {
        fs::read_to_string(self.at("config.toml")).expect("readable")
    }

    /// Sends one request on a connection of its own.
    pub fn send(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        request(self.public, line, headers, body)
    }

    /// `GET` without more.
    pub fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), &[], b"")
    }

    /// Sends one request to the admin listener.
    pub fn ask_admin(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        request(self.admin, line, headers, body)
    }

    /// Signs in and gives the cookie, `name=value`.
    pub fn sign_in(&self, name: &str, password: &str) -> String {
        let body = serde_json::json!({ "username": name, "password": password }).to_string();
        let answer = self.send("POST /auth/login", &[("Content-Type", "application/json")], body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.cookie().expect("a session cookie")
    }

    /// Runs a verb beside the running gateway.
    pub fn verb(&self, arguments: &[&str]) -> Output {
        verb(self.folder.path(), arguments, &self.environment, None)
    }

    /// Runs a verb that reads a line, beside the running gateway.
    pub fn verb_with(&self, arguments: &[&str], input: &str) -> Output {
        verb(self.folder.path(), arguments, &self.environment, Some(input))
    }

    /// The admin token as a header value.
    pub fn token(&self) -> String {
        format!("Bearer {}", fs::read_to_string(self.at("data/admin.token")).expect("readable").trim())
    }

    /// Posts JSON to the admin API with the token.
    pub fn change(&self, path: &str, body: &str) -> Answer {
        let headers = [("Authorization", self.token()), ("Content-Type", "application/json".to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.ask_admin(&format!("POST {path}"), &headers, body.as_bytes())
    }

    fn listens(&self) -> bool {
        std::net::TcpStream::connect(self.admin).is_ok()
    }

    /// Whether the process has ended, and how.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().expect("it can be asked")
    }

    /// Every line written so far.
    pub fn log(&self) -> Vec<String> {
        self.lines.lock().expect("no panic").clone()
    }

    /// Waits for a line and gives it.
    pub fn wait_for_log(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.log().into_iter().find(|l| wanted(l)) {
                return line;
            }
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            let came = self.news.recv_timeout(left).is_ok();
            assert!(came, "the line did not come; the log is\n{}", self.log().join("\n"));
        }
    }

    /// The metric line that begins with `name`, as a number; 0 where it is absent.
    pub fn metric(&self, name: &str) -> f64 {
        self.metric_text(name).parse().unwrap_or(0.0)
    }

    /// The generation in force.
    pub fn generation(&self) -> u64 {
        self.metric_text("pluginmind_config_generation ").parse().expect("a whole number")
    }

    fn metric_text(&self, name: &str) -> String {
        let text = self.ask_admin("GET /metrics", &[], b"").text();
        let line = text.lines().find(|l| l.starts_with(name));
        line.and_then(|l| l.rsplit(' ').next()).unwrap_or_default().to_owned()
    }

    /// Asks again and again until the answer fits.
    pub fn until(&self, what: &str, mut fits: impl FnMut(&Self) -> bool) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while !fits(self) {
            assert!(std::time::Instant::now() < deadline, "it never came: {what}\n{}", self.log().join("\n"));
            std::thread::yield_now();
        }
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Ends the process as told and gives its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        self.child.wait().expect("it ends").code()
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }

    /// Kills the process without a word and starts it again in the same folder.
    pub fn kill_and_restart(mut self) -> Self {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        let empty = tempfile::tempdir().expect("a folder");
        let folder = std::mem::replace(&mut self.folder, empty);
        Self::spawn(folder, self.public, self.admin, std::mem::take(&mut self.environment), self.shell.take())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
