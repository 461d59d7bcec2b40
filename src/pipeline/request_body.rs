//! The body of a request on its way in: counted, timed, and cut where it breaks a limit.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use crate::base::clock::timer_now;
use crate::base::refusal::Refusal;
use crate::config::Server;
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
    pace: Pace,
    /// How long was waited for this body before now.
    waited: Duration,
    /// Since when it is waited for, and until when at most.
    waiting_since: Option<Instant>,
    patience: Pin<Box<Sleep>>,
    watch: Watch,
    http2: bool,
}

/// How fast a body must come. Only the time counts in which somebody waits for the client: a slow upstream is not the
/// client's fault.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Longest silence; it is also how long the average is not judged.
    pub silence_max: Duration,
    /// Least average, in bytes a second; 0 asks for none.
    pub rate_min: u64,
}

impl Pace {
    /// The pace of `[server]`.
    pub fn of(config: &Server) -> Self {
        Self { silence_max: config.body_timeout, rate_min: config.body_rate_min }
    }

    /// How long may be waited now, after so long a wait for so many bytes.
    fn patience(&self, waited: Duration, bytes: u64) -> Duration {
        let Some(millis) = bytes.saturating_mul(1_000).checked_div(self.rate_min) else {
            return self.silence_max;
        };
        let earned = Duration::from_millis(millis).max(self.silence_max);
        earned.saturating_sub(waited).min(self.silence_max)
    }
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

    /// A body that streams: at most `limit` bytes, at this pace. `http2` says what it comes over.
    pub fn stream(incoming: Incoming, limit: u64, pace: Pace, http2: bool) -> (Self, Watch) {
        let watch = Watch::default();
        if incoming.is_end_stream() {
            watch.0.over.set(true);
            return (Self::empty(), watch);
        }
        let stream = Stream {
            incoming,
            left: limit,
            pace,
            waited: Duration::ZERO,
            waiting_since: None,
            patience: Box::pin(sleep(pace.silence_max)),
            watch: watch.clone(),
            http2,
        };
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

    /// The wait begins when somebody asks: time in which nobody wanted the body does not count.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.waiting_since.is_none() {
            let now = timer_now();
            self.waiting_since = Some(now);
            self.patience.as_mut().reset(now + self.pace.patience(self.waited, self.watch.bytes()));
        }
        match self.patience.as_mut().poll(context) {
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
                    self.waited += self.waiting_since.take().map_or(Duration::ZERO, |since| since.elapsed());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn sl_04_patience_ends_where_the_average_falls_behind() {
        let pace = Pace { silence_max: seconds(30), rate_min: 100 };
        assert_eq!(pace.patience(seconds(0), 0), seconds(30), "at first only silence is judged");
        assert_eq!(pace.patience(seconds(29), 20), seconds(1), "a trickle has no longer than that");
        assert_eq!(pace.patience(seconds(31), 20), seconds(0));
        assert_eq!(pace.patience(seconds(31), 3_500), seconds(4), "35 s are earned");
        assert_eq!(
            pace.patience(seconds(31), 1_000_000),
            seconds(30),
            "silence is never longer than its limit"
        );
        let off = Pace { silence_max: seconds(30), rate_min: 0 };
        assert_eq!(off.patience(seconds(3_600), 1), seconds(30));
    }
}
