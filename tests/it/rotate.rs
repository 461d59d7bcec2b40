//! `secret rotate`: a new session secret in the running gateway, at once or with an overlap.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::harness::gateway::verb;
use crate::harness::token::signed_with;
use crate::harness::{Gateway, Setup, Token};

const FIRST: &str = "k3Jf9sLq0Zx7Vb2Nm5Ht8Wc1Rd4Yg6Pa";
const PASSWORD: &str = "correct horse battery";
const ROUTE: &str = "[[routes]]\npath = \"/private\"\nrespond = { status = 200, text = \"secret\" }\n";

fn with_file() -> Setup {
    Setup::new(&format!("[session]\nsecret_file = \"secrets\"\n{ROUTE}"))
        .file("secrets", &format!("{FIRST}\n"))
        .user("ada", PASSWORD, &[])
}

fn private(gateway: &Gateway, cookie: &str) -> u16 {
    gateway.send("GET /private", &[("Cookie", cookie)], b"").status
}

fn lines(gateway: &Gateway, file: &str) -> Vec<String> {
    std::fs::read_to_string(gateway.at(file)).unwrap().lines().map(str::to_owned).collect()
}

fn rotate(gateway: &Gateway, arguments: &[&str]) -> Value {
    let output = gateway.verb(&[&["secret", "rotate", "--format", "json"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn sessions_on_disk(gateway: &Gateway) -> usize {
    let output = gateway.verb(&["sessions", "list", "--format", "json"]);
    serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().len()
}

#[test]
fn with_keep_old_sessions_live_and_new_ones_are_signed_anew() {
    let gateway = with_file().start();
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(gateway.at("secrets"), mode).unwrap();
    let old = gateway.sign_in("ada", PASSWORD);
    let done = rotate(&gateway, &["--keep"]);
    assert_eq!(
        (&done["kept"], &done["in_force"], &done["sessions_ended"]),
        (&1.into(), &true.into(), &Value::Null)
    );
    let secrets = lines(&gateway, "secrets");
    assert_eq!((secrets.len(), secrets[1].as_str()), (2, FIRST));
    assert_eq!(std::fs::metadata(gateway.at("secrets")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(private(&gateway, &old), 200);
    let new = gateway.sign_in("ada", PASSWORD);
    assert!(signed_with(&new, &secrets[0]) && !signed_with(&new, FIRST), "in force when the verb has ended");
    assert_ne!(Token::read(&new).header["kid"], Token::read(&old).header["kid"]);
    let gateway = gateway.kill_and_restart();
    assert_eq!((private(&gateway, &old), private(&gateway, &new)), (200, 200));
}

#[test]
fn without_keep_every_session_ends_at_once_and_its_row_goes() {
    let gateway = with_file().start();
    let cookies: Vec<String> = (0..3).map(|_| gateway.sign_in("ada", PASSWORD)).collect();
    let done = rotate(&gateway, &[]);
    assert_eq!((&done["kept"], &done["sessions_ended"]), (&0.into(), &3.into()));
    assert_eq!(sessions_on_disk(&gateway), 0);
    for cookie in &cookies {
        assert_eq!(private(&gateway, cookie), 401);
    }
    assert_eq!(lines(&gateway, "secrets").len(), 1);
    let forged = Token::read(&cookies[0]).sign(FIRST);
    assert_eq!(private(&gateway, &format!("pm_session={forged}")), 401, "the old secret opens nothing");
    let gateway = gateway.kill_and_restart();
    assert_eq!(private(&gateway, &cookies[0]), 401);
    assert_eq!(private(&gateway, &gateway.sign_in("ada", PASSWORD)), 200);
}

#[test]
fn the_secret_that_development_made_is_rotated_likewise() {
    let gateway = Setup::new(ROUTE).user("ada", PASSWORD, &[]).start();
    let made = lines(&gateway, "data/session.secret");
    let old = gateway.sign_in("ada", PASSWORD);
    assert!(signed_with(&old, &made[0]));
    rotate(&gateway, &["--keep"]);
    let secrets = lines(&gateway, "data/session.secret");
    assert_eq!((secrets.len(), &secrets[1]), (2, &made[0]));
    let new = gateway.sign_in("ada", PASSWORD);
    assert!(signed_with(&new, &secrets[0]));
    assert_eq!((private(&gateway, &old), private(&gateway, &new)), (200, 200));
    rotate(&gateway, &[]);
    assert_eq!((private(&gateway, &old), private(&gateway, &new)), (401, 401));
    assert_eq!(lines(&gateway, "data/session.secret").len(), 1);
}

#[test]
fn without_a_gateway_the_file_and_the_rows_change() {
    let gateway = with_file().start();
    let old = gateway.sign_in("ada", PASSWORD);
    gateway.signal("KILL");
    let mut gateway = gateway;
    gateway.wait();
    let done = rotate(&gateway, &[]);
    assert_eq!((&done["in_force"], &done["sessions_ended"]), (&Value::Null, &1.into()));
    assert_eq!(sessions_on_disk(&gateway), 0);
    let gateway = gateway.kill_and_restart();
    assert_eq!(private(&gateway, &old), 401);
}

#[test]
fn a_secret_of_the_environment_is_not_rotated() {
    let gateway = with_file().env("BACKEND_SESSION_SECRET", FIRST).start();
    let cookie = gateway.sign_in("ada", PASSWORD);
    let output = gateway.verb(&["secret", "rotate"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("restart the gateway with a new value"));
    assert_eq!(lines(&gateway, "secrets"), [FIRST]);
    assert_eq!(private(&gateway, &cookie), 200);
    let in_config = Setup::new(&format!("[session]\nsecret = \"{FIRST}\"\n")).folder();
    assert_eq!(verb(in_config.path(), &["secret", "rotate", "--keep"], &[], None).status.code(), Some(1));
}

#[test]
fn when_the_files_hold_a_problem_the_old_secret_stays_and_nothing_is_written() {
    let gateway = with_file().start();
    let cookie = gateway.sign_in("ada", PASSWORD);
    gateway.save("config.toml", &gateway.config().replace("[session]", "[session]\nidel = \"1h\""));
    let output = gateway.verb(&["secret", "rotate"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(lines(&gateway, "secrets"), [FIRST]);
    assert_eq!(private(&gateway, &cookie), 200);
}
