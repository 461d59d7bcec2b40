//! Calls scheduled functions of rules at their times: one thread that watches the clock, and a few that run them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use crate::pipeline::gateway::Gateway;
use crate::script::{Job, Timetable};

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(200);
/// Runs at a time.
const RUNNERS: usize = 2;
/// Runs that wait for a runner; those beyond are left out until their next time.
const WAITING_MAX: usize = 64;
/// Stack of a runner in bytes: the same as a worker's.
const STACK_BYTES: usize = 8 << 20;

/// The threads; they end when this is dropped, or when the gateway drains. A run that has begun ends by its own limits.
pub struct Schedules {
    stop: Arc<AtomicBool>,
    watching: Option<JoinHandle<()>>,
}

impl Schedules {
    /// Starts the threads.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(gateway: &Arc<Gateway>) -> io::Result<Self> {
        let (sender, jobs) = sync_channel::<Job>(WAITING_MAX);
        let (jobs, table) = (Arc::new(Mutex::new(jobs)), Arc::new(Mutex::new(Timetable::default())));
        for number in 0..RUNNERS {
            let (gateway, jobs, table) = (Arc::clone(gateway), Arc::clone(&jobs), Arc::clone(&table));
            let name = format!("schedule-{number}");
            let runner = thread::Builder::new().name(name).stack_size(STACK_BYTES);
            runner.spawn(move || run(&gateway, &jobs, &table))?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (gateway, stopped) = (Arc::clone(gateway), Arc::clone(&stop));
        let watching = thread::Builder::new().name("schedules".to_owned());
        let watching = watching.spawn(move || watch(&gateway, &sender, &table, &stopped))?;
        Ok(Self { stop, watching: Some(watching) })
    }
}

impl Drop for Schedules {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(watching) = self.watching.take() {
            watching.thread().unpark();
            // An error says that the thread panicked; the hook has told where.
            watching.join().ok();
        }
    }
}

fn watch(gateway: &Gateway, jobs: &SyncSender<Job>, table: &Mutex<Timetable>, stopped: &AtomicBool) {
    while !stopped.load(Relaxed) && !gateway.draining.is_on() {
        let snapshot = gateway.live.current();
        let due = table.lock().due(&snapshot.rules, gateway.clock.unix_ms());
        for job in due {
            if let Err(full) = jobs.try_send(job.clone()) {
                tracing::warn!(plugin = &*job.plugin, reason = %full, "a scheduled run was left out");
                table.lock().done(&job);
            }
        }
        drop(snapshot);
        thread::park_timeout(TICK);
    }
}

fn run(gateway: &Gateway, jobs: &Mutex<Receiver<Job>>, table: &Mutex<Timetable>) {
    loop {
        let Ok(job) = jobs.lock().recv() else { return };
        if !gateway.draining.is_on() {
            let snapshot = gateway.live.current();
            gateway.settle(snapshot.rules.run_job(&job, &gateway.clock));
        }
        table.lock().done(&job);
    }
}
