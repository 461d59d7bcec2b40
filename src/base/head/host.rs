//! Whether bytes are a host with an optional port, without making anything of them: the same answer as
//! [`Host::parse`](crate::base::target::Host::parse), for each head, without its allocations.

/// Longest name, in bytes, without a dot at its end (RFC 1035 section 2.3.4).
const NAME_BYTES_MAX: usize = 253;

/// Whether these bytes name a host.
///
/// # Source
/// RFC 9110 section 7.2, RFC 3986 section 3.2.2.
pub fn is_host(bytes: &[u8]) -> bool {
    match bytes {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|b| *b == b']') else { return false };
            let inside = std::str::from_utf8(&rest[..end]).ok();
            let is_address = inside.is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
            is_address && is_port(&rest[end + 1..])
        }
        _ => {
            let end = bytes.iter().position(|b| *b == b':').unwrap_or(bytes.len());
            is_name(&bytes[..end]) && is_port(&bytes[end..])
        }
    }
}

fn is_name(name: &[u8]) -> bool {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let mut before = b'.';
    for byte in name {
        let is_dot = *byte == b'.';
        let is_clean = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !(is_clean || is_dot && before != b'.') {
            return false;
        }
        before = *byte;
    }
    before != b'.' && name.len() <= NAME_BYTES_MAX
}

/// Nothing, or a colon and a port from 1 to 65535.
fn is_port(bytes: &[u8]) -> bool {
    match bytes {
        [] => true,
        [b':', digits @ ..] => {
            let value = digits.iter().try_fold(0_u32, |sum, b| {
                b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')).filter(|sum| *sum <= 65_535)
            });
            value.is_some_and(|port| port > 0)
        }
        _ => false,
    }
}
