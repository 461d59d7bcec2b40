use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::sync::mpsc::{self, RecvTimeoutError};

use super::*;
use crate::telemetry::exposition::Exposition;

const LONG: Duration = Duration::from_secs(20);

/// Nothing is taken for changed since the caller read it.
const LATER: i64 = i64::MAX;

/// A watcher on one root, which reports what it read each time, and the folder it lives in.
struct Bench {
    dir: tempfile::TempDir,
    root: PathBuf,
    metrics: Arc<Metrics>,
    built: mpsc::Receiver<(Trigger, String)>,
    watcher: Watcher<String>,
}

/// What a file holds, or a folder's `main`, or a word for what cannot be read.
fn read(root: &Path) -> String {
    let path = if root.is_dir() { root.join("main") } else { root.to_owned() };
    match fs::metadata(&path) {
        Ok(meta) if meta.is_file() => fs::read_to_string(path).unwrap_or_else(|_| "(unreadable)".into()),
        Ok(_) => "(no file)".into(),
        Err(_) => "(absent)".into(),
    }
}

impl Bench {
    /// `prepare` fills the folder and gives the root.
    fn new(prepare: impl FnOnce(&Path) -> PathBuf) -> Self {
        Self::in_folder(false, prepare)
    }

    /// The same, in a folder where others write all the time.
    fn in_folder(is_busy: bool, prepare: impl FnOnce(&Path) -> PathBuf) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = prepare(dir.path());
        let busy = is_busy.then(|| dir.path().to_owned());
        let metrics = Arc::new(Metrics::new("test"));
        let (tell, built) = mpsc::channel();
        let mine = root.clone();
        let watcher = Watcher::start(vec![root.clone()], busy, LATER, Arc::clone(&metrics), move |trigger| {
            let report = read(&mine);
            tell.send((trigger, report.clone())).ok();
            Built { report, roots: vec![mine.clone()] }
        })
        .unwrap();
        Self { dir, root, metrics, built, watcher }
    }

    /// With `config` holding `old`.
    fn file() -> Self {
        Self::new(|dir| {
            fs::write(dir.join("config"), "old").unwrap();
            dir.join("config")
        })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Waits until an attempt reads `expect`; what was read before that on the way.
    fn until(&self, expect: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let (_, report) =
                self.built.recv_timeout(LONG).unwrap_or_else(|_| panic!("{expect} after {before:?}"));
            if report == expect {
                return before;
            }
            before.push(report);
        }
    }

    /// Nothing is built for so long.
    fn pause(&self, ms: u64) {
        let result = self.built.recv_timeout(Duration::from_millis(ms));
        assert_eq!(result, Err(RecvTimeoutError::Timeout));
    }

    /// Asks for a reload, so that everything that happened before has been dealt with.
    fn settle(&self) -> String {
        let report = self.watcher.reloader().ask().unwrap().blocking_recv().unwrap();
        assert_eq!(self.built.recv_timeout(LONG).unwrap(), (Trigger::Asked, report.clone()));
        report
    }
}

#[test]
fn an_edit_is_seen() {
    let bench = Bench::file();
    fs::write(&bench.root, "new").unwrap();
    assert_eq!(bench.built.recv_timeout(LONG).unwrap(), (Trigger::Files, "new".into()));
}

#[test]
fn in_the_databases_folder_a_file_is_watched_alone_and_every_kind_of_edit_is_seen() {
    let write = |dir: &Path| {
        fs::write(dir.join("config"), "old").unwrap();
        dir.join("config")
    };
    let bench = Bench::in_folder(true, write);
    let watched = || {
        let seen = scan(std::slice::from_ref(&bench.root), Some(bench.dir.path()));
        seen.folders.into_iter().map(|(path, found)| (path, found.is_file)).collect::<Vec<_>>()
    };
    assert_eq!(watched(), [(bench.root.clone(), true)], "not the folder");
    fs::write(&bench.root, "in place").unwrap();
    bench.until("in place");
    for text in ["by rename", "by rename again"] {
        fs::write(bench.at("draft"), text).unwrap();
        fs::rename(bench.at("draft"), &bench.root).unwrap();
        bench.until(text);
    }
    fs::remove_file(&bench.root).unwrap();
    bench.until("(absent)");
    assert_eq!(watched(), [(bench.dir.path().to_owned(), false)], "where it would appear");
    fs::write(&bench.root, "made anew").unwrap();
    bench.until("made anew");
    fs::write(&bench.root, "and edited").unwrap();
    bench.until("and edited");
    assert_eq!(bench.metrics.watch_lost.get(), 0, "a file that is replaced is no watch lost");
}

#[test]
fn hr_01_what_is_written_in_slow_pieces_is_read_when_it_is_whole() {
    let bench = Bench::file();
    let mut file = OpenOptions::new().write(true).truncate(true).open(&bench.root).unwrap();
    for _ in 0..10 {
        file.write_all(b"piece ").unwrap();
        bench.pause(100);
    }
    drop(file);
    assert_eq!(bench.until(&"piece ".repeat(10)), Vec::<String>::new());
}

#[test]
fn hr_01_a_writer_that_never_closes_does_not_hold_back_an_edit_for_ever() {
    let bench = Bench::file();
    let mut file = OpenOptions::new().append(true).open(&bench.root).unwrap();
    file.write_all(b" and more").unwrap();
    bench.until("old and more");
}

#[test]
fn hr_02_every_way_to_save_a_file_is_seen() {
    let bench = Bench::file();
    let temp = bench.at(".config.swp");
    fs::write(&temp, "vim").unwrap();
    fs::rename(&bench.root, bench.at("config~")).unwrap();
    fs::rename(&temp, &bench.root).unwrap();
    bench.until("vim");
    fs::write(bench.at("elsewhere"), "mv").unwrap();
    fs::rename(bench.at("elsewhere"), &bench.root).unwrap();
    bench.until("mv");
    fs::write(bench.at("elsewhere"), "cp").unwrap();
    fs::copy(bench.at("elsewhere"), &bench.root).unwrap();
    bench.until("cp");
    fs::remove_file(&bench.root).unwrap();
    bench.until("(absent)");
    fs::write(&bench.root, "again").unwrap();
    bench.until("again");
    fs::write(&bench.root, "after another inode").unwrap();
    bench.until("after another inode");
}

#[test]
fn hr_03_a_kubernetes_swap_is_seen_and_the_old_target_may_go() {
    let bench = Bench::new(|dir| {
        for (version, text) in [("..v1", "one"), ("..v2", "two"), ("..v3", "three")] {
            fs::create_dir(dir.join(version)).unwrap();
            fs::write(dir.join(version).join("config"), text).unwrap();
        }
        symlink("..v1", dir.join("..data")).unwrap();
        symlink("..data/config", dir.join("config")).unwrap();
        dir.join("config")
    });
    for (new, old, text) in [("..v2", "..v1", "two"), ("..v3", "..v2", "three")] {
        symlink(new, bench.at("..tmp")).unwrap();
        fs::rename(bench.at("..tmp"), bench.at("..data")).unwrap();
        fs::remove_dir_all(bench.at(old)).unwrap();
        bench.until(text);
    }
}

#[test]
fn hr_03_a_link_may_be_there_before_its_file() {
    let bench = Bench::new(|dir| {
        fs::create_dir(dir.join("far")).unwrap();
        symlink("far/config", dir.join("config")).unwrap();
        dir.join("config")
    });
    fs::write(bench.at("far/config"), "there").unwrap();
    bench.until("there");
}

#[test]
fn hr_04_a_folder_that_is_removed_and_made_again_is_watched_again() {
    let bench = Bench::new(|dir| {
        fs::create_dir_all(dir.join("above/plugins")).unwrap();
        fs::write(dir.join("above/plugins/main"), "old").unwrap();
        dir.join("above/plugins")
    });
    for (round, above) in ["above/plugins", "above", "above/plugins"].into_iter().enumerate() {
        fs::remove_dir_all(bench.at(above)).unwrap();
        bench.until("(absent)");
        fs::create_dir_all(&bench.root).unwrap();
        fs::write(bench.root.join("main"), format!("round {round}")).unwrap();
        bench.until(&format!("round {round}"));
        fs::write(bench.root.join("main"), format!("edit {round}")).unwrap();
        bench.until(&format!("edit {round}"));
    }
    assert!(bench.metrics.watch_lost.get() >= 3);
}

#[test]
fn hr_04_a_folder_that_is_renamed_away_and_back_is_watched() {
    let bench = Bench::new(|dir| {
        fs::create_dir(dir.join("plugins")).unwrap();
        fs::write(dir.join("plugins/main"), "old").unwrap();
        dir.join("plugins")
    });
    fs::rename(&bench.root, bench.at("away")).unwrap();
    bench.until("(absent)");
    fs::rename(bench.at("away"), &bench.root).unwrap();
    bench.until("old");
    fs::write(bench.root.join("main"), "new").unwrap();
    bench.until("new");
}

#[test]
fn hr_05_odd_files_do_not_block_the_watch() {
    let bench = Bench::new(|dir| {
        fs::create_dir(dir.join("plugins")).unwrap();
        dir.join("plugins")
    });
    let made = std::process::Command::new("mkfifo").arg(bench.root.join("main")).status().unwrap();
    assert!(made.success());
    bench.until("(no file)");
    symlink("/dev/zero", bench.root.join("zero")).unwrap();
    fs::remove_file(bench.root.join("main")).unwrap();
    fs::write(bench.root.join("main"), "fine").unwrap();
    bench.until("fine");
}

#[test]
fn hr_17_a_touch_and_an_editors_leftovers_build_nothing() {
    let bench = Bench::file();
    File::open(&bench.root).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    fs::write(&bench.root, "old").unwrap();
    fs::write(bench.at(".config.swp"), "x").unwrap();
    fs::write(bench.at("config~"), "x").unwrap();
    fs::write(bench.at("unrelated"), "x").unwrap();
    bench.pause(300);
    // Once if they came together, oftener if they did not.
    assert!(
        !bench.metrics.render(Exposition::Text).contains("config_reloads_total{outcome=\"unchanged\"} 0")
    );
    assert_eq!(bench.settle(), "old");
}

#[test]
fn hr_14_whoever_asks_gets_a_report_of_an_attempt_that_began_after_the_question() {
    let bench = Bench::file();
    let reloader = bench.watcher.reloader();
    let asked: Vec<_> = (0..50)
        .map(|i| {
            fs::write(bench.at("next"), format!("edit {i}")).unwrap();
            fs::rename(bench.at("next"), &bench.root).unwrap();
            reloader.poke();
            reloader.ask().unwrap()
        })
        .collect();
    let reports: Vec<usize> = asked
        .into_iter()
        .map(|report| report.blocking_recv().unwrap().trim_start_matches("edit ").parse().unwrap())
        .collect();
    assert!(reports.iter().enumerate().all(|(i, seen)| *seen >= i), "{reports:?}");
}

#[test]
fn what_is_watched_changes_with_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["a", "b"] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("main"), name).unwrap();
    }
    fs::write(at("config"), "a").unwrap();
    let (tell, built) = mpsc::channel();
    let folder = dir.path().to_owned();
    let roots = vec![at("config"), at("a")];
    let watcher = Watcher::start(roots, None, LATER, Arc::new(Metrics::new("test")), move |_| {
        let named = folder.join(fs::read_to_string(folder.join("config")).unwrap());
        tell.send(read(&named)).ok();
        Built { report: (), roots: vec![folder.join("config"), named] }
    })
    .unwrap();
    fs::write(at("config"), "b").unwrap();
    assert_eq!(built.recv_timeout(LONG).unwrap(), "b");
    fs::write(at("b/main"), "edited").unwrap();
    // The folder may have been read again because it was made just now.
    while built.recv_timeout(LONG).unwrap() != "edited" {}
    while built.recv_timeout(Duration::from_millis(300)).is_ok() {}
    fs::write(at("a/main"), "nobody looks").unwrap();
    assert_eq!(built.recv_timeout(Duration::from_millis(300)), Err(RecvTimeoutError::Timeout));
    drop(watcher);
}

#[test]
fn a_panic_in_an_attempt_ends_neither_the_watch_nor_the_askers_wait() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    fs::write(&path, "old").unwrap();
    let mine = path.clone();
    let watcher =
        Watcher::start(vec![path.clone()], None, LATER, Arc::new(Metrics::new("test")), move |_| {
            let text = fs::read_to_string(&mine).unwrap();
            assert_ne!(text, "bad");
            Built { report: text, roots: vec![mine.clone()] }
        })
        .unwrap();
    fs::write(&path, "bad").unwrap();
    assert!(watcher.reloader().ask().unwrap().blocking_recv().is_err());
    fs::write(&path, "good").unwrap();
    assert_eq!(watcher.reloader().ask().unwrap().blocking_recv().unwrap(), "good");
}

#[test]
fn a_watcher_that_is_gone_tells_its_askers() {
    let bench = Bench::file();
    let reloader = bench.watcher.reloader();
    drop(bench.watcher);
    assert!(reloader.ask().unwrap().blocking_recv().is_err());
}

#[test]
fn hr_11_events_that_were_lost_are_made_up_for() {
    let bench = Bench::new(|dir| {
        fs::create_dir(dir.join("plugins")).unwrap();
        dir.join("plugins")
    });
    for i in 0..5_000 {
        fs::write(bench.root.join(format!("f{}", i % 50)), i.to_string()).unwrap();
    }
    fs::write(bench.root.join("main"), "last").unwrap();
    bench.until("last");
}

#[test]
fn what_was_changed_while_the_caller_read_it_is_built_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    fs::write(&path, "changed meanwhile").unwrap();
    let (tell, built) = mpsc::channel();
    let mine = path.clone();
    let _watcher = Watcher::start(vec![path], None, 0, Arc::new(Metrics::new("test")), move |_| {
        tell.send(read(&mine)).ok();
        Built { report: (), roots: vec![mine.clone()] }
    })
    .unwrap();
    assert_eq!(built.recv_timeout(LONG).unwrap(), "changed meanwhile");
}

#[test]
fn hr_14_those_who_ask_during_an_attempt_share_the_next_one() {
    let (began_tx, began) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let mut attempts = 0;
    let watcher = Watcher::start(Vec::new(), None, LATER, Arc::new(Metrics::new("test")), move |_| {
        attempts += 1;
        began_tx.send(()).ok();
        released.recv().ok();
        Built { report: attempts, roots: Vec::new() }
    })
    .unwrap();
    let reloader = watcher.reloader();
    let first = reloader.ask().unwrap();
    began.recv_timeout(LONG).unwrap();
    let rest: Vec<_> = (0..50)
        .map(|_| {
            reloader.poke();
            reloader.ask().unwrap()
        })
        .collect();
    drop(release);
    assert_eq!(first.blocking_recv().unwrap(), 1);
    assert!(rest.into_iter().all(|report| report.blocking_recv().unwrap() == 2));
}

#[test]
fn askers_are_bounded() {
    let (release, released) = mpsc::channel::<()>();
    let watcher = Watcher::start(Vec::new(), None, LATER, Arc::new(Metrics::new("test")), move |_| {
        released.recv().ok();
        Built { report: (), roots: Vec::new() }
    })
    .unwrap();
    let reloader = watcher.reloader();
    // The first attempt may have taken some of them before it blocked.
    let asked: Vec<_> = (0..=2 * crate::live::reloader::ASKERS_MAX).map(|_| reloader.ask()).collect();
    assert!(asked.iter().any(|ask| matches!(ask, Err(crate::live::reloader::AskError::Busy))));
    drop(release);
}

#[test]
fn hr_11_an_edit_that_sends_no_event_is_found_by_polling() {
    let bench = Bench::file();
    // Events go to the folder that the file was opened through, and this one is not watched.
    let other = tempfile::tempdir_in(bench.dir.path().parent().unwrap()).unwrap();
    fs::hard_link(&bench.root, other.path().join("elsewhere")).unwrap();
    bench.pause(100);
    fs::write(other.path().join("elsewhere"), "unseen").unwrap();
    bench.until("unseen");
}
