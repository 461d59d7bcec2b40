//! Where an upstream listens, from `http://host:port`, `https://host:port` or `unix:/path`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use rustls::pki_types::ServerName;

/// The port of `http://` where none is written.
const HTTP_PORT: u16 = 80;

/// The port of `https://` where none is written.
const HTTPS_PORT: u16 = 443;

/// An upstream's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whom to connect to.
    pub place: Place,
    /// Whose certificate must be shown; absent where the connection is not encrypted.
    pub certified: Option<ServerName<'static>>,
}

/// Whom to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A literal address: nobody needs to be asked.
    Socket(SocketAddr),
    /// A name, resolved at each new connection.
    Name(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Address {
    /// Reads `http://host:port`, `https://host:port`, each with or without the port and a slash at the end, or
    /// `unix:/path` (`unix:///path` is the same).
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{url}` is not of the form http://host:port, https://host:port or unix:/path");
        if let Some(path) = url.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let is_path = path.starts_with('/') && path.len() > 1 && !path.contains('\0');
            return if is_path {
                Ok(Self { place: Place::Unix(path.into()), certified: None })
            } else {
                Err(wrong())
            };
        }
        let (secure, authority) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(wrong()),
        };
        let (host, place) =
            place(authority, if secure { HTTPS_PORT } else { HTTP_PORT }).ok_or_else(wrong)?;
        let certified = if secure { Some(ServerName::try_from(host).map_err(|_| wrong())?) } else { None };
        Ok(Self { place, certified })
    }
}

/// The host without brackets, and where it is.
fn place(authority: &str, default_port: u16) -> Option<(String, Place)> {
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let parsed: http::uri::Authority = authority.parse().ok()?;
    let host = parsed.host();
    if authority.contains('@') || host.is_empty() {
        return None;
    }
    let port = match authority.strip_prefix(host)? {
        "" => default_port,
        rest => rest.strip_prefix(':').and_then(|p| p.parse().ok())?,
    };
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let place = match bare.parse::<IpAddr>() {
        Ok(ip) => Place::Socket(SocketAddr::new(ip, port)),
        Err(_) => Place::Name(host.to_owned(), port),
    };
    Some((bare.to_owned(), place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(place: Place) -> Address {
        Address { place, certified: None }
    }

    #[test]
    fn literal_addresses_and_names_are_told_apart() {
        let read = |url| Address::parse(url).unwrap();
        let socket = |text: &str| plain(Place::Socket(text.parse().unwrap()));
        assert_eq!(read("http://127.0.0.1:3000"), socket("127.0.0.1:3000"));
        assert_eq!(read("http://[::1]:3000/"), socket("[::1]:3000"));
        assert_eq!(read("http://app"), plain(Place::Name("app".to_owned(), 80)));
        assert_eq!(read("http://app.internal:81"), plain(Place::Name("app.internal".to_owned(), 81)));
    }

    #[test]
    fn an_encrypted_address_says_whose_certificate_is_expected() {
        let read = |url| Address::parse(url).unwrap();
        let app = read("https://app.internal");
        assert_eq!(app.place, Place::Name("app.internal".to_owned(), 443));
        assert_eq!(app.certified, Some("app.internal".try_into().unwrap()));
        let literal = read("https://[::1]:8443/");
        assert_eq!(literal.place, Place::Socket("[::1]:8443".parse().unwrap()));
        assert_eq!(literal.certified, Some("::1".try_into().unwrap()));
    }

    #[test]
    fn a_unix_socket_is_an_absolute_path() {
        for url in ["unix:/run/app.sock", "unix:///run/app.sock"] {
            assert_eq!(Address::parse(url).unwrap(), plain(Place::Unix("/run/app.sock".into())), "{url}");
        }
        for url in ["unix:", "unix:/", "unix:run/app.sock", "unix://run/app.sock", "unix:/a\0b"] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn rt_16_anything_else_is_no_upstream() {
        for url in [
            "",
            "app:80",
            "ftp://app",
            "file:///etc",
            "http://",
            "https://",
            "http://u@app",
            "http://a/b",
            "http://a:99999",
            "http://a:",
        ] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }
}
