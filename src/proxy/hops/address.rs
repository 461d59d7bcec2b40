//! A client's address as a header value. One is written for each request, so IPv4 goes without the formatter.

use std::net::{IpAddr, Ipv4Addr};

use http::HeaderValue;

use crate::base::digits::{DIGITS_MAX, decimal};

/// The longest text of an IPv4 address.
const IPV4_BYTES_MAX: usize = 15;

/// The address as text.
pub(super) fn value(address: IpAddr) -> Option<HeaderValue> {
    match address {
        IpAddr::V4(address) => {
            let mut text = [0; IPV4_BYTES_MAX];
            let length = write(address, &mut text);
            HeaderValue::from_bytes(&text[..length]).ok()
        }
        IpAddr::V6(address) => HeaderValue::try_from(address.to_string()).ok(),
    }
}

/// Writes the address and says how long it is.
fn write(address: Ipv4Addr, text: &mut [u8; IPV4_BYTES_MAX]) -> usize {
    let mut length = 0;
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text[length] = b'.';
            length += 1;
        }
        let mut room = [0; DIGITS_MAX];
        let digits = decimal(octet.into(), &mut room);
        text[length..length + digits.len()].copy_from_slice(digits);
        length += digits.len();
    }
    length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_text_that_the_formatter_writes(address: IpAddr) {
            prop_assert_eq!(value(address).unwrap(), address.to_string());
        }
    }
}
