use super::*;

fn told(address: &str) -> Told {
    Told::Client { address: address.parse().unwrap(), tls: false }
}

/// A header of version 2.
fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut bytes = V2_SIGNATURE.to_vec();
    bytes.extend([command, family]);
    bytes.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
    bytes.extend(block);
    bytes
}

const FOUR: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0, 80];

fn six(source: &str) -> Vec<u8> {
    let mut block = source.parse::<Ipv6Addr>().unwrap().octets().to_vec();
    block.extend(Ipv6Addr::LOCALHOST.octets());
    block.extend([0x30, 0x39, 0, 80]);
    block
}

fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut field = vec![kind];
    field.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
    field.extend(value);
    field
}

#[test]
fn a_line_says_who_the_client_is() {
    for (line, says) in [
        ("PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\r\n", told("192.0.2.7:12345")),
        ("PROXY TCP6 2001:db8::7 ::1 0 65535\r\n", told("[2001:db8::7]:0")),
        ("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 80\r\n", told("192.0.2.7:1")),
        ("PROXY UNKNOWN\r\n", Told::Nothing),
        ("PROXY UNKNOWN ffff::1 whatever 70000 -1\r\n", Told::Nothing),
    ] {
        let followed = format!("{line}GET / HTTP/1.1\r\n");
        assert_eq!(parse(followed.as_bytes()), Ok(Some((line.len(), says))), "{line}");
    }
}

#[test]
fn a_line_that_is_not_exactly_right_is_none() {
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107));
    for line in [
        "GET / HTTP/1.1\r\n",
        "proxy TCP4 192.0.2.7 10.0.0.1 1 80\r\n",
        "PROXY  TCP4 192.0.2.7 10.0.0.1 1 80\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 1 80 \r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 01 80\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 +1 80\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 65536 80\r\n",
        "PROXY TCP4 192.0.2.07 10.0.0.1 1 80\r\n",
        "PROXY TCP4 0x7f.1 10.0.0.1 1 80\r\n",
        "PROXY TCP4 2001:db8::7 ::1 1 80\r\n",
        "PROXY TCP6 192.0.2.7 10.0.0.1 1 80\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 80\r\n",
        "PROXY UDP4 192.0.2.7 10.0.0.1 1 80\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 1 80\n",
        "PROXY UNKNOWN\rx\r\n",
        "PROXY UNKNOWN\0\r\n",
        "PROXY UNKNOWN \u{fe}\0\r\n",
        "PROXY \r\n",
        &long,
        "\r\n\r\n\0\r\nQUIT\r",
        "x",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(Malformed), "{line:?}");
    }
}

#[test]
fn a_binary_header_says_who_the_client_is() {
    let with = |fields: Vec<u8>| [&FOUR[..], &fields].concat();
    let unix = [0; 216];
    for (bytes, says) in [
        (binary(0x21, 0x11, &FOUR), told("192.0.2.7:12345")),
        (binary(0x21, 0x21, &six("2001:db8::7")), told("[2001:db8::7]:12345")),
        (binary(0x21, 0x21, &six("::ffff:192.0.2.7")), told("192.0.2.7:12345")),
        (binary(0x21, 0x11, &with(field(0x02, b"example.org"))), told("192.0.2.7:12345")),
        (binary(0x20, 0x00, b""), Told::Nothing),
        (binary(0x20, 0x11, &FOUR), Told::Nothing),
        (binary(0x20, 0xff, b"anything"), Told::Nothing),
        (binary(0x21, 0x00, b"anything"), Told::Nothing),
        (binary(0x21, 0x31, &unix), Told::Nothing),
    ] {
        let followed = [&bytes[..], b"\x16\x03"].concat();
        assert_eq!(parse(&followed), Ok(Some((bytes.len(), says))), "{bytes:?}");
    }
}

#[test]
fn a_front_may_say_that_its_client_speaks_tls() {
    for (bits, tls) in [(0x01, true), (0x07, true), (0x00, false), (0x02, false)] {
        let block = [&FOUR[..], &field(TYPE_SSL, &[bits, 0, 0, 0, 0])].concat();
        let says = Told::Client { address: "192.0.2.7:12345".parse().unwrap(), tls };
        let bytes = binary(0x21, 0x11, &block);
        assert_eq!(parse(&bytes), Ok(Some((bytes.len(), says))));
    }
    let short = [&FOUR[..], &field(TYPE_SSL, &[1])].concat();
    assert_eq!(parse(&binary(0x21, 0x11, &short)), Err(Malformed));
}

#[test]
fn a_binary_header_that_is_not_exactly_right_is_none() {
    let cut_field = [&FOUR[..], &[0x04, 0, 9, 1]].concat();
    for bytes in [
        binary(0x11, 0x11, &FOUR),
        binary(0x22, 0x11, &FOUR),
        binary(0x21, 0x12, &FOUR),
        binary(0x21, 0x22, &six("::1")),
        binary(0x21, 0x32, &[0; 216]),
        binary(0x21, 0x41, &FOUR),
        binary(0x21, 0x11, &FOUR[..11]),
        binary(0x21, 0x21, &FOUR),
        binary(0x21, 0x31, &[0; 215]),
        binary(0x21, 0x11, &cut_field),
        binary(0x20, 0x00, &[0; 521]),
    ] {
        assert_eq!(parse(&bytes), Err(Malformed), "{bytes:?}");
    }
}

#[test]
fn a_header_that_comes_byte_by_byte_is_waited_for_and_no_longer_than_it_is() {
    let line = b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\r\n".to_vec();
    for whole in [line, binary(0x21, 0x11, &FOUR), binary(0x20, 0x00, b"")] {
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), Ok(None), "{cut} of {whole:?}");
        }
        assert!(matches!(parse(&whole), Ok(Some((length, _))) if length == whole.len()));
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_have_an_outcome_and_a_header_is_never_longer_than_allowed(
        version in 0..3,
        tail in proptest::collection::vec(proptest::num::u8::ANY, 0..700),
    ) {
        let begin: &[u8] = [&b""[..], V1_BEGIN, V2_SIGNATURE][usize::try_from(version).unwrap()];
        let bytes = [begin, &tail].concat();
        match parse(&bytes) {
            Ok(Some((length, _))) => {
                assert!(length <= HEADER_BYTES_MAX && length <= bytes.len());
                // What follows a header changes nothing in it.
                assert_eq!(parse(&bytes[..length]), parse(&bytes));
            }
            Ok(None) => assert!(bytes.len() < HEADER_BYTES_MAX),
            Err(Malformed) => {}
        }
    }
}
