//! The body of an answer, whoever wrote it, and the moment at which it has gone out.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::closing::Closing;
use super::trailers::Trailers;
use crate::proxy::{UpstreamBody, UpstreamBodyError};

/// An answer's body. When it is dropped, sent or not, the request is over and is counted.
pub struct Body {
    source: Source,
    trailers: Trailers,
    closing: Option<Box<Closing>>,
}

enum Source {
    Empty,
    Full(Bytes),
    Upstream(Box<UpstreamBody>),
    /// What was read of an upstream's body already, and the rest of it.
    Resumed(Bytes, Box<UpstreamBody>),
}

/// What came of reading a body up to a limit.
pub enum Read {
    /// All of it.
    Whole(Bytes),
    /// It is longer: the body, with what was read at its front.
    Longer(Body),
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self::of(Source::Empty)
    }

    /// A body that is all there.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let source = if bytes.is_empty() { Source::Empty } else { Source::Full(bytes) };
        Self::of(source)
    }

    /// A body that streams from an upstream, and the trailers of it that its client is sent.
    pub fn upstream(body: UpstreamBody, trailers: Trailers) -> Self {
        Self { source: Source::Upstream(Box::new(body)), trailers, closing: None }
    }

    fn of(source: Source) -> Self {
        Self { source, trailers: Trailers::Dropped, closing: None }
    }

    /// Which trailers follow it.
    pub fn trailers(&self) -> &Trailers {
        &self.trailers
    }

    /// Lets no trailers follow it.
    pub fn drop_trailers(&mut self) {
        self.trailers = Trailers::Dropped;
    }

    /// The bytes of a body that is all there; nothing of one that streams.
    pub fn whole(&self) -> Bytes {
        match &self.source {
            Source::Full(bytes) => bytes.clone(),
            Source::Empty | Source::Upstream(_) | Source::Resumed(..) => Bytes::new(),
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
                    Source::Empty | Source::Full(_) => Source::Full(read.freeze()),
                };
                let trailers = std::mem::take(&mut self.trailers);
                return Ok(Read::Longer(Self { source, trailers, closing: None }));
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
        let frame = match &mut self.source {
            Source::Empty => return Poll::Ready(None),
            Source::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.source = Source::Empty;
                Some(Ok(Frame::data(bytes)))
            }
            Source::Resumed(read, _) if !read.is_empty() => Some(Ok(Frame::data(std::mem::take(read)))),
            Source::Upstream(body) | Source::Resumed(_, body) => {
                std::task::ready!(Pin::new(body.as_mut()).poll_frame(context))
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
            Source::Empty => true,
            Source::Full(_) => false,
            Source::Upstream(body) => body.is_end_stream(),
            Source::Resumed(read, body) => read.is_empty() && body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Upstream(body) => body.size_hint(),
            // The declared length, where there is one, is with the head.
            Source::Resumed(..) => SizeHint::default(),
        }
    }
}
