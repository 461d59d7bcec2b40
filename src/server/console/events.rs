//! The stream of requests for the live page: rows as the server writes them, twice a second, until the gateway drains.
//!
//! # Source
//! HTML Standard section 9.2 (server-sent events).

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body::{Body as HttpBody, Frame};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::live::{ROWS_MAX, row};
use super::session::{Sessions, SignedIn};
use super::visit::Visit;
use crate::base::refusal::Refusal;
use crate::pipeline::answer::Body;
use crate::pipeline::gateway::Gateway;
use crate::server::admin::Token;
use crate::server::phase::{Phase, Shutdown};

/// Most streams at a time: a browser has few tabs, and each stream keeps an admin connection.
pub(super) const STREAMS_MAX: usize = 8;

/// How often there is a look for what is new.
const TICK: Duration = Duration::from_millis(500);

/// Looks without news until a sign of life is sent: 15 s.
const SILENT_TICKS_MAX: u32 = 30;

/// Looks until the browser must come again, and show that it still may: 10 min.
const TICKS_MAX: u32 = 1_200;

/// Opens a stream; it goes on after `?after=`, or after what the browser has seen last.
///
/// # Errors
/// There are too many.
pub(super) fn stream(visit: &Visit<'_>, shutdown: &Shutdown) -> Result<Response<Body>, Refusal> {
    let seat = Seat::take(&visit.admin.console.streams)?;
    let seen = visit.head.text_header("last-event-id").map_or_else(|| visit.query("after"), str::to_owned);
    let last = visit.gateway().recall.last();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let sign_in = visit.signed_in().filter(|_| !visit.is_open()).map(|signed_in| SignIn {
        signed_in: signed_in.clone(),
        sessions: visit.admin.console.sessions.clone(),
        token: visit.admin.token.clone(),
    });
    let events = Events {
        sign_in,
        gateway: Arc::clone(&visit.admin.gateway),
        shutdown: shutdown.clone(),
        ticks,
        // A number from before a restart is of another time.
        seq: seen.parse().ok().filter(|seen| *seen <= last).unwrap_or(0),
        silent: 0,
        left: TICKS_MAX,
        _seat: seat,
    };
    let mut answer = Response::new(Body::told(Box::pin(events)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // A proxy that collects an answer before it passes it on would show nothing.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(answer)
}

/// A place among the streams, given back when the stream is dropped.
struct Seat(Rc<Cell<usize>>);

impl Seat {
    fn take(streams: &Rc<Cell<usize>>) -> Result<Self, Refusal> {
        if streams.get() >= STREAMS_MAX {
            return Err(Refusal::Unavailable { retry_after: Some(Duration::from_secs(5)) });
        }
        streams.set(streams.get() + 1);
        Ok(Self(Rc::clone(streams)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// What a stream is shown for, where not everybody may read.
struct SignIn {
    signed_in: SignedIn,
    sessions: Sessions,
    token: Token,
}

struct Events {
    gateway: Arc<Gateway>,
    /// Absent where everybody may read.
    sign_in: Option<SignIn>,
    shutdown: Shutdown,
    ticks: Interval,
    /// The last request that was told of.
    seq: u64,
    silent: u32,
    left: u32,
    _seat: Seat,
}

impl Events {
    fn is_over(&self) -> bool {
        self.left == 0
            || self.shutdown.phase() != Phase::Serving
            || self.shutdown.is_retiring()
            || self.gateway.draining.is_on()
            || self.sign_in.as_ref().is_some_and(|it| {
                // Signed out, or the account may no more (AD-07).
                !it.sessions.holds(&it.signed_in, &self.gateway, &it.token)
            })
    }

    /// What is new; a sign of life where nothing was for a while.
    fn news(&mut self) -> Option<String> {
        let kept = self.gateway.recall.since(self.seq, ROWS_MAX);
        let Some(last) = kept.last() else {
            self.silent += 1;
            return (self.silent % SILENT_TICKS_MAX == 1).then(|| ": here\n\n".to_owned());
        };
        self.seq = last.seq;
        self.silent = 1;
        let mut text = String::new();
        for request in &kept {
            // The writer of the page puts no line break into a row; one would end the event.
            let row = row(request).into_string().replace(['\n', '\r'], " ");
            let _ = write!(text, "id: {}\ndata: {row}\n\n", request.seq);
        }
        Some(text)
    }
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            ready!(self.ticks.poll_tick(context));
            self.left = self.left.saturating_sub(1);
            if self.is_over() {
                return Poll::Ready(None);
            }
            if let Some(news) = self.news() {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from(news)))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::Who;
    use super::*;
    use crate::server::admin::tests::house;

    #[tokio::test]
    async fn a_stream_shows_signs_of_life_and_ends_with_its_sign_in_and_its_listener() {
        let house = house("");
        let mut events = Events {
            gateway: Arc::clone(&house.admin.gateway),
            sign_in: None,
            shutdown: Shutdown::default(),
            ticks: interval(TICK),
            seq: 0,
            silent: 0,
            left: TICKS_MAX,
            _seat: Seat::take(&Rc::default()).ok().unwrap(),
        };
        let signs: Vec<_> = (0..61).filter(|_| events.news().is_some()).collect();
        assert_eq!(signs, [0, 30, 60], "in half seconds");
        assert!(!events.is_over());
        let sessions = Sessions::default();
        let token = house.admin.token.clone();
        let who = Who::Token(token.fingerprint());
        let cookie = sessions.begin(who, house.admin.gateway.clock.now()).unwrap();
        let signed_in = sessions.find(&cookie, &house.admin.gateway, &token).unwrap();
        events.sign_in = Some(SignIn { signed_in: signed_in.clone(), sessions: sessions.clone(), token });
        assert!(!events.is_over(), "who is signed in may go on");
        sessions.end(&signed_in);
        assert!(events.is_over(), "ad_07: signed out");
        events.sign_in = None;
        events.shutdown.retire();
        assert!(events.is_over(), "others have taken over");
    }
}
