//! The playground: a request that nobody sent, a rule that nobody saved, and what the gateway would decide.
//!
//! # Stable names
//! `form#choose-plugin` (GET: `plugin`), `form#playground` (`request`, `plugin`, `script`, `ip`, `user`, `roles`,
//! `api_key_tier`, `country`, `upstream_status`), what comes of it: `#verdict[data-verdict][data-status]`,
//! `table#stages tbody tr[data-stage][data-verdict]`, `table#rules tbody tr[data-rule][data-verdict]`, `#forwarded`,
//! `#answer`, `#problems pre.finding`, and `#saves-nothing`.

use maud::{Markup, html};

use super::form::Form;
use super::place::Place;
use super::shown::{badge, sign_in_to_act, status};
use super::visit::Visit;
use super::{Done, Page};
use crate::base::refusal::Refusal;
use crate::server::admin::policy::{refusal_of_play, wrong_question};
use crate::server::explain::{ForwardedTold, StageTold, Told};
use crate::server::playground::{Judged, Playground, RequestFields};

/// What stands in the form of who comes first.
const SAMPLE: &str = "GET / HTTP/1.1\nHost: localhost\nUser-Agent: curl/8.5.0\nAccept: */*\n";

/// What was typed, which stays.
#[derive(Default)]
struct Typed {
    request: String,
    plugin: String,
    script: String,
    ip: String,
    user: String,
    roles: String,
    api_key_tier: String,
    country: String,
    upstream_status: String,
}

#[expect(clippy::unused_async, reason = "as every page of an action")]
pub(super) async fn page(visit: &Visit<'_>) -> Result<Page, Refusal> {
    let plugin = visit.query("plugin");
    let script = Playground::main_of(visit.gateway(), &plugin).map(|text| text.to_string());
    let plugin = if script.is_some() { plugin } else { String::new() };
    let typed =
        Typed { request: SAMPLE.to_owned(), plugin, script: script.unwrap_or_default(), ..Typed::default() };
    Ok(whole(visit, &typed, None))
}

pub(super) async fn act(visit: &Visit<'_>, form: &Form) -> Result<Done, Refusal> {
    visit.audit("playground", None);
    let typed = Typed::of(form);
    let said = |wrong: String| html! { p.problem role="alert" { (wrong) "." } };
    let question = match typed.fields().question() {
        Ok(question) => question,
        Err(why) => {
            let refusal = wrong_question(&why);
            let page = whole(visit, &typed, Some(said(why.to_string()))).status(refusal.status());
            visit.refuse(refusal);
            return Ok(Done::Shown(page));
        }
    };
    let unavailable = Refusal::Unavailable { retry_after: None };
    let playground = &visit.admin.tools.as_ref().ok_or(unavailable)?.playground;
    match playground.judge(&visit.admin.gateway, question).await {
        Ok(judged) => Ok(Done::Shown(whole(visit, &typed, Some(outcome(&judged))))),
        Err(error) => {
            let refusal = refusal_of_play(&error);
            let page = whole(visit, &typed, Some(said(error.to_string()))).status(refusal.status());
            visit.refuse(refusal);
            Ok(Done::Shown(page))
        }
    }
}

impl Typed {
    fn of(form: &Form) -> Self {
        // A browser ends each line of a text as HTTP does; scripts and what they say of lines do not.
        let lines = |name: &str| form.whole(name).replace("\r\n", "\n");
        let text = |name: &str| form.text(name).to_owned();
        Self {
            request: lines("request"),
            plugin: text("plugin"),
            script: lines("script"),
            ip: text("ip"),
            user: text("user"),
            roles: text("roles"),
            api_key_tier: text("api_key_tier"),
            country: text("country"),
            upstream_status: text("upstream_status"),
        }
    }

    fn fields(&self) -> RequestFields {
        let roles = self.roles.split([',', ' ']).filter(|role| !role.is_empty());
        RequestFields {
            request: self.request.clone().into_bytes(),
            ip: self.ip.clone(),
            user: self.user.clone(),
            api_key_tier: self.api_key_tier.clone(),
            roles: roles.map(str::to_owned).collect(),
            country: self.country.clone(),
            upstream_status: self.upstream_status.clone(),
            plugin: self.plugin.clone(),
            script: (!self.plugin.is_empty()).then(|| self.script.clone()),
        }
    }
}

fn whole(visit: &Visit<'_>, typed: &Typed, result: Option<Markup>) -> Page {
    let content = html! {
        p.hint id="saves-nothing" {
            "Nothing here is saved: no file, no state of a rule, no log row, no count. No upstream is asked, and no alert is sent. "
            "A copy of the gateway's accounts, sessions and rule state decides, and is thrown away."
        }
        (choose(visit, typed))
        (sign_in_to_act(visit))
        (question(visit, typed))
        @if let Some(result) = result { section id="result" aria-live="polite" { h2 { "What comes of it" } (result) } }
    };
    Page::new("Playground", content)
}

fn choose(visit: &Visit<'_>, typed: &Typed) -> Markup {
    let snapshot = visit.gateway().live.current();
    html! {
        form id="choose-plugin" method="get" action=(Place::Playground.path()) {
            label for="choose" { "Edit a plugin's main.rhai" }
            div.actions {
                select id="choose" name="plugin" {
                    option value="" selected[typed.plugin.is_empty()] { "none: the policy as it is on disk" }
                    @for name in snapshot.rules.file_hashes().keys() {
                        option value=(name) selected[*name == typed.plugin] { (name) }
                    }
                }
                button.quiet type="submit" { "Load it as it is in force" }
            }
        }
    }
}

fn question(visit: &Visit<'_>, typed: &Typed) -> Markup {
    let field = |name: &str, label: &str, value: &str, hint: &str| {
        html! { div { label for=(name) { (label) } input id=(name) name=(name) type="text" value=(value) placeholder=(hint) maxlength="254" autocomplete="off"; } }
    };
    html! {
        form id="playground" method="post" action=(Place::Playground.path()) {
            (visit.csrf())
            input type="hidden" name="plugin" value=(typed.plugin);
            div.columns {
                div {
                    label for="request" { "The request: its line, headers, an empty line, the body" }
                    // The first line end of a text field is the field's own.
                    textarea.code id="request" name="request" rows="10" spellcheck="false" { "\n" (typed.request) }
                }
                @if !typed.plugin.is_empty() {
                    div {
                        label for="script" { (typed.plugin) "/main.rhai, edited" }
                        p.hint { "It is judged as if it enforced, whatever its mode is." }
                        textarea.code id="script" name="script" rows="16" spellcheck="false" { "\n" (typed.script) }
                    }
                }
            }
            details open[typed.assumes()] {
                summary { "What is assumed" }
                div.fields {
                    (field("ip", "Client address", &typed.ip, "127.0.0.1"))
                    (field("user", "Signed in as", &typed.user, "nobody"))
                    (field("api_key_tier", "Or an API key of the tier", &typed.api_key_tier, "none"))
                    (field("roles", "Roles or scopes", &typed.roles, "staff, admin"))
                    (field("country", "Country", &typed.country, "CH"))
                    (field("upstream_status", "The upstream answers", &typed.upstream_status, "200"))
                }
            }
            @if visit.is_signed_in() { button type="submit" { "Judge it" } }
        }
    }
}

impl Typed {
    /// Whether something is assumed that must not be hidden.
    fn assumes(&self) -> bool {
        let all =
            [&self.ip, &self.user, &self.api_key_tier, &self.roles, &self.country, &self.upstream_status];
        all.iter().any(|text| !text.is_empty())
    }
}

fn outcome(judged: &Judged) -> Markup {
    html! {
        @if judged.told.is_none() {
            p.problem role="alert" { "The files, with this edit, could not go live. The gateway would keep the policy that is in force." }
        }
        @if !judged.problems.is_empty() {
            div id="problems" { @for found in &judged.problems { pre.finding { (found.text) } } }
        }
        @if let Some(told) = &judged.told { (trace(told)) }
    }
}

fn trace(told: &Told) -> Markup {
    let outcome = &told.outcome;
    let look = if matches!(outcome.verdict, "forwarded" | "answered") { "good" } else { "bad" };
    let code = outcome.status.map(|status| status.to_string()).unwrap_or_default();
    html! {
        p id="verdict" data-verdict=(outcome.verdict) data-status=(code) data-code=(outcome.code.as_deref().unwrap_or_default()) {
            (badge(look, outcome.verdict)) " "
            @if let Some(answered) = outcome.status { (status(answered)) " " }
            @if let Some(code) = &outcome.code { code { (code) } " " }
            @match &outcome.rule {
                Some(rule) => { "by " code { (rule) } },
                None => { "at " (outcome.stage) },
            }
        }
        p.hint { "Route: " @if outcome.route.is_empty() { "none" } @else { (outcome.route) }
            " · identity: " (outcome.auth) " · score: " (outcome.score)
            @if !outcome.tags.is_empty() { " · tags: " (outcome.tags.join(" ")) } }
        (stages(told))
        (rules(told))
        (forwarded(told.forwarded.as_ref()))
        (answer(told))
        @if !told.remarks.is_empty() { ul { @for remark in &told.remarks { li { (remark) } } } }
    }
}

fn micros(us: Option<u64>) -> Markup {
    html! { td.number { @if let Some(us) = us { (us) " µs" } } }
}

fn verdict(stage: &StageTold) -> Markup {
    match stage.verdict {
        "passed" => html! { "passed" },
        "answered" => badge("good", stage.verdict),
        other => badge("bad", other),
    }
}

fn stages(told: &Told) -> Markup {
    html! {
        h3 { "Stages" }
        div.scroll { table id="stages" {
            thead { tr { th scope="col" { "Stage" } th scope="col" { "Verdict" } th scope="col" { "Code" } th.number scope="col" { "Time" } } }
            tbody { @for stage in &told.stages { tr data-stage=(stage.stage) data-verdict=(stage.verdict) {
                td { (stage.stage) } td { (verdict(stage)) }
                td { @if let Some(code) = &stage.code { code { (code) } } }
                (micros(stage.duration_us))
            } } }
        } }
    }
}

fn rules(told: &Told) -> Markup {
    let rules: Vec<_> = told.stages.iter().flat_map(|stage| &stage.rules).collect();
    html! {
        h3 { "Rules" }
        @if rules.is_empty() { p.hint { "No rule was asked." } } @else {
            div.scroll { table id="rules" {
                thead { tr { th scope="col" { "Rule" } th scope="col" { "Moment" } th scope="col" { "Said" }
                    th scope="col" { "Code" } th scope="col" { "Mode" } th.number scope="col" { "Time" } } }
                tbody { @for rule in rules { tr data-rule=(rule.rule) data-verdict=(rule.verdict) {
                    td { code { (rule.rule) } } td { (rule.hook) }
                    td { (rule.verdict) @if let Some(points) = rule.points { " " (points) } }
                    td { @if !rule.code.is_empty() { code { (rule.code) } } }
                    td { (rule.mode) }
                    (micros(rule.duration_us))
                } } }
            } }
        }
    }
}

fn forwarded(forwarded: Option<&ForwardedTold>) -> Markup {
    let names = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    html! {
        h3 { "Forwarded" }
        @match forwarded {
            None => p id="forwarded" { "Nothing." },
            Some(forwarded) => dl.pairs id="forwarded" {
                dt { "Request" } dd { code { (forwarded.sent.method) " " (forwarded.sent.target) } }
                dt { "To" } dd { (forwarded.sent.service) " (" (forwarded.urls.join(", ")) ")" }
                dt { "Body" } dd { (forwarded.sent.body_bytes) " bytes" }
                dt { "Headers set" } dd { (names(&forwarded.sent.set)) }
                dt { "Headers removed" } dd { (names(&forwarded.sent.removed)) }
            },
        }
    }
}

fn answer(told: &Told) -> Markup {
    html! {
        h3 { "Answer" }
        @match &told.answer {
            None => p id="answer" { "None: the connection is closed." },
            Some(answer) => pre id="answer" {
                (answer.status) "\n"
                @for (name, value) in &answer.headers { (name) ": " (value) "\n" }
                "\n" (answer.body)
            },
        }
    }
}
