//! Where an upstream listens, from `http://host:port`.

use std::net::{IpAddr, SocketAddr};

/// The port of `http://` where none is written.
const HTTP_PORT: u16 = 80;

/// An upstream's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A literal address: nobody needs to be asked.
    Socket(SocketAddr),
    /// A name, resolved at each new connection.
    Name(String, u16),
}

impl Address {
    /// Reads `http://host:port` or `http://host`, with or without a slash at the end.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = || format!("`{url}` is not of the form http://host:port");
        let authority = url.strip_prefix("http://").ok_or_else(wrong)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let parsed: http::uri::Authority = authority.parse().map_err(|_| wrong())?;
        if authority.contains('@') || parsed.host().is_empty() {
            return Err(wrong());
        }
        let host = parsed.host();
        let port = match authority.strip_prefix(host) {
            Some("") => HTTP_PORT,
            Some(rest) => rest.strip_prefix(':').and_then(|p| p.parse().ok()).ok_or_else(wrong)?,
            None => return Err(wrong()),
        };
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        Ok(match bare.parse::<IpAddr>() {
            Ok(ip) => Self::Socket(SocketAddr::new(ip, port)),
            Err(_) => Self::Name(host.to_owned(), port),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_addresses_and_names_are_told_apart() {
        let read = |url| Address::parse(url).unwrap();
        assert_eq!(read("http://127.0.0.1:3000"), Address::Socket("127.0.0.1:3000".parse().unwrap()));
        assert_eq!(read("http://[::1]:3000/"), Address::Socket("[::1]:3000".parse().unwrap()));
        assert_eq!(read("http://app"), Address::Name("app".to_owned(), 80));
        assert_eq!(read("http://app.internal:81"), Address::Name("app.internal".to_owned(), 81));
    }

    #[test]
    fn rt_16_anything_else_is_no_upstream() {
        for url in [
            "",
            "app:80",
            "https://app",
            "file:///etc",
            "http://",
            "http://u@app",
            "http://a/b",
            "http://a:99999",
            "http://a:",
        ] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }
}
