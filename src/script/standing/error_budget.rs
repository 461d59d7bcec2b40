//! `[budget]` of a manifest: how often a plugin may fail or be slow, and what becomes of it then.

use std::time::Duration;

use crate::base::document::Table;
use crate::base::units::parse_duration;

/// The most events that a budget may allow: each is remembered.
const EVENTS_MAX: usize = 1_000;
/// The shortest and the longest time that a budget may be counted over.
const OVER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(86_400));

/// So many events in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// With this many the budget is spent.
    pub events: usize,
    pub over: Duration,
}

/// What becomes of a plugin whose budget is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// It runs, and nothing that it says counts.
    #[default]
    Shadow,
    /// It does not run.
    Off,
}

impl Action {
    pub fn word(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Off => "off",
        }
    }
}

/// What becomes of requests while a plugin with `on_error = "deny"` is tripped to off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// They are refused with 503.
    #[default]
    Deny,
    /// They pass.
    Allow,
}

/// `[budget]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorBudget {
    /// Faults; a plugin without it never trips by them.
    pub errors: Option<Allowance>,
    /// Calls longer than half of `limits.time`.
    pub slow: Option<Allowance>,
    pub action: Action,
    pub fallback: Fallback,
}

/// Reads `[budget]`. A plugin that guards its routes takes them with it when it goes off: that is said.
pub fn read_budget(root: &mut Table<'_>, guards: bool) -> ErrorBudget {
    let mut table = root.table("budget");
    let errors =
        table.parsed("errors", "events", "", "Faults in a time, as `5/1m`; then it trips.", allowance);
    let slow = table.parsed(
        "slow",
        "events",
        "",
        "Calls longer than half of `limits.time`, as `20/1m`; then it trips.",
        allowance,
    );
    let actions = [("shadow", Action::Shadow), ("off", Action::Off)];
    let action = table.choice("action", &actions, "shadow", "What a tripped plugin does.");
    let fallbacks = [("deny", Fallback::Deny), ("allow", Fallback::Allow)];
    let doc = "What becomes of requests while a plugin with `on_error = \"deny\"` is tripped to off.";
    let fallback = table.choice("fallback", &fallbacks, "deny", doc);
    let budget = ErrorBudget {
        errors,
        slow,
        action: action.unwrap_or_default(),
        fallback: fallback.unwrap_or_default(),
    };
    if table.exists() && !table.has("errors") && !table.has("slow") {
        let problem = table.problem("errors", "a budget needs `errors` or `slow`");
        table.report(problem.hint("write `errors = \"5/1m\"`"));
    }
    if guards && budget.action == Action::Off && !table.has("fallback") {
        let words =
            "once tripped, this plugin is off, and every request that it looks at is answered with 503";
        let problem = table.problem("action", words).warning();
        table.report(
            problem.hint("write `fallback = \"deny\"` if that is meant, or `\"allow\"` to let them pass"),
        );
    }
    table.finish();
    budget
}

fn allowance(text: &str) -> Result<Allowance, String> {
    let wrong = || format!("`{text}` is not a number of events in a time such as \"5/1m\"");
    let (events, over) = text.split_once('/').ok_or_else(wrong)?;
    let events: usize = events.trim().parse().map_err(|_| wrong())?;
    let over = parse_duration(over.trim()).map_err(|_| wrong())?;
    if !(1..=EVENTS_MAX).contains(&events) {
        return Err(format!("{events} is not between 1 and {EVENTS_MAX}"));
    }
    if over < OVER.0 || over > OVER.1 {
        return Err("a budget is counted over 1s to 24h".to_owned());
    }
    Ok(Allowance { events, over })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_number_of_events_in_a_time() {
        assert_eq!(allowance("5/1m"), Ok(Allowance { events: 5, over: Duration::from_secs(60) }));
        assert_eq!(allowance("1000 / 24h").map(|a| a.events), Ok(1_000));
        for bad in ["", "5", "5/", "/1m", "0/1m", "1001/1m", "5/1ms", "5/25h", "-1/1m", "5/1x"] {
            assert!(allowance(bad).is_err(), "{bad}");
        }
    }
}
