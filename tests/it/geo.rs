//! `[geo]`: where clients are, in the running gateway: databases are swapped while it runs, and a bad one never goes live.

use std::fs;

use crate::harness::{Gateway, Setup, gateway::verb};
use crate::mmdb::{Value, database};

const CONFIG: &str = r#"
[server]
trusted_proxies = ["127.0.0.1/32"]

[rate_limit]
ip_per_minute = 1_000_000
ip_burst = 1_000_000

[geo]
country = "geo/country.mmdb"
asn = "geo/asn.mmdb"

[[routes]]
name = "open"
path = "/open"
auth = "none"
respond = { status = 200, text = "ok" }
"#;

const TELLS: &str = r#"
fn on_request(req) {
    let geo = req.geo;
    deny(403, "geo.told", `${geo.country}|${geo.region}|${geo.city}|${geo.continent}|${geo.asn}|${geo.org}|${geo.is_tor}`);
}
"#;

fn countries(code: &'static str) -> Vec<u8> {
    let region = Value::Map(vec![("iso_code", Value::Text("ZH"))]);
    let record = Value::Map(vec![
        ("country_code", Value::Text(code)),
        ("subdivisions", Value::List(vec![region])),
        ("is_tor_exit_node", Value::Flag(true)),
    ]);
    database("a-country-database", &[("198.51.100.0/24", record)])
}

fn networks() -> Vec<u8> {
    let record = Value::Map(vec![
        ("autonomous_system_number", Value::Number(64_496)),
        ("autonomous_system_organization", Value::Text("Example Networks")),
    ]);
    database("GeoLite2-ASN", &[("198.51.100.0/24", record)])
}

/// Puts a database in its place by rename, as a download that is done well does.
fn place(gateway: &Gateway, name: &str, bytes: &[u8]) {
    fs::create_dir_all(gateway.at("geo")).unwrap();
    fs::write(gateway.at("geo/.new"), bytes).unwrap();
    fs::rename(gateway.at("geo/.new"), gateway.at(&format!("geo/{name}"))).unwrap();
}

/// What a rule reads of a client at 198.51.100.7.
fn told(gateway: &Gateway) -> String {
    let answer = gateway.send("GET /open", &[("X-Forwarded-For", "198.51.100.7")], b"");
    answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

fn stale(gateway: &Gateway) -> bool {
    gateway.ask_admin("GET /ready", &[], b"").json()["policy"] == "stale"
}

#[test]
fn databases_come_change_and_go_while_the_gateway_runs_and_a_bad_one_never_goes_live() {
    let mut gateway = Setup::new(CONFIG).plugin("mine", TELLS).start();
    gateway.wait_for_log(|line| line.contains("`geo.country`: geo/country.mmdb is not there"));
    assert_eq!(told(&gateway), "||||0||false", "without databases nothing is known");

    place(&gateway, "country.mmdb", &countries("CH"));
    place(&gateway, "asn.mmdb", &networks());
    gateway.until("both are known", |g| told(g) == "CH|ZH|||64496|Example Networks|true");

    place(&gateway, "country.mmdb", &countries("AT"));
    gateway.until("the new one is known", |g| told(g).starts_with("AT|"));

    let whole = countries("DE");
    place(&gateway, "country.mmdb", &whole[..whole.len() - 30]);
    gateway.until("the damaged one is told", stale);
    assert!(told(&gateway).starts_with("AT|"), "the last good one stays");
    let status = String::from_utf8(gateway.verb(&["status"]).stdout).unwrap();
    assert!(status.contains("geo/country.mmdb is no database in MaxMind's format"), "{status}");

    place(&gateway, "country.mmdb", &networks());
    gateway.until("what is wrong now is told", |g| {
        let status = String::from_utf8(g.verb(&["status"]).stdout).unwrap();
        status.contains("holds no countries: it is a database of the type `GeoLite2-ASN`")
    });
    assert!(told(&gateway).starts_with("AT|"));

    place(&gateway, "country.mmdb", &countries("DE"));
    gateway.until("the repaired one is known", |g| told(g).starts_with("DE|"));
    assert!(!stale(&gateway));

    fs::remove_file(gateway.at("geo/country.mmdb")).unwrap();
    gateway.wait_for_log(|line| line.contains("geo/country.mmdb is gone"));
    assert!(told(&gateway).starts_with("DE|"), "what is in memory stays");
}

#[test]
fn a_database_that_is_written_again_with_the_same_bytes_is_no_new_generation() {
    let gateway = Setup::new(CONFIG).plugin("mine", TELLS).start();
    place(&gateway, "country.mmdb", &countries("CH"));
    gateway.until("it is known", |g| told(g).starts_with("CH|"));
    let generation = gateway.generation();
    let unchanged = "pluginmind_config_reloads_total{outcome=\"unchanged\"}";
    let before = gateway.metric(unchanged);
    place(&gateway, "country.mmdb", &countries("CH"));
    // Content is compared, so this may not be seen as a change at all; a reload that is asked for is one in any case.
    assert!(gateway.verb(&["reload"]).status.success());
    assert!(told(&gateway).starts_with("CH|"));
    assert!(gateway.generation() <= generation + 1 && gateway.metric(unchanged) >= before);
}

#[test]
fn check_warns_of_an_absent_database_and_refuses_a_bad_one_with_its_line() {
    let folder = Setup::new(CONFIG).folder();
    let check = |what: &str| {
        let output = verb(folder.path(), &["check"], &[], None);
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap() + what)
    };
    let (code, said) = check("");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("warning: `geo.country`: geo/country.mmdb is not there"), "{said}");
    assert!(said.contains("config.toml:11:11") && said.contains("2 warnings"), "{said}");

    fs::create_dir_all(folder.path().join("geo/country.mmdb")).unwrap();
    fs::write(folder.path().join("geo/asn.mmdb"), "<html>sign in first</html>").unwrap();
    let (code, said) = check("");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("error: `geo.country`: geo/country.mmdb is a folder, not a file"), "{said}");
    assert!(said.contains("error: `geo.asn`: geo/asn.mmdb is no database"), "{said}");
    assert!(said.contains("config.toml:12:7"), "{said}");

    fs::remove_dir(folder.path().join("geo/country.mmdb")).unwrap();
    fs::write(folder.path().join("geo/country.mmdb"), countries("CH")).unwrap();
    fs::write(folder.path().join("geo/asn.mmdb"), networks()).unwrap();
    let (code, said) = check("");
    assert_eq!((code, said.trim()), (0, "no problems"));
}

#[test]
fn check_warns_of_a_plugin_that_is_set_up_and_asks_where_clients_are_when_nobody_knows() {
    let check = |config: &str| {
        let folder = Setup::new(config).plugin("mine", TELLS).folder();
        let output = verb(folder.path(), &["check"], &[], None);
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let set_up = "[plugins.mine]\npriority = 7\n";
    let (code, said) = check(set_up);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("`mine` asks where clients are, and `[geo]` names no database"), "{said}");
    assert_eq!(check(""), (0, "no problems\n".to_owned()), "what nobody set up is left alone");
    assert_eq!(check(&format!("{set_up}mode = \"off\"\n")), (0, "no problems\n".to_owned()));
}
