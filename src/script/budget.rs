//! What one call of a script may use: operations, time and memory, counted per thread.
//!
//! Rhai's own count starts again inside every closure that a native function calls, so a filter over a list ran three
//! million operations under a limit of ten thousand. `on_progress` is called for every operation wherever it happens;
//! counting there, per thread, cannot be restarted by a script.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use crate::base::clock::Clock;
use crate::base::memory::live_bytes;

/// Time that all hooks of one request may use together (CONTRACT section 10).
pub const REQUEST_TIME_MAX: Duration = Duration::from_millis(10);
/// Time for one call of a hook, where the manifest does not say.
pub const CALL_TIME_DEFAULT: Duration = Duration::from_millis(5);
/// Operations for one call, where the manifest does not say.
pub const CALL_OPS_DEFAULT: u64 = 50_000;
/// The most operations that a manifest may ask for.
pub const CALL_OPS_MAX: u64 = 1_000_000;
/// Memory for one call in bytes, where the manifest does not say.
pub const CALL_MEMORY_DEFAULT: u64 = 8 << 20;
/// The most memory in bytes that a manifest may ask for.
pub const CALL_MEMORY_MAX: u64 = 64 << 20;

/// The clock is read once in this many operations.
const OPS_PER_CLOCK: u64 = 64;

const _: () = assert!(CALL_TIME_DEFAULT.as_nanos() <= REQUEST_TIME_MAX.as_nanos());
const _: () = assert!(CALL_OPS_DEFAULT <= CALL_OPS_MAX && CALL_MEMORY_DEFAULT <= CALL_MEMORY_MAX);

/// The limits of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub time: Duration,
    pub ops: u64,
    /// Bytes.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: CALL_TIME_DEFAULT, ops: CALL_OPS_DEFAULT, memory: CALL_MEMORY_DEFAULT }
    }
}

/// Why a script was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A final verb was called: nothing of the script may run after it.
    Decided,
    Operations,
    Time,
    Memory,
}

/// What one call used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub time: Duration,
    pub stop: Option<Stop>,
}

struct Budget {
    clock: Clock,
    began: Instant,
    began_thread: Duration,
    deadline: Instant,
    time: Duration,
    ops_max: u64,
    clock_due: u64,
    stop: Option<Stop>,
}

/// What each operation is measured against, apart from the rest: most of them need no more than two comparisons.
struct Gauge {
    /// Operations so far.
    ops: Cell<u64>,
    /// The count from which the budget itself must be looked at: a limit, or the clock is due.
    look_at: Cell<u64>,
    /// The live bytes above which it must.
    memory_ceiling: Cell<i64>,
}

/// How old the last look at the thread's own clock may be. That clock is a system call, which took half of a short call's
/// time; it matters only where the wall's clock has gone past the limit. Since the last look the thread is taken to have
/// run without a break, so that a script may get this much more than its time, and never less.
const MARK_AGE_MAX: Duration = Duration::from_micros(100);

/// The last look at both clocks.
#[derive(Clone, Copy)]
struct Mark {
    wall: Instant,
    thread: Duration,
}

thread_local! {
    static BUDGET: RefCell<Option<Budget>> = const { RefCell::new(None) };
    static GAUGE: Gauge =
        const { Gauge { ops: Cell::new(0), look_at: Cell::new(u64::MAX), memory_ceiling: Cell::new(i64::MAX) } };
    static MARK: Cell<Option<Mark>> = const { Cell::new(None) };
}

/// What the thread's clock showed at that moment, or a little more.
fn thread_time_at(now: Instant, clock: &Clock) -> Duration {
    if let Clock::Manual(_) = clock {
        return clock.thread_time();
    }
    let age = |mark: &Mark| now.checked_duration_since(mark.wall).filter(|age| *age <= MARK_AGE_MAX);
    if let Some((mark, age)) = MARK.get().and_then(|mark| Some((mark, age(&mark)?))) {
        return mark.thread + age;
    }
    let thread = clock.thread_time();
    MARK.set(Some(Mark { wall: now, thread }));
    thread
}

/// Begins to count on this thread. Whatever ran before on it is forgotten.
pub(super) fn start(limits: Limits, clock: &Clock) {
    let began = clock.now();
    let budget = Budget {
        clock: clock.clone(),
        began,
        began_thread: thread_time_at(began, clock),
        deadline: began + limits.time,
        time: limits.time,
        ops_max: limits.ops,
        clock_due: OPS_PER_CLOCK,
        stop: None,
    };
    GAUGE.with(|gauge| gauge.begin(&budget, limits.memory));
    BUDGET.with(|b| *b.borrow_mut() = Some(budget));
}

/// Ends the counting and says what was used.
pub(super) fn finish() -> Spent {
    let Some(mut budget) = BUDGET.with(RefCell::take) else {
        return Spent { time: Duration::ZERO, stop: None };
    };
    // A native function that ran past the deadline has not been looked at yet.
    let now = budget.clock.now();
    budget.check_clock(now);
    let wall = now.saturating_duration_since(budget.began);
    // The thread's clock would take off no more than that.
    let time = if wall <= MARK_AGE_MAX { wall } else { wall.min(budget.thread_spent()) };
    Spent { time, stop: budget.stop }
}

/// Sets the running budget aside for work that has its own, and takes it up again afterwards.
pub(super) fn apart<T>(work: impl FnOnce() -> T) -> T {
    let outer = BUDGET.with(RefCell::take);
    let gauge = GAUGE.with(Gauge::read);
    let done = work();
    GAUGE.with(|g| g.put_back(gauge));
    BUDGET.with(|b| *b.borrow_mut() = outer);
    done
}

/// One operation; `true` means that the script must end now.
pub(super) fn tick() -> bool {
    charge(1)
}

/// Work of a native function that grows with its input, in operations; `true` means that the script must end now.
pub(super) fn charge(ops: u64) -> bool {
    GAUGE.with(|gauge| {
        let sum = gauge.ops.get().saturating_add(ops);
        gauge.ops.set(sum);
        let look = sum >= gauge.look_at.get() || live_bytes() > gauge.memory_ceiling.get();
        look && BUDGET
            .with(|b| b.try_borrow_mut().is_ok_and(|mut b| b.as_mut().is_some_and(|b| b.look(gauge))))
    })
}

/// Says that a verdict has fallen: the next operation ends the script.
pub(super) fn decided() {
    BUDGET.with(|b| {
        if let Ok(mut b) = b.try_borrow_mut()
            && let Some(b) = b.as_mut()
        {
            b.stop.get_or_insert(Stop::Decided);
        }
    });
    GAUGE.with(|gauge| gauge.look_at.set(0));
}

impl Budget {
    /// Whether the script must end now.
    fn look(&mut self, gauge: &Gauge) -> bool {
        let ops = gauge.ops.get();
        if self.stop.is_some() {
            return true;
        }
        if ops > self.ops_max {
            self.stop = Some(Stop::Operations);
        } else if live_bytes() > gauge.memory_ceiling.get() {
            self.stop = Some(Stop::Memory);
        } else if ops >= self.clock_due {
            self.clock_due = ops + OPS_PER_CLOCK;
            self.check_clock(self.clock.now());
        }
        gauge.look_at.set(self.look_at());
        self.stop.is_some()
    }

    /// The count of operations from which there is something to look at.
    fn look_at(&self) -> u64 {
        if self.stop.is_some() { 0 } else { self.clock_due.min(self.ops_max.saturating_add(1)) }
    }

    /// Past the deadline on the wall, only time on the processor counts: a machine that gives the thread no time is
    /// not the script's fault.
    fn check_clock(&mut self, now: Instant) {
        if now <= self.deadline {
            return;
        }
        match self.time.checked_sub(self.thread_spent()) {
            Some(left) if !left.is_zero() => self.deadline = now + left,
            _ => {
                self.stop.get_or_insert(Stop::Time);
            }
        }
    }

    fn thread_spent(&self) -> Duration {
        self.clock.thread_time().saturating_sub(self.began_thread)
    }
}

impl Gauge {
    fn begin(&self, budget: &Budget, memory: u64) {
        self.put_back((0, budget.look_at(), live_bytes().saturating_add_unsigned(memory)));
    }

    fn read(&self) -> (u64, u64, i64) {
        (self.ops.get(), self.look_at.get(), self.memory_ceiling.get())
    }

    fn put_back(&self, (ops, look_at, memory_ceiling): (u64, u64, i64)) {
        self.ops.set(ops);
        self.look_at.set(look_at);
        self.memory_ceiling.set(memory_ceiling);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(ops: u64) -> Limits {
        Limits { ops, ..Limits::default() }
    }

    #[test]
    fn operations_are_counted_to_the_limit_and_no_further() {
        start(limits(3), &Clock::manual(0));
        assert!(!tick() && !tick() && !tick());
        assert!(tick());
        assert_eq!(finish().stop, Some(Stop::Operations));
    }

    #[test]
    fn time_is_looked_at_again_when_the_call_is_over() {
        let clock = Clock::manual(0);
        start(limits(100), &clock);
        assert!(!tick());
        clock.advance(Duration::from_millis(6));
        let spent = finish();
        assert_eq!(spent.stop, Some(Stop::Time));
        assert_eq!(spent.time, Duration::from_millis(6));
    }

    #[test]
    fn memory_that_is_given_back_is_not_held_against_the_script() {
        start(Limits { memory: 1 << 20, ..Limits::default() }, &Clock::manual(0));
        drop(vec![0u8; 2 << 20]);
        assert!(!tick());
        let held = vec![0u8; 2 << 20];
        assert!(tick());
        drop(held);
        assert_eq!(finish().stop, Some(Stop::Memory));
    }

    #[test]
    fn a_decision_ends_the_script_at_its_next_operation() {
        start(limits(100), &Clock::manual(0));
        assert!(!tick());
        decided();
        assert!(tick());
        assert_eq!(finish().stop, Some(Stop::Decided));
    }
}
