//! The request body on its way upstream.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Any error of a request body; it comes back in [`super::SendError::Upload`] as it was.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request body: none, one that is in memory, or one that streams. Trailers are never passed on.
pub struct Upload(Kind);

enum Kind {
    None,
    Whole(Option<Bytes>),
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = BoxError>>>),
}

impl Upload {
    /// No body.
    pub fn none() -> Self {
        Self(Kind::None)
    }

    /// A body that is in memory.
    pub fn whole(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::none() } else { Self(Kind::Whole(Some(bytes))) }
    }

    /// A body that streams. It must not stay silent for ever: whoever gives it ends it with an error when the client
    /// does, for while it is waited for, the upstream is not to blame and no other timer runs.
    pub fn stream<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return Self::none();
        }
        Self(Kind::Stream(Box::pin(http_body_util::BodyExt::map_err(body, Into::into))))
    }

    /// Takes it to its end, as an upstream would, and says how many bytes it had.
    ///
    /// # Errors
    /// The body's own error.
    pub async fn drain(self) -> Result<u64, BoxError> {
        let mut body = match self.0 {
            Kind::None => return Ok(0),
            Kind::Whole(bytes) => return Ok(bytes.map_or(0, |b| b.len() as u64)),
            Kind::Stream(body) => body,
        };
        let mut length = 0;
        while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            length += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
        Ok(length)
    }

    /// Whether there is no body.
    pub fn is_none(&self) -> bool {
        matches!(self.0, Kind::None)
    }

    /// The same body again, where it is in memory.
    pub fn copy(&self) -> Option<Self> {
        match &self.0 {
            Kind::None => Some(Self::none()),
            Kind::Whole(bytes) => bytes.clone().map(Self::whole),
            Kind::Stream(_) => None,
        }
    }

    /// Its length in bytes, where it is known beforehand.
    pub fn length(&self) -> Option<u64> {
        match &self.0 {
            Kind::None => Some(0),
            Kind::Whole(bytes) => Some(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Kind::Stream(body) => body.size_hint().exact(),
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upload(…)")
    }
}

/// How far an upload is, seen from the task that sends it.
#[derive(Default)]
pub struct Progress {
    frames: Cell<u64>,
    waits_for_client: Cell<bool>,
    taken: Arc<AtomicBool>,
    error: RefCell<Option<BoxError>>,
}

impl Progress {
    /// Frames that were taken from the client, its end among them.
    pub fn frames(&self) -> u64 {
        self.frames.get()
    }

    /// Whether it is the client that is waited for.
    pub fn waits_for_client(&self) -> bool {
        self.waits_for_client.get()
    }

    /// Becomes true when whoever sends the upload has taken the whole of it, or has given it up.
    pub fn taken(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.taken)
    }

    /// The body's own error, once.
    pub fn take_error(&self) -> Option<BoxError> {
        self.error.borrow_mut().take()
    }
}

/// An upload that tells how far it is.
pub struct Tracked {
    upload: Upload,
    progress: Rc<Progress>,
    _taken: Taken,
}

/// Tells when the upload is dropped: hyper does so with its last frame.
struct Taken(Arc<AtomicBool>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Told to hyper in the place of a body's own error, which waits in [`Progress`].
#[derive(Debug, thiserror::Error)]
#[error("the request body failed")]
pub struct UploadFailed;

impl Tracked {
    /// Begins to watch an upload.
    pub fn new(upload: Upload) -> (Self, Rc<Progress>) {
        let progress = Rc::new(Progress::default());
        let taken = Taken(progress.taken());
        (Self { upload, progress: Rc::clone(&progress), _taken: taken }, progress)
    }

    /// The upload again, if nothing of it was taken.
    pub fn into_untouched(self) -> Option<Upload> {
        (self.progress.frames() == 0 && self.progress.error.borrow().is_none()).then_some(self.upload)
    }
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = UploadFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFailed>>> {
        let Self { upload, progress, .. } = &mut *self;
        let outcome = loop {
            match &mut upload.0 {
                Kind::None => break Poll::Ready(None),
                Kind::Whole(bytes) => break Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
                Kind::Stream(body) => match body.as_mut().poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) if frame.is_data() => break Poll::Ready(Some(Ok(frame))),
                    Poll::Ready(Some(Ok(_trailers))) => {}
                    other => break other,
                },
            }
        };
        progress.waits_for_client.set(outcome.is_pending());
        if outcome.is_ready() {
            progress.frames.set(progress.frames.get() + 1);
        }
        outcome.map_err(|e| {
            *progress.error.borrow_mut() = Some(e);
            UploadFailed
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.upload.0 {
            Kind::None => true,
            Kind::Whole(bytes) => bytes.is_none(),
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.upload.length() {
            Some(length) => SizeHint::with_exact(length),
            None => SizeHint::default(),
        }
    }
}
