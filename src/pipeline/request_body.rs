//! The body of a request on its way in: counted, timed, and cut where it breaks a limit.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

use crate::base::refusal::Refusal;
use crate::proxy::Upload;

/// Why a body did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It crossed the limit.
    #[error("the request body is longer than its limit")]
    TooLarge,
    /// No byte came for too long.
    #[error("the request body stopped coming")]
    TooSlow,
    /// Its framing is broken, or the client went away.
    #[error("the request body is malformed")]
    Malformed,
}

impl Fault {
    /// The refusal that this fault becomes while no answer has begun.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::TooLarge => Refusal::TooLarge,
            Self::TooSlow => Refusal::RequestTimeout,
            Self::Malformed => Refusal::BadRequest("The request body is malformed."),
        }
    }
}

/// What is known of a body while somebody else holds it.
#[derive(Clone, Default)]
pub struct Watch(Rc<Seen>);

#[derive(Default)]
struct Seen {
    bytes: Cell<u64>,
    over: Cell<bool>,
    fault: Cell<Option<Fault>>,
}

impl Watch {
    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.get()
    }

    /// Whether the body came to its end.
    pub fn is_over(&self) -> bool {
        self.0.over.get()
    }

    /// Why the body was cut, if it was.
    pub fn fault(&self) -> Option<Fault> {
        self.0.fault.get()
    }
}

/// A request body.
pub struct RequestBody(Form);

enum Form {
    Empty,
    Buffered(Bytes),
    Stream(Box<Stream>),
    /// What was read already, and the rest of the stream.
    Resumed(Bytes, Box<Stream>),
}

/// What came of reading a body up to a limit.
pub enum Read {
    /// All of it.
    Whole(Bytes),
    /// It is longer: the body, with what was read at its front.
    Longer(RequestBody),
}

struct Stream {
    incoming: Incoming,
    left: u64,
    silence_max: Duration,
    silence: Pin<Box<Sleep>>,
    waiting: bool,
    watch: Watch,
    http2: bool,
}

impl RequestBody {
    /// No body.
    pub fn empty() -> Self {
        Self(Form::Empty)
    }

    /// A body that was read already.
    pub fn buffered(bytes: Bytes) -> Self {
        Self(if bytes.is_empty() { Form::Empty } else { Form::Buffered(bytes) })
    }

    /// A body that streams: at most `limit` bytes, never silent for longer than `silence_max`. `http2` says what it comes
    /// over.
    pub fn stream(incoming: Incoming, limit: u64, silence_max: Duration, http2: bool) -> (Self, Watch) {
        let watch = Watch::default();
        if incoming.is_end_stream() {
            watch.0.over.set(true);
            return (Self::empty(), watch);
        }
        let silence = Box::pin(sleep(silence_max));
        let stream =
            Stream { incoming, left: limit, silence_max, silence, waiting: false, watch: watch.clone(), http2 };
        (Self(Form::Stream(Box::new(stream))), watch)
    }

    /// The body as the upstream's sender takes it.
    pub fn into_upload(self) -> Upload {
        match self.0 {
            Form::Empty => Upload::none(),
            Form::Buffered(bytes) => Upload::whole(bytes),
            Form::Stream(_) | Form::Resumed(..) => Upload::stream(self),
        }
    }

    /// Reads the body to its end and keeps nothing of it.
    ///
    /// # Errors
    /// The fault that cut it.
    pub async fn discard(mut self) -> Result<(), Fault> {
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await {
            frame?;
        }
        Ok(())
    }

    /// Reads the body to its end, or until it turns out to have more than `most` bytes. It is not held back any longer
    /// then: whoever takes it gets what was read, and the rest as it comes.
    ///
    /// # Errors
    /// The fault that cut it.
    pub async fn read_up_to(mut self, most: u64) -> Result<Read, Fault> {
        let mut read = BytesMut::new();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await {
            if let Ok(data) = frame?.into_data() {
                read.extend_from_slice(&data);
            }
            if u64::try_from(read.len()).is_ok_and(|length| length > most) {
                let form = match self.0 {
                    Form::Stream(stream) | Form::Resumed(_, stream) => Form::Resumed(read.freeze(), stream),
                    Form::Empty | Form::Buffered(_) => Form::Buffered(read.freeze()),
                };
                return Ok(Read::Longer(Self(form)));
            }
        }
        Ok(Read::Whole(read.freeze()))
    }

    /// Reads the body to its end.
    ///
    /// # Errors
    /// The fault that cut it.
    pub async fn collect(mut self) -> Result<Bytes, Fault> {
        let mut whole = BytesMut::new();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await {
            if let Ok(data) = frame?.into_data() {
                whole.extend_from_slice(&data);
            }
        }
        Ok(whole.freeze())
    }
}

impl Stream {
    fn cut(&self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.watch.0.fault.set(Some(fault));
        Poll::Ready(Some(Err(fault)))
    }

    /// The silence begins when somebody waits: time in which nobody asked for the body does not count.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if !self.waiting {
            self.waiting = true;
            self.silence.set(sleep(self.silence_max));
        }
        match self.silence.as_mut().poll(context) {
            Poll::Ready(()) => self.cut(Fault::TooSlow),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(fault) = self.watch.fault() {
            return Poll::Ready(Some(Err(fault)));
        }
        loop {
            match Pin::new(&mut self.incoming).poll_frame(context) {
                Poll::Pending => return self.wait(context),
                // hyper takes a reset without an error for an end; half a body must not be passed on as a whole one.
                Poll::Ready(None) if self.http2 && !self.incoming.is_end_stream() => {
                    return self.cut(Fault::Malformed);
                }
                Poll::Ready(None) => {
                    self.watch.0.over.set(true);
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(_))) => return self.cut(Fault::Malformed),
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers of a request are dropped: nothing judged them (THREATS SM-22).
                    let Ok(data) = frame.into_data() else { continue };
                    let length = data.len() as u64;
                    self.watch.0.bytes.set(self.watch.bytes() + length);
                    if length > self.left {
                        return self.cut(Fault::TooLarge);
                    }
                    self.left -= length;
                    self.waiting = false;
                    self.watch.0.over.set(self.incoming.is_end_stream());
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
            }
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match &mut self.0 {
            Form::Empty => Poll::Ready(None),
            Form::Buffered(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Form::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Form::Stream(stream) => stream.poll(context),
            Form::Resumed(read, stream) if read.is_empty() => stream.poll(context),
            Form::Resumed(read, _) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(read))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Form::Empty => true,
            Form::Buffered(_) => false,
            Form::Stream(stream) => stream.incoming.is_end_stream(),
            Form::Resumed(read, stream) => read.is_empty() && stream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Form::Empty => SizeHint::with_exact(0),
            Form::Buffered(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Form::Stream(stream) => stream.incoming.size_hint(),
            // Only the declared length counts, and that is with the head.
            Form::Resumed(..) => SizeHint::default(),
        }
    }
}
