//! The PROXY protocol's header: what it says depends on its own bytes alone, however many have come and whatever follows.

use pluginmind::server::proxy_protocol::{HEADER_BYTES_MAX, Malformed, Told, parse};

/// The bytes as the beginning of a connection.
pub fn run(data: &[u8]) -> usize {
    let data = &data[..data.len().min(2 * HEADER_BYTES_MAX)];
    let shown = data.escape_ascii();
    match parse(data) {
        Ok(Some((length, told))) => {
            assert!(length <= data.len() && length <= HEADER_BYTES_MAX, "{length} of {shown}");
            assert_eq!(parse(&data[..length]), Ok(Some((length, told))), "{shown}");
            assert!((0..length).all(|end| parse(&data[..end]) == Ok(None)), "{shown}");
            if data.starts_with(b"PROXY ") {
                assert_eq!(told, line(&data[..length]), "{shown}");
            }
            1
        }
        Ok(None) => {
            assert!(data.len() < HEADER_BYTES_MAX, "{shown}");
            assert!((0..data.len()).all(|end| parse(&data[..end]) == Ok(None)), "{shown}");
            0
        }
        Err(Malformed) => {
            let longer = [data, b"\r\n"].concat();
            assert_eq!(parse(&longer), Err(Malformed), "{shown}");
            0
        }
    }
}

/// What a line of version 1 that was accepted says.
fn line(bytes: &[u8]) -> Told {
    let text = std::str::from_utf8(bytes).expect("text");
    let words: Vec<&str> = text.trim_end_matches("\r\n").split(' ').collect();
    let [_, "TCP4" | "TCP6", source, _, port, _] = words[..] else {
        assert_eq!(words[1], "UNKNOWN", "{text:?}");
        return Told::Nothing;
    };
    let address: std::net::IpAddr = source.parse().expect("an address");
    let address = pluginmind::base::address::canonical(address);
    Told::Client { address: (address, port.parse().expect("a port")).into(), tls: false }
}
