//! `[lockdown]`: who and what passes while incident mode is on. Whether it is on stands in the database.

use ipnet::IpNet;

use crate::base::document::Table;

use super::network::parse_network;
use super::routes::Route;
use crate::base::nearest::nearest;

/// What passes in lockdown, beside probes and signing in and out: any one of these is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lockdown {
    /// Names of routes.
    pub routes: Vec<String>,
    /// Roles of whoever asks; an API key's scopes are its roles.
    pub roles: Vec<String>,
    /// Accounts, by name or id.
    pub users: Vec<String>,
    /// Networks of clients.
    pub networks: Vec<IpNet>,
}

impl Lockdown {
    /// Reads the table.
    pub(super) fn read(mut table: Table<'_>, known: &[Route]) -> Self {
        let word = |text: &str| {
            if text.is_empty() {
                Err("an empty name stands for nobody".to_owned())
            } else {
                Ok(text.to_owned())
            }
        };
        let route = |text: &str| {
            let names = || known.iter().map(|route| route.name.as_str());
            if names().any(|name| name == text) {
                return Ok(text.to_owned());
            }
            let hint =
                nearest(text, names()).map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
            Err(format!("there is no route `{text}`{hint}"))
        };
        let routes =
            table.list("routes", "list of routes", &[], "Routes that pass in lockdown, by name.", route);
        let roles = table.list("roles", "list of roles", &[], "Roles whose holders pass in lockdown.", word);
        let users = table.list(
            "users",
            "list of accounts",
            &[],
            "Accounts that pass in lockdown, by name or id.",
            word,
        );
        let networks = table.list(
            "networks",
            "list of networks",
            &[],
            "Networks whose clients pass in lockdown.",
            parse_network,
        );
        table.finish();
        Self { routes, roles, users, networks }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::check::{config, dev, finds};

    #[test]
    fn nothing_passes_in_lockdown_until_it_is_listed() {
        assert_eq!(config("").lockdown, super::Lockdown::default());
        let text = "[lockdown]\nroles = [\"admin\"]\nusers = [\"ann\"]\nnetworks = [\"10.0.0.1\"]\n";
        let lockdown = config(text).lockdown;
        assert_eq!((lockdown.roles, lockdown.users), (vec!["admin".to_owned()], vec!["ann".to_owned()]));
        assert_eq!(lockdown.networks[0].to_string(), "10.0.0.1/32");
    }

    #[test]
    fn a_route_that_is_not_there_is_an_error_with_the_nearest_one() {
        let route = "[[routes]]\nname = \"status\"\npath = \"/s\"\nrespond = { status = 204 }\n";
        finds(
            &dev(&format!("[lockdown]\nroutes = [\"statsu\"]\n{route}")),
            "config.toml:2:11: `lockdown.routes`: there is no route `statsu`: did you mean `status`?",
        );
        assert_eq!(dev(&format!("[lockdown]\nroutes = [\"status\"]\n{route}")), "");
    }
}
