//! One lane a receiver: its messages wait for each other, and nobody else's wait for them.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::courier::Courier;
use crate::alert::{Letter, Notice};
use crate::base::clock::Clock;
use crate::config::Webhook;
use crate::telemetry::metrics::Metrics;

/// Most receivers at a time.
pub const LANES_MAX: usize = 128;
/// Most messages that wait for one receiver.
pub const LANE_MAX: usize = 64;
/// How long is waited between tries: five tries in about ten minutes.
pub const PAUSES: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(20), Duration::from_secs(90), Duration::from_secs(480)];

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The receiver took it.
    Delivered,
    /// It was tried in vain.
    Failed,
    /// There was no room for it.
    Dropped,
}

impl Fate {
    /// The word of rows and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// What is done when a message's fate is known.
type Done = Rc<dyn Fn(&Notice, Fate)>;

/// What every lane stands on.
#[derive(Clone)]
struct Ground {
    courier: Arc<Courier>,
    metrics: Arc<Metrics>,
    clock: Clock,
    pauses: [Duration; 4],
    done: Done,
    hurry: watch::Receiver<bool>,
}

/// All lanes. Their tasks run on the thread that made them, inside a `LocalSet`.
pub struct Lanes {
    ground: Ground,
    hurry: watch::Sender<bool>,
    lanes: HashMap<String, mpsc::Sender<(Arc<Notice>, Webhook)>>,
    tasks: JoinSet<()>,
}

impl Lanes {
    /// No lanes yet. `done` is called once for each message that has a webhook.
    pub fn new(
        courier: Arc<Courier>,
        metrics: Arc<Metrics>,
        clock: Clock,
        pauses: [Duration; 4],
        done: impl Fn(&Notice, Fate) + 'static,
    ) -> Self {
        let (hurry, hurried) = watch::channel(false);
        let ground = Ground { courier, metrics, clock, pauses, done: Rc::new(done), hurry: hurried };
        Self { ground, hurry, lanes: HashMap::new(), tasks: JoinSet::new() }
    }

    /// Sends a message on its way. Never waits.
    pub fn carry(&mut self, letter: Letter) {
        let Letter { notice, webhook: Some(webhook) } = letter else { return };
        if let Err(refused) = self.lane(&webhook).try_send((notice, webhook)) {
            let (notice, _) = refused.into_inner();
            self.ground.metrics.alerts_dropped.inc();
            tracing::warn!(
                alert = notice.name,
                "a message of an alert was dropped: its receiver is too slow"
            );
            (self.ground.done)(&notice, Fate::Dropped);
        }
    }

    /// The end: what waits is tried once more, `within` at most.
    pub async fn finish(mut self, within: Duration) {
        // Nobody may be listening: then nothing waits.
        self.hurry.send(true).ok();
        self.lanes.clear();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(within, all).await.is_err() {
            tracing::warn!("messages of alerts were not delivered before the end");
        }
    }

    fn lane(&mut self, webhook: &Webhook) -> mpsc::Sender<(Arc<Notice>, Webhook)> {
        while self.tasks.try_join_next().is_some() {}
        let url = webhook.url.expose();
        if let Some(lane) = self.lanes.get(url) {
            return lane.clone();
        }
        if self.lanes.len() >= LANES_MAX {
            // Those of edits long ago: what is under way there still ends.
            self.lanes.retain(|_, lane| lane.capacity() < LANE_MAX);
        }
        let (sender, letters) = mpsc::channel(LANE_MAX);
        if self.lanes.len() < LANES_MAX {
            self.tasks.spawn_local(run(letters, self.ground.clone()));
            self.lanes.insert(url.clone(), sender.clone());
        }
        // Without a lane the receiving half is gone, and the message is dropped.
        sender
    }
}

async fn run(mut letters: mpsc::Receiver<(Arc<Notice>, Webhook)>, mut ground: Ground) {
    while let Some((notice, webhook)) = letters.recv().await {
        let fate = deliver(&notice, &webhook, &mut ground).await;
        ground.metrics.alert_delivery(fate.word());
        (ground.done)(&notice, fate);
    }
}

async fn deliver(notice: &Notice, webhook: &Webhook, ground: &mut Ground) -> Fate {
    let pauses = ground.pauses.map(Some).into_iter().chain([None]);
    for pause in pauses {
        let now_s = ground.clock.unix_ms().div_euclid(1_000);
        let Err(why) = ground.courier.send(webhook, notice, now_s).await else { return Fate::Delivered };
        let again = pause.filter(|_| why.may_pass() && !*ground.hurry.borrow());
        let Some(pause) = again else {
            tracing::warn!(alert = notice.name, id = notice.id, reason = %why, "a message of an alert was not delivered");
            return Fate::Failed;
        };
        tracing::info!(alert = notice.name, id = notice.id, reason = %why, "a message of an alert is tried again later");
        ground.metrics.alert_delivery("retried");
        tokio::select! {
            () = sleep(pause) => {}
            // The process ends: now or never. An error says that nobody is left to carry it.
            _ = ground.hurry.wait_for(|hurry| *hurry) => {}
        }
    }
    Fate::Failed
}
