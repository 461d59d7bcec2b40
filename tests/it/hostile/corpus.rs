//! The run over all cases.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use super::case::{self, Case};
use super::client::{self, Manner, Outcome};
use super::{all, judge};
use crate::harness::recorder::misfit;
use crate::harness::strict::{Message, Stop};
use crate::harness::{Gateway, Recorder, Setup, Witness};

/// Connections at a time.
const AT_ONCE: usize = 192;

/// One in so many cases is sent in pieces, unless all are asked for.
const PIECES_STEP: usize = 5;

/// The fewest cases that are a corpus.
const CASES_LEAST: usize = 6_000;

const RULE: &str =
    r#"fn on_upstream(req, up) { up.set_header("X-Judged", req.method + " " + req.path + " " + req.host); }"#;

/// The gateway's patience with what is not whole. A busy machine may need it for what comes in pieces.
fn server(manner: Manner) -> String {
    let seconds = if manner == Manner::Whole { 4 } else { 12 };
    format!(
        "[server]\nheader_timeout = \"{seconds}s\"\nbody_timeout = \"{seconds}s\"\nbody_max = \"64 KiB\"\n\
         [rate_limit]\nuser_per_minute = 60000\nip_per_minute = 60000\n"
    )
}

#[test]
fn no_hostile_connection_breaks_the_gateway() {
    let cases = all();
    assert!(cases.len() >= CASES_LEAST, "{} cases", cases.len());
    check(cases, Manner::Whole);
}

/// What comes in pieces is judged as what comes at once: a part of the cases, all of them with `HOSTILE_ALL=1`.
#[test]
fn no_hostile_connection_breaks_the_gateway_when_it_comes_in_pieces() {
    let step = if std::env::var_os("HOSTILE_ALL").is_some() { 1 } else { PIECES_STEP };
    check(all().into_iter().step_by(step).collect(), Manner::Pieces);
}

/// A folder of raw requests, a file each, that is no part of this repository: `HOSTILE_CASES=FOLDER`.
#[test]
fn no_case_of_another_suite_breaks_the_gateway() {
    let Some(folder) = std::env::var_os("HOSTILE_CASES") else { return };
    check(raw_files(Path::new(&folder)), Manner::Whole);
}

/// Runs the cases; the broken ones are told, and written to the file that `HOSTILE_REPORT` names.
fn check(cases: Vec<Case>, manner: Manner) {
    let broken = run(cases, manner);
    if let Some(file) = std::env::var_os("HOSTILE_REPORT") {
        std::fs::write(file, broken.join("\n")).expect("a file");
    }
    assert!(broken.is_empty(), "{} cases are broken:\n{}", broken.len(), broken.join("\n"));
}

fn raw_files(folder: &Path) -> Vec<Case> {
    let files = std::fs::read_dir(folder).expect("a folder").map(|f| f.expect("an entry").path());
    let mut files: Vec<_> = files.filter(|f| f.is_file()).collect();
    files.sort();
    let case = |file: &std::path::PathBuf| Case {
        id: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        bytes: std::fs::read(file).expect("readable"),
        is_good: false,
    };
    files.iter().map(case).collect()
}

/// Runs the cases and gives the broken ones, with what is wrong.
fn run(cases: Vec<Case>, manner: Manner) -> Vec<String> {
    let recorder = Recorder::start();
    let config = format!("{}{}", server(manner), recorder.config("auth = \"none\""));
    let gateway = Setup::new(&config)
        .plugin("judge", RULE)
        .user("witness@a.test", "correct horse battery", &[])
        .start();
    let witness = Witness::start(&gateway, "witness@a.test", "correct horse battery");
    let begun = Instant::now();
    let (cases, outcomes) = connect(&gateway, cases, manner);
    let seconds = begun.elapsed().as_secs_f64();
    let mut faults = witness.finish(&gateway, &recorder, &["canary-credential", "127.1."]);
    let arrived = by_source(&recorder, &mut faults);
    for (case, outcome) in cases.iter().zip(&outcomes) {
        let of_case = arrived.get(&outcome.source.to_string()).map_or(&[][..], Vec::as_slice);
        if let Some(fault) = judge::fault(case, outcome, of_case) {
            faults.push(format!("{}: {fault}: {}", case.id, case::escape(&case.bytes)));
        }
    }
    tell(&cases, faults.len(), seconds);
    faults
}

fn connect(gateway: &Gateway, cases: Vec<Case>, manner: Manner) -> (Rc<Vec<Case>>, Vec<Outcome>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (cases, address) = (Rc::new(cases), gateway.public);
    let all = Rc::clone(&cases);
    let outcomes = LocalSet::new().block_on(&runtime, async move {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut running = Vec::new();
        for number in 0..all.len() {
            let place = Arc::clone(&places).acquire_owned().await.expect("it is never closed");
            let all = Rc::clone(&all);
            running.push(tokio::task::spawn_local(async move {
                let outcome = Box::pin(client::run(address, number, &all[number], manner)).await;
                drop(place);
                outcome
            }));
        }
        let mut outcomes = Vec::new();
        for one in running {
            outcomes.push(one.await.expect("no panic"));
        }
        outcomes
    });
    (cases, outcomes)
}

/// What arrived, by the client's address; what is not well formed is a fault whoever sent it.
fn by_source(recorder: &Recorder, faults: &mut Vec<String>) -> HashMap<String, Vec<Message>> {
    let mut arrived: HashMap<String, Vec<(usize, Message)>> = HashMap::new();
    for connection in recorder.connections() {
        if matches!(connection.stop, Stop::Malformed(_) | Stop::Closed) {
            faults.push(format!("upstream: {:?} in {}", connection.stop, case::escape(&connection.bytes)));
        }
        for (order, message) in connection.requests {
            faults.extend(misfit(&message).map(|fault| format!("upstream: {fault} in {message:?}")));
            let source = message.header("x-forwarded-for").unwrap_or_default();
            arrived.entry(source).or_default().push((order, message));
        }
    }
    let sorted = |mut all: Vec<(usize, Message)>| {
        all.sort_by_key(|(order, _)| *order);
        all.into_iter().map(|(_, message)| message).collect()
    };
    arrived.into_iter().map(|(source, all)| (source, sorted(all))).collect()
}

/// Says how many cases of each kind were run; seen with `--nocapture`.
fn tell(cases: &[Case], broken: usize, seconds: f64) {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases {
        *kinds.entry(case.id.split('/').next().unwrap_or_default()).or_default() += 1;
    }
    let mut text = format!("{} cases in {seconds:.1} s, {broken} broken:", cases.len());
    for (kind, count) in kinds {
        let _ = write!(text, " {kind} {count}");
    }
    text.push('\n');
    std::io::stderr().write_all(text.as_bytes()).ok();
}
