//! A request that is only played through, for `explain`: every stage runs as it would, but no upstream hears of it, and what
//! happened is written down instead of sent on.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::HeaderMap;
use http::{Request, Response, StatusCode};

use super::answer::Body;
use super::stage::Stage;
use super::trail::Trail;
use crate::base::clock::Clock;
use crate::limiter::Level;
use crate::proxy::{SendError, Upload};
use crate::script::Note;
use crate::telemetry::access::AuthState;

/// Stands in for the upstreams, and keeps what became of one request.
pub struct Rehearsal {
    clock: Clock,
    upstream: StatusCode,
    entered: RefCell<Vec<(Stage, Instant)>>,
    forwarded: RefCell<Option<Forwarded>>,
    ended: RefCell<Option<Ended>>,
}

/// What would have gone upstream.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Forwarded {
    /// The service.
    pub service: String,
    /// The method.
    pub method: String,
    /// The path and the query.
    pub target: String,
    /// Names of headers that the gateway sets or changes.
    pub set: Vec<String>,
    /// Names of headers that go no further.
    pub removed: Vec<String>,
    /// Bytes of the body.
    pub body_bytes: u64,
}

/// How the request ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The status of the answer; none where a rule closes the connection without one.
    pub status: Option<StatusCode>,
    /// The code of the refusal.
    pub code: Option<Arc<str>>,
    /// The stage that refused.
    pub refused_at: Option<Stage>,
    /// The stage that the request came to.
    pub reached: Stage,
    /// The route's name; empty where there is none.
    pub route: Arc<str>,
    /// What identified the request.
    pub auth: AuthState,
    /// What the rules said, in the order in which they were asked.
    pub notes: Vec<Note>,
    /// Notes that were not kept.
    pub notes_dropped: usize,
    /// The sum of the scores that count.
    pub score: i64,
    /// The tags that count.
    pub tags: Vec<String>,
    /// The bucket with the least left.
    pub level: Option<Level>,
    /// When that was, monotonic.
    pub at: Instant,
    /// The time from the request's head to the end of its answer.
    pub took: Duration,
}

/// A stage, and how long the request was in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The stage.
    pub stage: Stage,
    /// The time.
    pub time: Duration,
}

impl Rehearsal {
    /// A rehearsal in which every upstream answers with that status and nothing else.
    pub fn new(clock: Clock, upstream: StatusCode) -> Self {
        Self {
            clock,
            upstream,
            entered: RefCell::default(),
            forwarded: RefCell::default(),
            ended: RefCell::default(),
        }
    }

    pub(super) fn enter(&self, stage: Stage) {
        let now = self.clock.now();
        self.entered.borrow_mut().push((stage, now));
    }

    /// Takes a request as an upstream would, with all of its body.
    pub(super) async fn forward(
        &self,
        service: &str,
        received: &HeaderMap,
        request: Request<Upload>,
    ) -> Result<Response<Body>, SendError> {
        let (parts, body) = request.into_parts();
        let body_bytes = body.drain().await.map_err(SendError::Upload)?;
        *self.forwarded.borrow_mut() = Some(Forwarded {
            service: service.to_owned(),
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            set: changed(&parts.headers, received),
            removed: gone(&parts.headers, received),
            body_bytes,
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.upstream;
        Ok(response)
    }

    pub(super) fn end(
        &self,
        trail: &Trail,
        status: Option<StatusCode>,
        code: Option<Arc<str>>,
        refused_at: Option<Stage>,
    ) {
        let now = self.clock.now();
        *self.ended.borrow_mut() = Some(Ended {
            status,
            code,
            refused_at,
            reached: trail.stage,
            route: Arc::clone(&trail.route),
            auth: trail.auth,
            notes: trail.ledger.notes().to_vec(),
            notes_dropped: trail.ledger.notes_dropped(),
            score: trail.ledger.score(),
            tags: trail.ledger.tags().map(str::to_owned).collect(),
            level: trail.level,
            at: now,
            took: now.saturating_duration_since(trail.started),
        });
    }

    /// Every stage that the request came to, in order.
    pub fn stages(&self) -> Vec<Spent> {
        let entered = self.entered.borrow();
        let end = self.ended.borrow().as_ref().map(|ended| ended.at);
        let ends = entered.iter().skip(1).map(|(_, at)| *at).chain(end);
        let spent = |(&(stage, from), to): (&(Stage, Instant), Instant)| Spent {
            stage,
            time: to.saturating_duration_since(from),
        };
        entered.iter().zip(ends).map(spent).collect()
    }

    /// What would have gone upstream.
    pub fn forwarded(&self) -> Option<Forwarded> {
        self.forwarded.borrow().clone()
    }

    /// How the request ended.
    pub fn ended(&self) -> Option<Ended> {
        self.ended.borrow().clone()
    }
}

fn changed(sent: &HeaderMap, received: &HeaderMap) -> Vec<String> {
    let differs = |name: &&http::HeaderName| !sent.get_all(*name).iter().eq(received.get_all(*name).iter());
    names(sent.keys().filter(differs))
}

fn gone(sent: &HeaderMap, received: &HeaderMap) -> Vec<String> {
    names(received.keys().filter(|name| !sent.contains_key(*name)))
}

fn names<'a>(names: impl Iterator<Item = &'a http::HeaderName>) -> Vec<String> {
    let sorted: BTreeSet<&str> = names.map(http::HeaderName::as_str).collect();
    sorted.into_iter().map(str::to_owned).collect()
}
