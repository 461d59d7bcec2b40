//! Whether a request that passes goes where it went then.

use super::way::Way;
use crate::config::Destination;

/// Why it cannot be known.
const ANSWER: &str = "it would be answered by the gateway, and what it was answered then is not kept";
const NOBODY_ASKED: &str = "it is not known whether a service was to be asked then";
const BODY: &str =
    "it would be let through as it was; limits on what is in a body need the body, which is not kept";

/// Where a request went, as the usage log has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Went<'a> {
    /// The service that was asked.
    pub service: Option<&'a str>,
    /// The answer's status; 0 where there was none.
    pub status: u16,
    /// The stage that refused.
    pub stage: Option<&'a str>,
    pub had_body: bool,
}

/// The verdict on a request that passed then and passes now, under another policy.
pub(super) fn compare(way: &Way, went: Went<'_>) -> (&'static str, Option<&'static str>) {
    let Way::Route(route) = way else {
        return if went.service.is_some() { ("differs", None) } else { ("same", None) };
    };
    match by_destination(&route.route.to, went) {
        ("same", _) if went.had_body => ("unknown", Some(BODY)),
        verdict => verdict,
    }
}

fn by_destination(to: &Destination, went: Went<'_>) -> (&'static str, Option<&'static str>) {
    let status = match to {
        Destination::Service(name) => {
            return match went.service {
                Some(then) if then == name => ("same", None),
                None if went.stage.is_some() => ("unknown", Some(NOBODY_ASKED)),
                _ => ("differs", None),
            };
        }
        Destination::Respond(respond) => respond.status,
        Destination::Redirect(redirect) => redirect.status,
    };
    if went.service.is_some() || went.status != status {
        ("differs", None)
    } else {
        ("unknown", Some(ANSWER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Redirect, Respond};

    fn went(service: Option<&str>, status: u16) -> Went<'_> {
        Went { service, status, stage: None, had_body: false }
    }

    #[test]
    fn another_service_and_an_answer_in_place_of_one_differ() {
        let app = Destination::Service("app".to_owned());
        let no = Destination::Respond(Respond { status: 403, json: None, text: None });
        let away = Destination::Redirect(Redirect { status: 308, to: "/".to_owned() });
        for (to, then, verdict) in [
            (&app, went(Some("app"), 200), "same"),
            (&app, went(Some("old"), 200), "differs"),
            (&app, went(None, 403), "differs"),
            (&app, Went { stage: Some("upstream"), ..went(None, 502) }, "unknown"),
            (&no, went(Some("app"), 200), "differs"),
            (&no, went(Some("app"), 403), "differs"),
            (&no, went(None, 200), "differs"),
            (&no, went(None, 403), "unknown"),
            (&away, went(None, 403), "differs"),
            (&away, went(None, 308), "unknown"),
        ] {
            assert_eq!(by_destination(to, then).0, verdict, "{to:?} {then:?}");
        }
    }
}
