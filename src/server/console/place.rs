//! Where the console can be visited. Paths are compared byte for byte, as those of the API are (AD-03).

use http::Method;

use crate::server::admin::BODY_BYTES_MAX;
use crate::server::admin::policy::QUESTION_BYTES_MAX;

/// A place of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Place {
    Overview,
    Live,
    Events,
    Requests,
    Explain,
    Sessions,
    Plugins,
    Bans,
    Lockdown,
    Reloads,
    Alerts,
    Playground,
    SignIn,
    SignOut,
    Style,
    Script,
}

/// What a method does at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Found {
    Place(Place),
    /// The path is known, the method is not.
    OtherMethod {
        allow: &'static str,
    },
    Nothing,
}

struct Row {
    path: &'static str,
    place: Place,
    /// Its name among the pages; empty where it is no page to go to.
    name: &'static str,
    reads: bool,
    /// The name of what a form does there, in the log.
    action: Option<&'static str>,
}

const fn page(path: &'static str, place: Place, name: &'static str) -> Row {
    Row { path, place, name, reads: true, action: None }
}

const fn acting(path: &'static str, place: Place, name: &'static str, action: &'static str) -> Row {
    Row { path, place, name, reads: true, action: Some(action) }
}

const TABLE: [Row; 16] = [
    page("/", Place::Overview, "Overview"),
    page("/requests/live", Place::Live, "Live"),
    page("/requests", Place::Requests, "Requests"),
    page("/explain", Place::Explain, "Explain"),
    acting("/sessions", Place::Sessions, "Sessions", "console.sessions"),
    acting("/plugins", Place::Plugins, "Plugins", "console.plugins"),
    acting("/bans", Place::Bans, "Bans", "console.bans"),
    acting("/lockdown", Place::Lockdown, "Lockdown", "console.lockdown"),
    acting("/alerts", Place::Alerts, "Alerts", "console.alerts"),
    page("/reloads", Place::Reloads, "Reloads"),
    acting("/playground", Place::Playground, "Playground", "console.playground"),
    page("/requests/events", Place::Events, ""),
    acting("/sign-in", Place::SignIn, "", "console.sign_in"),
    Row {
        path: "/sign-out",
        place: Place::SignOut,
        name: "",
        reads: false,
        action: Some("console.sign_out"),
    },
    page("/assets/console.css", Place::Style, ""),
    page("/assets/console.js", Place::Script, ""),
];

/// What the table says of a method and a path.
pub(in crate::server) fn find(method: &Method, path: &str) -> Found {
    let Some(row) = TABLE.iter().find(|row| row.path == path) else { return Found::Nothing };
    let takes = match *method {
        Method::GET | Method::HEAD => row.reads,
        Method::POST => row.action.is_some(),
        _ => false,
    };
    let allow = match (row.reads, row.action) {
        (true, Some(_)) => "GET, HEAD, POST",
        (true, None) => "GET, HEAD",
        (false, _) => "POST",
    };
    if takes { Found::Place(row.place) } else { Found::OtherMethod { allow } }
}

/// The pages to go to, in order, with their names.
pub(super) fn pages() -> impl Iterator<Item = (Place, &'static str)> {
    TABLE.iter().filter(|row| !row.name.is_empty()).map(|row| (row.place, row.name))
}

impl Place {
    pub(super) fn path(self) -> &'static str {
        self.row().map_or("/", |row| row.path)
    }

    /// What the log calls a form of this place whose action it could not read.
    pub(in crate::server) fn action(self) -> &'static str {
        self.row().and_then(|row| row.action).unwrap_or("console")
    }

    /// Longest form that it takes, in bytes.
    pub(super) fn form_bytes_max(self) -> usize {
        match self {
            // A request and a script, each character of which may be escaped.
            Self::Playground => QUESTION_BYTES_MAX,
            _ => BODY_BYTES_MAX,
        }
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.place == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ad_03_only_the_exact_path_is_a_place() {
        assert_eq!(find(&Method::GET, "/"), Found::Place(Place::Overview));
        assert_eq!(find(&Method::POST, "/bans"), Found::Place(Place::Bans));
        for path in [
            "//",
            "/bans/",
            "//bans",
            "/%62ans",
            "/BANS",
            "/x/../bans",
            "/bans;x",
            "/assets/",
            "/assets/../bans",
            "",
        ] {
            assert_eq!(find(&Method::GET, path), Found::Nothing, "{path}");
        }
    }

    #[test]
    fn a_page_that_only_shows_takes_no_form() {
        assert_eq!(find(&Method::POST, "/reloads"), Found::OtherMethod { allow: "GET, HEAD" });
        assert_eq!(find(&Method::GET, "/sign-out"), Found::OtherMethod { allow: "POST" });
        assert_eq!(find(&Method::PUT, "/bans"), Found::OtherMethod { allow: "GET, HEAD, POST" });
    }
}
