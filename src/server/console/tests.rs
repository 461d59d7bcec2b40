//! The console as a browser sees it, without sockets.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt as _;
use maud::html;
use proptest::prelude::*;
use serde_json::json;

use super::events::STREAMS_MAX;
use super::place::pages;
use super::session::{SESSIONS_MAX, TTL, Who};
use super::{POLICY, shown};
use crate::base::target::percent_encode;
use crate::server::admin::tests::{House, Seen, TOKEN, house};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const PUBLIC: &str = "[admin]\nlisten = \"0.0.0.0:8081\"\ntoken_file = \"x\"\n";
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;";

impl House {
    async fn page(&self, path: &str, cookie: &str) -> Seen {
        self.ask(Method::GET, path, &[("cookie", cookie)], "").await
    }

    async fn form(&self, path: &str, cookie: &str, body: &str) -> Seen {
        self.ask(Method::POST, path, &[FORM, ("cookie", cookie)], body).await
    }

    /// Signs in with a form; the cookie.
    async fn enter(&self, form: &str) -> String {
        let seen = self.form("/sign-in", "", form).await;
        assert_eq!(seen.status, 303, "{}", seen.text);
        let set = seen.headers["set-cookie"].to_str().unwrap();
        set.split(';').next().unwrap().to_owned()
    }

    async fn token_cookie(&self) -> String {
        self.enter(&format!("token={TOKEN}")).await
    }

    /// The hidden field of the forms of a session.
    async fn csrf(&self, cookie: &str) -> String {
        let page = self.page("/", cookie).await.text;
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("somebody is signed in");
        rest.split('"').next().unwrap().to_owned()
    }

    async fn is_in(&self, cookie: &str) -> bool {
        self.page("/", cookie).await.text.contains("id=\"sign-out\"")
    }

    async fn admin_account(&self, name: &str, roles: &[&str]) {
        let body = json!({ "name": name, "password": "correct horse battery", "roles": roles });
        assert_eq!(self.post("/admin/api/users", &body).await.status, 200);
    }
}

/// Everything that a page may not hold where no inline script and style run, and where everything can be used by keyboard.
fn assert_clean(path: &str, seen: &Seen) {
    let text = &seen.text;
    assert_eq!(seen.headers["content-security-policy"], POLICY, "{path}");
    assert_eq!(seen.headers["x-frame-options"], "DENY", "{path}");
    assert_eq!(seen.headers["x-content-type-options"], "nosniff", "{path}");
    assert_eq!(seen.headers["cache-control"], "no-store", "{path}");
    assert_eq!(seen.headers["referrer-policy"], "same-origin", "{path}");
    assert_eq!(seen.headers["content-type"], "text/html; charset=utf-8", "{path}");
    for bad in [" style=", "<style", "javascript:", "<base", "http-equiv=\"set", " srcdoc="] {
        assert!(!text.contains(bad), "{path} holds {bad}");
    }
    assert_eq!(
        text.matches("<script").count(),
        text.matches("<script src=\"/assets/console.js\"").count(),
        "{path}"
    );
    for tag in text.split('<').filter_map(|tag| tag.split('>').next()) {
        let bare: String = tag.split('"').step_by(2).collect();
        let handles = |word: &str| word.starts_with("on") && word.ends_with('=');
        assert!(!bare.split_whitespace().any(handles), "{path}: {tag}");
    }
    let ids: Vec<_> = text.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    for (n, id) in ids.iter().enumerate() {
        assert!(!ids[..n].contains(id), "{path}: two things have the id {id}");
    }
    for tag in text.split("<input ").skip(1).filter_map(|rest| rest.split('>').next()) {
        let is_hidden = tag.contains("type=\"hidden\"") || tag.contains("aria-label");
        let id = tag.split("id=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("none");
        let has_label = text.contains(&format!("for=\"{id}\"")) || is_inside_a_label(text, tag);
        assert!(is_hidden || has_label, "{path}: no label for {tag}");
    }
    assert!(
        text.contains("<html lang=\"en\">") && text.contains("<h1>") && text.contains("class=\"skip\""),
        "{path}"
    );
}

fn is_inside_a_label(text: &str, tag: &str) -> bool {
    let before = text.split(tag).next().unwrap_or_default();
    before.matches("<label").count() > before.matches("</label>").count()
}

#[tokio::test]
async fn every_page_answers_and_holds_no_inline_script_or_style() {
    let house = house("");
    let cookie = house.token_cookie().await;
    for cookie in ["", &cookie] {
        for (place, name) in pages() {
            let seen = house.page(place.path(), cookie).await;
            assert_eq!(seen.status, 200, "{}", place.path());
            assert_clean(place.path(), &seen);
            for (other, _) in pages() {
                assert!(seen.text.contains(&format!("href=\"{}\"", other.path())), "{name} leads everywhere");
            }
        }
        assert_clean("/sign-in", &house.page("/sign-in", cookie).await);
    }
    for (path, kind) in [("/assets/console.css", "text/css"), ("/assets/console.js", "text/javascript")] {
        let seen = house.page(path, "").await;
        assert!(seen.headers["content-type"].to_str().unwrap().starts_with(kind));
        assert!(
            !seen.text.contains("http://") && !seen.text.contains("https://"),
            "{path} loads from elsewhere"
        );
    }
    assert!(!house.page("/assets/console.js", "").await.text.contains("innerHTML"));
}

#[tokio::test]
async fn what_was_typed_comes_back_as_text() {
    let house = house("");
    let typed = percent_encode(HOSTILE);
    for path in [
        format!("/requests?user={typed}&code={typed}&route={typed}&since={typed}"),
        format!("/requests?code={typed}"),
        format!("/explain?id={typed}"),
        format!("/sign-in?return_to=/{typed}"),
        format!("/bans?q={typed}&{typed}=1"),
    ] {
        let seen = house.page(&path, "").await;
        assert_eq!(seen.status, 200, "{path}");
        assert!(!seen.text.contains("<script>") && !seen.text.contains("<img"), "{path}");
        assert_clean(&path, &seen);
    }
}

proptest! {
    #[test]
    fn any_text_is_escaped(text in ".*") {
        let marks = |text: &str| {
            let page = html! { p title=(text) { (text) } (shown::badge("bad", text)) (shown::at(text)) (shown::short(text)) (shown::nothing(text)) };
            let page = page.into_string();
            ["<", ">", "\""].map(|mark| page.matches(mark).count())
        };
        prop_assert_eq!(marks(&text), marks("x"));
        let page = html! { p { (text) } }.into_string();
        let bare = page.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").replace("&quot;", "");
        prop_assert!(!bare.contains('&'));
    }
}

#[tokio::test]
async fn ad_01_the_token_opens_the_console_and_a_wrong_one_is_counted_with_those_of_the_api() {
    let house = house("");
    let seen = house.form("/sign-in", "", &format!("token={TOKEN}&return_to=/bans?x=1")).await;
    assert_eq!((seen.status, seen.headers["location"].to_str().unwrap()), (303, "/bans?x=1"));
    let set = seen.headers["set-cookie"].to_str().unwrap();
    assert!(set.starts_with("pm_console="), "{set}");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=28800"] {
        assert!(set.split("; ").any(|own| own == part), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains(TOKEN));
    let headers = [FORM, ("origin", "https://127.0.0.1:8081")];
    let over_tls = house.ask(Method::POST, "/sign-in", &headers, &format!("token={TOKEN}")).await;
    assert!(
        over_tls.headers["set-cookie"].to_str().unwrap().ends_with("; Secure"),
        "a proxy in front speaks TLS"
    );

    let elsewhere = house.form("/sign-in", "", &format!("token={TOKEN}&return_to=//evil.example")).await;
    assert_eq!(elsewhere.headers["location"], "/");
    let in_query = house.form(&format!("/sign-in?token={TOKEN}"), "", "token=wrong").await;
    assert_eq!(in_query.status, 401);
    assert!(in_query.text.contains("id=\"sign-in-token\"") && in_query.text.contains("role=\"alert\""));
    assert_clean("/sign-in", &in_query);
    for _ in 0..9 {
        assert_eq!(house.form("/sign-in", "", "token=wrong").await.status, 401);
    }
    let shut = house.form("/sign-in", "", &format!("token={TOKEN}")).await;
    assert_eq!(shut.status, 429);
    assert!(shut.headers.contains_key("retry-after"));
    let api = house.post("/admin/api/reload", &json!({})).await;
    assert_eq!(api.status, 429, "it is the same door");
    assert!(!house.log().contains(TOKEN));
}

#[tokio::test]
async fn an_account_needs_the_role_and_what_ends_its_session_ends_the_console() {
    let house = house("");
    house.admin_account("ann", &["admin"]).await;
    house.admin_account("bob", &["staff"]).await;
    let password = "password=correct+horse+battery";
    let bob = house.form("/sign-in", "", &format!("username=bob&{password}")).await;
    assert_eq!(bob.status, 401, "the role is missing");
    let count = || house.admin.gateway.auth.sessions.count();
    assert_eq!(count(), 0, "and nothing is left of the try");
    assert_eq!(house.form("/sign-in", "", "username=ann&password=wrong").await.status, 401);

    let enter = || async { house.enter(&format!("username=ann&{password}")).await };
    let cookie = enter().await;
    assert!(house.is_in(&cookie).await);
    assert_eq!(count(), 1, "it is listed as a session of the account");
    house.post("/admin/api/sessions/revoke", &json!({ "user": "ann" })).await;
    assert!(!house.is_in(&cookie).await, "the session was ended");

    let cookie = enter().await;
    house
        .post("/admin/api/users/passwd", &json!({ "user": "ann", "password": "another horse battery" }))
        .await;
    assert!(!house.is_in(&cookie).await, "the password was changed");

    let cookie = house.enter("username=ann&password=another+horse+battery").await;
    house.post("/admin/api/users/disable", &json!({ "user": "ann" })).await;
    assert!(!house.is_in(&cookie).await, "the account was disabled");
}

#[tokio::test]
async fn a_sign_in_ends_with_its_time_its_token_and_its_sign_out() {
    let house = house("");
    let cookie = house.token_cookie().await;
    let csrf = house.csrf(&cookie).await;
    house.admin.gateway.clock.advance(TTL.saturating_sub(Duration::from_secs(1)));
    assert!(house.is_in(&cookie).await);
    house.admin.gateway.clock.advance(Duration::from_secs(1));
    assert!(!house.is_in(&cookie).await, "eight hours are over");

    let cookie = house.token_cookie().await;
    let other = house.csrf(&cookie).await;
    assert_ne!(csrf, other);
    assert_eq!(house.form("/sign-out", &cookie, "").await.status, 403, "signing out takes the field too");
    let out = house.form("/sign-out", &cookie, &format!("csrf={other}")).await;
    assert_eq!((out.status, out.headers["location"].to_str().unwrap()), (303, "/"));
    assert!(out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert!(!house.is_in(&cookie).await);

    let cookie = house.token_cookie().await;
    let twice = format!("{cookie}; {cookie}");
    assert!(!house.is_in(&twice).await, "two cookies are none");
    house.admin.token.renew(crate::base::secret::Secret::new("another-token-altogether".to_owned()));
    assert!(!house.is_in(&cookie).await, "the token is another");
}

#[tokio::test]
async fn a_rule_of_one_line_has_no_switch_that_would_be_refused() {
    let rule = "[[rules]]\ncode = \"house.closed\"\non = \"request\"\nwhen = 'req.path == \"/x\"'\nthen = { deny = 403, message = \"No.\" }\n";
    let house = house(rule);
    let page = house.page("/plugins", &house.token_cookie().await).await.text;
    assert!(page.contains("A rule of one line") && !page.contains("data-to="), "{page}");
}

#[tokio::test]
async fn sign_ins_are_bounded_and_the_oldest_goes() {
    let house = house("");
    let first = house.token_cookie().await;
    for _ in 1..SESSIONS_MAX {
        house.admin.gateway.clock.advance(Duration::from_secs(1));
        house.token_cookie().await;
    }
    assert!(house.is_in(&first).await);
    house.admin.gateway.clock.advance(Duration::from_secs(1));
    let last = house.token_cookie().await;
    assert!(!house.is_in(&first).await && house.is_in(&last).await);
}

#[tokio::test]
async fn a_form_acts_only_for_who_signed_in_and_with_the_field_of_their_own_session() {
    let house = house("");
    let acting = ["/sessions", "/plugins", "/bans", "/lockdown", "/alerts", "/playground"];
    let (cookie, other) = (house.token_cookie().await, house.token_cookie().await);
    let theirs = house.csrf(&other).await;
    for path in acting {
        let seen = house.form(path, "", "action=x").await;
        assert_eq!(seen.status, 401, "{path}");
        assert_clean(path, &seen);
        for bad in
            ["action=x".to_owned(), "csrf=".to_owned(), format!("csrf={theirs}"), format!("x=csrf={theirs}")]
        {
            let seen = house.form(path, &cookie, &bad).await;
            assert_eq!(seen.status, 403, "{path} {bad}");
            assert!(seen.text.contains("not one of this session"), "{path}");
        }
        let json = [("content-type", "text/plain"), ("cookie", &*cookie)];
        assert_eq!(house.ask(Method::POST, path, &json, "csrf=x").await.status, 415, "{path}: no form");
    }
    let too_long = "x=".to_owned() + &"y".repeat(70_000);
    assert_eq!(house.form("/bans", &cookie, &too_long).await.status, 413);
    let log = house.log();
    assert!(log.lines().any(|line| line.contains("\"console.sign_in\"") && line.contains("\"ok\"")), "{log}");
    for path in acting {
        let action = format!("\"console.{}\"", &path[1..]);
        let refused = log.lines().filter(|line| line.contains(&action)).count();
        assert!(refused >= 6, "ad_08: a line for each try: {path}");
    }
    assert!(log.contains("\"by\":\"token\""));
    assert!(!log.contains(&theirs) && !log.contains(&cookie[11..]), "no secret is in the log");
}

#[tokio::test]
async fn ad_02_another_site_cannot_send_a_form_nor_come_by_another_name() {
    let house = house("");
    let cookie = house.token_cookie().await;
    let body = format!("csrf={}", house.csrf(&cookie).await);
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1:9999")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
        &[("sec-fetch-site", "same-site")],
    ] {
        let mut all = vec![FORM, ("cookie", &*cookie)];
        all.extend_from_slice(headers);
        let seen = house.ask(Method::POST, "/sign-out", &all, &body).await;
        assert_eq!(seen.status, 403, "{headers:?}");
        assert_clean("/sign-out", &seen);
    }
    for path in ["/", "/sign-in", "/requests/events", "/assets/console.js"] {
        let seen = house.ask(Method::GET, path, &[("host", "rebound.example")], "").await;
        assert_eq!(seen.status, 421, "{path}");
        let script =
            [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")];
        assert_eq!(house.ask(Method::GET, path, &script, "").await.status, 403, "{path}");
    }
    let link =
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    assert_eq!(house.ask(Method::GET, "/explain?id=x", &link, "").await.status, 200, "a link in a message");
    let frame =
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
    assert_eq!(house.ask(Method::GET, "/", &frame, "").await.status, 403);
    let own =
        [FORM, ("cookie", &*cookie), ("origin", "http://127.0.0.1:8081"), ("sec-fetch-site", "same-origin")];
    assert_eq!(house.ask(Method::POST, "/sign-out", &own, &body).await.status, 303);
}

#[tokio::test]
async fn on_a_public_listener_nothing_is_shown_before_the_sign_in() {
    let house = house(PUBLIC);
    for (place, _) in pages() {
        let seen = house.page(place.path(), "").await;
        let wanted = format!("/sign-in?return_to={}", percent_encode(place.path()));
        assert_eq!((seen.status, seen.headers["location"].to_str().unwrap()), (303, &*wanted));
        assert!(seen.text.is_empty());
    }
    assert_eq!(house.page("/requests/events", "").await.status, 303);
    let sign_in = house.page("/sign-in", "").await;
    assert_eq!(sign_in.status, 200);
    assert!(
        !sign_in.text.contains("id=\"nav\"") && !sign_in.text.contains("generation"),
        "not even how the policy stands"
    );
    let astray = house.ask(Method::GET, "/none", &[("accept", "text/html")], "").await;
    assert!(astray.status == 404 && !astray.text.contains("generation"));
    assert_eq!(house.page("/assets/console.css", "").await.status, 200);
    let cookie = house.token_cookie().await;
    assert_eq!(house.page("/", &cookie).await.status, 200);
}

#[tokio::test]
async fn through_a_proxy_on_this_machine_nothing_is_shown_before_the_sign_in() {
    let house = house("[admin]\nhosts = [\"console.example\"]\n");
    let proxied = [("host", "console.example"), ("x-forwarded-for", "203.0.113.9")];
    for path in ["/", "/requests", "/requests/events", "/requests/live"] {
        assert_eq!(house.ask(Method::GET, path, &proxied, "").await.status, 303, "{path}");
    }
    for name in ["forwarded", "x-real-ip", "via"] {
        assert_eq!(house.ask(Method::GET, "/", &[(name, "x")], "").await.status, 303, "{name}");
    }
    let cookie = house.token_cookie().await;
    let mut signed_in = proxied.to_vec();
    signed_in.push(("cookie", &cookie));
    assert_eq!(house.ask(Method::GET, "/", &signed_in, "").await.status, 200);
}

#[tokio::test]
async fn a_person_gets_a_page_and_a_program_gets_json() {
    let house = house("");
    let html = [("accept", "text/html,*/*")];
    for (path, headers, is_page) in [
        ("/none", &html[..], true),
        ("/none", &[], false),
        ("/admin/api/none", &html, false),
        ("/admin/api/status", &html, false),
        ("/metrics/x", &html, true),
    ] {
        let seen = house.ask(Method::GET, path, headers, "").await;
        assert_eq!(
            seen.headers["content-type"].to_str().unwrap().starts_with("text/html"),
            is_page,
            "{path}"
        );
    }
    let other = house.ask(Method::PUT, "/bans", &[], "").await;
    assert_eq!((other.status, other.headers["allow"].to_str().unwrap()), (405, "GET, HEAD, POST"));
    assert_clean("/bans", &other);
}

#[tokio::test]
async fn a_sentence_is_shown_once_and_not_to_a_script() {
    let house = house("");
    let cookie = house.token_cookie().await;
    let sessions = &house.admin.console.sessions;
    let signed_in = sessions.find(&cookie[11..], &house.admin.gateway, &house.admin.token).unwrap();
    assert!(matches!(signed_in.who, Who::Token(_)));
    sessions.tell(&signed_in, HOSTILE);
    let script = [("cookie", &*cookie), ("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")];
    assert!(!house.ask(Method::GET, "/", &script, "").await.text.contains("id=\"flash\""));
    let first = house.page("/", &cookie).await;
    assert!(first.text.contains("id=\"flash\""));
    assert_clean("/", &first);
    assert!(!house.page("/", &cookie).await.text.contains("id=\"flash\""));
    sessions.tell(&signed_in, &"é".repeat(10_000));
    assert!(sessions.told(&signed_in).unwrap().len() <= 1_024);
}

#[tokio::test]
async fn streams_are_bounded_and_end_when_the_gateway_drains() {
    let house = house("");
    let open = || house.answer(Method::GET, "/requests/events", &[], "");
    let mut streams = Vec::new();
    for _ in 0..STREAMS_MAX {
        let answer = open().await;
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        streams.push(answer.into_body());
    }
    assert_eq!(open().await.status(), 503);
    streams.pop();
    let mut stream = open().await.into_body();
    let frame = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(&frame[..], b": here\n\n");
    house.admin.gateway.draining.begin();
    assert!(stream.frame().await.is_none());
}
