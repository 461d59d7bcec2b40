//! `[[services]]`: the upstreams.

mod balance;
mod breaker;
mod health;
mod retry;
mod tls;

pub use balance::Balance;
pub use breaker::Breaker;
pub use health::Health;
pub use retry::Retry;
pub use tls::Tls;

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use crate::base::document::Table;

use super::context::Context;
use super::count;
use super::upstream_url::parse_upstream_url;

/// An upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The name that routes use.
    pub name: String,
    /// Base addresses: `http://host[:port]`, `https://host[:port]` or `unix:/path`; no path of a resource, no closing `/`.
    pub urls: Vec<String>,
    /// Which address a request goes to.
    pub balance: Balance,
    /// Over what time an address that came back gets its full share again.
    pub slow_start: Duration,
    /// How it is asked whether it is well.
    pub health: Health,
    /// What may be sent again.
    pub retry: Retry,
    /// When an address is left alone.
    pub breaker: Breaker,
    /// How an `https://` address is recognised.
    pub tls: Tls,
    /// How long the addresses of a name are believed.
    pub dns_ttl: Duration,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for a response head.
    pub response_timeout: Duration,
    /// Longest silence inside an answer that is an endless stream, such as server-sent events.
    pub stream_idle_timeout: Duration,
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
    /// HTTP/2: with prior knowledge over `http://` and `unix:`, by ALPN over `https://`.
    Http2,
}

/// Most services.
const SERVICES_MAX: usize = 1_000;

/// Shortest wait that makes sense between two machines.
const TIMEOUT_LEAST: Duration = Duration::from_millis(10);

impl Service {
    /// Reads every `[[services]]`; `own` are the gateway's own listeners.
    pub(super) fn read_all(root: &mut Table<'_>, own: &[SocketAddr], context: &mut Context) -> Vec<Self> {
        let mut services: Vec<Self> = Vec::new();
        for table in root.tables("services") {
            if services.len() == SERVICES_MAX {
                table.report(table.problem("name", format!("there are more than {SERVICES_MAX} services")));
                break;
            }
            let service = Self::read(table, own, &services, context);
            services.push(service);
        }
        services
    }

    fn read(mut table: Table<'_>, own: &[SocketAddr], before: &[Self], context: &mut Context) -> Self {
        let name = table.required_text("name", "The name that routes use, and a metric label.");
        if !name.is_empty() && !is_name(&name) {
            let message =
                format!("`{name}` is not a service name: 1 to 64 of letters, digits, `-`, `_` and `.`");
            table.report(table.problem("name", message));
        }
        if before.iter().any(|s| s.name == name) && !name.is_empty() {
            table.report(table.problem("name", format!("there is already a service `{name}`")));
        }
        let urls = read_urls(&mut table, own);
        let service = Self {
            name,
            urls,
            balance: Balance::read(&mut table),
            slow_start: balance::read_slow_start(&mut table),
            health: Health::read(&mut table),
            retry: Retry::read(&mut table),
            breaker: Breaker::read(&mut table),
            tls: Tls::read(&mut table, context),
            dns_ttl: table.duration(
                "dns_ttl",
                "5s",
                Duration::ZERO,
                "How long the addresses of a name are believed; then a new connection asks again.",
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
            stream_idle_timeout: table.duration(
                "stream_idle_timeout",
                "1h",
                TIMEOUT_LEAST,
                "Longest silence inside an answer that is a stream without end: server-sent events and their like.",
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
        service.warn(&table);
        table.finish();
        service
    }

    /// What can be meant in no way that would make sense.
    fn warn(&self, table: &Table<'_>) {
        let warn = |key: &'static str, message: &str| {
            let message = format!("`services[].{key}`: {message}");
            table.report(table.problem(key, message).warning());
        };
        if self.urls.len() == 1 {
            for key in ["balance", "slow_start", "retries", "retry_budget", "retry_statuses"] {
                if table.has(key) {
                    warn(key, "there is only one address");
                }
            }
        }
        if !self.urls.iter().any(|url| url.starts_with("https:")) {
            for key in ["ca", "tls_name"] {
                if table.has(key) {
                    warn(key, "no address begins with https://");
                }
            }
        }
        if self.health.path.is_none() {
            for key in ["health_interval", "health_timeout", "healthy_after", "unhealthy_after"] {
                if table.has(key) {
                    warn(key, "there is no `health` path");
                }
            }
        }
        if self.breaker.pause_max < self.breaker.pause {
            warn("breaker_pause_max", "is shorter than `breaker_pause`, which is what counts then");
        }
        let twice = self.urls.iter().enumerate().find(|(n, url)| self.urls[..*n].contains(url));
        if twice.is_some() {
            warn("urls", "an address stands there twice and gets twice the share");
        }
    }

    /// One with every default.
    #[cfg(test)]
    pub fn of(name: &str, urls: &[&str]) -> Self {
        let text = format!("[[services]]\nname = {name:?}\nurls = {urls:?}\n");
        super::check::config(&text).services.remove(0)
    }
}

fn read_urls(table: &mut Table<'_>, own: &[SocketAddr]) -> Vec<String> {
    let written = Cell::new(0usize);
    let urls = table.list(
        "urls",
        "list of addresses, required",
        &[],
        "Where it listens: `http://host:port`, `https://host:port` or `unix:/path/of.socket`; no path behind it.",
        |t| {
            written.set(written.get() + 1);
            parse_upstream_url(t, own)
        },
    );
    if written.get() == 0 && table.exists() {
        table.report(table.problem("urls", "`services[].urls`: a service needs an address"));
    }
    urls
}

/// A small number that a range has kept from being negative.
fn short_count(n: i64) -> u32 {
    u32::try_from(n).unwrap_or(0)
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
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

    #[test]
    fn what_has_no_effect_is_a_warning() {
        let service = |keys: &str| dev(&format!("[[services]]\nname = \"a\"\n{keys}\n"));
        for (keys, what) in [
            ("urls = [\"http://a\"]\nbalance = \"round_robin\"", "only one address"),
            ("urls = [\"http://a\"]\nretries = 2", "only one address"),
            ("urls = [\"http://a\"]\ntls_name = \"a\"", "no address begins with https://"),
            ("urls = [\"http://a\"]\nunhealthy_after = 3", "there is no `health` path"),
            ("urls = [\"http://a\"]\nbreaker_pause_max = \"500ms\"", "is shorter than `breaker_pause`"),
            ("urls = [\"http://a\", \"http://a/\"]", "stands there twice"),
        ] {
            let report = service(keys);
            finds(&report, what);
            assert!(
                report.lines().filter(|l| l.contains("services")).all(|l| l.starts_with("warning ")),
                "{report}"
            );
        }
        let fine = service("urls = [\"http://a\", \"https://b\"]\nbalance = \"round_robin\"\nhealth = \"/\"");
        assert!(!fine.contains("services"), "{fine}");
    }
}
