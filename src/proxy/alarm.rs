//! A timer that is set for every request and hardly ever goes off. To set it takes a look at the clock: it keeps its place
//! among the runtime's timers as long as that comes first, and is moved when it goes off too early.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::base::clock::timer_now;

/// A timer for one exchange after another. Between two of them it may wake whoever asked it last, for nothing.
pub struct Alarm {
    sleep: Pin<Box<Sleep>>,
    due: Instant,
}

impl Alarm {
    /// One that goes off after that time.
    pub fn after(time: Duration) -> Self {
        let due = due(time);
        Self { sleep: Box::pin(sleep_until(due)), due }
    }

    /// Goes off after that time, and not when it was to go off.
    pub fn set(&mut self, time: Duration) {
        self.due = due(time);
        if self.due < self.sleep.deadline() {
            self.sleep.as_mut().reset(self.due);
        }
    }

    /// Ready once it has gone off.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // An upstream that floods uses up the task's share of the runtime, and a timer that asks for a share would
            // never go off.
            ready!(pin!(unconstrained(self.sleep.as_mut())).poll(cx));
            if self.sleep.deadline() >= self.due {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(self.due);
        }
    }
}

fn due(time: Duration) -> Instant {
    /// What stands for ever: the clock has an end, and no exchange lasts that long.
    const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    timer_now() + time.min(LONGEST)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn is_still(alarm: &mut Alarm) -> bool {
        poll_fn(|cx| Poll::Ready(alarm.poll(cx).is_pending())).await
    }

    #[tokio::test]
    async fn it_goes_off_when_it_was_set_to_last_and_not_before() {
        let long = Duration::from_secs(3_600);
        let short = Duration::from_millis(20);
        let mut alarm = Alarm::after(short);
        assert!(is_still(&mut alarm).await);
        let began = timer_now();
        alarm.set(short * 3);
        poll_fn(|cx| alarm.poll(cx)).await;
        assert!(began.elapsed() >= short * 3, "later than it was");
        alarm.set(long);
        assert!(is_still(&mut alarm).await, "it went off once, and is set again");
        let began = timer_now();
        alarm.set(short);
        poll_fn(|cx| alarm.poll(cx)).await;
        assert!(began.elapsed() < long, "earlier than it was");
        alarm.set(Duration::MAX);
        assert!(is_still(&mut alarm).await);
    }
}
