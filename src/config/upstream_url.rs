//! Addresses of upstreams.

use std::net::{IpAddr, SocketAddr};

use crate::base::address::canonical;
use crate::base::metadata::{is_metadata, unwrapped};
use crate::base::target::Host;

/// Names under which clouds hand out credentials to whoever asks from inside.
const METADATA_NAMES: [&str; 2] = ["metadata.google.internal", "metadata"];

/// Longest path of a unix socket, in bytes: `sun_path` of Linux, without its last NUL.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Reads `http://host[:port]`, `https://host[:port]` or `unix:/path`. `own` are the gateway's own listeners, which no
/// upstream may be.
///
/// # Errors
/// A sentence that says what is wrong. A user name or password in the address is not repeated.
pub(super) fn parse_upstream_url(text: &str, own: &[SocketAddr]) -> Result<String, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(text, path.strip_prefix("//").unwrap_or(path));
    }
    if text.contains('@') {
        return Err("an upstream's address holds no user name and no password".to_owned());
    }
    let (scheme, port, rest) = match text.split_once("://") {
        Some(("http", rest)) => ("http", 80, rest),
        Some(("https", rest)) => ("https", 443, rest),
        Some((scheme, _)) => {
            return Err(format!(
                "`{scheme}://` is no scheme of an upstream: write `http://`, `https://` or `unix:/path`"
            ));
        }
        None => return Err(format!("`{text}` is not an address such as \"http://127.0.0.1:3000\"")),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err(format!(
            "`{text}` has a path: an upstream is a host and a port (see `strip_prefix` of routes)"
        ));
    }
    let host =
        Host::parse(authority).map_err(|_| format!("`{authority}` is not a host with an optional port"))?;
    check_host(&host)?;
    if own.iter().any(|listen| is_own(&host, port, *listen)) {
        return Err(format!("`{text}` is the gateway itself"));
    }
    Ok(format!("{scheme}://{}", host.authority()))
}

fn unix(text: &str, path: &str) -> Result<String, String> {
    let is_path = path.starts_with('/') && path.len() > 1 && !path.chars().any(char::is_control);
    if !is_path {
        return Err(format!("`{text}` is not a unix socket such as \"unix:/run/app.sock\""));
    }
    if path.len() > SOCKET_PATH_BYTES_MAX {
        return Err(format!("the path of a unix socket has at most {SOCKET_PATH_BYTES_MAX} bytes"));
    }
    Ok(format!("unix:{path}"))
}

/// Whether somebody other than a cloud's metadata service may be there.
pub(super) fn check_host(host: &Host) -> Result<(), String> {
    let name = host.name();
    let metadata =
        || Err(format!("`{name}` is where a cloud hands out credentials: no upstream may be there"));
    let Some(address) = address_of(host) else {
        // `0x7f.1` and `2852039166` are addresses to some resolvers: what ends in a number must be an address.
        let last = name.rsplit('.').next().unwrap_or(name);
        let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
        return match () {
            () if numeric => Err(format!("`{name}` is not an address and not a name")),
            () if METADATA_NAMES.contains(&name) => metadata(),
            () => Ok(()),
        };
    };
    match address {
        _ if is_metadata(address) => metadata(),
        _ if unwrapped(address).is_unspecified() => Err(format!("`{name}` is not the address of a machine")),
        _ => Ok(()),
    }
}

pub(super) fn address_of(host: &Host) -> Option<IpAddr> {
    let name = host.name();
    let name = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    name.parse().ok().map(canonical)
}

fn is_own(host: &Host, default_port: u16, listen: SocketAddr) -> bool {
    if listen.port() == 0 || host.port().unwrap_or(default_port) != listen.port() {
        return false;
    }
    let listens_at = canonical(listen.ip());
    let is_loopback = address_of(host).map_or(host.name() == "localhost", |a| a.is_loopback());
    address_of(host) == Some(listens_at)
        || (is_loopback && (listens_at.is_unspecified() || host.name() == "localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        parse_upstream_url(text, &["127.0.0.1:8081".parse().unwrap(), "0.0.0.0:8080".parse().unwrap()])
    }

    #[test]
    fn an_upstream_is_a_host_and_a_port() {
        assert_eq!(parse("http://127.0.0.1:3000").as_deref(), Ok("http://127.0.0.1:3000"));
        assert_eq!(parse("http://App.internal/").as_deref(), Ok("http://app.internal"));
        assert_eq!(parse("http://[::1]:3000").as_deref(), Ok("http://[::1]:3000"));
        assert_eq!(parse("https://App.internal/").as_deref(), Ok("https://app.internal"));
    }

    #[test]
    fn an_upstream_may_be_a_unix_socket() {
        assert_eq!(parse("unix:/run/app.sock").as_deref(), Ok("unix:/run/app.sock"));
        assert_eq!(parse("unix:///run/app.sock").as_deref(), Ok("unix:/run/app.sock"));
        let long = format!("unix:/{}", "a".repeat(107));
        assert!(parse(&long).unwrap_err().contains("at most 107 bytes"));
    }

    #[test]
    fn rt_16_an_upstream_is_never_a_metadata_service_a_file_or_the_gateway_itself() {
        for (bad, why) in [
            ("http://169.254.169.254/", "credentials"),
            ("http://[::ffff:169.254.169.254]", "credentials"),
            ("http://[fd00:ec2::254]", "credentials"),
            ("http://[fd20:ce::254]", "credentials"),
            ("http://100.100.100.200", "credentials"),
            ("http://192.0.0.192", "credentials"),
            ("http://[64:ff9b::a9fe:a9fe]", "credentials"),
            ("http://[2002:a9fe:a9fe::]", "credentials"),
            ("http://[::a9fe:a9fe]", "credentials"),
            ("http://metadata.google.internal", "credentials"),
            ("http://2852039166", "not an address"),
            ("http://0xa9.0xfe.0xa9.0xfe", "not an address"),
            ("http://127.0.0.1:8081", "the gateway itself"),
            ("https://127.0.0.1:8081", "the gateway itself"),
            ("https://169.254.169.254", "credentials"),
            ("http://localhost:8081", "the gateway itself"),
            ("http://127.0.0.1:8080", "the gateway itself"),
            ("http://[::1]:8080", "the gateway itself"),
            ("file:///etc/passwd", "no scheme"),
            ("gopher://x", "no scheme"),
        ] {
            let got = parse(bad).unwrap_err();
            assert!(got.contains(why), "{bad}: {got}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (bad, why) in [
            ("ws://a", "no scheme"),
            ("unix:", "not a unix socket"),
            ("unix:run/app.sock", "not a unix socket"),
            ("unix://run/app.sock", "not a unix socket"),
            ("127.0.0.1:3000", "is not an address such as"),
            ("http://a/b", "has a path"),
            ("http://a?b", "has a path"),
            ("http://", "is not a host"),
            ("http://a:0", "is not a host"),
            ("http://0.0.0.0:3000", "not the address of a machine"),
        ] {
            let got = parse(bad).unwrap_err();
            assert!(got.contains(why), "{bad}: {got}");
        }
        let got = parse("http://user:hunter2@a").unwrap_err();
        assert!(!got.contains("hunter2") && got.contains("no password"), "{got}");
    }
}
