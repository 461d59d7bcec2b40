//! The response body on its way back. It carries the connection along: whoever polls the body drives the connection,
//! and whoever drops the body before its end closes the connection.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::books::Admitted;
use super::endpoint::{Endpoint, InFlight};
use super::link::Link;
use super::pool::Pool;
use super::service::Service;
use super::socket::Socket;
use super::upload::Progress;

/// Why a response body did not come to its end. The client's connection must be cut then, never ended cleanly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamBodyError {
    /// The upstream broke off, or sent what is no body.
    #[error("the upstream broke off inside the response body")]
    Broken,
    /// The upstream was silent for too long.
    #[error("the upstream was silent for too long inside the response body")]
    Silent,
    /// The request body failed while the response was coming.
    #[error("the request body failed while the response was coming")]
    Upload,
}

/// An upstream's response body. Trailers are dropped.
pub struct UpstreamBody {
    incoming: Incoming,
    flow: Option<Flow>,
    silence_max: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
    alarm_is_stale: bool,
    switched: bool,
}

/// A connection to an upstream that does not speak HTTP any more.
pub struct Tunnel {
    /// The connection.
    pub socket: Socket,
    /// What came behind the 101.
    pub early: Bytes,
    /// Counted as in flight as long as it is here.
    pub held: Held,
}

/// A connection in use, and where it goes afterwards.
pub(super) struct Flow {
    pub link: Box<Link>,
    pub progress: Rc<Progress>,
    pub pool: Pool,
    pub service: Arc<Service>,
    pub endpoint: Arc<Endpoint>,
    /// Counted as in flight as long as this is here.
    pub held: Held,
}

/// A request in flight at an address and at its service.
pub type Held = (InFlight, Admitted);

impl Flow {
    /// Gives the connection back to the pool if it is clean, else closes it. An upload that is still running when the
    /// response has ended is broken off.
    fn finish(mut self, cx: &mut Context<'_>) {
        self.link.drive(cx);
        self.tell();
        if self.link.is_reusable() {
            self.pool.put(&self.endpoint, self.link, self.service.config());
        }
    }

    /// Tells the operator what was wrong with what came.
    fn tell(&self) {
        if let Some(fault) = self.link.fault() {
            fault.tell(self.service.name());
        }
    }
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, flow: Flow, silence_max: Duration, cx: &mut Context<'_>) -> Self {
        let flow = Some(flow);
        let mut body =
            Self { incoming, flow, silence_max, alarm: None, alarm_is_stale: false, switched: false };
        body.finish_if_ended(cx);
        body
    }

    /// What follows a 101: no body, but the connection itself.
    pub(super) fn switched(incoming: Incoming, flow: Flow) -> Self {
        let (flow, silence_max) = (Some(flow), Duration::MAX);
        Self { incoming, flow, silence_max, alarm: None, alarm_is_stale: false, switched: true }
    }

    /// The connection, where a 101 has made it one that speaks another protocol.
    pub fn into_tunnel(mut self) -> Option<Tunnel> {
        let Flow { link, held, .. } = self.flow.take().filter(|_| self.switched)?;
        let (socket, early) = link.release();
        Some(Tunnel { socket, early, held })
    }

    fn finish_if_ended(&mut self, cx: &mut Context<'_>) {
        if self.incoming.is_end_stream() && !self.switched {
            self.finish(cx);
        }
    }

    fn finish(&mut self, cx: &mut Context<'_>) {
        if let Some(flow) = self.flow.take() {
            flow.finish(cx);
        }
        self.alarm = None;
    }

    /// The next frame, from what has come or from what the connection can read now.
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        if let Some(flow) = &mut self.flow {
            flow.link.drive(cx);
        }
        Pin::new(&mut self.incoming).poll_frame(cx)
    }

    fn fail(&mut self) -> UpstreamBodyError {
        let flow = self.flow.take();
        if let Some(flow) = &flow {
            flow.tell();
        }
        let upload_failed = flow.is_some_and(|flow| flow.progress.take_error().is_some());
        if upload_failed { UpstreamBodyError::Upload } else { UpstreamBodyError::Broken }
    }

    /// The silence is measured only while somebody waits: a slow client is not the upstream's silence.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let silence_max = self.silence_max;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(silence_max)));
        if std::mem::take(&mut self.alarm_is_stale) {
            alarm.as_mut().set(tokio::time::sleep(silence_max));
        }
        alarm.as_mut().poll(cx)
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = UpstreamBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamBodyError>>> {
        let this = self.get_mut();
        loop {
            match this.poll_incoming(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.alarm_is_stale = true;
                    this.finish_if_ended(cx);
                    if frame.is_data() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Some(Err(this.fail()))),
                Poll::Ready(None) => {
                    this.finish(cx);
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    if this.poll_alarm(cx).is_pending() {
                        return Poll::Pending;
                    }
                    this.flow = None;
                    return Poll::Ready(Some(Err(UpstreamBodyError::Silent)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.flow.is_none() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamBody(…)")
    }
}
