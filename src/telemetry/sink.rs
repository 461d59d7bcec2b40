//! Where lines go: a bounded queue and one writing thread. Nobody who logs ever waits for the pipe (LG-06).

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use memchr::memchr;
use parking_lot::{Condvar, Mutex};

use super::redact::Net;

use crate::base::text::cut;

/// Longest line that is kept, in bytes; what is longer is cut, for one line must not fill the queue.
pub const LINE_BYTES_MAX: usize = 32 * 1024;

/// Most bytes that wait to be written, however few lines they are.
pub const QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most bytes that a buffer keeps between two writes.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// Most places of lines that are kept room for between two writes.
const KEPT_LINES_MAX: usize = 1_024;

/// How long the writer gathers lines after it has written, so that a busy gateway does not wake it for each one.
const GATHER: Duration = Duration::from_millis(5);

/// The sending end; cloned freely.
#[derive(Clone)]
pub struct Sink(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Told when a line comes while the writer sleeps, and at the end.
    came: Condvar,
    /// Told when everything that was queued has been written.
    written: Condvar,
    dropped: AtomicU64,
    lines_max: AtomicUsize,
}

#[derive(Default)]
struct State {
    waiting: Waiting,
    writer_sleeps: bool,
    writer_busy: bool,
    closed: bool,
}

/// Lines that wait to be written.
#[derive(Default)]
struct Waiting {
    /// The lines with their ends.
    text: String,
    /// Where in the text lines stand that must go through the net; the others have been.
    raw: Vec<Range<usize>>,
    lines: usize,
}

impl Sink {
    /// A sink that writes to standard output; at most `lines_max` lines wait.
    ///
    /// # Errors
    /// The writing thread cannot be started.
    pub fn stdout(lines_max: usize) -> io::Result<Self> {
        Self::new(io::stdout(), lines_max)
    }

    /// A sink that writes to anything; at most `lines_max` lines wait.
    ///
    /// # Errors
    /// The writing thread cannot be started.
    pub fn new(writer: impl Write + Send + 'static, lines_max: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            came: Condvar::new(),
            written: Condvar::new(),
            dropped: AtomicU64::new(0),
            lines_max: AtomicUsize::new(lines_max.max(1)),
        });
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("log-writer".into()).spawn(move || run(&theirs, writer))?;
        Ok(Self(shared))
    }

    /// A sink for tests, with the memory that it writes to.
    ///
    /// # Errors
    /// The writing thread cannot be started.
    pub fn memory(lines_max: usize) -> io::Result<(Self, Memory)> {
        let memory = Memory::default();
        Ok((Self::new(memory.clone(), lines_max)?, memory))
    }

    /// Lets more or fewer lines wait; those that wait already stay.
    pub fn set_lines_max(&self, lines_max: usize) {
        self.0.lines_max.store(lines_max.max(1), Ordering::Relaxed);
    }

    /// Queues one line, without its line end. Never blocks on the writer: a line that does not fit is dropped and counted.
    pub fn send(&self, line: &str) {
        self.queue(line, false);
    }

    /// Queues a line whose every word has been through the net already, and which has no line end in it.
    pub(super) fn send_clean(&self, line: &str) {
        self.queue(line, true);
    }

    fn queue(&self, line: &str, is_clean: bool) {
        let line = cut(line, LINE_BYTES_MAX);
        let mut state = self.0.state.lock();
        let waiting = &state.waiting;
        let full = waiting.lines >= self.0.lines_max.load(Ordering::Relaxed)
            || waiting.text.len() + line.len() >= QUEUE_BYTES_MAX;
        if state.closed || full {
            drop(state);
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.waiting.push(line, is_clean);
        let wake = std::mem::take(&mut state.writer_sleeps);
        drop(state);
        if wake {
            self.0.came.notify_one();
        }
    }

    /// Lines that were dropped since the start, because the queue was full or the writing failed.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything queued so far is written, `within` at most; says whether it is.
    pub fn flush(&self, within: Duration) -> bool {
        let mut state = self.0.state.lock();
        state.writer_sleeps = false;
        self.0.came.notify_one();
        let waited =
            self.0.written.wait_while_for(&mut state, |s| s.waiting.lines > 0 || s.writer_busy, within);
        !waited.timed_out()
    }

    /// Takes no more lines, and waits until those that came are written, `within` at most.
    pub fn close(&self, within: Duration) -> bool {
        self.0.state.lock().closed = true;
        self.flush(within)
    }
}

/// The writing thread: takes what waits, redacts it, writes it; ends when the sink is closed and empty.
fn run(shared: &Shared, mut writer: impl Write) {
    let mut net = Net::default();
    let mut taken = Waiting::default();
    let mut out = String::new();
    while take(shared, &mut taken) {
        let text = taken.through(&mut net, &mut out);
        if writer.write_all(text.as_bytes()).and_then(|()| writer.flush()).is_err() {
            shared.dropped.fetch_add(taken.lines as u64, Ordering::Relaxed);
        }
        taken.clear();
        out.clear();
        out.shrink_to(KEPT_BYTES_MAX);
        let mut state = shared.state.lock();
        state.writer_busy = false;
        if state.waiting.lines == 0 {
            shared.written.notify_all();
            if !state.closed {
                shared.came.wait_for(&mut state, GATHER);
            }
        }
    }
}

/// Waits for lines and takes all of them; `false` when the sink is closed and empty.
fn take(shared: &Shared, taken: &mut Waiting) -> bool {
    let mut state = shared.state.lock();
    while state.waiting.lines == 0 {
        if state.closed {
            return false;
        }
        state.writer_sleeps = true;
        shared.came.wait(&mut state);
    }
    state.writer_sleeps = false;
    state.writer_busy = true;
    std::mem::swap(&mut state.waiting, taken);
    true
}

impl Waiting {
    /// Appends a line and its end; a line end inside it would make two lines, so it becomes a space.
    fn push(&mut self, line: &str, is_clean: bool) {
        self.lines += 1;
        // A line with an end in it is not what it is said to be, and is looked at.
        if is_clean && memchr(b'\n', line.as_bytes()).is_none() {
            self.text.push_str(line);
            self.text.push('\n');
            return;
        }
        let start = self.text.len();
        let mut parts = line.split('\n');
        self.text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            self.text.push(' ');
            self.text.push_str(part);
        }
        self.raw.push(start..self.text.len());
        self.text.push('\n');
    }

    /// The lines as they may be written; `out` is room for them where the net has to look at one.
    fn through<'a>(&'a self, net: &mut Net, out: &'a mut String) -> &'a str {
        if self.raw.is_empty() {
            return &self.text;
        }
        let mut copied = 0;
        for raw in &self.raw {
            out.push_str(&self.text[copied..raw.start]);
            net.pass(&self.text[raw.clone()], out);
            copied = raw.end;
        }
        out.push_str(&self.text[copied..]);
        out
    }

    /// Empties it. A burst must not keep its memory for ever.
    fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(KEPT_BYTES_MAX);
        self.raw.clear();
        self.raw.shrink_to(KEPT_LINES_MAX);
        self.lines = 0;
    }
}

/// Memory that a sink writes to.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    /// Everything that was written so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock()).into_owned()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn lines_come_out_in_order_and_whole() {
        let (sink, memory) = Sink::memory(100).unwrap();
        for line in ["one", "two", "th\nree"] {
            sink.send(line);
        }
        assert!(sink.flush(LONG));
        assert_eq!(memory.text(), "one\ntwo\nth ree\n");
        assert_eq!(sink.dropped(), 0);
    }

    /// A pipe that is full until the test lets go.
    struct Stuck(mpsc::Sender<()>, mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(()).ok();
            self.1.recv().ok();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lg_06_a_blocked_pipe_drops_and_counts_lines_and_blocks_nobody() {
        let (blocked_tx, blocked) = mpsc::channel();
        let (release, release_rx) = mpsc::channel();
        let sink = Sink::new(Stuck(blocked_tx, release_rx), 10).unwrap();
        sink.send("the first blocks the writer");
        blocked.recv_timeout(LONG).unwrap();
        for _ in 0..25 {
            sink.send("waits or is dropped");
        }
        assert_eq!(sink.dropped(), 15);
        assert!(!sink.flush(Duration::from_millis(1)), "nothing is written yet");
        drop(release);
        assert!(sink.close(LONG));
    }

    /// `/dev/full`.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lg_06_lines_that_cannot_be_written_are_counted() {
        let sink = Sink::new(Full, 10).unwrap();
        sink.send("a");
        assert!(sink.flush(LONG));
        assert_eq!(sink.dropped(), 1);
        sink.send("b");
        assert!(sink.close(LONG));
        assert_eq!(sink.dropped(), 2);
    }

    #[test]
    fn only_a_line_that_is_said_to_be_clean_is_not_looked_at() {
        let (sink, memory) = Sink::memory(10).unwrap();
        sink.send("c 10.0.0.1");
        sink.send_clean("r\u{ab}clean");
        assert!(sink.close(LONG));
        assert_eq!(memory.text(), "c «redacted»\nr\u{ab}clean\n");
    }

    #[test]
    fn a_closed_sink_counts_what_comes_late() {
        let (sink, memory) = Sink::memory(10).unwrap();
        sink.send("in time");
        assert!(sink.close(LONG));
        sink.send("late");
        assert_eq!((memory.text().as_str(), sink.dropped()), ("in time\n", 1));
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_at_a_character() {
        assert_eq!(cut(&"ü".repeat(LINE_BYTES_MAX), LINE_BYTES_MAX).len(), LINE_BYTES_MAX);
        assert_eq!(
            cut(&format!("a{}", "ü".repeat(LINE_BYTES_MAX)), LINE_BYTES_MAX).len(),
            LINE_BYTES_MAX - 1
        );
    }
}
