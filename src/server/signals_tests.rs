use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::*;
use crate::server::notify;

/// Tells the process that a test starts, which is the test itself, what it is.
const CHILD: &str = "PLUGINMIND_TEST_SIGNALLED";

fn again(test: &str, notify_socket: Option<&std::path::Path>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("server::signals::tests::{test}"), "--nocapture"]);
    command.env(CHILD, "1").env_remove("NOTIFY_SOCKET").stdout(Stdio::piped());
    if let Some(path) = notify_socket {
        command.env("NOTIFY_SOCKET", path);
    }
    command.spawn().unwrap()
}

#[test]
fn pr_02_hup_reloads_term_and_int_stop_and_nothing_else_ends_the_process() {
    if std::env::var_os(CHILD).is_some() {
        return signalled();
    }
    let mut child = again("pr_02_hup_reloads_term_and_int_stop_and_nothing_else_ends_the_process", None);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "listening"));
    let send = |signal: &str| {
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    };
    for signal in ["-USR1", "-USR2", "-PIPE", "-HUP"] {
        send(signal);
    }
    assert_eq!(lines.next().unwrap(), "reload");
    send("-TERM");
    assert_eq!(lines.next().unwrap(), "stop");
    send("-INT");
    assert_eq!(lines.next().unwrap(), "stop again");
    assert!(child.wait().unwrap().success());
}

fn signalled() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut signals = Signals::install().unwrap();
        println!("\nlistening");
        signals.until_stop(|| println!("reload")).await;
        println!("stop");
        assert_eq!(signals.next().await, Signal::Stop);
        println!("stop again");
    });
}

#[test]
fn the_service_manager_is_told_how_it_stands() {
    if std::env::var_os(CHILD).is_some() {
        notify::ready();
        notify::reloading();
        notify::ready();
        notify::stopping();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut child = again("the_service_manager_is_told_how_it_stands", Some(&path));
    let told = || {
        let mut buffer = [0; 256];
        let n = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..n]).trim_end().to_owned()
    };
    assert_eq!(told(), "READY=1");
    let reloading = told();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!((told(), told()), ("READY=1".into(), "STOPPING=1".into()));
    assert!(child.wait().unwrap().success());
}
