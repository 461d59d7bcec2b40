//! What the sets of a book say is what each plugin's own filter says.

use super::*;

const ROUTES: [(&str, &[&str]); 5] = [
    ("", &[]),
    ("api", &[]),
    ("api-orders", &["slow"]),
    ("/files/*", &["slow", "open"]),
    ("shop", &["open"]),
];
const METHODS: [&str; 5] = ["GET", "POST", "HEAD", "DELETE", "BREW"];
const PATHS: [&str; 3] = ["/", "/v1/a", "/v2/b/c"];

/// Plugins with every mixture of filters, in shadow and not, one of them off.
fn book() -> RuleBook {
    let routes =
        ["", "include = [\"api*\"]", "exclude = [\"slow\"]", "include = [\"*\"]\nexclude = [\"open\"]"];
    let matches = [
        "",
        "methods = [\"POST\", \"BREW\"]",
        "paths = [\"/v1/**\"]",
        "methods = [\"GET\"]\npaths = [\"/\"]",
    ];
    let scripts = ["fn on_request(req) { }", "fn on_body(req) { }", "fn on_log(req, res) { }"];
    let mut ground = Ground::new();
    for (nth, (routes, matches)) in
        routes.iter().flat_map(|r| matches.iter().map(move |m| (r, m))).enumerate()
    {
        let mode = if nth == 7 { "off" } else { "enforce" };
        let manifest = format!(
            "mode = \"{mode}\"\non_error = \"deny\"\n[routes]\n{routes}\n[match]\n{matches}\n[body]\nrequest = \"text\"\ntoo_large = \"skip\"\n"
        );
        ground = ground.plugin(&format!("p{nth}"), &manifest, scripts[nth % scripts.len()]);
    }
    ground.load(&BTreeMap::new()).0
}

#[test]
fn a_plugin_is_asked_where_its_own_filter_takes_the_request_and_nowhere_else() {
    let (book, other) = (book(), book());
    let mut asked = 0;
    for (route, tags) in ROUTES {
        let tags: Vec<String> = tags.iter().map(|t| (*t).to_owned()).collect();
        let plain = RouteFacts::new(route.into(), "".into(), tags.into());
        // Not worked out, worked out for this book, and worked out for another one, whose word must not count.
        for route in
            [plain.clone(), book.on_route(plain.clone()), RuleBook::default().on_route(plain.clone())]
        {
            for (method, path) in METHODS.iter().flat_map(|m| PATHS.iter().map(move |p| (m, p))) {
                let mut facts = plain_facts(method, path);
                facts.route = route.clone();
                let mut at_all = false;
                for hook in Hook::ALL {
                    let wanted: Vec<_> = (0..)
                        .map_while(|n| book.nth(n))
                        .filter(|p| p.has(hook) && p.manifest.mode != crate::config::Mode::Off)
                        .filter(|p| p.manifest.filter.takes(&facts))
                        .map(|p| p.name.clone())
                        .collect();
                    let got: Vec<_> = book.asked(hook, &facts).map(|p| p.name.clone()).collect();
                    assert_eq!(got, wanted, "{hook} {method} {path} {route:?}");
                    assert_eq!(other.asked(hook, &facts).count(), wanted.len());
                    at_all |= !wanted.is_empty();
                    asked += wanted.len();
                }
                assert_eq!(book.looks_at(&facts.route, &facts.method, path), at_all);
            }
        }
    }
    assert!(asked > 200, "{asked}");
    assert!(!book.is_empty() && RuleBook::default().is_empty());
}
