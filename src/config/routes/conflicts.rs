//! Routes that stand in each other's way, or in the way of the gateway's own paths.

use crate::base::document::Table;

use crate::config::gateway::{OWN, OwnPaths};
use crate::config::methods::overlap;

use super::Route;

/// Reports a route that an earlier one already is, and one whose requests the gateway answers itself.
pub(super) fn check(route: &Route, table: &Table<'_>, before: &[Route], own: &OwnPaths) {
    let same = |other: &&Route| {
        other.path == route.path && other.host == route.host && overlap(&other.methods, &route.methods)
    };
    if let Some(other) = before.iter().find(same).filter(|_| !route.path.is_empty()) {
        let message = format!("route `{}` already takes the same path, host and methods", other.name);
        table.report(table.problem("path", message).hint("narrow one of them with `host` or `methods`"));
    }
    if let Some(taken) = shadow(&route.path, own) {
        let message = format!("`{taken}` is the gateway's own and never reaches this route");
        let hint = "`gateway.prefix` moves the gateway's own paths below a prefix";
        table.report(table.problem("path", message).hint(hint).warning());
    }
}

/// The own path that a route's pattern covers or stands on; a route for everything is meant as the rest.
fn shadow(path: &str, own: &OwnPaths) -> Option<String> {
    let prefix = own.prefix.as_str();
    let auth = format!("{prefix}/auth/");
    match path.strip_suffix('*') {
        Some("/") => None,
        Some(stem) if stem.starts_with(&auth) || auth.starts_with(stem) => Some(format!("{auth}*")),
        Some(stem) => OWN.iter().map(|p| format!("{prefix}{p}")).find(|p| p.starts_with(stem)),
        None => own.owns(path).then(|| path.to_owned()),
    }
}
