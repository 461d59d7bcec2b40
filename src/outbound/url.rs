//! Addresses that may be asked: https, or http on this machine where the caller says so.

use std::fmt;
use std::net::IpAddr;

use super::peer;
use crate::base::address::{canonical, is_private};
use crate::base::target::Host;

/// Longest address, in bytes.
pub const URL_BYTES_MAX: usize = 2_048;

/// Whether `http` is an address at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainHttp {
    /// Only https.
    Never,
    /// Also http, to `localhost` and to loopback addresses: nothing crosses a wire.
    Loopback,
    /// Also http, to addresses of the own network, and to names: what they lead to is judged when it is connected to.
    Private,
    /// Also http, to wherever the operator says: what is sent there is no secret.
    Anywhere,
}

/// Why a text is no address that may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Not `https://host[:port][/path][?query]`.
    #[error("not an https address")]
    Form,
    /// `http` where it is not allowed.
    #[error("http is not allowed to that address")]
    Plain,
    /// A link-local, metadata or unspecified address.
    #[error("an address that is never asked")]
    Forbidden,
}

/// An address that may be asked. Shown without its query.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    secure: bool,
    plain: PlainHttp,
    host: Host,
    target: String,
}

impl Url {
    /// Reads an absolute address without user name, password and fragment.
    ///
    /// # Errors
    /// [`BadUrl`] says which rule it breaks.
    pub fn parse(text: &str, plain: PlainHttp) -> Result<Self, BadUrl> {
        let printable = text.bytes().all(|b| (0x21..=0x7e).contains(&b) && !matches!(b, b'\\' | b'#'));
        if text.len() > URL_BYTES_MAX || !printable {
            return Err(BadUrl::Form);
        }
        let (secure, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(BadUrl::Form),
        };
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let host = Host::parse(authority).map_err(|_| BadUrl::Form)?;
        let url = Self { secure, plain, host, target: rooted(target) };
        url.check_host()?;
        let may_be_plain = match plain {
            PlainHttp::Never => false,
            PlainHttp::Loopback => url.is_loopback(),
            PlainHttp::Private => url.address().is_none_or(is_private),
            PlainHttp::Anywhere => true,
        };
        if secure || may_be_plain { Ok(url) } else { Err(BadUrl::Plain) }
    }

    /// Whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether the host is this machine, by its literal name or address.
    pub fn is_loopback(&self) -> bool {
        self.address().map_or(self.host.name() == "localhost", |a| a.is_loopback())
    }

    /// Whether an address that the host's name leads to may be spoken to, as far as it is about encryption.
    pub(super) fn permits(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        match self.plain {
            _ if self.secure => true,
            PlainHttp::Never => false,
            PlainHttp::Loopback => address.is_loopback(),
            PlainHttp::Private => is_private(address),
            PlainHttp::Anywhere => true,
        }
    }

    /// The address, where the host is one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.name().parse().ok().map(canonical)
    }

    /// The host's name or address, without brackets and port.
    pub(super) fn name(&self) -> &str {
        let name = self.host.name();
        name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name)
    }

    pub(super) fn port(&self) -> u16 {
        self.host.port().unwrap_or(if self.secure { 443 } else { 80 })
    }

    /// What stands in the `Host` header.
    pub(super) fn authority(&self) -> &str {
        self.host.authority()
    }

    /// Path and query.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// The whole address, query included.
    pub fn text(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.host.authority(), self.target)
    }

    fn check_host(&self) -> Result<(), BadUrl> {
        let name = self.name();
        match self.address() {
            Some(address) if peer::is_forbidden(address) => Err(BadUrl::Forbidden),
            Some(_) => Ok(()),
            // `0x7f.1` and `2852039166` are addresses to some resolvers: what ends in a number must be an address.
            None => {
                let last = name.rsplit('.').next().unwrap_or(name);
                let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
                if numeric { Err(BadUrl::Form) } else { Ok(()) }
            }
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.host.authority())
    }
}

fn rooted(target: &str) -> String {
    if target.starts_with('/') { target.to_owned() } else { format!("/{target}") }
}
