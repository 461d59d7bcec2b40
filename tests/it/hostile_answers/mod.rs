//! What upstreams may send, as a table: through the real gateway each case is no answer of the upstream's at all, or
//! exactly the one that a strict reader reads, and the next client on the same service gets its own answer.

mod reader;
mod table;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::{Gateway, Setup, Upstream, client::compose};
use reader::Reading;
use table::{Case, Expected, cases};

const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes that the gateway certainly has before it has judged any of them.
const ONE_READ: usize = 8 * 1024;

/// How the bytes of a case come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    /// At once, and the connection is closed.
    Closed,
    /// At once, and the connection stays open for whoever would use it again.
    Open,
    /// The first line alone, then the rest in a second piece, and the connection stays open.
    Pieces,
}

/// What the upstream found out.
#[derive(Default)]
struct Findings {
    /// Lines of cases after which a connection was used again though it must not be.
    used_again: Vec<usize>,
}

struct Site {
    gateway: Gateway,
    findings: Arc<Mutex<Findings>>,
}

fn site() -> Site {
    let cases = Arc::new(cases());
    let findings = Arc::new(Mutex::new(Findings::default()));
    let found = Arc::clone(&findings);
    let upstream = Upstream::raw(move |stream| serve(stream, &cases, &found));
    // One worker: whoever comes next shares its connections.
    let config = format!("[server]\nworkers = 1\n[rate_limit]\nip_burst = 100000\n{}", upstream.config());
    let config = config.replace("urls", "response_timeout = \"5s\"\nurls");
    Site { gateway: Setup::new(&config).start(), findings }
}

/// Answers `/up/case/N/DELIVERY` with the bytes of case N, and `/up/echo/TEXT` with the text.
fn serve(mut stream: TcpStream, cases: &[Case], findings: &Mutex<Findings>) {
    let mut spoiled_by = None;
    while let Some(target) = read_target(&mut stream) {
        if let Some(line) = spoiled_by {
            findings.lock().expect("no panic").used_again.push(line);
        }
        let mut parts = target.split('/').skip(2);
        match (parts.next(), parts.next(), parts.next()) {
            (Some("case"), Some(n), Some(delivery)) => {
                let case = &cases[n.parse::<usize>().expect("a number")];
                let stays = match reader::read(&case.answer, case.method == "HEAD") {
                    Reading::Whole(answer) => answer.stays && answer.left_over == 0,
                    _ => false,
                };
                spoiled_by = (!stays).then_some(case.line);
                if !deliver(&mut stream, &case.answer, delivery) {
                    return;
                }
            }
            (_, Some(text), _) => {
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}

/// Whether the connection goes on.
fn deliver(stream: &mut TcpStream, answer: &[u8], delivery: &str) -> bool {
    stream.set_nodelay(true).ok();
    let first_line = answer.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1);
    let (first, rest) = answer.split_at(if delivery == "Pieces" { first_line } else { 0 });
    let sent = stream.write_all(first).and_then(|()| stream.write_all(rest));
    sent.is_ok() && delivery != "Closed"
}

fn read_target(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read(&mut byte).ok().filter(|n| *n == 1)?;
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).split(' ').nth(1).map(str::to_owned)
}

/// All that a client gets for one request on a connection of its own.
fn ask(address: SocketAddr, line: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the gateway listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    stream.write_all(&compose(line, &[("Connection", "close")], b"")).expect("the gateway reads");
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
            panic!("no end within {PATIENCE:?}: {line}")
        }
        // A reset is an end too.
        _ => all,
    }
}

impl Site {
    fn check(&self, n: usize, case: &Case, delivery: Delivery) -> Result<(), String> {
        let head_only = case.method == "HEAD";
        let raw = ask(self.gateway.public, &format!("{} /up/case/{n}/{delivery:?}", case.method));
        let sent = reader::read(&case.answer, head_only);
        let got = reader::read(&raw, head_only);
        let fits = match (&got, &case.expected) {
            (Reading::Whole(got), _) if got.left_over > 0 || got.until_close => false,
            (Reading::Whole(got), Expected::Answer(status, body)) => {
                let Reading::Whole(sent) = &sent else {
                    return Err("the table and the reader disagree".to_owned());
                };
                let same = |name| got.all(name) == sent.all(name);
                got.status == *status
                    && got.body == *body
                    && (sent.status, &sent.body) == (*status, body)
                    && ["x", "content-type", "set-cookie"].iter().all(|name| same(name))
            }
            (Reading::Whole(got), Expected::Refused | Expected::Cut) => got.status == 502,
            (Reading::Cut | Reading::Incomplete, Expected::Cut) => true,
            // Where the head went on before the fault came, cutting is all that is left.
            (Reading::Cut | Reading::Incomplete, Expected::Refused) => {
                sent == Reading::Bad && (delivery == Delivery::Pieces || case.answer.len() > ONE_READ)
            }
            _ => false,
        };
        let agrees = matches!(sent, Reading::Whole(_)) == matches!(case.expected, Expected::Answer(..));
        if !(fits && agrees) {
            return Err(format!("got {}", raw[..raw.len().min(300)].escape_ascii()));
        }
        // Whoever comes next, and whoever comes after that.
        for round in 0..2 {
            let mark = format!("{n}-{delivery:?}-{round}");
            let next = ask(self.gateway.public, &format!("GET /up/echo/{mark}"));
            match reader::read(&next, false) {
                Reading::Whole(a) if a.status == 200 && a.body == mark.as_bytes() => {}
                _ => return Err(format!("the next one got {}", next.escape_ascii())),
            }
        }
        Ok(())
    }
}

/// Whether a case can be told while its connection stays open: it ends, or something is wrong with it.
fn ends_by_itself(case: &Case) -> bool {
    match reader::read(&case.answer, case.method == "HEAD") {
        Reading::Whole(answer) => !answer.until_close,
        Reading::Bad => true,
        Reading::Cut | Reading::Incomplete => false,
    }
}

fn check_all(delivery: Delivery) {
    let site = site();
    let cases = cases();
    let wanted = cases.iter().enumerate().filter(|(_, c)| delivery == Delivery::Closed || ends_by_itself(c));
    let outcomes = wanted.map(|(n, case)| (case, site.check(n, case, delivery)));
    let wrong: Vec<String> = outcomes
        .filter_map(|(case, outcome)| outcome.err().map(|why| format!("line {}: {why}", case.line)))
        .collect();
    assert!(wrong.is_empty(), "{delivery:?}, {} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let used_again = &site.findings.lock().unwrap().used_again;
    assert!(used_again.is_empty(), "used again after the cases of lines {used_again:?}");
    assert!(!site.gateway.log().iter().any(|line| line.contains("panic")));
}

#[test]
fn up_06_to_up_11_each_hostile_answer_is_none_or_the_one_that_a_strict_reader_reads() {
    check_all(Delivery::Closed);
}

#[test]
fn up_06_to_up_11_no_connection_with_a_hostile_answer_is_used_again() {
    check_all(Delivery::Open);
}

#[test]
fn up_06_to_up_11_hostile_answers_in_pieces_are_judged_alike() {
    check_all(Delivery::Pieces);
}

#[test]
fn the_table_has_some_hundred_cases_and_the_reader_agrees_with_each() {
    let cases = cases();
    assert!(cases.len() > 300, "{}", cases.len());
    for case in cases {
        let read = reader::read(&case.answer, case.method == "HEAD");
        match (&case.expected, &read) {
            (Expected::Answer(status, body), Reading::Whole(a)) => {
                assert_eq!((a.status, &a.body), (*status, body), "line {}", case.line);
            }
            (Expected::Cut, Reading::Cut) | (Expected::Refused, Reading::Bad | Reading::Incomplete) => {}
            _ => panic!("line {}: {:?} is read as {read:?}", case.line, case.expected),
        }
    }
}
