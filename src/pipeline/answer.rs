//! The body of an answer, whoever wrote it, and the moment at which it has gone out.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::closing::Closing;
use super::trailers::Trailers;
use super::vigil::{Lookout, Vigil};
use super::websocket::Opened;
use crate::proxy::{UpstreamBody, UpstreamBodyError};

/// An answer's body. When it is dropped, sent or not, the request is over and is counted.
pub struct Body {
    source: Source,
    trailers: Trailers,
    closing: Option<Box<Closing>>,
    lookout: Option<Box<Lookout>>,
}

enum Source {
    Empty,
    Full(Bytes),
    Upstream(UpstreamBody),
    /// What was read of an upstream's body already, and the rest of it.
    Resumed(Bytes, UpstreamBody),
    /// No body: the connection becomes a tunnel.
    Opened(Box<Opened>),
    /// What the gateway tells for as long as somebody listens.
    Told(Told),
}

/// A body that is made while it is sent.
pub type Told = Pin<Box<dyn HttpBody<Data = Bytes, Error = std::convert::Infallible>>>;

/// What came of reading a body up to a limit.
pub enum Read {
    /// All of it.
    Whole(Bytes),
    /// It is longer: the body, with what was read at its front.
    Longer(Body),
}

impl Body {
    fn of(source: Source) -> Self {
        Self { source, trailers: Trailers::Dropped, closing: None, lookout: None }
    }

    /// No body.
    pub fn empty() -> Self {
        Self::of(Source::Empty)
    }

    /// A body that is all there.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::of(if bytes.is_empty() { Source::Empty } else { Source::Full(bytes) })
    }

    /// A body that streams from an upstream, and the trailers of it that its client is sent.
    pub fn upstream(body: UpstreamBody, trailers: Trailers) -> Self {
        let mut own = Self::of(Source::Upstream(body));
        own.trailers = trailers;
        own
    }

    /// A body that is made while it is sent.
    pub fn told(body: Told) -> Self {
        Self::of(Source::Told(body))
    }

    /// Which trailers follow it.
    pub fn trailers(&self) -> &Trailers {
        &self.trailers
    }

    /// Lets no trailers follow it.
    pub fn drop_trailers(&mut self) {
        self.trailers = Trailers::Dropped;
    }

    /// No body, but a tunnel that the upstream has opened.
    pub fn opened(opened: Box<Opened>) -> Self {
        Self::of(Source::Opened(opened))
    }

    /// The tunnel, once.
    pub fn take_opened(&mut self) -> Option<Opened> {
        match std::mem::replace(&mut self.source, Source::Empty) {
            Source::Opened(opened) => Some(*opened),
            other => {
                self.source = other;
                None
            }
        }
    }

    /// Cuts a stream when the credential that it was opened with does not hold any more.
    pub fn watched(mut self, vigil: Vigil) -> Self {
        self.lookout = Some(Box::new(Lookout::new(vigil)));
        self
    }

    /// Ends a stream whose credential does not hold any more.
    fn poll_lookout(&mut self, context: &mut Context<'_>) -> Poll<UpstreamBodyError> {
        let Some(lookout) = &mut self.lookout else { return Poll::Pending };
        std::task::ready!(lookout.poll(context));
        if let Some(closing) = &mut self.closing {
            closing.ended_as("SESSION_ENDED");
        }
        Poll::Ready(UpstreamBodyError::Broken)
    }

    /// The bytes of a body that is all there; nothing of one that streams.
    pub fn whole(&self) -> Bytes {
        match &self.source {
            Source::Full(bytes) => bytes.clone(),
            _ => Bytes::new(),
        }
    }

    /// Reads the body to its end, or until it turns out to have more than `most` bytes.
    ///
    /// # Errors
    /// Why it did not come to its end.
    pub async fn read_up_to(mut self, most: u64) -> Result<Read, UpstreamBodyError> {
        let mut read = BytesMut::new();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await {
            if let Ok(data) = frame?.into_data() {
                read.extend_from_slice(&data);
            }
            if u64::try_from(read.len()).is_ok_and(|length| length > most) {
                let source = match std::mem::replace(&mut self.source, Source::Empty) {
                    Source::Upstream(rest) | Source::Resumed(_, rest) => Source::Resumed(read.freeze(), rest),
                    _ => Source::Full(read.freeze()),
                };
                let mut longer = Self::of(source);
                longer.trailers = std::mem::take(&mut self.trailers);
                return Ok(Read::Longer(longer));
            }
        }
        Ok(Read::Whole(read.freeze()))
    }

    /// Ties the end of the request to the end of this body.
    pub fn closes(mut self, closing: Box<Closing>) -> Self {
        self.closing = Some(closing);
        self
    }
}

impl Drop for Body {
    /// A stream that is dropped before its end was cut: by its upstream, by its client, or by the end of the process.
    fn drop(&mut self) {
        let whole = !matches!(self.source, Source::Upstream(_) | Source::Resumed(..)) || self.is_end_stream();
        if let Some(closing) = self.closing.as_mut().filter(|_| !whole) {
            closing.was_cut();
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = UpstreamBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamBodyError>>> {
        if let Poll::Ready(error) = self.poll_lookout(context) {
            return Poll::Ready(Some(Err(error)));
        }
        let frame = match &mut self.source {
            Source::Empty | Source::Opened(_) => return Poll::Ready(None),
            Source::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.source = Source::Empty;
                Some(Ok(Frame::data(bytes)))
            }
            Source::Told(body) => {
                let frame = std::task::ready!(body.as_mut().poll_frame(context));
                frame.map(|frame| frame.map_err(|never| match never {}))
            }
            Source::Resumed(read, _) if !read.is_empty() => Some(Ok(Frame::data(std::mem::take(read)))),
            Source::Upstream(body) | Source::Resumed(_, body) => {
                std::task::ready!(Pin::new(body).poll_frame(context))
            }
        };
        let frame = match frame.map(|frame| frame.map(Frame::into_trailers)) {
            Some(Ok(Ok(trailers))) => self.trailers.keep(trailers).map(|t| Ok(Frame::trailers(t))),
            Some(Ok(Err(data))) => Some(Ok(data)),
            Some(Err(e)) => Some(Err(e)),
            None => None,
        };
        if let (Some(closing), Some(Ok(frame))) = (&mut self.closing, &frame) {
            closing.count(frame.data_ref().map_or(0, Bytes::len));
        }
        if frame.is_none() {
            self.source = Source::Empty;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty | Source::Opened(_) => true,
            Source::Full(_) => false,
            Source::Told(body) => body.is_end_stream(),
            Source::Upstream(body) => body.is_end_stream(),
            Source::Resumed(read, body) => read.is_empty() && body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty | Source::Opened(_) => SizeHint::with_exact(0),
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Upstream(body) => body.size_hint(),
            // The declared length, where there is one, is with the head.
            Source::Resumed(..) | Source::Told(_) => SizeHint::default(),
        }
    }
}
