//! What is around every page: where one can go, how the policy stands, what must not be overlooked.

use maud::{DOCTYPE, Markup, html};

use super::Page;
use super::place::{self, Place};
use super::shown::ago;
use super::visit::Visit;
use crate::base::ids::CorrelationId;
use crate::base::refusal::Refusal;
use crate::base::return_to::local_or_root;
use crate::pipeline::readiness::readiness;

/// The whole document.
pub(super) fn around(visit: &Visit<'_>, place: Place, page: &Page) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · PluginMind" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/assets/console.css";
                script src="/assets/console.js" defer {}
                @if let Some(seconds) = page.refresh {
                    noscript { meta http-equiv="refresh" content=(seconds); }
                }
            }
            body data-page=(place.path()) {
                a.skip href="#main" { "Skip to the content" }
                (header(visit, place))
                main #main tabindex="-1" {
                    @if visit.may_read() { (banners(visit)) }
                    @if let Some(told) = visit.told() { p #flash role="status" { (told) } }
                    h1 { (page.title) }
                    (page.content)
                }
                footer { "PluginMind " (env!("CARGO_PKG_VERSION")) " · times are UTC" }
            }
        }
    }
}

fn header(visit: &Visit<'_>, here: Place) -> Markup {
    html! {
        header {
            a.brand href="/" { "PluginMind" }
            @if visit.may_read() {
                nav #nav aria-label="Pages" {
                    ul {
                        @for (place, name) in place::pages() {
                            li { a href=(place.path()) aria-current=[(place == here).then_some("page")] { (name) } }
                        }
                    }
                }
            }
            div.who {
                @if visit.may_read() { (policy(visit)) }
                @if visit.is_signed_in() {
                    form id="sign-out" method="post" action=(Place::SignOut.path()) {
                        (visit.csrf())
                        button.quiet type="submit" { "Sign out" }
                    }
                } @else if here != Place::SignIn {
                    a.button.quiet href=(sign_in_path(visit)) { "Sign in" }
                }
            }
        }
    }
}

/// Where to sign in, and back to this page.
pub(super) fn sign_in_path(visit: &Visit<'_>) -> String {
    let wanted = visit.head.parts().uri.path_and_query().map_or("/", |wanted| wanted.as_str());
    format!("{}?return_to={}", Place::SignIn.path(), crate::base::target::percent_encode(wanted))
}

/// Which policy is in force, and since when.
fn policy(visit: &Visit<'_>) -> Markup {
    let policy = visit.gateway().policy.read();
    let word = if policy.is_stale() { "stale" } else { "current" };
    html! {
        a.policy data-policy=(word) href=(Place::Reloads.path()) {
            "generation " (policy.generation) ", " (word) ", " (ago(policy.loaded_ms, visit.now_ms()))
        }
    }
}

/// What must not be overlooked on any page.
fn banners(visit: &Visit<'_>) -> Markup {
    let policy = visit.gateway().policy.read();
    let reasons = readiness(visit.gateway()).reasons;
    let lockdown = &visit.gateway().bans.lockdown;
    html! {
        div #banners {
            @if lockdown.is_on(visit.now_ms()) {
                p.banner.warn #lockdown-banner { strong { "Lockdown: only what is listed passes. " }
                    @if let Some(left) = lockdown.left(visit.now_ms()) { "It ends by itself in " (left.as_secs().div_ceil(60)) " min. " }
                    a href=(Place::Lockdown.path()) { "See lockdown" } }
            }
            @if policy.is_stale() {
                p.banner.bad { strong { "The last edit was refused. " }
                    "Generation " (policy.generation) " stays in force. "
                    a href=(Place::Reloads.path()) { "See what is wrong" } }
            }
            @if !policy.needs_restart.is_empty() {
                p.banner.warn { strong { "A restart is needed " } "for " (policy.needs_restart.join(", ")) "." }
            }
            @if !reasons.is_empty() {
                p.banner.bad { strong { "Not ready: " } (reasons.join(", ")) }
            }
        }
    }
}

/// The page of a refusal.
pub(super) fn refusal(visit: &Visit<'_>, refusal: &Refusal, id: &CorrelationId) -> Page {
    let sentence = match refusal {
        Refusal::Misdirected => {
            "The console does not answer to this host name. List it in `admin.hosts`, or come by a loopback name.".into()
        }
        Refusal::NotFound => "There is no such page.".into(),
        other => other.message(),
    };
    let content = html! {
        p.problem role="alert" { (sentence) }
        @if !refusal.details().is_empty() {
            ul { @for detail in refusal.details() { li { code { (detail.path.trim_start_matches('/')) } " " (detail.message) } } }
        }
        p.hint { code { (refusal.code()) } " · request " code { (id.as_str()) } }
        p {
            @if matches!(refusal, Refusal::Unauthenticated) && !visit.is_signed_in() {
                a.button href=(Place::SignIn.path()) { "Sign in" }
            } @else {
                a.button href=(local_or_root(visit.head.parts().uri.path())) { "Back" }
            }
        }
    };
    Page::new(
        format!("{} {}", refusal.status().as_u16(), refusal.status().canonical_reason().unwrap_or("Refused")),
        content,
    )
    .status(refusal.status())
}
