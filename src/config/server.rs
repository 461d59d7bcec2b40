//! `[server]`: the public listener and what it takes.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::base::document::Table;
use crate::base::units::show_size;

use super::connections::Connections;
use super::context::Context;
use super::count;
use super::http2::Http2;
use super::network::{is_public, parse_listen, parse_network};
use super::tls::ServerTls;
use super::websocket::WebSocket;

/// The public listener and its limits.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address and port of the public listener.
    pub listen: SocketAddr,
    /// Networks whose `X-Forwarded-*` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Longest request body, in bytes.
    pub body_max: u64,
    /// Longest request target, in bytes.
    pub target_max: u64,
    /// Largest request head (names and values of all headers), in bytes.
    pub header_max: u64,
    /// Most request headers.
    pub headers_max: usize,
    /// Longest wait for a request head, from accept to its last byte.
    pub header_timeout: Duration,
    /// Longest silence between two bytes of a body.
    pub body_timeout: Duration,
    /// Longest time between two requests of a connection.
    pub idle_timeout: Duration,
    /// Least average rate of a request body while it is waited for, in bytes a second; 0 asks for none.
    pub body_rate_min: u64,
    /// Longest wait for requests in flight at the end.
    pub drain_timeout: Duration,
    /// Most connections at a time.
    pub connections_max: usize,
    /// Who may connect, and how often.
    pub connections: Connections,
    /// Worker threads; 0 is one a core.
    pub workers: usize,
    /// Deepest nesting of a JSON body.
    pub json_depth_max: usize,
    /// Refuse routes that take bodies without a schema.
    pub require_schema: bool,
    /// In production, let plain http through that a trusted proxy forwards.
    pub allow_http: bool,
    /// HTTP/2 from clients.
    pub http2: Http2,
    /// `[server.tls]`; without it plain HTTP is spoken.
    pub tls: Option<ServerTls>,
    /// Limits of open WebSockets.
    pub websocket: WebSocket,
}

/// Networks at least this wide are most of the internet.
const WIDE_PREFIX_BITS: u8 = 8;

/// Shortest timeout that a slow but honest client can meet.
const TIMEOUT_LEAST: Duration = Duration::from_millis(100);

impl Server {
    /// Reads the table.
    pub(super) fn read(mut table: Table<'_>, context: &mut Context) -> Self {
        let mut server = Self {
            listen: table
                .parsed(
                    "listen",
                    "address",
                    "127.0.0.1:8080",
                    "Address and port of the public listener.",
                    parse_listen,
                )
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            trusted_proxies: trusted_proxies(&mut table),
            body_max: size(&mut table, "body_max", "1 MB", (0, 1 << 40), "Longest request body."),
            target_max: size(&mut table, "target_max", "8 KiB", (64, 1 << 20), "Longest request target."),
            header_max: size(&mut table, "header_max", "32 KiB", (512, 1 << 20), "Largest request head."),
            headers_max: count(table.integer("headers_max", 100, (8, 1_000), "Most request headers.")),
            header_timeout: table.duration(
                "header_timeout",
                "10s",
                TIMEOUT_LEAST,
                "Longest wait for a request head, from accept to its last byte.",
            ),
            body_timeout: table.duration(
                "body_timeout",
                "30s",
                TIMEOUT_LEAST,
                "Longest silence between two bytes of a body.",
            ),
            idle_timeout: table.duration(
                "idle_timeout",
                "60s",
                TIMEOUT_LEAST,
                "Longest time between two requests of a connection.",
            ),
            body_rate_min: size(
                &mut table,
                "body_rate_min",
                "100 B",
                (0, 1 << 30),
                "Least average rate of a request body, in bytes a second, while the gateway waits for it; 0 asks for none.",
            ),
            drain_timeout: table.duration(
                "drain_timeout",
                "30s",
                Duration::ZERO,
                "Longest wait for requests in flight when the gateway stops.",
            ),
            connections_max: count(table.integer(
                "connections_max",
                10_000,
                (1, 1_000_000),
                "Most connections at a time.",
            )),
            connections: Connections::read(&mut table),
            workers: count(table.integer("workers", 0, (0, 1_024), "Worker threads; 0 is one a core.")),
            json_depth_max: count(table.integer(
                "json_depth_max",
                64,
                (1, 120),
                "Deepest nesting of a JSON body.",
            )),
            require_schema: table.flag(
                "require_schema",
                false,
                "Refuse routes that take bodies without a schema.",
            ),
            allow_http: table.flag(
                "allow_http",
                false,
                "In production, let plain http through that a trusted proxy forwards.",
            ),
            http2: Http2::read(&mut table),
            tls: None,
            websocket: WebSocket::read(&mut table),
        };
        server.tls = ServerTls::read(table.table("tls"), server.listen, context);
        server.warn_of_plain_http(&table, context);
        table.finish();
        server
    }

    /// Passwords and cookies on a public listener would cross the network in the clear.
    fn warn_of_plain_http(&self, table: &Table<'_>, context: &Context) {
        let told = self.tls.is_some() || !self.trusted_proxies.is_empty();
        if !context.is_production() || !is_public(self.listen) || told {
            return;
        }
        let message = format!(
            "`server.listen`: {} can be reached from other machines without TLS, and no proxy in front is trusted",
            self.listen
        );
        let hint = "set `server.tls`, or name the proxy that speaks TLS in `server.trusted_proxies`";
        table.report(table.problem("listen", message).hint(hint).warning());
    }

    /// The listeners of this table, each with its key.
    pub(super) fn listeners(&self) -> Vec<(&'static str, SocketAddr)> {
        let redirect = self.tls.as_ref().and_then(|tls| tls.redirect_listen);
        let redirect = redirect.map(|listen| ("server.tls.redirect_listen", listen));
        [("server.listen", self.listen)].into_iter().chain(redirect).collect()
    }
}

fn trusted_proxies(table: &mut Table<'_>) -> Vec<IpNet> {
    let networks = table.list(
        "trusted_proxies",
        "list of networks",
        &[],
        "Networks whose `X-Forwarded-*` is believed.",
        parse_network,
    );
    for network in networks.iter().filter(|n| n.prefix_len() < WIDE_PREFIX_BITS) {
        let message =
            format!("`server.trusted_proxies`: {network} lets almost anybody choose their own address");
        let hint =
            "list only the proxies that stand in front of the gateway: bans, rate limits and logs go by this";
        table.report(table.problem("trusted_proxies", message).hint(hint).warning());
    }
    networks
}

fn size(
    table: &mut Table<'_>,
    key: &'static str,
    default: &str,
    (least, most): (u64, u64),
    doc: &'static str,
) -> u64 {
    let bytes = table.size(key, default, doc);
    if !(least..=most).contains(&bytes) {
        let message =
            format!("`{}.{key}` is not between {} and {}", table.path(), show_size(least), show_size(most));
        table.report(table.problem(key, message));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use crate::config::check::{dev, finds, production};

    #[test]
    fn a_public_listener_of_plain_http_in_production_is_a_warning() {
        let text = "[server]\nlisten = \"0.0.0.0:80\"\n";
        finds(&production(text), "warning config.toml:2:10: `server.listen`: 0.0.0.0:80 can be reached");
        assert!(!production(&format!("{text}trusted_proxies = [\"10.0.0.1\"]\n")).contains("can be reached"));
        assert!(!production("[server]\nlisten = \"127.0.0.1:80\"\n").contains("can be reached"));
        assert!(!dev(text).contains("can be reached"));
    }

    #[test]
    fn ip_09_trusting_everybody_is_a_loud_warning() {
        for everybody in ["0.0.0.0/0", "::/0", "0.0.0.0/1"] {
            let report = dev(&format!("[server]\ntrusted_proxies = [\"{everybody}\"]\n"));
            finds(&report, "warning config.toml:2:19: `server.trusted_proxies`");
            finds(&report, "lets almost anybody choose their own address");
        }
        assert_eq!(dev("[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n"), "");
    }

    #[test]
    fn sizes_have_a_least_and_a_most() {
        finds(
            &dev("[server]\nheader_max = \"1 GB\"\n"),
            "config.toml:2:14: `server.header_max` is not between 512 B and 1 MiB",
        );
        finds(
            &dev("[server]\nbody_max = \"1 XB\"\n"),
            "config.toml:2:12: `server.body_max`: `1 XB` needs a unit",
        );
        finds(&dev("[server]\nbody_max = -1\n"), "`server.body_max`: -1 is not between");
        finds(
            &dev("[server]\nheaders_max = 99999999999999999999\n"),
            "`server.headers_max`: is too large a number",
        );
    }

    #[test]
    fn timeouts_need_a_unit_and_a_least_length() {
        finds(&dev("[server]\nheader_timeout = \"10\"\n"), "`10` needs a unit");
        finds(&dev("[server]\nbody_timeout = \"1ms\"\n"), "must be at least 100ms");
    }

    #[test]
    fn the_two_listeners_need_two_ports() {
        finds(&dev("[server]\nlisten = \"0.0.0.0:8081\"\n"), "127.0.0.1:8081 is also `server.listen`");
        assert_eq!(dev("[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n"), "");
    }
}
