//! Going on with new requests: a look at the database a few times a second, until somebody ends it or nobody reads any more.

use std::io::{self, Write as _};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{failure, lines};
use crate::base::clock::Clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::offline;
use crate::cli::options::Format;
use crate::config::Config;
use crate::server::requests::{Asked, Following, RequestView};
use crate::store::Reader;

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(250);

/// Shows what is there, then what comes; ends 0 when it is told to, or when nobody reads any more.
pub(super) fn run(config: &Config, asked: &Asked, format: Format) -> Result<Exit, Failure> {
    let refused = |error: io::Error| Failure::cannot_run(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
        let mut followed = Followed { config, asked, format, reading: None };
        followed.head();
        loop {
            followed.look()?;
            if is_unread() || waits(&mut interrupt, &mut terminate).await {
                return Ok(Exit::Fine);
            }
        }
    })
}

/// Waits for the next look; whether there is to be none.
async fn waits(interrupt: &mut Signal, terminate: &mut Signal) -> bool {
    tokio::select! {
        () = tokio::time::sleep(EVERY) => false,
        _ = interrupt.recv() => true,
        _ = terminate.recv() => true,
    }
}

/// Whether the other end of standard output is closed. Without this a quiet log would keep the process for ever.
fn is_unread() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    // A file or a terminal has no such end, and says nothing.
    poll(&mut asked, Some(&now)).is_ok() && asked[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

struct Followed<'a> {
    config: &'a Config,
    asked: &'a Asked,
    format: Format,
    reading: Option<(Reader, Following)>,
}

impl Followed<'_> {
    fn head(&self) {
        if self.format != Format::Json {
            show(&lines::line(&lines::HEAD));
        }
    }

    fn look(&mut self) -> Result<(), Failure> {
        if let Some((reader, following)) = &mut self.reading {
            loop {
                let rows = following.next(reader).map_err(failure)?;
                rows.iter().for_each(|row| self.format.show(row));
                if rows.len() < self.asked.limit || is_unread() {
                    return Ok(());
                }
            }
        }
        // Before the first start of a gateway there is no database, and it is waited for.
        let Some(reader) = offline::reader(self.config)? else { return Ok(()) };
        let begun = Following::begin(&reader, self.asked, Clock::System.unix_ms()).map_err(failure)?;
        let (rows, following) = begun;
        rows.iter().for_each(|row| self.format.show(row));
        self.reading = Some((reader, following));
        Ok(())
    }
}

impl Format {
    fn show(self, row: &RequestView) {
        match self {
            Self::Json => show(&serde_json::to_string(row).unwrap_or_default()),
            _ => show(&lines::line(&lines::cells(row))),
        }
    }
}

/// Writes a line; that nobody reads it is seen before the next look.
fn show(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).ok();
}
