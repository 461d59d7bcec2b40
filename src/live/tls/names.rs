//! The names of a certificate, and whether a host is one of them.

use std::net::IpAddr;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

/// The names and addresses that a certificate is for: its subject alternative names. The subject itself counts for
/// nothing, as in every browser.
///
/// # Source
/// RFC 9525 sections 6.3 and 6.4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Lower case, without the closing dot; `*.` at the front stands for one label.
    names: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl Names {
    /// The names of a certificate.
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Self {
        let mut found = Self::default();
        let Ok(Some(extension)) = certificate.subject_alternative_name() else { return found };
        for name in &extension.value.general_names {
            match name {
                GeneralName::DNSName(name) => found.names.push(plain(name)),
                GeneralName::IPAddress(bytes) => found.addresses.extend(address(bytes)),
                _ => {}
            }
        }
        found
    }

    /// Whether the certificate is for that host: a name, or an address (in brackets where it is IPv6).
    pub fn covers(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return self.addresses.contains(&address);
        }
        let host = plain(host);
        let wild = wildcard_of(&host);
        self.names.iter().any(|name| *name == host || wild.as_ref().is_some_and(|wild| name == wild))
    }

    /// The names, without addresses.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The first name, for logs and metrics: the operator's word, not a client's.
    pub(super) fn first(&self) -> Option<String> {
        self.names.first().cloned().or_else(|| self.addresses.first().map(ToString::to_string))
    }
}

/// A name as names are compared.
pub(super) fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// The wildcard that covers a name: `*` in place of its first label.
pub(super) fn wildcard_of(name: &str) -> Option<String> {
    name.split_once('.').map(|(_, rest)| format!("*.{rest}"))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label_and_case_does_not_count() {
        let names = Names {
            names: vec!["app.example".into(), "*.app.example".into()],
            addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        };
        for host in ["app.example", "APP.Example.", "a.app.example", "192.0.2.1", "[2001:db8::1]"] {
            assert!(names.covers(host), "{host}");
        }
        for host in ["example", "a.b.app.example", "xapp.example", ".app.example.evil", "192.0.2.2", "", "*"]
        {
            assert!(!names.covers(host), "{host}");
        }
    }
}
