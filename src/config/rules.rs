//! `[[rules]]`: rules of one line each. Whether an expression means something is seen where plugins are compiled.

use std::collections::BTreeSet;

use crate::base::document::Table;
use crate::base::problems::{Place, Problem, Source};

use super::plugins::Mode;

/// Rules in one file.
pub const RULES_MAX: usize = 100;
/// Longest code, in bytes.
const CODE_BYTES_MAX: usize = 64;
/// Longest expression, in bytes.
const WHEN_BYTES_MAX: usize = 4_096;

/// What a rule does to a request that its expression holds for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// `deny = 403`: refuse with that status.
    Deny(i64),
    /// `throttle = "30s"`: refuse with 429 for so long.
    Throttle(String),
    /// `redirect = "/x"`: 302 to a path of this site.
    Redirect(String),
    /// `challenge = "login"`: ask to sign in.
    Challenge(String),
    /// `drop = true`: close without an answer.
    Drop,
    /// `allow = true`: say that this is fine.
    Allow,
    /// `score = 20`: add to the score.
    Score(i64),
    /// `tag = "x"`: mark the request.
    Tag(String),
}

/// One rule of one line.
#[derive(Clone, Debug)]
pub struct InlineRule {
    /// The code of its verdict.
    pub code: String,
    /// The name of the hook's function, such as `on_request`.
    pub hook: String,
    /// The expression.
    pub when: String,
    /// What it does.
    pub then: Then,
    /// The sentence for the client; empty where there is none.
    pub message: String,
    /// Whether its verdicts count.
    pub mode: Mode,
    /// Its place in the order, lower first.
    pub priority: i64,
    /// Whether a fault of it refuses the request with 503.
    pub fails_closed: bool,
    /// Globs over route names and tags; every route where empty.
    pub routes: Vec<String>,
    /// Methods; every method where empty.
    pub methods: Vec<String>,
    /// Where the rule stands.
    pub place: Place,
    /// Where the expression begins: line and column, from 1, in characters.
    pub when_at: (usize, usize),
    /// The file that it stands in.
    pub source: Source,
}

/// Moments at which a rule may look.
const MOMENTS: [(&str, &str); 7] = [
    ("request", "on_request"),
    ("auth", "on_auth"),
    ("body", "on_body"),
    ("upstream", "on_upstream"),
    ("response", "on_response"),
    ("response_body", "on_response_body"),
    ("log", "on_log"),
];

/// Reads every `[[rules]]`.
pub(super) fn read_all(root: &mut Table<'_>) -> Vec<InlineRule> {
    let source = root.source();
    let tables = root.tables("rules");
    if tables.len() > RULES_MAX {
        root.report(root.problem("rules", format!("at most {RULES_MAX} rules may stand here")));
    }
    let mut seen = BTreeSet::new();
    tables.into_iter().take(RULES_MAX).filter_map(|table| read(table, source, &mut seen)).collect()
}

fn read(mut table: Table<'_>, source: &Source, seen: &mut BTreeSet<String>) -> Option<InlineRule> {
    let code = table.required_text("code", "The code of the verdict: `[a-z0-9_.]+`, another for each rule.");
    let hook = table.choice("on", &MOMENTS, "request", "When it looks: the name of a hook without `on_`.");
    let when =
        table.required_text("when", "A Rhai expression over `req` (and `res`, `up`) that is true or false.");
    let when_span = table.value("when", "text", "").map(|(_, span)| span);
    let (then, message) = read_then(&mut table);
    let modes = [("shadow", Mode::Shadow), ("enforce", Mode::Enforce), ("off", Mode::Off)];
    let mode = table.choice("mode", &modes, "shadow", "Whether it decides, or is only counted.");
    let priority =
        table.integer("priority", 500, (0, 999), "Its place among plugins and rules, lower first.");
    let words = [("deny", true), ("allow", false)];
    let on_error =
        table.choice("on_error", &words, "deny", "What a fault of it does: refuse with 503, or nothing.");
    let routes = table.texts("routes", &[], "Globs over route names and tags; all where empty.");
    let methods = table.list("methods", "list of methods", &[], "Methods; all where empty.", |text| {
        let clean = !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase());
        clean.then(|| text.to_owned()).ok_or_else(|| format!("`{text}` is not a method such as \"POST\""))
    });
    let place = table.place(table.span());
    if table.exists() {
        check_code(&table, &code, seen);
        if when.len() > WHEN_BYTES_MAX {
            table.report(table.problem("when", format!("an expression has at most {WHEN_BYTES_MAX} bytes")));
        }
    }
    table.finish();
    let when_at = beginning(source, when_span?.start);
    Some(InlineRule {
        code,
        hook: hook?.to_owned(),
        when: when.chars().take(WHEN_BYTES_MAX).collect(),
        then: then?,
        message,
        mode: mode?,
        priority,
        fails_closed: on_error?,
        routes,
        methods,
        place,
        when_at,
        source: source.clone(),
    })
}

fn check_code(table: &Table<'_>, code: &str, seen: &mut BTreeSet<String>) {
    let clean =
        code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.'));
    if code.is_empty() {
        return;
    }
    if !clean || code.len() > CODE_BYTES_MAX {
        let problem = table.problem("code", format!("`{}` is not a code", code.escape_default()));
        table.report(problem.hint("a code is `[a-z0-9_.]+`, at most 64 characters"));
    } else if !seen.insert(super::InlineRule::plugin_name_of(code)) {
        table.report(table.problem("code", format!("another rule has the code `{code}`")));
    }
}

fn read_then(table: &mut Table<'_>) -> (Option<Then>, String) {
    let has = table.has("then");
    let mut then = table.table("then");
    let deny = then.optional_integer("deny", "", (400, 599), "Refuse with that status.");
    let throttle = then.optional_text("throttle", "Refuse with 429 for so long, such as `\"30s\"`.");
    let redirect = then.optional_text("redirect", "302 to a path of this site.");
    let challenge = then.optional_text("challenge", "Ask for a sign-in: `\"login\"`.");
    let drop = then.flag("drop", false, "Close without an answer.");
    let allow = then.flag("allow", false, "Say that this is fine; others still look.");
    let score = then.optional_integer("score", "", (-1_000, 1_000), "Add to the score.");
    let tag = then.optional_text("tag", "Mark the request.");
    let message = then.text("message", "", "The sentence for the client, of `deny` and `throttle`.");
    let said = [
        deny.map(Then::Deny),
        throttle.map(Then::Throttle),
        redirect.map(Then::Redirect),
        challenge.map(Then::Challenge),
        drop.then_some(Then::Drop),
        allow.then_some(Then::Allow),
        score.map(Then::Score),
        tag.map(Then::Tag),
    ];
    let mut said: Vec<Then> = said.into_iter().flatten().collect();
    let wrong_number = said.len() != 1;
    let asked = ["deny", "throttle", "redirect", "challenge", "score", "tag"];
    // A value of the wrong kind has been told already.
    let told = said.is_empty() && asked.iter().any(|key| then.has(key));
    if table.exists() && wrong_number && !told {
        let message = if has { "a rule does exactly one thing" } else { "`then` is required" };
        let problem = Problem::at(then.place(then.span()), message);
        then.report(problem.hint("write `then = { deny = 403, message = \"No.\" }`"));
    }
    then.finish();
    (if wrong_number { None } else { said.pop() }, message)
}

/// Where the text of a string begins, behind its quotes.
fn beginning(source: &Source, start: usize) -> (usize, usize) {
    let raw = source.text.get(start..).unwrap_or_default();
    let quotes = if raw.starts_with("'''") || raw.starts_with("\"\"\"") { 3 } else { 1 };
    let behind = raw.get(quotes..).unwrap_or_default();
    let line_end = match quotes {
        3 if behind.starts_with("\r\n") => 2,
        3 if behind.starts_with('\n') => 1,
        _ => 0,
    };
    let place = source.place(start + quotes + line_end..start + quotes + line_end);
    (place.line, place.column)
}

impl InlineRule {
    /// The name under which metrics, notes and `plugins` know the rule.
    pub fn plugin_name(&self) -> String {
        Self::plugin_name_of(&self.code)
    }

    pub(super) fn plugin_name_of(code: &str) -> String {
        format!("rules-{}", code.replace(['.', '_'], "-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check::{config, dev, finds};

    #[test]
    fn a_rule_keeps_the_place_of_its_expression() {
        let rules = config("[[rules]]\ncode = \"a.b\"\nwhen = 'req.path == \"/x\"'\nthen = { deny = 403, message = \"No.\" }\n")
            .plugins
            .rules;
        assert_eq!((rules[0].when_at, &*rules[0].hook), ((3, 9), "on_request"));
        assert_eq!((rules[0].mode, &rules[0].then), (Mode::Shadow, &Then::Deny(403)));
        assert_eq!(rules[0].plugin_name(), "rules-a-b");
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_shown_in_its_place() {
        let rule = |rest: &str| dev(&format!("[[rules]]\ncode = \"a.b\"\nwhen = 'true'\n{rest}"));
        finds(&rule(""), "`then` is required");
        finds(&rule("then = { deny = 403, drop = true }\n"), "a rule does exactly one thing");
        finds(&rule("then = { deny = 200 }\n"), "200 is not between 400 and 599");
        finds(&rule("then = { dny = 403, drop = true }\n"), "did you mean `deny`?");
        finds(&rule("then = { drop = true }\non = \"reqest\"\n"), "did you mean `request`?");
        finds(&dev("[[rules]]\ncode = \"A\"\nwhen = 'true'\nthen = { drop = true }\n"), "`A` is not a code");
    }
}
