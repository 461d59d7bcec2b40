//! `/auth/login`: the page, the form, the JSON, and what a wrong name or password is told.

use crate::harness::{Answer, Gateway, Setup};

const CONFIG: &str = r#"
[session]
secret = "k3Jf9sLq0Zx7Vb2Nm5Ht8Wc1Rd4Yg6Pa"

[[routes]]
path = "/private"
respond = { status = 200, text = "secret" }

[[routes]]
name = "app"
path = "/app"
login_redirect = true
respond = { status = 200, text = "app" }
"#;

const PASSWORD: &str = "correct horse battery";
const JSON: (&str, &str) = ("Content-Type", "application/json");
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

fn gateway() -> Gateway {
    Setup::new(CONFIG).user("ada@example.org", PASSWORD, &["staff"]).start()
}

fn by_json(gateway: &Gateway, name: &str, password: &str) -> Answer {
    let body = serde_json::json!({ "username": name, "password": password }).to_string();
    gateway.send("POST /auth/login", &[JSON], body.as_bytes())
}

fn by_form(gateway: &Gateway, password: &str, return_to: &str) -> Answer {
    let body =
        format!("username=ada%40example.org&password={}&return_to={return_to}", password.replace(' ', "+"));
    gateway.send("POST /auth/login", &[FORM], body.as_bytes())
}

/// Every byte but letters and digits escaped, as a form sends it.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[test]
fn cs_01_json_gives_the_person_and_a_cookie_with_every_attribute() {
    let gateway = gateway();
    let answer = by_json(&gateway, "ada@example.org", PASSWORD);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["status"], "ok");
    let user = &answer.json()["user"];
    assert_eq!((&user["email"], &user["roles"][0]), (&"ada@example.org".into(), &"staff".into()));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let lines = answer.all("set-cookie");
    assert_eq!(lines.len(), 1);
    let attributes: Vec<&str> = lines[0].split("; ").skip(1).collect();
    assert_eq!(attributes, ["Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=86400"]);
    let cookie = answer.cookie().unwrap();
    assert!(
        cookie.starts_with("pm_session=") && !answer.text().contains(&cookie[11..]),
        "a token is never in a body"
    );
    assert_eq!(gateway.send("GET /private", &[("Cookie", &cookie)], b"").text(), "secret");
}

#[test]
fn cs_01_production_and_the_configuration_shape_the_cookie() {
    let config = CONFIG.replace(
        "[session]",
        "environment = \"production\"\n[session]\ncookie_name = \"sid\"\ncookie_domain = \".Example.com\"\nsame_site = \"strict\"\nttl = \"1h\"",
    );
    let gateway = Setup::new(&config).user("ada@example.org", PASSWORD, &[]).start();
    let answer = by_json(&gateway, "ada@example.org", PASSWORD);
    let line = answer.header("set-cookie").unwrap();
    let attributes: Vec<&str> = line.split("; ").skip(1).collect();
    assert!(line.starts_with("sid="));
    assert_eq!(
        attributes,
        ["Path=/", "HttpOnly", "SameSite=Strict", "Secure", "Domain=example.com", "Max-Age=3600"]
    );
    let cookie = answer.cookie().unwrap();
    let out =
        gateway.send("POST /auth/logout", &[("Cookie", &cookie), ("Sec-Fetch-Site", "same-origin")], b"");
    let cleared: Vec<&str> = out.header("set-cookie").unwrap().split("; ").collect();
    assert_eq!(
        cleared,
        ["sid=", "Path=/", "HttpOnly", "SameSite=Strict", "Secure", "Domain=example.com", "Max-Age=0"],
        "cs_15: cleared with the same attributes"
    );
}

#[test]
fn the_form_leads_back_to_where_the_browser_wanted_to_go() {
    let gateway = gateway();
    let there = gateway.send("GET /app?x=1&y=a%2Fb", &[("Accept", "text/html")], b"");
    assert_eq!((there.status, there.header("set-cookie")), (302, None));
    let page = gateway.get(there.header("location").unwrap());
    assert!(page.text().contains("name=\"return_to\" value=\"/app?x=1&amp;y=a%2Fb\""), "{}", page.text());
    let answer = by_form(&gateway, PASSWORD, &escaped("/app?x=1&y=a%2Fb"));
    assert_eq!((answer.status, answer.header("location")), (303, Some("/app?x=1&y=a%2Fb")));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let cookie = answer.cookie().unwrap();
    assert_eq!(gateway.send("GET /app", &[("Cookie", &cookie)], b"").text(), "app");
    assert_eq!(
        gateway.send("GET /app", &[("Accept", "application/json")], b"").status,
        401,
        "a program gets a 401"
    );
}

#[test]
fn a_wrong_form_gets_the_page_again_and_no_cookie() {
    let gateway = gateway();
    let answer = by_form(&gateway, "wrong", "%2Fapp%3Fa%3D%22%3E%3Cscript%3E");
    assert_eq!((answer.status, answer.header("set-cookie")), (401, None));
    let page = answer.text();
    assert!(page.contains("role=\"alert\"") && page.contains("<form method=\"post\""), "{page}");
    assert!(
        !page.contains("wrong\"") && !page.contains("ada@example.org") && !page.contains("<script"),
        "{page}"
    );
}

#[test]
fn the_page_needs_no_script_and_loads_nothing() {
    let gateway = gateway();
    let page = gateway.get("/auth/login?return_to=/app%3Fq=%22%3E%3Cscript%3Ealert(1)%3C/script%3E");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(
        (page.header("cache-control"), page.header("x-frame-options")),
        (Some("no-store"), Some("DENY"))
    );
    let policy = page.header("content-security-policy").unwrap();
    for directive in ["default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(directive), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    let text = page.text();
    for needed in [
        "<html lang=\"en\">",
        "<title>",
        "<label for=\"username\">",
        "<label for=\"password\">",
        "autocomplete=\"current-password\"",
        "action=\"/auth/login\"",
        "<button type=\"submit\">",
    ] {
        assert!(text.contains(needed), "{needed} is not in {text}");
    }
    for banned in ["<script", "onload", "http://", "https://", "src="] {
        assert!(!text.contains(banned), "{banned} is in {text}");
    }
    let head = gateway.send("HEAD /auth/login", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn or_01_and_or_02_a_sign_in_never_leads_to_another_site() {
    let gateway = gateway();
    let long = format!("/{}", "a".repeat(10_000));
    for bad in [
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/.//evil.example",
        "/a/..//evil.example",
        "/%2e%2e//evil.example",
        "/%5cevil.example",
        "/%2fevil.example",
        "https:evil.example",
        "https://evil.example/",
        "http://localhost/app",
        "///evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "//evil%2f@localhost",
        "evil.example",
        " /app",
        "/\u{e9}",
        "/app\r\nSet-Cookie: a=b",
        "",
        &long,
    ] {
        let page = gateway.get(&format!("/auth/login?return_to={}", escaped(bad)));
        if page.status == 200 {
            assert!(page.text().contains("name=\"return_to\" value=\"/\""), "{bad:?}: {}", page.text());
        } else {
            assert_eq!(page.status, 414, "{bad:?}: only a target too long is refused before");
        }
    }
    for bad in ["//evil.example", "/\\evil.example", "/\t/evil.example", "/app\r\nX-A: b"] {
        let answer = by_form(&gateway, PASSWORD, &escaped(bad));
        assert_eq!(
            (answer.status, answer.header("location"), answer.header("x-a")),
            (303, Some("/"), None),
            "{bad:?}"
        );
    }
}

#[test]
fn en_01_unknown_disabled_and_wrong_are_told_the_same() {
    let gateway = Setup::new(CONFIG)
        .user("ada@example.org", PASSWORD, &[])
        .user("gone@example.org", PASSWORD, &[])
        .start();
    assert!(gateway.verb(&["users", "disable", "gone@example.org"]).status.success());
    let told = |answer: &Answer| {
        assert_eq!((answer.status, answer.code().as_str()), (401, "AUTHENTICATION_REQUIRED"));
        let id = answer.header("x-request-id").unwrap().to_owned();
        let names: Vec<String> = answer.headers.iter().map(|(n, _)| n.clone()).collect();
        (answer.text().replace(&id, "ID"), names)
    };
    let wrong = told(&by_json(&gateway, "ada@example.org", "wrong"));
    assert_eq!(told(&by_json(&gateway, "nobody@example.org", PASSWORD)), wrong);
    assert_eq!(told(&by_json(&gateway, "gone@example.org", PASSWORD)), wrong);
    assert_eq!(told(&by_json(&gateway, "", "")), wrong);
    assert_eq!(told(&by_json(&gateway, "not a\u{0}name", "x")), wrong);
}

#[test]
fn en_02_a_stranger_cannot_tell_a_wrong_session_from_none() {
    let gateway = gateway();
    let told = |headers: &[(&str, &str)]| {
        let answer = gateway.send("GET /private", headers, b"");
        let id = answer.header("x-request-id").unwrap().to_owned();
        (answer.status, answer.text().replace(&id, "ID"), answer.header("set-cookie").map(str::to_owned))
    };
    let none = told(&[]);
    assert_eq!(none.0, 401);
    assert_eq!(told(&[("Cookie", "pm_session=garbage")]), none);
    assert_eq!(told(&[("Cookie", "pm_session=a; pm_session=b")]), none);
}

#[test]
fn a_body_of_the_wrong_kind_or_shape_is_refused_without_its_values() {
    let gateway = gateway();
    let send =
        |kind: &str, body: &str| gateway.send("POST /auth/login", &[("Content-Type", kind)], body.as_bytes());
    assert_eq!(send("text/plain", "{}").status, 415);
    assert_eq!(send("application/json", "{").status, 400);
    assert_eq!(send("application/json", r#"{"username":"a","username":"b","password":"c"}"#).status, 400);
    let shape = send("application/json", r#"{"username":"canary-1","password":["canary-2"]}"#);
    assert_eq!((shape.status, shape.code().as_str()), (422, "INVALID_INPUT"));
    assert_eq!(shape.json()["error"]["details"][0]["path"], "/password");
    assert!(!shape.text().contains("canary"), "{}", shape.text());
    let form = send("application/x-www-form-urlencoded", "username=ada");
    assert_eq!(form.status, 422);
    assert_eq!(send("application/json", &format!("{{\"username\":\"{}\"}}", "a".repeat(20_000))).status, 413);
    assert_eq!(gateway.send("POST /auth/login", &[JSON], b"").status, 400);
}

#[test]
fn without_local_accounts_there_is_nowhere_to_sign_in() {
    let gateway = Setup::new(&format!("{CONFIG}\n[auth.local]\nenabled = false\n")).start();
    assert_eq!(gateway.get("/auth/login").status, 404);
    assert_eq!(by_json(&gateway, "ada@example.org", PASSWORD).status, 404);
}

#[test]
fn no_line_names_a_person_or_shows_a_secret() {
    let gateway = gateway();
    let cookie = gateway.sign_in("ada@example.org", PASSWORD);
    by_json(&gateway, "ada@example.org", "wr0ng-canary");
    by_form(&gateway, PASSWORD, "/app");
    gateway.send("GET /private", &[("Cookie", &cookie)], b"");
    gateway.until("the access lines", |g| g.log().iter().filter(|l| l.contains("/auth/login")).count() >= 3);
    let log = gateway.log().join("\n");
    for secret in ["ada@example", PASSWORD, "wr0ng-canary", &cookie[11..], "k3Jf9sLq0Zx7"] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[test]
fn a_wrong_password_on_the_page_is_a_refusal_in_the_log_and_in_the_metrics() {
    let mut gateway = Setup::new("").user("ada", "the right password", &[]).start();
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("X-Request-ID", "wrong-on-page")];
    let answer = gateway.send("POST /auth/login", &form, b"username=ada&password=wrong+password");
    assert_eq!(answer.status, 401);
    assert!(answer.text().contains("role=\"alert\""));
    let line = gateway.wait_for_log(|l| l.contains("wrong-on-page") && l.contains("\"request\""));
    assert!(line.contains("\"code\":\"AUTHENTICATION_REQUIRED\""), "{line}");
    assert_eq!(
        gateway.metric("pluginmind_http_requests_total{code=\"AUTHENTICATION_REQUIRED\",method=\"POST\""),
        1.0
    );
}
