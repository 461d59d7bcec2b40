//! docs/observability names only what there is: each metric of its rules and of its dashboard exists, with the labels that the
//! query uses, so that a rename fails here.

use std::collections::{BTreeMap, BTreeSet};

use pluginmind::telemetry::metric_list::{ALL, Kind};
use serde_json::Value;

/// Labels that Prometheus adds, and the one of buckets.
const ADDED: [&str; 3] = ["instance", "job", "le"];
/// A metric that Prometheus makes of each scrape.
const UP: &str = "up";

fn file(name: &str) -> String {
    let path = format!("{}/docs/observability/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The labels of each name under which samples stand.
fn known() -> BTreeMap<String, BTreeSet<String>> {
    let mut known = BTreeMap::new();
    for metric in ALL {
        let labels: BTreeSet<String> =
            metric.labels.iter().chain(&ADDED[..2]).map(|l| (*l).to_owned()).collect();
        if metric.kind.buckets().is_empty() {
            known.insert(metric.name.to_owned(), labels);
        } else {
            let with_bound = labels.iter().cloned().chain(["le".to_owned()]).collect();
            known.insert(format!("{}_bucket", metric.name), with_bound);
            known.insert(format!("{}_sum", metric.name), labels.clone());
            known.insert(format!("{}_count", metric.name), labels);
        }
    }
    known.insert(UP.to_owned(), ADDED[..2].iter().map(|l| (*l).to_owned()).collect());
    known
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// What is wrong with a query: names that do not exist, selectors and groupings by labels that their metrics do not have.
fn faults(query: &str) -> Vec<String> {
    let known = known();
    let mut faults = Vec::new();
    let mut labels_of_all = BTreeSet::new();
    let mut at = 0;
    while let Some(start) = query[at..].find(|c: char| c.is_ascii_alphabetic()).map(|n| n + at) {
        let end = query[start..].find(|c| !is_word(c)).map_or(query.len(), |n| n + start);
        at = end;
        let name = &query[start..end];
        if !name.starts_with("pluginmind_") && name != UP {
            continue;
        }
        let Some(labels) = known.get(name) else {
            faults.push(format!("no metric {name}"));
            continue;
        };
        labels_of_all.extend(labels.iter().cloned());
        if let Some(selector) = query[end..].strip_prefix('{').and_then(|rest| rest.split('}').next()) {
            for (n, part) in selector.split('"').enumerate() {
                let label = part.trim_matches(|c: char| !is_word(c));
                if n % 2 == 0 && !label.is_empty() && !labels.contains(label) {
                    faults.push(format!("{name} has no label {label}"));
                }
            }
            at = end + selector.len();
        }
    }
    for group in query.split("by (").skip(1).filter_map(|rest| rest.split(')').next()) {
        for label in group.split(',').map(str::trim) {
            if !labels_of_all.contains(label) {
                faults.push(format!("nothing in `{query}` has the label {label}"));
            }
        }
    }
    if labels_of_all.is_empty() {
        faults.push(format!("`{query}` asks for nothing of ours"));
    }
    faults
}

/// Every text under one of these keys, anywhere in a document.
fn texts<'a>(value: &'a Value, keys: &[&str], found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value.as_str().filter(|_| keys.contains(&key.as_str())) {
                    Some(text) => found.push(text),
                    None => texts(value, keys, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| texts(value, keys, found)),
        _ => {}
    }
}

/// The expressions of the rules, one line each.
fn rules() -> Vec<(String, String)> {
    let text = file("alerts.yml");
    let alerts = text.split("- alert: ").skip(1).map(|rule| {
        let name = rule.lines().next().unwrap_or_default().to_owned();
        let expression = rule
            .split("expr: ")
            .nth(1)
            .and_then(|rest| rest.split("\n        for:").next()?.split("\n        labels:").next());
        (name, expression.unwrap_or_default().trim_start_matches('|').replace('\n', " "))
    });
    alerts.collect()
}

#[test]
fn every_alert_rule_asks_for_metrics_and_labels_that_exist() {
    let rules = rules();
    assert!(rules.len() >= 25, "{}", rules.len());
    let wrong: Vec<String> = rules
        .iter()
        .flat_map(|(name, query)| faults(query).into_iter().map(move |f| format!("{name}: {f}")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_alert_rule_has_a_test_of_its_own() {
    let tests = file("alerts_test.yml");
    for (name, _) in rules() {
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "{name}");
    }
}

#[test]
fn every_panel_of_the_dashboard_asks_for_metrics_and_labels_that_exist() {
    let dashboard: Value = serde_json::from_str(&file("dashboard.json")).unwrap();
    let mut queries = Vec::new();
    texts(&dashboard, &["expr", "definition"], &mut queries);
    assert!(queries.len() > 40, "{}", queries.len());
    let wrong: Vec<String> = queries.iter().flat_map(|query| faults(query)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Whoever imports it chooses the data source.
    let mut sources = Vec::new();
    texts(&dashboard, &["uid"], &mut sources);
    assert!(sources.iter().all(|uid| *uid == "${datasource}" || *uid == "pluginmind"), "{sources:?}");
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<i64> = panels.iter().map(|p| p["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has its id");
}

#[test]
fn the_legends_of_the_dashboard_name_labels_that_the_query_leaves() {
    let dashboard: Value = serde_json::from_str(&file("dashboard.json")).unwrap();
    for target in dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|p| p["targets"].as_array().into_iter().flatten())
    {
        let (query, legend) = (target["expr"].as_str().unwrap(), target["legendFormat"].as_str().unwrap());
        let Some(by) = query.split("by (").nth(1).and_then(|rest| rest.split(')').next()) else { continue };
        for label in legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
            assert!(by.split(',').any(|l| l.trim() == label), "{label} in {query}");
        }
    }
}

#[test]
fn the_tests_of_the_rules_use_series_that_a_gateway_could_have() {
    for line in file("alerts_test.yml").lines().filter_map(|l| l.trim().strip_prefix("- series: '")) {
        let series = line.trim_end_matches('\'');
        assert!(faults(series).is_empty(), "{:?}", faults(series));
    }
}

#[test]
fn a_name_or_a_label_that_does_not_exist_is_found() {
    for bad in [
        "rate(pluginmind_http_request_total[5m])",
        "pluginmind_http_request_duration_seconds",
        "pluginmind_sessions_active{route=\"x\"}",
        "sum by (plugin) (rate(pluginmind_http_requests_total[5m]))",
        "vector(1)",
    ] {
        assert!(!faults(bad).is_empty(), "{bad}");
    }
    assert!(
        faults("sum by (le) (rate(pluginmind_upstream_duration_seconds_bucket{service=~\"a, b\"}[5m]))")
            .is_empty()
    );
    assert!(ALL.iter().any(|metric| metric.kind == Kind::RequestSeconds));
}
