//! The PROXY protocol's header, versions 1 and 2: bytes in, the client's address out. Total: every input has an outcome.
//!
//! # Source
//! The PROXY protocol, versions 1 and 2 (haproxy.org, `doc/proxy-protocol.txt`, 2020/03/05).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::base::address::canonical;

/// The longest header that is read, in bytes; the specification promises that it fits one TCP segment.
pub const HEADER_BYTES_MAX: usize = 536;

/// The longest header of version 1, in bytes, with its line end.
const V1_BYTES_MAX: usize = 107;

const V1_BEGIN: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, command, family, length.
const V2_FIXED: usize = 16;

/// A field that says how the client came to the front (`PP2_TYPE_SSL`), and the bit in it for TLS.
const TYPE_SSL: u8 = 0x20;
const CLIENT_SSL: u8 = 0x01;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing about a client: the front speaks for itself, or of an address that is none. The socket's address holds.
    Nothing,
    /// Who the client is.
    Client {
        /// Its address, IPv4-mapped ones folded.
        address: SocketAddr,
        /// Whether it speaks TLS to the front.
        tls: bool,
    },
}

/// The bytes are no header, and no beginning of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no readable PROXY protocol header")]
pub struct Malformed;

/// Reads the header at the beginning of the bytes: its length and what it says; nothing while it is not whole.
///
/// # Errors
/// No header can begin with these bytes.
pub fn parse(bytes: &[u8]) -> Result<Option<(usize, Told)>, Malformed> {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(a, b)| a == b);
    if begins(V2_SIGNATURE) {
        v2(bytes)
    } else if begins(V1_BEGIN) {
        v1(bytes)
    } else {
        Err(Malformed)
    }
}

fn v1(bytes: &[u8]) -> Result<Option<(usize, Told)>, Malformed> {
    let seen = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    let Some(end) = seen.windows(2).position(|pair| pair == b"\r\n") else {
        let cannot_end = bytes.len() >= V1_BYTES_MAX || lone_line_end(seen);
        return if cannot_end { Err(Malformed) } else { Ok(None) };
    };
    let line = std::str::from_utf8(&seen[..end]).map_err(|_| Malformed)?;
    if line.contains(['\r', '\n', '\0']) {
        return Err(Malformed);
    }
    let told = v1_line(line.strip_prefix("PROXY ").ok_or(Malformed)?)?;
    Ok(Some((end + 2, told)))
}

/// Whether there is a line end that is none; a CR at the very end may still become one.
fn lone_line_end(bytes: &[u8]) -> bool {
    bytes.contains(&b'\n') || bytes.iter().rev().skip(1).any(|b| *b == b'\r')
}

fn v1_line(rest: &str) -> Result<Told, Malformed> {
    let mut words = rest.split(' ');
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        // What follows is to be ignored, whatever it is.
        return Ok(Told::Nothing);
    }
    let mut word = || words.next().ok_or(Malformed);
    let (source, target) = (word()?, word()?);
    let (port, _) = (v1_port(word()?)?, v1_port(word()?)?);
    if words.next().is_some() {
        return Err(Malformed);
    }
    let ip = match family {
        "TCP4" => v1_pair::<Ipv4Addr>(source, target)?.into(),
        "TCP6" => v1_pair::<Ipv6Addr>(source, target)?.into(),
        _ => return Err(Malformed),
    };
    Ok(client(ip, port, false))
}

fn v1_pair<A: std::str::FromStr>(source: &str, target: &str) -> Result<A, Malformed> {
    target.parse::<A>().map_err(|_| Malformed)?;
    source.parse().map_err(|_| Malformed)
}

/// A port without a sign or leading zeros.
fn v1_port(word: &str) -> Result<u16, Malformed> {
    let plain = word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    if plain { word.parse().map_err(|_| Malformed) } else { Err(Malformed) }
}

fn v2(bytes: &[u8]) -> Result<Option<(usize, Told)>, Malformed> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<V2_FIXED>() else { return Ok(None) };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if V2_FIXED + length > HEADER_BYTES_MAX {
        return Err(Malformed);
    }
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(Malformed),
    };
    let Some(block) = rest.get(..length) else { return Ok(None) };
    let told = if is_local { Told::Nothing } else { v2_block(family, block)? };
    Ok(Some((V2_FIXED + length, told)))
}

fn v2_block(family: u8, block: &[u8]) -> Result<Told, Malformed> {
    match family {
        // Unspecified; a unix socket, whose other end has no address.
        0x00 => Ok(Told::Nothing),
        0x31 => v2_fields(block.get(216..).ok_or(Malformed)?).map(|_| Told::Nothing),
        0x11 => {
            let (addresses, fields) = block.split_first_chunk::<12>().ok_or(Malformed)?;
            let [a, b, c, d, _, _, _, _, high, low, ..] = *addresses;
            let tls = v2_fields(fields)?;
            Ok(client(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low]), tls))
        }
        0x21 => {
            let (addresses, fields) = block.split_first_chunk::<36>().ok_or(Malformed)?;
            let (source, rest) = addresses.split_first_chunk::<16>().ok_or(Malformed)?;
            let port = rest.get(16..18).and_then(|port| port.try_into().ok()).ok_or(Malformed)?;
            let tls = v2_fields(fields)?;
            Ok(client(Ipv6Addr::from(*source).into(), u16::from_be_bytes(port), tls))
        }
        // Datagrams do not come over a connection; what else there is was never defined.
        _ => Err(Malformed),
    }
}

/// Walks the fields behind the addresses; says whether one of them says TLS.
fn v2_fields(mut fields: &[u8]) -> Result<bool, Malformed> {
    let mut tls = false;
    while let Some((kind, rest)) = fields.split_first() {
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(Malformed)?;
        let (value, rest) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(Malformed)?;
        if *kind == TYPE_SSL {
            // A byte of bits, four of what was verified, and fields of its own.
            tls = value.get(..5).ok_or(Malformed)?[0] & CLIENT_SSL != 0;
        }
        fields = rest;
    }
    Ok(tls)
}

fn client(ip: IpAddr, port: u16, tls: bool) -> Told {
    Told::Client { address: SocketAddr::new(canonical(ip), port), tls }
}

#[cfg(test)]
#[path = "proxy_protocol_tests.rs"]
mod tests;
