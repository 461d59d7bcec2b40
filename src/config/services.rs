//! `[[services]]`: the upstreams.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use crate::base::document::Table;
use crate::base::target::CanonicalPath;

use super::count;
use super::upstream_url::parse_upstream_url;

/// An upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The name that routes use.
    pub name: String,
    /// Base addresses: `http://host[:port]`, no path, no closing `/`.
    pub urls: Vec<String>,
    /// The path of its health check.
    pub health: Option<String>,
    /// How often the health check is asked.
    pub health_interval: Duration,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for a response head.
    pub response_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Most unused connections kept by one worker.
    pub idle_max: usize,
    /// Whether `/ready` is 503 while this service is down.
    pub required: bool,
    /// Whether it is told who is asking in a signed header.
    pub assertion: bool,
    /// What is spoken with it.
    pub protocol: Protocol,
}

/// What is spoken with an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2: with prior knowledge over `http://`, by ALPN over `https://`.
    Http2,
}

/// Most services.
const SERVICES_MAX: usize = 1_000;

/// Shortest wait that makes sense between two machines.
const TIMEOUT_LEAST: Duration = Duration::from_millis(10);

impl Service {
    /// Reads every `[[services]]`; `own` are the gateway's own listeners.
    pub(super) fn read_all(root: &mut Table<'_>, own: &[SocketAddr]) -> Vec<Self> {
        let mut services: Vec<Self> = Vec::new();
        for table in root.tables("services") {
            if services.len() == SERVICES_MAX {
                table.report(table.problem("name", format!("there are more than {SERVICES_MAX} services")));
                break;
            }
            services.push(Self::read(table, own, &services));
        }
        services
    }

    fn read(mut table: Table<'_>, own: &[SocketAddr], before: &[Self]) -> Self {
        let name = table.required_text("name", "The name that routes use, and a metric label.");
        if !name.is_empty() && !is_name(&name) {
            let message =
                format!("`{name}` is not a service name: 1 to 64 of letters, digits, `-`, `_` and `.`");
            table.report(table.problem("name", message));
        }
        if before.iter().any(|s| s.name == name) && !name.is_empty() {
            table.report(table.problem("name", format!("there is already a service `{name}`")));
        }
        let written = Cell::new(0usize);
        let urls = table.list(
            "urls",
            "list of addresses, required",
            &[],
            "Where it listens: `http://host:port`, no path.",
            |t| {
                written.set(written.get() + 1);
                parse_upstream_url(t, own)
            },
        );
        if written.get() == 0 && table.exists() {
            table.report(table.problem("urls", "`services[].urls`: a service needs an address"));
        }
        let service = Self {
            name,
            urls,
            health: table.parsed(
                "health",
                "path",
                "",
                "The path of its health check; none: it counts as up.",
                parse_health,
            ),
            health_interval: table.duration(
                "health_interval",
                "5s",
                Duration::from_millis(100),
                "How often the health check is asked.",
            ),
            connect_timeout: table.duration(
                "connect_timeout",
                "5s",
                TIMEOUT_LEAST,
                "Longest wait for a connection.",
            ),
            response_timeout: table.duration(
                "response_timeout",
                "60s",
                TIMEOUT_LEAST,
                "Longest wait for a response head.",
            ),
            idle_timeout: table.duration(
                "idle_timeout",
                "60s",
                Duration::ZERO,
                "How long an unused connection is kept.",
            ),
            idle_max: count(table.integer(
                "idle_max",
                64,
                (0, 10_000),
                "Most unused connections kept by one worker.",
            )),
            required: table.flag("required", false, "Whether `/ready` is 503 while this service is down."),
            assertion: table.flag(
                "assertion",
                false,
                "Whether it is told who is asking in `X-PluginMind-Assertion`, signed.",
            ),
            protocol: table
                .choice(
                    "protocol",
                    &[("http1", Protocol::Http1), ("http2", Protocol::Http2)],
                    "http1",
                    "What is spoken with it: `http1`, or `http2` (gRPC needs it).",
                )
                .unwrap_or_default(),
        };
        table.finish();
        service
    }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn parse_health(text: &str) -> Result<String, String> {
    match CanonicalPath::parse(text) {
        Ok(path) if path.as_str() == text => Ok(path.as_str().to_owned()),
        _ => Err(format!("`{text}` is not a path such as \"/health\"")),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::check::{dev, finds};

    #[test]
    fn a_service_needs_a_name_and_an_address() {
        let report = dev("[[services]]\n");
        finds(&report, "config.toml:1:1: `services[].name` is required");
        finds(&report, "config.toml:1:1: `services[].urls`: a service needs an address");
        finds(
            &dev("[[services]]\nname = \"a\"\nurls = []\n"),
            "config.toml:3:8: `services[].urls`: a service needs an address",
        );
    }

    #[test]
    fn service_names_are_words_and_stand_once() {
        let two = "[[services]]\nname = \"a\"\nurls = [\"http://a\"]\n".repeat(2);
        finds(&dev(&two), "config.toml:5:8: there is already a service `a`");
        finds(&dev("[[services]]\nname = \"a b\"\nurls = [\"http://a\"]\n"), "is not a service name");
    }

    #[test]
    fn rt_16_a_route_to_the_admin_listener_cannot_be_written() {
        let text = "[[services]]\nname = \"a\"\nurls = [\"http://127.0.0.1:8081\"]\n";
        finds(
            &dev(text),
            "config.toml:3:9: `services[].urls`: `http://127.0.0.1:8081` is the gateway itself",
        );
    }

    #[test]
    fn a_health_check_is_a_path() {
        let text = "[[services]]\nname = \"a\"\nurls = [\"http://a\"]\nhealth = \"health\"\n";
        finds(&dev(text), "`health` is not a path");
    }
}
