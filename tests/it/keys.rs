//! API keys: how they are made, what they open, what they do not, and that they end when told.

use serde_json::{Value, json};

use crate::harness::{Answer, Gateway, Setup, Upstream, gateway::verb};

const CONFIG: &str = r#"
[[routes]]
path = "/private"
respond = { status = 200, json = { state = "{auth.state}", id = "{user.id}" } }

[[routes]]
path = "/anyone"
auth = "optional"
respond = { status = 200, json = { state = "{auth.state}", id = "{user.id}" } }

[[routes]]
path = "/people"
accept = ["session"]
respond = { status = 200, text = "{auth.state}" }

[[routes]]
path = "/machines"
accept = ["api_key"]
respond = { status = 200, text = "{auth.state}" }

[[routes]]
path = "/machines-ambient"
auth = "optional"
accept = ["api_key"]
respond = { status = 200, text = "{auth.state}" }

[[routes]]
path = "/staff"
roles = ["staff"]
respond = { status = 200, text = "staff" }
"#;

const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");

/// Makes a key and gives its id and its text.
fn create(gateway: &Gateway, arguments: &[&str]) -> (String, String) {
    let made = json_of(gateway, &[&["keys", "create"], arguments].concat());
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    (text("id"), text("key"))
}

fn json_of(gateway: &Gateway, arguments: &[&str]) -> Value {
    let output = gateway.verb(&[arguments, &["--format", "json"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

fn bearer(gateway: &Gateway, path: &str, key: &str) -> Answer {
    gateway.send(&format!("GET {path}"), &[("Authorization", &format!("Bearer {key}"))], b"")
}

fn x_api_key(gateway: &Gateway, path: &str, key: &str) -> Answer {
    gateway.send(&format!("GET {path}"), &[("X-Api-Key", key)], b"")
}

#[test]
fn a_key_is_made_once_listed_without_its_secret_and_revoked() {
    let gateway = Setup::new(CONFIG).start();
    let made = json_of(
        &gateway,
        &[
            "keys",
            "create",
            "ci",
            "--owner",
            "billing",
            "--tier",
            "gold",
            "--scope",
            "read",
            "--scope",
            "write",
            "--per-minute",
            "9",
            "--expires",
            "90d",
        ],
    );
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(key.starts_with(&format!("pm_{id}_")) && key.len() - id.len() >= 4 + 43, "256 bits: {key}");
    let listed = json_of(&gateway, &["keys", "list"]);
    let one = &listed.as_array().unwrap()[0];
    assert_eq!(
        [&one["id"], &one["name"], &one["state"], &one["owner"], &one["tier"], &one["per_minute"]],
        [&json!(id), &json!("ci"), &json!("active"), &json!("billing"), &json!("gold"), &json!(9)]
    );
    assert_eq!((&one["scopes"], &one["last_used"]), (&json!(["read", "write"]), &Value::Null));
    assert!(one["expires"].as_str().unwrap() > one["created"].as_str().unwrap());
    let admin = gateway.ask_admin("GET /admin/api/keys", &[], b"");
    assert_eq!(admin.json(), listed);
    let secret = &key[20..];
    let shown = format!("{listed}{}", String::from_utf8_lossy(&gateway.verb(&["keys", "list"]).stdout));
    assert!(!shown.contains(secret) && !shown.contains("digest"), "{shown}");

    assert_eq!(bearer(&gateway, "/private", key).status, 200);
    gateway.until("the use is noted", |g| json_of(g, &["keys", "list"])[0]["last_used"].is_string());
    let revoked = gateway.verb(&["keys", "revoke", id]);
    assert!(revoked.status.success() && String::from_utf8_lossy(&revoked.stdout).contains(id), "{revoked:?}");
    assert_eq!(bearer(&gateway, "/private", key).code(), "AUTHENTICATION_REQUIRED");
    assert_eq!(json_of(&gateway, &["keys", "list"])[0]["state"], "revoked");
    assert_eq!(gateway.verb(&["keys", "revoke", id]).status.code(), Some(0), "again is no error");
    for unknown in ["0000000000000000", "nonsense", key] {
        assert_eq!(gateway.verb(&["keys", "revoke", unknown]).status.code(), Some(1), "{unknown}");
    }
}

#[test]
fn a_person_sees_the_key_with_the_warning_that_it_is_shown_once() {
    let gateway = Setup::new(CONFIG).start();
    let output = gateway.verb(&["keys", "create", "ci"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let key = text.lines().next().unwrap();
    assert_eq!(x_api_key(&gateway, "/private", key).status, 200, "{text}");
    assert!(text.contains("only time the key is shown"), "{text}");
}

#[test]
fn without_a_gateway_keys_are_made_and_revoked_in_the_database() {
    let folder = Setup::new(CONFIG).folder();
    let run = |arguments: &[&str]| {
        let output = verb(folder.path(), &[arguments, &["--format", "json"]].concat(), &[], None);
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default())
    };
    assert_eq!(run(&["keys", "list"]), (Some(0), json!([])));
    let (code, made) = run(&["keys", "create", "ci"]);
    assert_eq!((code, made["name"].as_str()), (Some(0), Some("ci")));
    assert_eq!(run(&["keys", "list"]).1[0]["state"], "active");
    assert_eq!(run(&["keys", "revoke", made["id"].as_str().unwrap()]).0, Some(0));
    assert_eq!(run(&["keys", "list"]).1[0]["state"], "revoked");
    assert_eq!(run(&["keys", "revoke", "0000000000000000"]).0, Some(1));
    for bad in [
        &["keys", "create", ""][..],
        &["keys", "create", "x", "--per-minute", "0"],
        &["keys", "create", "x", "--expires", "soon"],
        &["keys", "create", "x", "--expires", "0s"],
        &["keys", "create", "x", "--scope", "a b"],
        &["keys", "create", "x", "--tier", "a,b"],
        &["keys", "create", "x", "--owner", "nobody@example.org"],
    ] {
        assert_eq!(run(bad).0, Some(1), "{bad:?}");
    }
    assert_eq!(run(&["keys", "create"]).0, Some(64));
    assert_eq!(run(&["keys", "list"]).1.as_array().unwrap().len(), 1);
}

#[test]
fn a_key_opens_a_route_by_either_header_and_by_no_other_way() {
    let gateway = Setup::new(CONFIG).start();
    let (id, key) = create(&gateway, &["ci"]);
    for answer in [
        bearer(&gateway, "/private", &key),
        x_api_key(&gateway, "/private", &key),
        gateway.send("GET /private", &[("Authorization", &format!("bearer {key}"))], b""),
        gateway.send(
            "GET /private",
            &[("Authorization", &format!("Bearer {key}")), ("X-Api-Key", &key)],
            b"",
        ),
    ] {
        assert_eq!(answer.json(), json!({ "state": "key", "id": format!("key:{id}") }));
    }
    for headers in [
        vec![("Authorization", format!("Bearer  {key}"))],
        vec![("Authorization", format!("Bearer {key} x"))],
        vec![("Authorization", format!("Bearer,{key}"))],
        vec![("Authorization", key.clone())],
        vec![("Authorization", format!("Basic {key}"))],
        vec![("X-Api-Key", format!("Bearer {key}"))],
        vec![("X-Api-Key", format!("{key} x"))],
        vec![("X_Api_Key", key.clone())],
        vec![("Cookie", format!("pm_session={key}"))],
        vec![("Cookie", format!("api_key={key}"))],
        vec![("Proxy-Authorization", format!("Bearer {key}"))],
    ] {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        assert_eq!(gateway.send("GET /private", &headers, b"").status, 401, "{headers:?}");
    }
    for query in ["api_key", "key", "access_token", "X-Api-Key"] {
        assert_eq!(gateway.get(&format!("/private?{query}={key}")).status, 401, "jw_14: {query}");
    }
    for name in ["Authorization", "X-Api-Key"] {
        let value = if name == "X-Api-Key" { key.clone() } else { format!("Bearer {key}") };
        let twice = gateway.send("GET /private", &[(name, &value), (name, &value)], b"");
        assert_eq!(twice.status, 400, "jw_14: two {name}");
    }
}

#[test]
fn every_credential_that_does_not_hold_is_the_same_401_and_ambient_elsewhere() {
    let gateway = Setup::new(CONFIG).user("bob", "password two", &[]).start();
    let (revoked_id, revoked) = create(&gateway, &["revoked"]);
    let (_, expired) = create(&gateway, &["expired", "--expires", "1ms"]);
    let (_, orphan) = create(&gateway, &["bobs", "--owner", "bob"]);
    let (_, good) = create(&gateway, &["good"]);
    assert_eq!(bearer(&gateway, "/private", &orphan).status, 200);
    assert!(gateway.verb(&["keys", "revoke", &revoked_id]).status.success());
    assert!(gateway.verb(&["users", "disable", "bob"]).status.success());
    gateway.until("a millisecond", |g| bearer(g, "/private", &expired).status == 401);
    let wrong_secret = format!("{}{}", &good[..20], "0".repeat(64));
    let no_such_id = format!("pm_{}{}", "0".repeat(16), &good[19..]);
    let id_token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    let cases = [
        (revoked.as_str(), "expired"),
        (&expired, "expired"),
        (&orphan, "expired"),
        (&wrong_secret, "invalid"),
        (&no_such_id, "invalid"),
        ("x", "invalid"),
        (id_token, "invalid"),
    ];
    let plain = gateway.get("/private");
    for (key, state) in cases {
        for ask in [bearer, x_api_key] {
            let refused = ask(&gateway, "/private", key);
            assert_eq!((refused.status, refused.code().as_str()), (401, "AUTHENTICATION_REQUIRED"), "{key}");
            assert_eq!(refused.json()["error"]["message"], plain.json()["error"]["message"]);
            let names = |a: &Answer| a.headers.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
            assert_eq!(names(&refused), names(&plain));
            assert_eq!(ask(&gateway, "/anyone", key).json(), json!({ "state": state, "id": "" }), "{key}");
        }
    }
    assert_eq!(bearer(&gateway, "/private", &good).status, 200, "the others have not spoilt it");
    let basic = gateway.send("GET /anyone", &[("Authorization", "Basic YTpi")], b"");
    assert_eq!(basic.json()["state"], "none", "another scheme is the upstream's business");
}

#[test]
fn a_route_counts_only_the_kinds_of_credentials_that_it_accepts() {
    let gateway = Setup::new(CONFIG).user("bob", "password two", &[]).start();
    let cookie = gateway.sign_in("bob", "password two");
    let (_, key) = create(&gateway, &["ci"]);
    let with_cookie = |path: &str| gateway.send(&format!("GET {path}"), &[("Cookie", &cookie)], b"");
    assert_eq!(with_cookie("/people").text(), "session");
    assert_eq!(bearer(&gateway, "/people", &key).code(), "AUTHENTICATION_REQUIRED");
    assert_eq!(bearer(&gateway, "/machines", &key).text(), "key");
    assert_eq!(with_cookie("/machines").code(), "AUTHENTICATION_REQUIRED");
    assert_eq!(with_cookie("/machines-ambient").text(), "none");
    assert_eq!(with_cookie("/private").json()["state"], "session", "both by default");
    assert_eq!(bearer(&gateway, "/private", &key).json()["state"], "key");
    let both = [("Cookie", cookie.as_str()), ("X-Api-Key", key.as_str())];
    assert_eq!(gateway.send("GET /people", &both, b"").text(), "session");
    assert_eq!(gateway.send("GET /machines", &both, b"").text(), "key");
    assert_eq!(bearer(&gateway, "/auth/me", &key).code(), "AUTHENTICATION_REQUIRED", "a key is no session");
    assert_eq!(bearer(&gateway, "/auth/session", &key).json()["hasToken"], false);
    assert_eq!(gateway.send("GET /auth/me", &both, b"").json()["user"]["name"], "bob");
}

#[test]
fn jw_14_a_key_outranks_a_session_and_one_of_another_person_is_refused() {
    let gateway =
        Setup::new(CONFIG).user("ada", "password one", &["staff"]).user("bob", "password two", &[]).start();
    let ada = gateway.sign_in("ada", "password one");
    let (machine_id, machine) = create(&gateway, &["machine"]);
    let (own_id, own) = create(&gateway, &["own", "--owner", "ada"]);
    let (_, bobs) = create(&gateway, &["bobs", "--owner", "bob"]);
    let ask = |path: &str, key: &str| {
        gateway.send(&format!("GET {path}"), &[("Cookie", &ada), ("X-Api-Key", key)], b"")
    };
    assert_eq!(ask("/private", &machine).json()["id"], format!("key:{machine_id}"));
    assert_eq!(ask("/private", &own).json()["id"], format!("key:{own_id}"));
    assert_eq!(ask("/staff", &own).status, 403, "never merged: the session's roles are not the key's");
    for path in ["/private", "/anyone"] {
        let conflict = ask(path, &bobs);
        assert_eq!((conflict.status, conflict.code().as_str()), (400, "BAD_REQUEST"));
    }
    assert_eq!(
        ask("/private", "pm_no_key").json()["state"],
        "session",
        "a key that is none does not spoil it"
    );
    let two = [("Authorization", format!("Bearer {machine}")), ("X-Api-Key", own)];
    let two = two.each_ref().map(|(n, v)| (*n, v.as_str()));
    assert_eq!(gateway.send("GET /private", &two, b"").code(), "BAD_REQUEST");
    assert_eq!(
        gateway.send("GET /people", &two, b"").status,
        401,
        "where keys do not count they do not differ"
    );
}

#[test]
fn the_scopes_of_a_key_are_its_roles() {
    let gateway = Setup::new(CONFIG).start();
    let (_, plain) = create(&gateway, &["plain", "--scope", "other"]);
    let (_, staff) = create(&gateway, &["staff", "--scope", "staff"]);
    assert_eq!(bearer(&gateway, "/staff", &staff).text(), "staff");
    assert_eq!(bearer(&gateway, "/staff", &plain).code(), "FORBIDDEN");
}

#[test]
fn an_unsafe_request_with_a_key_and_no_cookie_is_not_judged_by_its_origin() {
    let gateway = Setup::new(CONFIG).user("bob", "password two", &[]).start();
    let cookie = gateway.sign_in("bob", "password two");
    let (_, key) = create(&gateway, &["ci"]);
    let foreign = ("Origin", "https://evil.example");
    assert_eq!(gateway.send("POST /private", &[("X-Api-Key", &key), foreign], b"").status, 200);
    assert_eq!(gateway.send("POST /private", &[("X-Api-Key", &key)], b"").status, 200);
    let both = gateway.send("POST /private", &[("X-Api-Key", &key), ("Cookie", &cookie), foreign], b"");
    assert_eq!(both.code(), "ORIGIN_NOT_ALLOWED");
    assert_eq!(
        gateway.send("POST /private", &[("X-Api-Key", &key), ("Cookie", &cookie), SAME], b"").status,
        200
    );
}

#[test]
fn a_key_has_a_bucket_of_its_own_and_may_have_a_limit_of_its_own() {
    let config = format!("{CONFIG}\n[rate_limit]\nuser_per_minute = 1\nuser_burst = 3\n");
    let gateway = Setup::new(&config).start();
    let (_, usual) = create(&gateway, &["usual"]);
    let (_, other) = create(&gateway, &["other"]);
    let (_, wide) = create(&gateway, &["wide", "--per-minute", "5"]);
    let (_, narrow) = create(&gateway, &["narrow", "--per-minute", "1"]);
    let taken = |key: &str| (0..20).take_while(|_| bearer(&gateway, "/private", key).status == 200).count();
    assert_eq!([taken(&usual), taken(&other), taken(&wide), taken(&narrow)], [3, 3, 5, 1]);
    let refused = bearer(&gateway, "/private", &narrow);
    assert_eq!((refused.status, refused.code().as_str()), (429, "RATE_LIMIT_EXCEEDED"));
    assert_eq!(refused.header("x-ratelimit-limit"), Some("1"));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(x_api_key(&gateway, "/anyone", &narrow).status, 429, "on every route");
}

#[test]
fn the_upstream_learns_the_keys_id_and_scopes_and_never_the_key() {
    let upstream = Upstream::hello();
    let config = upstream.config().replace("auth = \"none\"", "auth = \"optional\"");
    let config = format!(
        "{config}[[routes]]\npath = \"/people/*\"\nservice = \"up\"\nauth = \"optional\"\naccept = [\"session\"]\n"
    );
    let gateway = Setup::new(&config).start();
    let (id, key) = create(&gateway, &["ci", "--scope", "read", "--scope", "write"]);
    let (gone, revoked) = create(&gateway, &["gone"]);
    assert!(gateway.verb(&["keys", "revoke", &gone]).status.success());
    bearer(&gateway, "/up/a", &key);
    let spoofed =
        [("X-Api-Key", key.as_str()), ("X-Auth-Request-User", "root"), ("Authorization", "Basic YTpi")];
    gateway.send("GET /up/b", &spoofed, b"");
    let seen = upstream.seen();
    for request in &seen {
        let lower = request.to_ascii_lowercase();
        assert!(lower.contains(&format!("x-auth-request-user: key:{id}\r\n")), "{request}");
        assert!(lower.contains("x-auth-request-groups: read,write\r\n"), "{request}");
        assert!(!lower.contains("x-auth-request-email") && !lower.contains("root"), "{request}");
    }
    assert!(!seen[0].to_ascii_lowercase().contains("authorization:"), "{}", seen[0]);
    assert!(seen[1].contains("Basic YTpi"), "what is not the gateway's passes: {}", seen[1]);

    // A key that did not count, or was badly written, is still the gateway's to keep.
    bearer(&gateway, "/up/c", &revoked);
    bearer(&gateway, "/people/d", &key);
    x_api_key(&gateway, "/people/d", &key);
    for line in [format!("Bearer  {key}"), format!("Bearer {key} x"), format!("Bearer x,{key}"), key.clone()]
    {
        gateway.send("GET /up/e", &[("Authorization", &line)], b"");
    }
    x_api_key(&gateway, "/up/f", &format!("a,{key}"));
    let seen = upstream.seen();
    assert_eq!(seen.len(), 10);
    for request in seen {
        assert!(!request.contains(&key) && !request.contains(&revoked), "{request}");
    }
}

#[test]
fn a_proxy_that_asks_about_a_request_with_a_key_is_told_whose_it_is() {
    let gateway = Setup::new(&format!("{CONFIG}\n[server]\ntrusted_proxies = [\"127.0.0.1/32\"]\n")).start();
    let (id, key) = create(&gateway, &["ci", "--scope", "read"]);
    let ask = |key: &str, path: Option<&str>| {
        let mut headers = vec![("X-Api-Key", key)];
        headers.extend(path.map(|path| ("X-Forwarded-Uri", path)));
        gateway.send("GET /auth/verify", &headers, b"")
    };
    for path in [None, Some("/private"), Some("/machines"), Some("/no-route-of-ours")] {
        let answer = ask(&key, path);
        assert_eq!((answer.status, answer.header("x-auth-request-user")), (204, Some(&*format!("key:{id}"))));
        assert_eq!(answer.header("x-auth-request-groups"), Some("read"));
        assert_eq!(ask("pm_no_key", path).status, 401, "{path:?}");
    }
    assert_eq!(ask(&key, Some("/people")).status, 401);
    assert_eq!(ask("", Some("/machines")).header("location"), None, "signing in would not help");
    assert!(ask("", Some("/private")).header("location").is_some());
}

#[test]
fn what_the_gateway_took_no_identity_from_reaches_the_upstream() {
    let upstream = Upstream::hello();
    let gateway = Setup::new(&upstream.config()).start();
    let id_token = "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    gateway.send("GET /up/a", &[("Authorization", id_token), ("X-Api-Key", "the-upstreams-own")], b"");
    let request = upstream.only();
    assert!(request.contains(id_token) && request.contains("the-upstreams-own"), "{request}");
    assert!(!request.to_ascii_lowercase().contains("x-auth-request-user"), "{request}");
}

#[test]
fn rules_know_the_key() {
    let main = r#"
fn on_auth(req) {
    let k = req.api_key;
    if !k.present { deny(403, "key.none", ""); }
    if k.tier != "gold" { deny(403, "key.tier", ""); }
    if k.owner != "billing" || k.id.len() != 16 || req.user.authenticated { deny(403, "key.odd", ""); }
    if req.header("x-api-key") != "" { deny(403, "key.leak", ""); }
}
"#;
    let gateway = Setup::new(CONFIG).plugin("tiers", main).start();
    let (_, gold) = create(&gateway, &["g", "--tier", "gold", "--owner", "billing"]);
    let (_, none) = create(&gateway, &["n"]);
    assert_eq!(x_api_key(&gateway, "/anyone", &gold).status, 200);
    assert_eq!(x_api_key(&gateway, "/anyone", &none).code(), "key.tier");
    assert_eq!(gateway.get("/anyone").code(), "key.none");
}

#[test]
fn a_revocation_holds_at_once_and_after_a_crash_and_a_key_outlives_both() {
    let gateway = Setup::new(CONFIG).start();
    let (id, ended) = create(&gateway, &["ended"]);
    let (_, kept) = create(&gateway, &["kept"]);
    assert_eq!(bearer(&gateway, "/private", &ended).status, 200);
    let revoked = gateway.change("/admin/api/keys/revoke", &json!({ "id": id }).to_string());
    assert_eq!(revoked.json()["state"], "revoked");
    let gateway = gateway.kill_and_restart();
    assert_eq!(bearer(&gateway, "/private", &ended).status, 401);
    assert_eq!(bearer(&gateway, "/private", &kept).status, 200);
}

#[test]
fn changing_keys_needs_the_admin_token() {
    let gateway = Setup::new(CONFIG).start();
    let json = ("Content-Type", "application/json");
    let (id, key) = create(&gateway, &["ci"]);
    for (path, body) in
        [("/admin/api/keys", json!({ "name": "x" })), ("/admin/api/keys/revoke", json!({ "id": id }))]
    {
        for headers in [vec![json], vec![json, ("Authorization", &format!("Bearer {key}"))]] {
            let answer = gateway.ask_admin(&format!("POST {path}"), &headers, body.to_string().as_bytes());
            assert_eq!(answer.status, 401, "{path}");
        }
    }
    assert_eq!(bearer(&gateway, "/private", &key).status, 200);
    assert_eq!(gateway.ask_admin("GET /admin/api/keys", &[], b"").json().as_array().unwrap().len(), 1);
}

#[test]
fn no_key_stands_in_any_log_line_or_file_and_the_access_line_has_a_pseudonym() {
    let mut gateway = Setup::new(CONFIG).start();
    let (id, key) = create(&gateway, &["ci"]);
    bearer(&gateway, "/private", &key);
    gateway.send("GET /anyone", &[("Authorization", &format!("Bearer {key} x"))], b"");
    gateway.get(&format!("/anyone?api_key={key}"));
    let line = gateway.wait_for_log(|l| l.contains("\"/private\""));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["auth.state"], "key");
    assert_eq!(line["user.hash"].as_str().map(str::len), Some(32));
    gateway.verb(&["keys", "revoke", &id]);
    gateway.wait_for_log(|l| l.contains("keys.revoke"));
    let log = gateway.log().join("\n");
    assert!(!log.contains(&key[20..]) && !log.contains(&id), "{log}");
    let files: Vec<_> = std::fs::read_dir(gateway.at("data")).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(files.iter().any(|path| path.ends_with("pluginmind.db")), "{files:?}");
    let secret = &key.as_bytes()[20..];
    let raw: Vec<u8> =
        (0..32).map(|i| u8::from_str_radix(&key[20 + 2 * i..22 + 2 * i], 16).unwrap()).collect();
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!holds(secret) && !holds(&raw), "{}", file.display());
    }
}
