use crate::config::check::{config, dev, finds};

fn route(keys: &str) -> String {
    dev(&format!("[[services]]\nname = \"app\"\nurls = [\"http://127.0.0.1:3000\"]\n[[routes]]\n{keys}\n"))
}

#[test]
fn a_route_goes_to_a_service_or_answers_itself_and_not_both() {
    finds(&route("path = \"/a\""), "config.toml:4:1: a route needs `service`, `respond` or `redirect`");
    finds(
        &route("path = \"/a\"\nservice = \"app\"\nrespond = {}"),
        "config.toml:7:11: a route has one of `service`, `respond` and `redirect`",
    );
    assert_eq!(route("path = \"/a\"\nservice = \"app\""), "");
    assert_eq!(route("path = \"/a\"\nrespond = { status = 204 }"), "");
}

#[test]
fn an_unknown_service_is_named_with_the_nearest_one() {
    finds(
        &route("path = \"/a\"\nservice = \"ap\""),
        "config.toml:6:11: there is no service `ap` [did you mean `app`?]",
    );
    finds(
        &dev("[[routes]]\npath = \"/a\"\nservice = \"x\"\n"),
        "[add a `[[services]]` table with this name]",
    );
}

#[test]
fn a_route_says_which_kinds_of_credentials_count() {
    let with = |keys: &str| route(&format!("path = \"/a\"\nservice = \"app\"\n{keys}"));
    for fine in ["accept = [\"session\"]", "accept = [\"api_key\"]", "accept = [\"session\", \"api_key\"]"] {
        assert_eq!(with(fine), "");
    }
    finds(&with("accept = [\"api-key\"]"), "`api-key` is no kind of credential; did you mean `api_key`?");
    finds(&with("accept = []"), "config.toml:7:10: `accept` names no kind of credential");
    finds(
        &with("accept = [\"api_key\"]\nlogin_redirect = true"),
        "config.toml:8:18: `login_redirect` on a route that accepts no session",
    );
}

#[test]
fn a_route_needs_a_path_that_requests_can_have() {
    finds(&route("service = \"app\""), "config.toml:4:1: `routes[].path` is required");
    finds(&route("path = \"a\"\nservice = \"app\""), "config.toml:5:8: `a` matches no request");
}

#[test]
fn two_routes_for_the_same_requests_are_refused() {
    let one = "path = \"/a\"\nservice = \"app\"\n";
    finds(
        &route(&format!("{one}[[routes]]\n{one}")),
        "config.toml:8:8: route `/a` already takes the same path",
    );
    assert_eq!(route(&format!("{one}methods = [\"GET\"]\n[[routes]]\n{one}methods = [\"POST\"]")), "");
    assert_eq!(route(&format!("{one}host = \"a.example\"\n[[routes]]\n{one}")), "");
}

#[test]
fn a_route_on_the_gateways_own_path_is_a_warning() {
    for own in ["/auth/*", "/auth/x", "/live", "/services/*", "/services/health", "/me/*"] {
        let report = route(&format!("path = \"{own}\"\nservice = \"app\""));
        finds(&report, "warning config.toml:5:8:");
        finds(&report, "is the gateway's own");
    }
    for free in ["/*", "/livestream", "/authors/*", "/me"] {
        assert_eq!(route(&format!("path = \"{free}\"\nservice = \"app\"")), "");
    }
    let moved = "[gateway]\nprefix = \"/gate\"\n[[routes]]\npath = \"/live\"\nrespond = {}\n";
    assert_eq!(dev(moved), "");
}

#[test]
fn co_methods_that_never_pass_cannot_be_listed() {
    finds(&route("path = \"/a\"\nservice = \"app\"\nmethods = [\"TRACE\"]"), "`TRACE` never passes");
    finds(&route("path = \"/a\"\nservice = \"app\"\nmethods = [\"get\"]"), "write \"GET\"");
}

#[test]
fn a_host_is_a_name_without_a_port() {
    for (bad, why) in [("a:80", "has a port"), ("*.a", "has no `*`"), ("a b", "not a host name")] {
        finds(&route(&format!("path = \"/a\"\nservice = \"app\"\nhost = \"{bad}\"")), why);
    }
}

#[test]
fn headers_that_the_gateway_sets_cannot_be_set_by_a_route() {
    for (name, why) in [
        ("Connection", "the connection's own"),
        ("Transfer-Encoding", "the connection's own"),
        ("Host", "the connection's own"),
        ("X-Auth-Request-User", "who the caller is"),
        ("x_auth_request_user", "who the caller is"),
        ("X-Forwarded-For", "who the caller is"),
    ] {
        let text = format!("path = \"/a\"\nservice = \"app\"\nset_headers = {{ \"{name}\" = \"x\" }}");
        finds(&route(&text), why);
    }
    let split =
        "path = \"/a\"\nservice = \"app\"\nset_headers = { \"A B\" = \"x\", C = \"x\\r\\ny\", D = 5 }";
    let report = route(split);
    finds(&report, "`A B` is not a header name");
    finds(&report, "`C` is not a header value");
    finds(&report, "`D` must be a text");
}

#[test]
fn content_types_are_types_without_parameters() {
    for bad in ["json", "*/*", "text/html; charset=utf-8", "a/b/c", ""] {
        let report = route(&format!("path = \"/a\"\nservice = \"app\"\ncontent_types = [\"{bad}\"]"));
        finds(&report, "config.toml:7:18: `routes[].content_types`");
    }
}

#[test]
fn placeholders_must_stand_for_something() {
    finds(
        &route("path = \"/a\"\nrespond = { json = { a = [\"{requst.id}\"] } }"),
        "config.toml:6:27: nothing stands for `{requst.id}` (did you mean `{request.id}`?)",
    );
    finds(&route("path = \"/a\"\nrespond = { text = \"{x}\" }"), "nothing stands for `{x}`");
    assert_eq!(route("path = \"/a\"\nrespond = { text = \"{request.id} {} { a } {A} {\" }"), "");
}

#[test]
fn an_answer_is_one_that_http_knows() {
    finds(&route("path = \"/a\"\nrespond = { status = 100 }"), "100 is not between 200 and 599");
    finds(&route("path = \"/a\"\nrespond = { status = 204, text = \"x\" }"), "has no body");
    finds(&route("path = \"/a\"\nrespond = { json = 1, text = \"x\" }"), "`json` or `text`, not both");
    finds(&route("path = \"/a\"\nrespond = { json = nan }"), "is no number of JSON");
    finds(&route("path = \"/a\"\nrespond = 5"), "must be a table, not a whole number");
}

#[test]
fn toml_values_become_json() {
    let text = "[[routes]]\npath = \"/a\"\n[routes.respond.json]\na = [1, 2.5, true, \"x\"]\nb = 2024-01-01\nc = 0xff\n";
    let config = config(text);
    let super::Destination::Respond(respond) = &config.routes[0].to else { panic!("a respond route") };
    assert_eq!(
        respond.json,
        Some(serde_json::json!({"a": [1, 2.5, true, "x"], "b": "2024-01-01", "c": 255}))
    );
}

#[test]
fn a_stripped_prefix_must_be_the_paths_own() {
    let report = route("path = \"/a/*\"\nservice = \"app\"\nstrip_prefix = \"/b\"");
    finds(&report, "config.toml:7:16: `strip_prefix`: `/a/*` does not begin with `/b`");
}

#[test]
fn require_schema_refuses_a_route_that_takes_bodies_without_one() {
    let with = |keys: &str| {
        dev(&format!("[server]\nrequire_schema = true\n[[routes]]\npath = \"/a\"\nrespond = {{}}\n{keys}\n"))
    };
    finds(&with(""), "config.toml:4:8: route `/a` takes bodies and has no `body_schema`");
    assert_eq!(with("methods = [\"GET\"]"), "");
    assert_eq!(with("body_schema = { type = \"object\" }"), "");
}

#[test]
fn a_schema_file_that_is_no_json_is_shown_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s.json"), "{\n  \"type\": object\n}\n").unwrap();
    let text = "[[routes]]\npath = \"/a\"\nrespond = {}\nbody_schema = \"s.json\"\n";
    let report = crate::config::check::report_in(folder.path(), text, &[]);
    finds(&report, "s.json:2:11: is not JSON: expected value");
    let missing = text.replace("s.json", "none.json");
    finds(
        &crate::config::check::report_in(folder.path(), &missing, &[]),
        "config.toml:4:15: `routes[].body_schema`: none.json: there is no such file",
    );
}

#[test]
fn roles_without_auth_are_a_warning() {
    finds(
        &route("path = \"/a\"\nservice = \"app\"\nauth = \"none\"\nroles = [\"x\"]"),
        "warning config.toml:8:9",
    );
}

#[test]
fn a_word_of_a_choice_is_named_with_the_nearest_one() {
    finds(&route("path = \"/a\"\nservice = \"app\"\nauth = \"requird\""), "(did you mean `required`?)");
}

#[test]
fn a_service_that_speaks_http_2_opens_no_websockets() {
    let text = "[[services]]\nname = \"a\"\nurls = [\"http://a\"]\nprotocol = \"http2\"\n[[routes]]\npath = \"/a\"\nservice = \"a\"\n";
    assert_eq!(dev(text), "");
    finds(&dev(&format!("{text}websocket = true\n")), "over which no WebSockets are opened");
    finds(&dev(&text.replace("http2", "http3")), "`services[].protocol`");
}
