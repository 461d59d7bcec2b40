//! Guessing passwords: by account, by network, at once; and what it tells and costs.

use crate::harness::client::compose;
use crate::harness::{Answer, Connection, Gateway, Setup};

const CONFIG: &str = r#"
[rate_limit]
user_per_minute = 100000
user_burst = 100000
ip_per_minute = 100000
ip_burst = 100000

[session]
per_user_max = 1000

[[routes]]
path = "/private"
respond = { status = 200, text = "secret" }
"#;

const PASSWORD: &str = "correct horse battery";
const JSON: (&str, &str) = ("Content-Type", "application/json");
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

fn gateway(extra: &str) -> Gateway {
    Setup::new(&format!("{CONFIG}{extra}"))
        .user("ada@example.org", PASSWORD, &[])
        .user("bob", PASSWORD, &[])
        .start()
}

fn body(name: &str, password: &str) -> Vec<u8> {
    serde_json::json!({ "username": name, "password": password }).to_string().into_bytes()
}

fn try_in(gateway: &Gateway, name: &str, password: &str) -> Answer {
    gateway.send("POST /auth/login", &[JSON], &body(name, password))
}

#[test]
fn rl_11_five_wrong_passwords_lock_a_name_whether_an_account_has_it_or_not() {
    let gateway = gateway("");
    let told = |name: &str| {
        for n in 1..=5 {
            assert_eq!(try_in(&gateway, name, "wrong").status, 401, "{name} {n}");
        }
        let answer = try_in(&gateway, name, PASSWORD);
        assert_eq!((answer.status, answer.code().as_str()), (429, "RATE_LIMIT_EXCEEDED"), "{name}");
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((880..=900).contains(&seconds), "{seconds}");
        assert_eq!(answer.header("set-cookie"), None);
        let id = answer.header("x-request-id").unwrap().to_owned();
        let names: Vec<String> = answer.headers.iter().map(|(n, _)| n.clone()).collect();
        (answer.text().replace(&id, "ID"), names)
    };
    let known = told("ada@example.org");
    assert_eq!(told("nobody@example.org"), known);
    assert_eq!(told("not a name"), known);
    assert_eq!(try_in(&gateway, "bob", PASSWORD).status, 200, "others sign in as ever");
}

#[test]
fn en_04_every_spelling_of_a_name_is_the_same_name() {
    let gateway = gateway("");
    for spelling in
        ["ada@example.org", "ADA@example.org", " ada@EXAMPLE.org", "Ada@Example.Org ", "\tada@example.org"]
    {
        assert_eq!(try_in(&gateway, spelling, "wrong").status, 401);
    }
    assert_eq!(try_in(&gateway, "aDa@example.org", PASSWORD).status, 429);
}

#[test]
fn the_page_says_how_long_to_wait() {
    let gateway = gateway("[auth.local]\nlockout_failures = 1\nlockout_for = \"90s\"\n");
    let form = b"username=bob&password=wrong&return_to=%2Fprivate";
    assert_eq!(gateway.send("POST /auth/login", &[FORM], form).status, 401);
    let answer = gateway.send("POST /auth/login", &[FORM], form);
    assert_eq!(answer.status, 429);
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((60..=90).contains(&seconds), "{seconds}");
    let page = answer.text();
    assert!(page.contains("<p role=\"alert\">Too many attempts. Try again in "), "{page}");
    assert!(page.contains("value=\"/private\""), "the way back is kept");
}

#[test]
fn a_right_password_begins_the_count_anew_and_a_new_one_ends_the_lock() {
    let gateway = gateway("");
    for _ in 0..2 {
        for _ in 0..4 {
            assert_eq!(try_in(&gateway, "bob", "wrong").status, 401);
        }
        assert_eq!(try_in(&gateway, "bob", PASSWORD).status, 200);
    }
    (0..5).for_each(|_| assert_eq!(try_in(&gateway, "bob", "wrong").status, 401));
    assert_eq!(try_in(&gateway, "bob", PASSWORD).status, 429);
    assert!(gateway.verb_with(&["users", "passwd", "bob"], "another long password").status.success());
    assert_eq!(try_in(&gateway, "bob", "another long password").status, 200);
}

#[test]
fn rl_11_a_network_that_tries_many_names_is_locked_and_another_is_not() {
    let gateway = Setup::new(&format!(
        "{CONFIG}[server]\ntrusted_proxies = [\"127.0.0.1/32\"]\n[auth.local]\nlockout_network_failures = 6\n"
    ))
    .user("bob", PASSWORD, &[])
    .start();
    let from = |address: &str, name: &str, password: &str| {
        let headers = [JSON, ("X-Forwarded-For", address)];
        gateway.send("POST /auth/login", &headers, &body(name, password)).status
    };
    for n in 1..=6 {
        assert_eq!(from(&format!("192.0.2.{n}"), &format!("name-{n}"), "wrong"), 401);
    }
    assert_eq!(from("192.0.2.200", "bob", PASSWORD), 429);
    assert_eq!(from("192.0.3.1", "bob", PASSWORD), 200);
    for n in 1..=6 {
        assert_eq!(from(&format!("2001:db8:0:1::{n}"), &format!("six-{n}"), "wrong"), 401);
    }
    assert_eq!(from("2001:db8:0:1:ffff::1", "bob", PASSWORD), 429);
    assert_eq!(from("2001:db8:0:2::1", "bob", PASSWORD), 200);
}

#[test]
fn a_session_goes_on_while_its_name_is_locked() {
    let gateway = gateway("");
    let cookie = gateway.sign_in("bob", PASSWORD);
    (0..5).for_each(|_| assert_eq!(try_in(&gateway, "bob", "wrong").status, 401));
    assert_eq!(gateway.send("GET /private", &[("Cookie", &cookie)], b"").status, 200);
}

/// Sends one request on each of many connections before it reads any answer.
fn all_at_once(gateway: &Gateway, count: usize, name: &str, password: &str) -> Vec<Answer> {
    let ask = compose("POST /auth/login", &[JSON], &body(name, password));
    let mut connections: Vec<_> = (0..count).map(|_| Connection::open(gateway.public)).collect();
    connections.iter_mut().for_each(|connection| connection.send(&ask).unwrap());
    connections.iter_mut().map(|connection| connection.read().expect("an answer")).collect()
}

#[test]
fn rl_11_guesses_at_the_same_moment_are_counted_before_the_next_is_looked_at() {
    let gateway = gateway("");
    let answers = all_at_once(&gateway, 40, "bob", "wrong");
    let looked_at = answers.iter().filter(|a| a.status == 401).count();
    assert!((5..=6).contains(&looked_at), "two at a time: at most one more than five, not {looked_at}");
    assert!(answers.iter().all(|a| matches!(a.status, 401 | 429)));
}

#[test]
fn at_most_sixty_four_wait_for_a_password_check_and_the_rest_are_told_to_come_back() {
    let gateway = gateway("");
    let answers = all_at_once(&gateway, 300, "bob", PASSWORD);
    let of = |status: u16| answers.iter().filter(|a| a.status == status).count();
    assert_eq!(of(200) + of(503), 300);
    assert!(of(200) >= 66, "two at work and 64 that wait: {}", of(200));
    assert!(of(503) > 0, "the rest does not wait without end");
    for busy in answers.iter().filter(|a| a.status == 503) {
        assert_eq!((busy.code().as_str(), busy.header("retry-after")), ("SERVICE_UNAVAILABLE", Some("1")));
    }
    assert_eq!(try_in(&gateway, "bob", PASSWORD).status, 200, "and then it goes on");
}
