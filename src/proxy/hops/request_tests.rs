use super::*;
use proptest::prelude::*;

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn id() -> CorrelationId {
    CorrelationId::accept(b"req-1").unwrap()
}

fn plain(id: &CorrelationId) -> Forward<'_> {
    Forward {
        request_id: id,
        client: "192.0.2.7".parse().unwrap(),
        https: true,
        host: "app.example",
        identity: None,
        certificate: None,
        session_cookie: "pm_session",
        credentials: &[],
        trace: Trace { parent: b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", follows: false },
        set: &[],
    }
}

/// What goes upstream beside the six headers that always do.
fn rest(lines: &[(&str, &str)], forward: &Forward<'_>) -> Vec<String> {
    let headers = forward_request(&map(lines), forward);
    assert_ours(&headers);
    let always =
        ["x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "host", "traceparent"];
    let mut left: Vec<String> = headers
        .iter()
        .filter(|(name, _)| !always.contains(&name.as_str()))
        .map(|(n, v)| format!("{n}: {}", v.to_str().unwrap()))
        .collect();
    left.sort();
    left
}

fn assert_ours(headers: &HeaderMap) {
    for (name, value) in [
        ("x-request-id", "req-1"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "app.example"),
        ("host", "app.example"),
    ] {
        let all: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(all, [value], "{name}");
    }
    assert_eq!(headers.get_all("traceparent").iter().count(), 1);
}

#[test]
fn hb_01_a_connection_list_removes_nothing_that_the_gateway_sets_or_has_judged() {
    let id = id();
    let forward = Forward { identity: Some(Identity { user: "u1", ..Identity::default() }), ..plain(&id) };
    for list in [
        "X-Forwarded-For",
        "x-real-ip",
        "X-AUTH-REQUEST-USER",
        "X-Request-Id",
        "traceparent",
        "x-forwarded-host",
    ] {
        let left = rest(&[("Connection", &format!("close, {list}")), ("Connection", list)], &forward);
        assert_eq!(left, ["x-auth-request-user: u1"], "{list}");
    }
    let left = rest(
        &[
            ("Connection", "close, Authorization, Cookie, X-Mine"),
            ("Authorization", "Bearer t"),
            ("Cookie", "a=1"),
            ("X-Mine", "1"),
        ],
        &plain(&id),
    );
    assert_eq!(left, ["authorization: Bearer t", "cookie: a=1"]);
}

#[test]
fn hb_02_a_connection_list_that_names_framing_is_refused() {
    for list in ["Host", "Content-Length", "close, transfer-encoding", "CONNECTION", "x, host", " Host ,"] {
        assert!(check_request(&map(&[("Connection", list)])).is_err(), "{list}");
        assert!(check_request(&map(&[("Connection", "close"), ("Connection", list)])).is_err(), "{list}");
    }
    for list in ["close", "keep-alive", "Upgrade, keep-alive", "X-Hostname", ""] {
        assert!(check_request(&map(&[("Connection", list)])).is_ok(), "{list}");
    }
}

#[test]
fn hb_03_hop_by_hop_headers_end_here() {
    let id = id();
    let names = [
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Upgrade",
        "Proxy-Authorization",
        "HTTP2-Settings",
        "Expect",
        "Transfer-Encoding",
        "Connection",
        "Proxy",
    ];
    for name in names {
        assert_eq!(rest(&[(name, "x"), ("Accept", "*/*")], &plain(&id)), ["accept: */*"], "{name}");
    }
}

#[test]
fn hb_04_a_client_cannot_say_who_it_is() {
    let id = id();
    let spoofs = [
        "X-Auth-Request-User",
        "X-Auth-Request-Email",
        "X-Auth-Request-Groups",
        "X-Auth-Request-Preferred-Username",
        "X-Auth-User",
        "X-Auth-Email",
        "X-User-Id",
        "X-User-Roles",
        "X-User",
        "X-Remote-User",
        "Remote-User",
        "Remote-Groups",
        "Remote-Name",
        "Remote-Email",
        "X-WebAuth-User",
        "X-PluginMind-Anything",
        "X-Forwarded-User",
    ];
    let lines: Vec<_> = spoofs.iter().map(|name| (*name, "admin")).collect();
    assert_eq!(rest(&lines, &plain(&id)), Vec::<String>::new());
    let forward = Forward { identity: Some(Identity { user: "u1", ..Identity::default() }), ..plain(&id) };
    assert_eq!(rest(&lines, &forward), ["x-auth-request-user: u1"], "an absent claim is an absent header");
    let groups = ["staff".to_owned(), "a,b".to_owned()];
    let who = Identity { user: "u1", email: Some("a@b.example"), groups: &groups };
    assert_eq!(
        rest(&lines, &Forward { identity: Some(who), ..plain(&id) }),
        [
            "x-auth-request-email: a@b.example",
            "x-auth-request-groups: staff,a%2Cb",
            "x-auth-request-user: u1"
        ]
    );
}

#[test]
fn hb_05_no_other_spelling_of_a_name_passes() {
    let id = id();
    for name in [
        "X_Auth_User",
        "x-auth_user",
        "X.Auth.User",
        "HTTP_X_AUTH_USER",
        "x-auth~user",
        "X_Forwarded_For",
        "a!b",
    ] {
        assert_eq!(
            rest(&[(name, "admin"), ("X-Auth-User", "admin")], &plain(&id)),
            Vec::<String>::new(),
            "{name}"
        );
    }
}

#[test]
fn hb_06_the_gateways_value_is_the_only_one_whatever_the_case() {
    let id = id();
    let forward = Forward { identity: Some(Identity { user: "u1", ..Identity::default() }), ..plain(&id) };
    let lines = [
        ("X-AUTH-REQUEST-USER", "a"),
        ("x-auth-request-user", "b"),
        ("X-Request-ID", "c"),
        ("x-request-id", "d"),
    ];
    assert_eq!(rest(&lines, &forward), ["x-auth-request-user: u1"]);
}

#[test]
fn hb_07_a_single_header_twice_is_refused_and_lists_keep_their_order() {
    for name in names::SINGLE {
        assert!(check_request(&map(&[(name, "1"), (name, "1")])).is_err(), "{name}");
        assert!(check_request(&map(&[(name, "1")])).is_ok(), "{name}");
    }
    let lines = [("Accept", "a"), ("X-Role", "user,admin"), ("Accept", "b"), ("X-Role", "c")];
    assert!(check_request(&map(&lines)).is_ok());
    let id = id();
    let headers = forward_request(&map(&lines), &plain(&id));
    let all: Vec<_> = headers.get_all("x-role").iter().collect();
    assert_eq!(all, ["user,admin", "c"]);
    let all: Vec<_> = headers.get_all("accept").iter().collect();
    assert_eq!(all, ["a", "b"]);
}

#[test]
fn hb_08_a_list_in_one_value_goes_upstream_as_policy_saw_it() {
    let id = id();
    for value in ["user,admin", "user, admin", ",admin", "user;admin"] {
        assert_eq!(rest(&[("X-Role", value)], &plain(&id)), [format!("x-role: {value}")]);
    }
}

#[test]
fn hb_10_a_persons_text_cannot_break_out_of_its_header() {
    let id = id();
    let long = "a".repeat(8_192);
    for text in ["a\r\nX-Admin: 1", "a\0b", "a\nb", "\u{85}", "", &long] {
        let who = Identity { user: "u1", email: Some(text), groups: &[] };
        assert_eq!(
            rest(&[], &Forward { identity: Some(who), ..plain(&id) }),
            ["x-auth-request-user: u1"],
            "{text:?}"
        );
    }
    let who = Identity { user: "u1", email: Some("zoë%@b.example"), groups: &[] };
    let told = rest(&[], &Forward { identity: Some(who), ..plain(&id) });
    assert_eq!(told, ["x-auth-request-email: zo%C3%AB%25@b.example", "x-auth-request-user: u1"]);
}

#[test]
fn hb_11_the_correlation_id_upstream_is_ours() {
    let id = id();
    for theirs in ["\"><script>", &"x".repeat(10_000), "0190163d-8694-739b-aea5-966c26f8ad90"] {
        assert_eq!(
            rest(&[("X-Request-Id", theirs), ("X-Request-Id", "2")], &plain(&id)),
            Vec::<String>::new()
        );
    }
}

#[test]
fn hb_12_the_session_cookie_stays_here_and_the_others_pass() {
    let id = id();
    let cookies = |line: &str| rest(&[("Cookie", line)], &plain(&id));
    assert_eq!(cookies("a=1; pm_session=s; b=2"), ["cookie: a=1; b=2"]);
    assert_eq!(cookies("pm_session=s;a=1;b=\"x y\""), ["cookie: a=1; b=\"x y\""]);
    assert_eq!(cookies("pm_session=s"), Vec::<String>::new());
    assert_eq!(cookies("a=1; pm_session =s; pm_session=t; pm_session"), ["cookie: a=1"]);
    assert_eq!(cookies("a=1;  b=2;"), ["cookie: a=1;  b=2;"], "what holds no session is not touched");
    assert_eq!(cookies("pm_session2=x; PM_SESSION=y"), ["cookie: pm_session2=x; PM_SESSION=y"]);
}

#[test]
fn hb_12_the_cookie_of_a_sign_in_under_way_stays_here_too() {
    let id = id();
    let cookies = |line: &str| rest(&[("Cookie", line)], &plain(&id));
    assert_eq!(cookies("a=1; pm_login=state; b=2"), ["cookie: a=1; b=2"]);
    assert_eq!(cookies("__Host-pm_login=state"), Vec::<String>::new());
    assert_eq!(cookies("pm_login2=x; my_pm_login=y"), ["cookie: pm_login2=x; my_pm_login=y"]);
}

#[test]
fn the_credential_that_the_gateway_used_stays_here_and_the_other_passes() {
    let id = id();
    let lines = [("Authorization", "Bearer k"), ("X-Api-Key", "k")];
    let left = |credentials: &[Credential]| rest(&lines, &Forward { credentials, ..plain(&id) });
    assert_eq!(left(&[]), ["authorization: Bearer k", "x-api-key: k"]);
    assert_eq!(left(&[Credential::Authorization]), ["x-api-key: k"]);
    assert_eq!(left(&[Credential::ApiKey]), ["authorization: Bearer k"]);
    assert!(left(&[Credential::ApiKey, Credential::Authorization]).is_empty());
}

#[test]
fn ip_01_every_header_about_the_way_here_is_made_anew() {
    let id = id();
    let names = [
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Uri",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-Client-IP",
    ];
    for name in names {
        assert_eq!(rest(&[(name, "203.0.113.9")], &plain(&id)), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_routes_own_headers_are_set_last_but_never_those_that_frame() {
    let id = id();
    let set = [("X-Tenant", "7"), ("Transfer-Encoding", "gzip"), ("Content-Length", "9")]
        .map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()));
    assert_eq!(rest(&[("X-Tenant", "1")], &Forward { set: &set, ..plain(&id) }), ["x-tenant: 7"]);
}

proptest! {
    #[test]
    fn whatever_a_client_sends_the_gateways_headers_stand_and_no_spoof_passes(
        lines in prop::collection::vec((
            prop_oneof![
                "[xX][-_][aA]uth[-_.](request[-_])?[uU]ser", "[xX][-_][fF]orwarded[-_](for|host|proto)", "connection", "host",
                "(remote|x-remote)[-_]user", "[a-z][a-z0-9_.-]{0,12}", "cookie", "traceparent", "x-request-id",
            ],
            "[ -~]{0,40}",
        ), 0..20),
    ) {
        let id = id();
        let lines: Vec<_> = lines.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let headers = forward_request(&map(&lines), &plain(&id));
        assert_ours(&headers);
        for name in headers.keys().map(HeaderName::as_str) {
            prop_assert!(names::is_plain(name));
            prop_assert!(!name.starts_with("x-auth") && !name.ends_with("remote-user") && name != "connection");
        }
    }
}

#[test]
fn a_client_certificate_is_told_only_where_it_was_verified_here() {
    let id = id();
    let forged = [
        ("X-Client-Cert-Subject", "CN=admin"),
        ("X-Client-Cert-Fingerprint", "00"),
        ("X_Client_Cert_Subject", "CN=admin"),
        ("X-Client-Cert-Anything", "x"),
        ("Client-Cert", ":AAAA:"),
        ("Client-Cert-Chain", ":AAAA:"),
        ("X-SSL-Client-S-DN", "CN=admin"),
    ];
    assert!(rest(&forged, &plain(&id)).is_empty());
    let certificate =
        ClientCertificate { subject: "CN=robot,O=Example".to_owned(), fingerprint: "c0ffee".to_owned() };
    let told = rest(&forged, &Forward { certificate: Some(&certificate), ..plain(&id) });
    assert_eq!(told, ["x-client-cert-fingerprint: c0ffee", "x-client-cert-subject: CN=robot,O=Example"]);
}
