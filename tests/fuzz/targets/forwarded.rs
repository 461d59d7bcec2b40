//! The walk over `X-Forwarded-For`: nobody chooses an address, and nothing unreadable becomes one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::LazyLock;

use http::{HeaderValue, Request};
use ipnet::IpNet;
use pluginmind::base::clock::Clock;
use pluginmind::base::ids::CorrelationId;
use pluginmind::base::trace_context::TraceContext;
use pluginmind::config::{Inputs, Server, load};
use pluginmind::pipeline::arrival::receive;
use pluginmind::pipeline::client::{FORWARDED_ITEMS_MAX, locate};
use pluginmind::pipeline::trail::Trail;
use pluginmind::pipeline::transport::Transport;

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let loaded = load(&Inputs::embedded(Path::new("."), std::collections::BTreeMap::new()));
    loaded.config.expect("the embedded configuration is good").server
});

const FRONT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// The bytes are the lines of the header, one a line.
pub fn run(data: &[u8]) -> usize {
    let lines: Vec<HeaderValue> =
        data.split(|b| *b == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a network")];
    assert_eq!(client(&lines, &[]), FRONT, "who is not trusted speaks only for itself");
    let found = client(&lines, &trusted);
    assert_eq!(found, expected(&lines).unwrap_or(FRONT), "{lines:?}");
    assert!(!matches!(found, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()), "{found} is an IPv4 address");
    lines.len()
}

fn client(lines: &[HeaderValue], trusted: &[IpNet]) -> IpAddr {
    let mut request = Request::get("/").header("host", "a.test");
    for line in lines {
        request = request.header("x-forwarded-for", line);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let mut trail = Trail::open(
        CorrelationId::generate(),
        TraceContext::begin("one", 1.0),
        &parts.method,
        &Clock::System,
    );
    let transport = Transport::plain(SocketAddr::from((FRONT, 9)));
    let server = Server { headers_max: usize::MAX, header_max: u64::MAX, ..SERVER.clone() };
    let arrival = receive(parts, false, transport, &server).unwrap_or_else(|_| panic!("{lines:?}"));
    locate(arrival, trusted, &mut trail).unwrap_or_else(|_| panic!("{lines:?}")).address()
}

/// The right-most address outside of `10.0.0.0/8`, or the left-most of all; nothing where an item on the way is none.
fn expected(lines: &[HeaderValue]) -> Option<IpAddr> {
    let texts: Option<Vec<&str>> = lines.iter().map(|line| line.to_str().ok()).collect();
    let all = texts?.join(",");
    let items: Vec<&str> = if lines.is_empty() { Vec::new() } else { all.split(',').collect() };
    if items.len() > FORWARDED_ITEMS_MAX {
        return None;
    }
    let mut client = FRONT;
    for item in items.into_iter().rev() {
        client = address(item.trim().trim_matches('"'))?;
        if !matches!(client, IpAddr::V4(v4) if v4.octets()[0] == 10) {
            break;
        }
    }
    Some(client)
}

/// `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]`, `[::1]:5`.
fn address(item: &str) -> Option<IpAddr> {
    let fold = |v6: Ipv6Addr| v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4);
    let is_port = |port: &str| port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit());
    if let Some((inside, port)) = item.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')) {
        let port = port.strip_prefix(':');
        let fits = item.ends_with(']') || port.is_some_and(is_port);
        return inside.parse().ok().filter(|_| fits).map(fold);
    }
    let (v4, port) = item.split_once(':').map_or((item, None), |(a, p)| (a, Some(p)));
    match v4.parse::<Ipv4Addr>() {
        Ok(v4) => Some(IpAddr::V4(v4)).filter(|_| port.is_none_or(is_port)),
        Err(_) => item.parse().ok().map(fold),
    }
}
