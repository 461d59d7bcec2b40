//! The fuzz targets of `tests/fuzz` without a fuzzer: the corpus, mutated by rules that know the grammar, from a fixed seed.
//! `PLUGINMIND_FUZZ=N` has each target run N times.

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use crate::harness::strict;
use crate::hostile;

/// Runs of each target when nobody says otherwise: seconds in a debug build.
const RUNS: u64 = 3_000;

/// What mutations put in: each has been read in two ways by somebody.
const PIECES: [&[u8]; 40] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b"\x7f",
    b"\xa0",
    b"\x85",
    b":",
    b",",
    b";",
    b"=",
    b"\"",
    b"0",
    b"1",
    b"0\r\n\r\n",
    b"\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Host: a.test\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"Expect: 100-continue\r\n",
    b"X: y\r\n",
    b" X: y\r\n",
    b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    b"POST /x HTTP/1.0\r\n",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"%2e",
    b"%2F",
    b"%25",
    b"..",
    b"//",
    b"/./",
    b"http://a.test",
    b"ffffffffffffffff",
];

/// Marsaglia's xorshift: the same numbers every time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).expect("below a usize")
    }
}

fn runs() -> u64 {
    std::env::var("PLUGINMIND_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(RUNS)
}

/// Runs a target over mutations of the seeds; it must have had something to compare.
fn drive(seeds: &[Vec<u8>], target: impl Fn(&[u8]) -> usize) {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut compared = 0;
    for _ in 0..runs() {
        let mut bytes = seeds[numbers.below(seeds.len())].clone();
        for _ in 0..numbers.below(4) {
            mutate(&mut bytes, seeds, &mut numbers);
        }
        compared += target(&bytes);
    }
    assert!(compared > 0, "nothing was compared");
}

/// One step away: a piece put in, a stretch left out, moved or said twice, a byte changed, another seed behind.
fn mutate(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], numbers: &mut Numbers) {
    let (at, length) = (numbers.below(bytes.len() + 1), numbers.below(12) + 1);
    let end = (at + length).min(bytes.len());
    match numbers.below(6) {
        0 => drop(bytes.splice(at..at, PIECES[numbers.below(PIECES.len())].iter().copied())),
        1 => drop(bytes.drain(at..end)),
        2 => {
            let stretch = bytes[at..end].to_vec();
            drop(bytes.splice(at..at, stretch));
        }
        3 => {
            let byte = u8::try_from(numbers.below(256)).expect("a byte");
            bytes.splice(at..end.min(at + 1), [byte]);
        }
        4 => bytes.extend_from_slice(&seeds[numbers.below(seeds.len())]),
        _ => {
            let stretch: Vec<u8> = bytes.drain(at..end).collect();
            let to = numbers.below(bytes.len() + 1);
            drop(bytes.splice(to..to, stretch));
        }
    }
}

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn any_bytes_are_the_requests_that_they_are() {
    let small = |case: &hostile::Case| case.bytes.len() < 2_000;
    let cases: Vec<_> = hostile::all().into_iter().filter(small).map(|case| case.bytes).collect();
    // Most cases are one step away from a request; as many begin with one.
    let (good, bad): (Vec<_>, Vec<_>) =
        cases.into_iter().partition(|bytes| !strict::read(bytes).requests.is_empty());
    let some = bad.len().div_ceil(good.len());
    let seeds = good.iter().chain(bad.iter().step_by(some));
    let seeds: Vec<Vec<u8>> = seeds.map(|bytes| [b"\x07", &bytes[..]].concat()).collect();
    drive(&seeds, targets::connection::run);
}

#[test]
fn any_text_is_one_path_and_one_host_or_none() {
    drive(
        &texts(&[
            "/a/b;c=d/%41%2d%c3%a9",
            "/a/../b",
            "/%2e%2e/x",
            "/%252e",
            "/a%2fb",
            "//",
            "/a/./",
            "/..;/a",
            "a.test:80",
            "[::1]:8080",
            "A.Test.",
            "[2001:db8::1]",
            "xn--caf-dma.test",
            "127.0.0.1",
            "a_b.test",
            "/%c0%ae",
            "/a?b#c",
            "localhost:65536",
            "a.test:080",
        ]),
        targets::target::run,
    );
}

#[test]
fn any_forwarded_addresses_are_walked_from_the_right() {
    drive(
        &texts(&[
            "1.2.3.4",
            "6.6.6.6, 1.2.3.4",
            "1.2.3.4, 10.0.0.9",
            "10.0.0.5",
            "[2001:db8::1]:80, 10.0.0.1",
            "\"[::1]\"",
            "::ffff:10.0.0.2, 10.9.9.9",
            "unknown, 10.0.0.1",
            "1.2.3.4:56",
            "fe80::1%eth0",
            "1.2.3.4\n10.0.0.8\n10.0.0.7",
            "01.2.3.4",
            "",
            ", ,",
            "[fe80::1%1]:80, 10.0.0.1",
        ]),
        targets::forwarded::run,
    );
}

#[test]
fn any_cookies_hold_one_session_or_none_and_none_goes_upstream() {
    drive(
        &texts(&[
            "pm_session=abc; theme=dark",
            "theme=dark; pm_session=abc",
            "pm_session=a; pm_session=b",
            "pm_session=a\npm_session=b",
            "pm_session",
            "pm_session =a",
            " pm_session=\"a\" ;b=c",
            "PM_SESSION=a",
            "xpm_session=a;pm_sessionx=b",
            ";;pm_session=;",
            "a=pm_session=b",
            "pm_session=a b",
        ]),
        targets::cookie::run,
    );
}

#[test]
fn any_answer_goes_on_only_where_it_can_be_read_in_one_way() {
    drive(
        &texts(&[
            "\x04HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "\x05HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "\x10HTTP/1.0 200\r\n\r\nhello",
            "\x20HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
            "\x40HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
            "\x06HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nbytes",
            "\x08HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        ]),
        targets::answer::run,
    );
}

#[test]
fn any_beginning_of_a_connection_is_one_proxy_header_or_none() {
    let block = b"\xc0\x00\x02\x07\x0a\x00\x00\x01\x30\x39\x00\x50";
    let binary = |family: &[u8], block: &[u8]| [b"\r\n\r\n\0\r\nQUIT\n", family, block].concat();
    let mut seeds = texts(&[
        "PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\r\nGET / HTTP/1.1\r\n",
        "PROXY TCP6 2001:db8::7 ::1 0 65535\r\n",
        "PROXY TCP6 ::ffff:192.0.2.7 ::1 1 80\r\n",
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN ffff::1 whatever 70000 -1\r\n",
    ]);
    seeds.extend([
        binary(b"\x21\x11\x00\x0c", block),
        binary(b"\x20\x00\x00\x00", b""),
        binary(b"\x21\x11\x00\x14", &[&block[..], b"\x20\x00\x05\x01\x00\x00\x00\x00"].concat()),
        binary(b"\x21\x21\x00\x24", &[7; 36]),
        binary(b"\x21\x31\x00\xd8", &[7; 216]),
    ]);
    drive(&seeds, targets::proxy_protocol::run);
}
