//! Writes databases in `MaxMind`'s format that are large enough for a test.
//!
//! # Source
//! <https://maxmind.github.io/MaxMind-DB/>: 32-bit records, an IPv6 tree with IPv4 below `::/96`.

use std::net::IpAddr;

/// A value of a record.
pub enum Value {
    Text(&'static str),
    Number(u32),
    Flag(bool),
    List(Vec<Value>),
    Map(Vec<(&'static str, Value)>),
}

/// A database of that type, with a record for each network.
pub fn database(kind: &str, records: &[(&str, Value)]) -> Vec<u8> {
    let mut tree = Tree(vec![[Record::None; 2]]);
    let mut data = Vec::new();
    for (network, value) in records {
        tree.insert(network, u32::try_from(data.len()).unwrap());
        encode(value, &mut data);
    }
    let nodes = u32::try_from(tree.0.len()).unwrap();
    let mut out: Vec<u8> =
        tree.0.iter().flatten().flat_map(|record| record.number(nodes).to_be_bytes()).collect();
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    metadata(kind, nodes, &mut out);
    out
}

#[derive(Clone, Copy)]
enum Record {
    None,
    Node(u32),
    Data(u32),
}

impl Record {
    fn number(self, nodes: u32) -> u32 {
        match self {
            Self::None => nodes,
            Self::Node(at) => at,
            Self::Data(at) => nodes + 16 + at,
        }
    }
}

struct Tree(Vec<[Record; 2]>);

impl Tree {
    fn insert(&mut self, network: &str, data: u32) {
        let (address, length) = network.split_once('/').unwrap();
        let length: u32 = length.parse().unwrap();
        let (bits, length) = match address.parse().unwrap() {
            IpAddr::V4(v4) => (u128::from(u32::from(v4)), length + 96),
            IpAddr::V6(v6) => (u128::from(v6), length),
        };
        let side = |depth: u32| usize::from(bits >> (127 - depth) & 1 == 1);
        let mut at = 0;
        for depth in 0..length - 1 {
            at = match self.0[at][side(depth)] {
                Record::Node(next) => next as usize,
                _ => {
                    self.0.push([Record::None; 2]);
                    let next = self.0.len() - 1;
                    self.0[at][side(depth)] = Record::Node(u32::try_from(next).unwrap());
                    next
                }
            };
        }
        self.0[at][side(length - 1)] = Record::Data(data);
    }
}

fn metadata(kind: &str, nodes: u32, out: &mut Vec<u8>) {
    head(7, 9, out);
    for (key, type_number, number) in [
        ("binary_format_major_version", 5, 2),
        ("binary_format_minor_version", 5, 0),
        ("build_epoch", 9, 1_767_614_400),
        ("ip_version", 5, 6),
        ("node_count", 6, nodes),
        ("record_size", 5, 32),
    ] {
        text(key, out);
        // A number has at most as many bytes as it needs; one of type 9 may have 8.
        let bytes = number.to_be_bytes();
        let bytes = if type_number == 5 { &bytes[2..] } else { &bytes[..] };
        head(type_number, bytes.len(), out);
        out.extend(bytes);
    }
    text("database_type", out);
    text(kind, out);
    text("description", out);
    head(7, 1, out);
    text("en", out);
    text("a test's database", out);
    text("languages", out);
    head(11, 0, out);
}

fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(words) => text(words, out),
        Value::Number(n) => {
            head(6, 4, out);
            out.extend(n.to_be_bytes());
        }
        Value::Flag(flag) => head(14, usize::from(*flag), out),
        Value::List(values) => {
            head(11, values.len(), out);
            values.iter().for_each(|v| encode(v, out));
        }
        Value::Map(pairs) => {
            head(7, pairs.len(), out);
            for (key, value) in pairs {
                text(key, out);
                encode(value, out);
            }
        }
    }
}

fn text(words: &str, out: &mut Vec<u8>) {
    head(2, words.len(), out);
    out.extend(words.as_bytes());
}

/// The control byte of a value: types from 8 on have a byte of their own, sizes from 29 on too.
fn head(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (short, more) =
        if size < 29 { (size, None) } else { (29, Some(u8::try_from(size - 29).expect("a short value"))) };
    let short = u8::try_from(short).unwrap();
    if kind < 8 {
        out.push(kind << 5 | short);
    } else {
        out.extend([short, kind - 7]);
    }
    out.extend(more);
}
