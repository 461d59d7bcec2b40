//! The guide: every file in it is written, every command in it is run, and every line that it shows is looked for.
//!
//! A block ```` ```rhai plugins/x/main.rhai ```` is that file (`add` behind the name: its end; `change`: the line of that key); in ```` ```console ````
//! each line after `$ ` is a command, and the lines below it must come out in that order: spaces count as one, `…` is
//! whatever stands there.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{Gateway, Setup};

/// Longest wait for an answer that an edit changes.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Block {
    page: String,
    line: usize,
    info: String,
    text: String,
}

/// The pages in their order, cut into blocks.
fn blocks() -> Vec<Block> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide");
    let mut pages: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    pages.sort();
    assert_eq!(pages.len(), 5, "the guide has five pages");
    pages.iter().flat_map(|page| cut(page)).collect()
}

fn cut(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).unwrap();
    let name = page.file_name().unwrap().to_string_lossy().into_owned();
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (nth, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                let (info, text) = (info.trim().to_owned(), String::new());
                open = Some(Block { page: name.clone(), line: nth + 1, info, text });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some(block)) => block.text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{name}: a block is not closed");
    assert!(!found.is_empty(), "{name}: no block was found");
    found
}

/// The commands of a console block, each with the lines that it must show.
fn commands(block: &Block) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in block.text.lines().filter(|l| !l.trim().is_empty()) {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
            (None, Some((_, expected))) => expected.push(line.trim().to_owned()),
            (None, None) => panic!("{}:{}: output before a command", block.page, block.line),
        }
    }
    commands
}

/// Words as a shell would cut them; quotes hold them together.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (c, quote) {
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(q)) if c == q => quote = None,
            (' ', None) => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a line holds the pieces between `…` in their order; without a `…` the whole of it may stand anywhere.
fn fits(line: &str, wanted: &str) -> bool {
    let line = squeezed(line);
    let mut rest = line.as_str();
    wanted.split('…').map(squeezed).all(|piece| match rest.find(&piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}

/// The first expected line that is not there, after those before it.
fn missing<'a>(output: &str, expected: &'a [String]) -> Option<&'a str> {
    let mut lines = output.lines();
    expected.iter().find(|wanted| !lines.any(|line| fits(line, wanted))).map(String::as_str)
}

/// What `curl -i` would print.
fn curl(gateway: &Gateway, arguments: &[String]) -> String {
    let (mut method, mut headers, mut body, mut path) =
        ("GET", vec![("User-Agent", "curl/8")], "", None::<&str>);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value follows").as_str();
        match argument.as_str() {
            "-i" => {}
            "-X" => method = value(),
            "-d" => (method, body) = ("POST", value()),
            "-H" => {
                let (name, text) = value().split_once(':').expect("a header");
                headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
                headers.extend(Some((name, text.trim())).filter(|(_, text)| !text.is_empty()));
            }
            url => path = Some(url.strip_prefix("http://127.0.0.1:8080").expect("the gateway's address")),
        }
    }
    let path = path.expect("an address");
    let answer = gateway.send(&format!("{method} {path}"), &headers, body.as_bytes());
    let reason = http::StatusCode::from_u16(answer.status).ok().and_then(|s| s.canonical_reason());
    let mut text = format!("HTTP/1.1 {} {}\n", answer.status, reason.unwrap_or_default());
    for (name, value) in &answer.headers {
        text.extend([name, ": ", value, "\n"]);
    }
    text + "\n" + &answer.text()
}

fn perform(gateway: &Gateway, command: &str) -> (String, Option<i32>) {
    let words = words(command);
    match words[0].as_str() {
        "curl" => (curl(gateway, &words[1..]), None),
        "pluginmind" => {
            let arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
            let output = gateway.verb(&arguments);
            let said = [output.stdout, output.stderr].concat();
            (String::from_utf8(said).expect("text"), output.status.code())
        }
        other => panic!("the guide uses `{other}`, which this test does not know"),
    }
}

/// Runs a command; one that asks the running gateway until it shows what it should: an edit is in force a moment after it
/// was saved.
fn run(gateway: &Gateway, block: &Block, command: &str, expected: &[String]) {
    let asks = command.starts_with("curl ")
        || ["status", "plugins"].map(|v| format!("pluginmind {v}")).contains(&command.to_owned());
    let fails = expected.iter().any(|l| l.starts_with("error") || l.contains("FAILED"));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (output, code) = perform(gateway, command);
        let wrong_end = code.is_some_and(|code| code != i32::from(fails));
        let missing = missing(&output, expected);
        if missing.is_none() && !wrong_end {
            return;
        }
        assert!(
            asks && Instant::now() < deadline,
            "{}:{}: `{command}` ended {code:?} without {missing:?}:\n{output}",
            block.page,
            block.line
        );
        std::thread::yield_now();
    }
}

/// A text with the last line of that key as it is now.
fn changed(text: &str, line: &str) -> String {
    let key = line.split('=').next().expect("a key");
    let at = text.rfind(&format!("\n{key}=")).expect("the key stands there") + 1;
    let end = text[at..].find('\n').map_or(text.len(), |n| at + n + 1);
    format!("{}{line}{}", &text[..at], &text[end..])
}

#[test]
fn every_file_and_every_command_of_the_guide_does_what_it_says() {
    let blocks = blocks();
    let config = &blocks[0];
    assert_eq!(config.info, "toml config.toml", "the guide begins with a configuration");
    let gateway = Setup::new(&config.text).start();
    let (mut files, mut ran) = (0, 0);
    for block in &blocks[1..] {
        let info: Vec<&str> = block.info.split(' ').collect();
        match info.as_slice() {
            ["console"] => {
                for (command, expected) in commands(block) {
                    // It runs since the first file was there.
                    if command != "pluginmind serve" {
                        run(&gateway, block, &command, &expected);
                        ran += 1;
                    }
                }
            }
            ["toml", "config.toml", "add"] => {
                gateway.save("config.toml", &(gateway.config() + "\n" + &block.text));
                files += 1;
            }
            ["toml", "config.toml", "change"] => {
                gateway.save("config.toml", &changed(&gateway.config(), &block.text));
                files += 1;
            }
            ["toml" | "rhai" | "text", file] if *file != "config.toml" => {
                gateway.save(file, &block.text);
                files += 1;
            }
            _ => panic!("{}:{}: a block that nothing runs: `{}`", block.page, block.line, block.info),
        }
    }
    assert!(files >= 10 && ran >= 15, "{files} files, {ran} commands");
}

#[test]
fn a_line_is_found_by_its_pieces_in_their_order() {
    let output = "PLUGIN  CASE\nmine    test_x  ok   0.3 ms\n\n1 passed, 0 failed\n";
    let wanted = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
    assert_eq!(missing(output, &wanted(&["mine test_x ok", "1 passed"])), None);
    assert_eq!(missing(output, &wanted(&["mine … ok … ms", "…0 failed"])), None);
    assert_eq!(missing(output, &wanted(&["1 passed", "mine … ok"])), Some("mine … ok"));
    assert_eq!(missing(output, &wanted(&["ok … mine"])), Some("ok … mine"));
    assert_eq!(words("a -H 'x: y' \"\" b"), ["a", "-H", "x: y", "", "b"]);
}
