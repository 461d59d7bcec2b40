//! THREATS, section RT: what is asked for is what is judged and what is forwarded, or nothing is. Rows 14 to 16 stand in
//! `route.rs`, `oidc_code_flow.rs` and beside the configuration.

use crate::harness::Recorder;
use crate::harness::scene::{Scene, attack, closing};

/// Paths below `/up/admin` need a session; everything else is open.
const ADMIN: &str = "[[routes]]\nname = \"admin\"\npath = \"/up/admin/*\"\nauth = \"required\"\nrespond = { text = \"admin\" }\n\
    [[routes]]\nname = \"admin-root\"\npath = \"/up/admin\"\nauth = \"required\"\nrespond = { text = \"admin\" }\n";

fn get(target: &str) -> String {
    closing(&format!("GET {target}"), "", "")
}

#[test]
fn rt_01_rt_02_rt_03_rt_04_rt_05_and_rt_07_a_path_that_two_readers_could_read_goes_nowhere() {
    let mut scene = Scene::new(ADMIN);
    for path in [
        "/up/../up/admin",
        "/up/x/%2e%2e/admin",
        "/up/x/.%2e/admin",
        "/%2e%2e/",
        "/up/./admin",
        "/up/x/..",
        "/up%2fadmin",
        "/up%5cadmin",
        "/up\\admin",
        "/up/admin%2fusers",
        "/up/x%2f..%2fadmin",
        "//up/admin",
        "/up//admin",
        "/up/x//../admin",
        "///",
        "/..;/up/admin",
        "/up/x/..;/admin",
        "/up/x/..;a=b/admin",
        "/up/%252e%252e/admin",
        "/up/%2561dmin",
        "/up/%00",
        "/up/%0d%0aX:%20y",
        "/up/%c0%ae",
        "/up/%ff",
        "/up/%zz",
        "/up/%2",
        "/up/caf\u{e9}",
    ] {
        scene.refused(get(path), &[400]);
    }
    scene.end();
}

#[test]
fn rt_04_rt_06_and_rt_09_what_passes_is_judged_as_it_is_forwarded() {
    let mut scene = Scene::new(ADMIN);
    for protected in
        ["/up/admin", "/up/admin/", "/up/admin/x", "/up/%61dmin/x", "/up/adm%69n", "/up/admin/x?/up/open"]
    {
        scene.refused(get(protected), &[401]);
    }
    for (target, forwarded) in [
        ("/up/ADMIN", "/up/ADMIN"),
        ("/up/admin.", "/up/admin."),
        ("/up/admin%20", "/up/admin%20"),
        ("/up/admin;x=y", "/up/admin;x=y"),
        ("/up/administration", "/up/administration"),
        ("/up/%7euser/%c3%a9?%61=%2f..", "/up/~user/%C3%A9?%61=%2f.."),
        ("/up/x?a=/up/admin", "/up/x?a=/up/admin"),
        ("/up/admin%23", "/up/admin%23"),
    ] {
        scene.passes(get(target), &[&format!("GET {forwarded}")]);
    }
    scene.end();
}

#[test]
fn rt_08_a_fragment_is_no_part_of_a_request() {
    let mut scene = Scene::new(ADMIN);
    for target in ["/up/x#/../admin", "/up/x?a#b", "/up/x#", "http://a.test#@b.test/up/x"] {
        scene.refused(get(target), &[400]);
    }
    scene.end();
}

#[test]
fn rt_10_an_absolute_target_names_this_host_and_nobody_else_is_asked() {
    let mut scene = Scene::new("");
    let elsewhere = Recorder::start();
    let foreign = elsewhere.address;
    for target in [
        format!("http://{foreign}/x"),
        format!("http://a.test@{foreign}/x"),
        format!("http://{foreign}@a.test/x"),
        format!("http://a.test:80@{foreign}/x"),
        format!("ftp://{foreign}/x"),
        "http://evil.test/x".to_owned(),
        "http://a.test:81/x".to_owned(),
        "https://a.test/x".to_owned(),
        "http:///x".to_owned(),
        "http:/x".to_owned(),
        "http:x".to_owned(),
        "://a.test/x".to_owned(),
    ] {
        scene.refused(get(&target), &[400, 421]);
    }
    scene.passes(get("http://a.test/x?y"), &["GET /x?y"]);
    scene.passes(get("HTTP://A.Test:80/x"), &["GET /x"]);
    assert!(elsewhere.connections().is_empty());
    scene.end();
}

#[test]
fn rt_11_and_rt_12_other_forms_of_target_are_for_other_methods() {
    let mut scene = Scene::new("");
    for line in [
        "GET evil:80",
        "GET admin",
        "GET !",
        "GET *",
        "POST *",
        "OPTIONS */x",
        "OPTIONS **",
        "GET a.test",
        "GET ?x",
        "GET ../x",
    ] {
        scene.refused(closing(line, "", ""), &[400]);
    }
    scene.answered(closing("OPTIONS *", "", ""), &[204], &[]);
    scene.end();
}

#[test]
fn rt_13_a_request_has_one_host_and_it_is_one() {
    let mut scene = Scene::new("");
    let long = format!("Host: {}.test\r\n", "a".repeat(300));
    for hosts in [
        "",
        "Host: a.test\r\nHost: a.test\r\n",
        "Host: a.test\r\nhost: b.test\r\n",
        "Host:\r\n",
        "Host: a b\r\n",
        "Host: a/../\r\n",
        "Host: a:99999\r\n",
        "Host: a:80:80\r\n",
        "Host: a@b\r\n",
        "Host: a, b\r\n",
        "Host: [::1%25eth0]\r\n",
        "Host: [::1\r\n",
        &long,
    ] {
        scene.refused(format!("GET /case HTTP/1.1\r\n{hosts}Authorization: canary\r\n\r\n"), &[400]);
    }
    let old = scene.passes("GET /case HTTP/1.0\r\n\r\n", &["GET /case"]);
    let own = scene.recorder.address.to_string();
    assert_eq!(old[0].header("host"), Some(own), "who names no host is not heard of as nobody");
    assert!(old[0].header("x-forwarded-host").is_none());
    scene.end();
}

#[test]
fn rt_17_a_method_is_one_that_is_allowed_in_these_letters() {
    let mut scene = Scene::new("");
    for method in ["get", "Get", "TRACE", "TRACK", "PROPFIND", "GETT"] {
        scene.refused(closing(&format!("{method} /case"), "", ""), &[405]);
    }
    for method in ["G|T", "G@T", "G\u{c9}T", "GET\0", ""] {
        scene.refused(attack(&format!("{method} /case"), "Connection: close\r\n", ""), &[400, 405]);
    }
    let overriding =
        "X-HTTP-Method-Override: DELETE\r\nX-HTTP-Method: DELETE\r\nX-Method-Override: DELETE\r\n";
    let arrived = scene.passes(closing("POST /case", overriding, ""), &["POST /case"]);
    assert!(!format!("{:?}", arrived[0]).contains("DELETE"));
    scene.end();
}

#[test]
fn rt_18_a_target_is_as_long_as_the_operator_says() {
    let mut scene = Scene::new("");
    for kilobytes in [9, 64, 70] {
        scene.refused(get(&format!("/{}", "a".repeat(kilobytes * 1_000))), &[414, 431]);
        scene.refused(get(&format!("/case?{}", "&".repeat(kilobytes * 1_000))), &[414, 431]);
    }
    let many: Vec<String> = (0..1_000).map(|i| format!("p{i}=1")).collect();
    let target = format!("/case?{}", many.join("&"));
    scene.passes(get(&target), &[&format!("GET {target}")]);
    scene.end();
}
