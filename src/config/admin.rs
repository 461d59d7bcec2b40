//! `[admin]`: the listener for metrics and the admin API.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::base::document::Table;
use crate::base::target::Host;

use super::context::Context;
use super::network::{collide, is_public, parse_listen};

/// The admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Address and port; loopback by default.
    pub listen: SocketAddr,
    /// A file that holds the token for writes; absent: `admin.token` in the data folder, made at start.
    pub token_file: Option<PathBuf>,
    /// Host names that the admin API answers to, besides loopback names.
    pub hosts: Vec<String>,
}

impl Admin {
    /// Reads the table. A listener that others can reach needs a token of the operator's own.
    pub(super) fn read(
        mut table: Table<'_>,
        context: &Context,
        others: &[(&'static str, SocketAddr)],
    ) -> Self {
        let listen = table
            .parsed(
                "listen",
                "address",
                "127.0.0.1:8081",
                "Address and port of metrics, admin API and console. Never public by default.",
                parse_listen,
            )
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8081)));
        let token_file = table
            .optional_text("token_file", "A file that holds the token for writes; else `admin.token` in the data folder, made at start.")
            .map(|path| context.resolve(&path));
        let hosts = table.list(
            "hosts",
            "list of host names",
            &[],
            "Host names that console and API answer to, besides loopback names.",
            |text| match Host::parse(text) {
                Ok(host) if host.port().is_none() => Ok(host.name().to_owned()),
                Ok(_) => Err(format!("`{text}` has a port: write the name alone")),
                Err(_) => Err(format!("`{text}` is not a host name")),
            },
        );
        if is_public(listen) && token_file.is_none() {
            let message =
                format!("`admin.listen`: {listen} can be reached from other machines, and there is no token");
            let problem =
                table.problem("listen", message).hint("set `admin.token_file`, or listen on 127.0.0.1");
            table.report(context.strict(problem));
        }
        for (key, _) in others.iter().filter(|(_, other)| collide(listen, *other)) {
            table.report(table.problem("listen", format!("`admin.listen`: {listen} is also `{key}`")));
        }
        table.finish();
        Self { listen, token_file, hosts }
    }
}
