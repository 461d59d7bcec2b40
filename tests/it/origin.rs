//! Stage 9: whether this site's page sent it.

use crate::harness::{Answer, Gateway, Setup, Upstream};

const CONFIG: &str = r#"
[server]
trusted_proxies = []

[cors]
origins = ["https://listed.example", "http://localhost:3000"]

[[routes]]
path = "/own"
auth = "required"
respond = { status = 200, text = "done" }

[[routes]]
path = "/open"
auth = "none"
respond = { status = 200, text = "done" }
"#;

struct Site {
    gateway: Gateway,
    upstream: Upstream,
    cookie: String,
}

fn site() -> Site {
    of(CONFIG)
}

fn of(config: &str) -> Site {
    let upstream = Upstream::hello();
    let config = format!("{config}{}", upstream.config());
    let gateway = Setup::new(&config).user("ada", "password one", &[]).start();
    let cookie = gateway.sign_in("ada", "password one");
    Site { gateway, upstream, cookie }
}

impl Site {
    /// Sends with the session cookie.
    fn send(&self, line: &str, headers: &[(&str, &str)]) -> Answer {
        let all: Vec<_> =
            [("Cookie", self.cookie.as_str())].into_iter().chain(headers.iter().copied()).collect();
        self.gateway.send(line, &all, b"")
    }

    fn refuses(&self, line: &str, headers: &[(&str, &str)]) {
        let answer = self.send(line, headers);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "ORIGIN_NOT_ALLOWED"),
            "{line} {headers:?}"
        );
    }

    fn takes(&self, line: &str, headers: &[(&str, &str)]) {
        let answer = self.send(line, headers);
        assert_eq!((answer.status, answer.text().as_str()), (200, "done"), "{line} {headers:?}");
    }
}

#[test]
fn cs_02_an_unsafe_request_with_a_cookie_must_say_where_it_comes_from() {
    let site = site();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let line = format!("{method} /own");
        site.refuses(&line, &[]);
        site.refuses(&line, &[("Content-Type", "text/plain")]);
        site.takes(&line, &[("Sec-Fetch-Site", "same-origin")]);
        site.refuses(&format!("{method} /open"), &[]);
        site.refuses(&format!("{method} /up/a"), &[]);
    }
    for method in ["GET", "OPTIONS"] {
        site.takes(&format!("{method} /own"), &[]);
        site.takes(&format!("{method} /own"), &[("Sec-Fetch-Site", "cross-site")]);
    }
    assert!(site.upstream.seen().is_empty(), "nothing refused was forwarded");
}

#[test]
fn co_10_the_origin_decides_where_there_is_one() {
    let site = site();
    for ours in ["http://localhost", "https://listed.example", "http://localhost:3000"] {
        site.takes("POST /own", &[("Origin", ours)]);
        site.takes("POST /own", &[("Origin", ours), ("Sec-Fetch-Site", "cross-site")]);
    }
    for foreign in [
        "null",
        "",
        "https://evil.example",
        "https://localhost",
        "http://localhost:80.evil.example",
        "http://localhost:8080",
        "http://localhost.evil.example",
        "http://localhost, https://evil.example",
        "https://LISTED.example",
        "https://listed.example/",
        "https://sub.listed.example",
        "http://listed.example",
    ] {
        site.refuses("POST /own", &[("Origin", foreign)]);
        site.refuses(
            "POST /own",
            &[("Origin", foreign), ("Sec-Fetch-Site", "same-origin"), ("Referer", "http://localhost/")],
        );
    }
}

#[test]
fn cs_02_else_the_fetch_metadata_and_else_the_referer_decide() {
    let site = site();
    site.takes("POST /own", &[("Sec-Fetch-Site", "same-origin")]);
    site.takes("POST /own", &[("Sec-Fetch-Site", "none")]);
    for other in ["same-site", "cross-site", "SAME-ORIGIN", "", "same-origin, same-origin"] {
        site.refuses("POST /own", &[("Sec-Fetch-Site", other)]);
        site.refuses("POST /own", &[("Sec-Fetch-Site", other), ("Referer", "http://localhost/app")]);
    }
    for ours in [
        "http://localhost/app?x=1",
        "http://localhost",
        "https://listed.example/x#y",
        "http://localhost:3000/",
    ] {
        site.takes("POST /own", &[("Referer", ours)]);
    }
    for foreign in [
        "https://evil.example/http://localhost/",
        "http://localhost@evil.example/",
        "http://localhost.evil.example/",
        "http://localhost:81/",
        "//localhost/",
        "about:blank",
        "",
    ] {
        site.refuses("POST /own", &[("Referer", foreign)]);
    }
}

#[test]
fn the_origin_of_this_site_is_the_host_that_was_asked_with_its_port() {
    let site = site();
    site.takes("POST /own", &[("Host", "app.example:8080"), ("Origin", "http://app.example:8080")]);
    site.takes("POST /own", &[("Host", "APP.example"), ("Origin", "http://app.example")]);
    site.takes("POST /own", &[("Host", "app.example:80"), ("Origin", "http://app.example")]);
    site.refuses("POST /own", &[("Host", "app.example:8080"), ("Origin", "http://app.example")]);
}

#[test]
fn behind_a_trusted_proxy_the_origin_is_what_the_browser_sees() {
    let site = of(&CONFIG.replace("trusted_proxies = []", "trusted_proxies = [\"127.0.0.1\"]"));
    let forwarded = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "app.example")];
    let with = |origin| [forwarded.as_slice(), &[("Origin", origin)]].concat();
    site.takes("POST /own", &with("https://app.example"));
    site.refuses("POST /own", &with("http://app.example"));
    site.refuses("POST /own", &with("http://localhost"));
    let stranger = self::site();
    stranger.refuses("POST /own", &with("https://app.example"));
}

#[test]
fn an_upgrade_with_a_cookie_is_judged_although_it_is_a_get() {
    let site = site();
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    let with = |more: &[(&'static str, &'static str)]| [upgrade.as_slice(), more].concat();
    for line in ["GET /own", "GET /up/ws"] {
        site.refuses(line, &with(&[]));
        site.refuses(line, &with(&[("Origin", "https://evil.example")]));
        site.refuses(line, &with(&[("Sec-Fetch-Site", "cross-site")]));
    }
    site.takes("GET /own", &with(&[("Origin", "http://localhost")]));
    assert!(site.upstream.seen().is_empty());
}

#[test]
fn a_request_without_the_session_cookie_is_not_judged() {
    let site = site();
    for headers in [vec![], vec![("Origin", "https://evil.example")], vec![("Sec-Fetch-Site", "cross-site")]]
    {
        assert_eq!(site.gateway.send("POST /open", &headers, b"").status, 200, "{headers:?}");
        let other = [headers.as_slice(), &[("Cookie", "a=1")]].concat();
        assert_eq!(site.gateway.send("POST /open", &other, b"").status, 200, "{headers:?}");
        assert_eq!(site.gateway.send("POST /own", &headers, b"").status, 401, "{headers:?}");
    }
}

#[test]
fn a_cookie_that_is_no_session_is_judged_all_the_same() {
    let site = site();
    for cookie in ["pm_session=garbage", "pm_session=a; pm_session=b", "pm_session"] {
        let answer = site.gateway.send("POST /open", &[("Cookie", cookie)], b"");
        assert_eq!((answer.status, answer.code().as_str()), (403, "ORIGIN_NOT_ALLOWED"), "{cookie}");
    }
}

#[test]
fn cs_03_another_site_cannot_sign_a_browser_in() {
    let site = site();
    let body = br#"{"username":"ada","password":"password one"}"#;
    let sign_in = |more: &[(&str, &str)]| {
        let headers = [&[("Content-Type", "application/json")], more].concat();
        let answer = site.gateway.send("POST /auth/login", &headers, body);
        (answer.status, answer.header("set-cookie").is_some())
    };
    for foreign in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        assert_eq!(sign_in(&[foreign]), (403, false), "{foreign:?}");
    }
    for own in [
        ("Origin", "http://localhost"),
        ("Origin", "https://listed.example"),
        ("Sec-Fetch-Site", "same-origin"),
    ] {
        assert_eq!(sign_in(&[own]), (200, true), "{own:?}");
    }
    assert_eq!(sign_in(&[]), (200, true), "a program sends neither");
    let form = site.gateway.send(
        "POST /auth/login",
        &[("Content-Type", "application/x-www-form-urlencoded"), ("Origin", "https://evil.example")],
        b"username=ada&password=password+one",
    );
    assert_eq!((form.status, form.header("set-cookie")), (403, None));
}

#[test]
fn cs_04_another_site_cannot_sign_a_browser_out() {
    let site = site();
    for path in ["/auth/logout", "/auth/logout-all"] {
        for foreign in [
            vec![],
            vec![("Origin", "https://evil.example")],
            vec![("Sec-Fetch-Site", "cross-site")],
            vec![("Sec-Fetch-Site", "same-site")],
            vec![("Referer", "https://evil.example/")],
        ] {
            site.refuses(&format!("POST {path}"), &foreign);
        }
        let bare = site.gateway.send(&format!("POST {path}"), &[("Origin", "https://evil.example")], b"");
        assert_eq!(bare.status, 403, "{path} is judged without a cookie too");
    }
    site.takes("GET /own", &[]);
    assert_eq!(site.send("POST /auth/logout", &[("Referer", "http://localhost/app")]).status, 204);
}

#[test]
fn a_header_of_origin_twice_is_refused() {
    let site = site();
    for name in ["Origin", "Sec-Fetch-Site", "Referer"] {
        let value = if name == "Sec-Fetch-Site" { "same-origin" } else { "http://localhost" };
        assert_eq!(site.send("POST /own", &[(name, value), (name, value)]).status, 400, "{name}");
    }
}
