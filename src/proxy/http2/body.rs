//! A response body over HTTP/2, and the trailers after it.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::super::download::{Held, UpstreamBodyError};
use super::super::hops::clean_trailers;
use super::super::upload::Progress;
use super::exchange::{Exchange, UploadFailed};

/// A body that streams. To drop it before its end is to reset its stream; the connection lives on.
pub struct Http2Body {
    incoming: RecvStream,
    /// The request, until the body has ended.
    exchange: Option<Exchange>,
    progress: Rc<Progress>,
    silence_max: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
    alarm_is_stale: bool,
    /// It came to its end; one that broke off never does.
    ended: bool,
    /// Counted as in flight as long as this is here.
    held: Option<Held>,
}

impl Http2Body {
    pub(super) fn new(
        incoming: RecvStream,
        exchange: Exchange,
        progress: Rc<Progress>,
        silence_max: Duration,
    ) -> Self {
        let exchange = Some(exchange);
        let mut body = Self {
            incoming,
            exchange,
            progress,
            silence_max,
            alarm: None,
            alarm_is_stale: false,
            ended: false,
            held: None,
        };
        body.finish_if_ended();
        body
    }

    /// The same, counted as in flight until its end, and silent for no longer than this.
    pub fn begin(mut self, held: Held, silence_max: Duration) -> Self {
        self.held = (!self.ended).then_some(held);
        self.silence_max = silence_max;
        self
    }

    fn finish_if_ended(&mut self) {
        if self.incoming.is_end_stream() {
            self.finish();
        }
    }

    fn finish(&mut self) {
        self.ended = true;
        self.let_go();
    }

    /// What is left of the upload is broken off.
    fn let_go(&mut self) {
        self.exchange = None;
        self.held = None;
        self.alarm = None;
    }

    fn fail(&mut self) -> Poll<Option<Result<Frame<Bytes>, UpstreamBodyError>>> {
        self.let_go();
        let by_upload = self.progress.take_error().is_some();
        let error = if by_upload { UpstreamBodyError::Upload } else { UpstreamBodyError::Broken };
        Poll::Ready(Some(Err(error)))
    }

    /// Data, then trailers, then nothing. A reset is an error whatever it says, unless the end had come before.
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        match self.incoming.poll_data(cx) {
            Poll::Ready(Some(Ok(data))) => {
                // An error says that the stream is over, which the next poll tells.
                self.incoming.flow_control().release_capacity(data.len()).ok();
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Some(Err(e))) => Poll::Ready(Some(Err(e))),
            Poll::Ready(None) => self.incoming.poll_trailers(cx).map(|trailers| {
                trailers.transpose().map(|trailers| {
                    trailers.map(|mut trailers| {
                        clean_trailers(&mut trailers);
                        Frame::trailers(trailers)
                    })
                })
            }),
            Poll::Pending => Poll::Pending,
        }
    }

    /// The silence is measured only while somebody waits: a slow client is not the upstream's silence.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let silence_max = self.silence_max;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(silence_max)));
        if std::mem::take(&mut self.alarm_is_stale) {
            alarm.as_mut().set(sleep(silence_max));
        }
        alarm.as_mut().poll(cx)
    }
}

impl Body for Http2Body {
    type Data = Bytes;
    type Error = UpstreamBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamBodyError>>> {
        let this = self.get_mut();
        let Some(exchange) = &mut this.exchange else {
            return Poll::Ready(if this.ended { None } else { Some(Err(UpstreamBodyError::Broken)) });
        };
        if let Poll::Ready(Err(UploadFailed)) = exchange.poll_upload(cx) {
            return this.fail();
        }
        match this.poll_incoming(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.alarm_is_stale = true;
                if frame.is_trailers() {
                    this.finish();
                } else {
                    this.finish_if_ended();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => this.fail(),
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Pending => {
                if this.poll_alarm(cx).is_pending() {
                    return Poll::Pending;
                }
                this.let_go();
                Poll::Ready(Some(Err(UpstreamBodyError::Silent)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        if self.ended { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}
