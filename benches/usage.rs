//! Budget: 3 us of the processor for a row, in the table and its index.
//!
//! The usage log at its size: fills a database through the store's own writer, then asks it what an operator asks, and
//! sweeps it. `cargo bench --bench usage -- [ROWS] [FOLDER]`; 5,000,000 rows take some 2 GB of disk.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pluginmind::base::ids::CorrelationId;
use pluginmind::store::{
    BucketTrace, KvRow, Label, Options, Reader, STAGES, StageTrace, Store, Sweep, Trace, TraceBytes,
    UsageFilter, UsageRow,
};

/// The days over which the rows are spread.
const DAYS: i64 = 30;
const DAY_MS: i64 = 86_400_000;
/// How many requests of each kind are looked up.
const LOOKUPS: usize = 50;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let rows: u64 = words.next().map_or(Ok(5_000_000), |word| word.replace('_', "").parse())?;
    let made;
    let folder = match words.next() {
        Some(folder) => PathBuf::from(folder),
        None => {
            made = tempfile::tempdir()?;
            made.path().to_owned()
        }
    };
    let path = folder.join("usage.db");
    let now_ms =
        i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?;
    let store = Store::open(&path, Options { usage_queue_max: 200_000, ..Options::default() })?;
    let ids = fill(&store, rows, now_ms)?;
    index(&path, rows)?;
    search(&path, &ids, now_ms)?;
    sweep(&store, &path, now_ms)?;
    store.close(Duration::from_secs(60))?;
    Ok(())
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn hash(kind: u8, number: u64) -> [u8; 16] {
    let mut bytes = [kind; 16];
    // Spread as a hash is.
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn trace(dice: &mut Dice) -> TraceBytes {
    let mut stage = |name: &&str| StageTrace { stage: (*name).to_owned(), us: small(dice.roll(90)) };
    let stages = STAGES.iter().filter(|name| **name != "correlation").map(&mut stage).collect();
    let bucket =
        |bucket: &str| BucketTrace { bucket: bucket.to_owned(), limit: 600, remaining: 599, reset_ms: 200 };
    let set = ["x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "traceparent"];
    let trace = Trace {
        stages,
        buckets: vec![bucket("ip"), bucket("user")],
        auth: "session".to_owned(),
        upstream_ms: Some(small(dice.roll(300))),
        set: set.map(str::to_owned).to_vec(),
        removed: vec!["cookie".to_owned(), "connection".to_owned()],
        ..Trace::default()
    };
    trace.encode()
}

fn row(dice: &mut Dice, time_ms: i64) -> UsageRow {
    let fate = dice.roll(1_000);
    let (status, code, stage, plugin) = match fate {
        0..20 => (401, Some("AUTHENTICATION_REQUIRED"), Some("identity"), None),
        20..30 => (429, Some("RATE_LIMIT_EXCEEDED"), Some("rate_limit"), None),
        30..33 => (403, Some("bot.seen"), Some("on_request"), Some("bot-block")),
        33 => (502, Some("UPSTREAM_UNREACHABLE"), Some("upstream"), None),
        _ => (200, None, None, None),
    };
    UsageRow {
        time_ms,
        correlation_id: CorrelationId::generate(),
        method: Label::Own("GET"),
        route: Label::Own(
            ["api", "app", "files", "search", "admin"][usize::try_from(dice.roll(5)).unwrap_or(0)],
        ),
        status,
        code: code.map(Label::Own),
        stage: stage.map(Label::Own),
        duration_us: dice.roll(500_000),
        bytes_in: 0,
        bytes_out: dice.roll(50_000),
        client_hash: hash(1, dice.roll(200_000)),
        user_hash: (fate >= 20).then(|| hash(2, dice.roll(50_000))),
        plugin: plugin.map(Label::Own),
        rule_line: plugin.map(|_| 12),
        generation: 7,
        service: Some(Label::Own("app")),
        policy: [9; 8],
        trace: Some(trace(dice)),
    }
}

/// Processor time of this process so far.
fn processor() -> Result<Duration, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // proc(5): utime and stime are the 12th and 13th field after the name, in hundredths of a second.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Microseconds of the processor for each of some rows.
fn each(time: Duration, rows: u64) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e6 / f64::from(small(rows.max(1))))
}

fn fill(store: &Store, rows: u64, now_ms: i64) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut dice = Dice(7);
    let mut ids = Vec::new();
    let every = (rows / u64::try_from(LOOKUPS)?).max(1);
    let made = rows.min(200_000);
    let before = processor()?;
    for n in 0..made {
        std::hint::black_box(row(&mut dice, i64::try_from(n)?));
    }
    show("making a row, CPU us", &each(processor()?.saturating_sub(before), made));
    let before = processor()?;
    let began = Instant::now();
    for n in 0..rows {
        let age = i64::try_from(
            u128::from(rows - n) * u128::from((DAYS * DAY_MS).unsigned_abs()) / u128::from(rows),
        )?;
        let row = row(&mut dice, now_ms - age);
        if n % every == every / 2 {
            ids.push(row.correlation_id.as_str().to_owned());
        }
        store.add_usage(row);
        if n % 50_000 == 49_999 {
            store.flush().wait()?;
        }
    }
    store.flush().wait()?;
    let took = began.elapsed();
    show("making and writing, CPU us", &each(processor()?.saturating_sub(before), rows));
    show("rows", &rows.to_string());
    show("rows dropped", &store.usage_rows_dropped().to_string());
    show("fill, us a row", &each(took, rows));
    Ok(ids)
}

/// Waits until the writer has indexed what it can.
fn index(path: &Path, rows: u64) -> Result<(), Box<dyn std::error::Error>> {
    let database = rusqlite::Connection::open(path)?;
    let built = || database.query_row("SELECT count(*) FROM usage_blocks", [], |row| row.get::<_, i64>(0));
    let full = i64::try_from(rows / 4_096)?;
    while built()? == 0 && full > 0 {
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let (began, before) = (Instant::now(), processor()?);
    let first = built()?;
    while built()? < full {
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let blocks = f64::from(small((full - first).unsigned_abs()).max(1));
    let spent = processor()?.saturating_sub(before);
    show("index, CPU ms a block", &format!("{:.2}", spent.as_secs_f64() * 1e3 / blocks));
    show("index, ms a block", &format!("{:.2}", began.elapsed().as_secs_f64() * 1e3 / blocks));
    show("file, MB", &(std::fs::metadata(path)?.len() / 1_000_000).to_string());
    let sql = "SELECT sum(pgsize) / 1000000 FROM dbstat WHERE name = ?1";
    for table in ["query_logs", "query_logs_by_id", "usage_index"] {
        if let Ok(megabytes) = database.query_row(sql, [table], |row| row.get::<_, i64>(0)) {
            show(&format!("{table}, MB"), &megabytes.to_string());
        }
    }
    Ok(())
}

fn search(path: &Path, ids: &[String], now_ms: i64) -> Result<(), Box<dyn std::error::Error>> {
    let mut times = Vec::new();
    for id in ids {
        let began = Instant::now();
        let found = Reader::open(path)?.request(id)?;
        times.push(began.elapsed());
        assert_eq!(found.len(), 1, "every request is found");
        assert!(found[0].1.is_some(), "and has its trace");
    }
    summary("explain ID", &mut times, 1);
    let none = UsageFilter::default;
    let text = |text: &str| Some(text.to_owned());
    let asked = [
        ("newest", none()),
        ("user", UsageFilter { user: Some(hash(2, 77)), ..none() }),
        ("address", UsageFilter { client: Some(hash(1, 77)), ..none() }),
        ("user and address", UsageFilter { user: Some(hash(2, 77)), client: Some(hash(1, 77)), ..none() }),
        ("nobody", UsageFilter { user: Some([0; 16]), ..none() }),
        ("status 4xx", UsageFilter { status: Some((400, 499)), ..none() }),
        ("status 502", UsageFilter { status: Some((502, 502)), ..none() }),
        ("status 503", UsageFilter { status: Some((503, 503)), ..none() }),
        ("code", UsageFilter { code: text("bot.seen"), ..none() }),
        ("route, 4xx", UsageFilter { route: text("admin"), status: Some((400, 499)), ..none() }),
        ("plugin", UsageFilter { plugin: text("bot-block"), ..none() }),
        ("since 1 h", UsageFilter { since_ms: Some(now_ms - 3_600_000), ..none() }),
        (
            "4xx since 7 d",
            UsageFilter { status: Some((400, 499)), since_ms: Some(now_ms - 7 * DAY_MS), ..none() },
        ),
        ("user, from the first", UsageFilter { user: Some(hash(2, 77)), after: Some(0), ..none() }),
    ];
    for (name, filter) in asked {
        for most in [100, 10_000] {
            let mut times = Vec::new();
            let mut rows = 0;
            for _ in 0..5 {
                let began = Instant::now();
                rows = Reader::open(path)?.requests(&filter, most)?.len();
                times.push(began.elapsed());
            }
            summary(&format!("logs {name}, {most}"), &mut times, rows);
        }
    }
    let began = Instant::now();
    let impact = Reader::open(path)?.impact("bot-block", now_ms - DAY_MS)?;
    summary("impact of a day", &mut [began.elapsed()], usize::try_from(impact.all_requests)?);
    Ok(())
}

/// Sweeps a tenth, while somebody else wants to write.
fn sweep(store: &Store, path: &Path, now_ms: i64) -> Result<(), Box<dyn std::error::Error>> {
    let before = now_ms - DAYS * DAY_MS * 9 / 10;
    let began = Instant::now();
    let sweeping =
        store.sweep(Sweep { now_ms, sessions_seen_before_ms: 0, usage_before_ms: before, usage_rows_max: 0 });
    let done = std::thread::spawn(move || sweeping.wait());
    let mut waits = Vec::new();
    while !done.is_finished() {
        let row = KvRow {
            plugin: "bench".to_owned(),
            list: "x".to_owned(),
            key: "k".to_owned(),
            value: Some("1".to_owned()),
            expires_ms: None,
        };
        let asked = Instant::now();
        store.save_kv(vec![row]).wait()?;
        waits.push(asked.elapsed());
        std::thread::park_timeout(Duration::from_millis(5));
    }
    done.join().map_err(|_| "the sweep panicked")??;
    show("sweep of a tenth, s", &format!("{:.2}", began.elapsed().as_secs_f64()));
    let writes = waits.len();
    summary("durable write meanwhile", &mut waits, writes);
    show("file after, MB", &(std::fs::metadata(path)?.len() / 1_000_000).to_string());
    Ok(())
}

fn summary(what: &str, times: &mut [Duration], rows: usize) {
    times.sort_unstable();
    let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let (median, worst) = (ms(times.get(times.len() / 2)), ms(times.last()));
    show(what, &format!("{median:.2} ms, at most {worst:.2} ms ({rows} rows)"));
}

#[expect(clippy::print_stdout, reason = "a bench prints what it measured")]
fn show(what: &str, value: &str) {
    println!("{what:<28} {value}");
}
