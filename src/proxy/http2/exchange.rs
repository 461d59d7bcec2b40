//! One request on a shared connection: its upload, and the wait for the response head.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use http_body::Body as _;
use tokio::task::coop::unconstrained;
use tokio::time::sleep;

use super::super::upload::{Progress, Tracked, Upload};
use super::session::{Hold, Session};

/// Most interim responses (1xx) before the one that counts; none of them is passed on.
const INTERIM_MAX: usize = 16;

/// A request under way. To drop it, and the response's body with it, is to reset its stream.
pub struct Exchange {
    response: ResponseFuture,
    /// Where the upload goes, until it has ended or nobody wants it.
    sink: Option<SendStream<Bytes>>,
    upload: Tracked,
    /// What was taken of the upload and found no room yet.
    held: Bytes,
    session: Rc<Session>,
    _hold: Hold,
}

/// Why no response head came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHead {
    /// The connection took no more requests: nothing was sent.
    Unsent,
    /// The upstream says that it did nothing with the request.
    Refused,
    /// The head was not there in time.
    Timeout,
    /// The connection ended without a word about the request.
    Closed,
    /// The request was reset, or what came was no response.
    Broken,
}

/// The upload failed; why is with its [`Progress`].
#[derive(Debug)]
pub struct UploadFailed;

impl Exchange {
    /// Sends the head.
    ///
    /// # Errors
    /// The connection takes no more requests; the upload is given back.
    pub fn begin(
        session: &Rc<Session>,
        head: Request<()>,
        upload: Tracked,
    ) -> Result<Self, (NoHead, Tracked)> {
        let ends = upload.is_end_stream();
        match session.sender().send_request(head, ends) {
            Ok((response, sink)) => Ok(Self {
                response,
                sink: (!ends).then_some(sink),
                upload,
                held: Bytes::new(),
                session: Rc::clone(session),
                _hold: session.hold(),
            }),
            Err(_) => {
                session.retire();
                Err((NoHead::Unsent, upload))
            }
        }
    }

    /// Waits for the response head while the upload goes on. `timeout` is the longest time in which neither the upload
    /// moves nor the head comes while it is the upstream's turn.
    ///
    /// # Errors
    /// [`NoHead`]
    pub async fn head(
        &mut self,
        progress: &Rc<Progress>,
        timeout: Duration,
    ) -> Result<Response<RecvStream>, NoHead> {
        // Not held up by an upstream that floods.
        let mut alarm = pin!(unconstrained(sleep(timeout)));
        let (mut frames_seen, mut interim) = (0, 0);
        poll_fn(|cx| {
            while let Poll::Ready(Some(Ok(_))) = self.response.poll_informational(cx) {
                interim += 1;
                if interim > INTERIM_MAX {
                    return Poll::Ready(Err(NoHead::Broken));
                }
            }
            if let Poll::Ready(outcome) = Pin::new(&mut self.response).poll(cx) {
                return Poll::Ready(outcome.map_err(|e| self.judge(&e)));
            }
            if let Poll::Ready(Err(UploadFailed)) = self.poll_upload(cx) {
                return Poll::Ready(Err(NoHead::Broken));
            }
            if progress.frames() != frames_seen {
                frames_seen = progress.frames();
                alarm.set(unconstrained(sleep(timeout)));
            }
            while alarm.as_mut().poll(cx).is_ready() {
                if !progress.waits_for_client() {
                    return Poll::Ready(Err(NoHead::Timeout));
                }
                alarm.set(unconstrained(sleep(timeout)));
            }
            Poll::Pending
        })
        .await
    }

    /// What an error before the head says about the request.
    ///
    /// # Source
    /// RFC 9113 sections 6.8 (streams above the last one of a GOAWAY were not processed) and 8.7 (`REFUSED_STREAM`).
    fn judge(&self, error: &h2::Error) -> NoHead {
        if error.is_go_away() && error.is_remote() {
            self.session.retire();
            return NoHead::Refused;
        }
        match error.reason() {
            Some(Reason::REFUSED_STREAM) if error.is_remote() => NoHead::Refused,
            None if error.is_io() => NoHead::Closed,
            _ => NoHead::Broken,
        }
    }

    /// Moves the upload on; ready when it has ended, or when the upstream wants no more of it.
    pub fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), UploadFailed>> {
        while let Some(sink) = &mut self.sink {
            if !self.held.is_empty() {
                let Some(room) = ready!(poll_room(sink, cx)) else { break };
                let piece = self.held.split_to(room.min(self.held.len()));
                let ends = self.held.is_empty() && self.upload.is_end_stream();
                if sink.send_data(piece, ends).is_err() || ends {
                    break;
                }
                continue;
            }
            match ready!(Pin::new(&mut self.upload).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        sink.reserve_capacity(data.len());
                        self.held = data;
                    }
                }
                // An error says that the stream is over: its response tells why.
                None => {
                    sink.send_data(Bytes::new(), true).ok();
                    break;
                }
                Some(Err(_)) => {
                    sink.send_reset(Reason::CANCEL);
                    self.sink = None;
                    return Poll::Ready(Err(UploadFailed));
                }
            }
        }
        self.sink = None;
        Poll::Ready(Ok(()))
    }

    /// The upload, for another try.
    pub fn take_upload(&mut self) -> Tracked {
        let (none, _) = Tracked::new(Upload::none());
        std::mem::replace(&mut self.upload, none)
    }
}

impl Drop for Exchange {
    /// An upload that nobody waits for any more is broken off.
    fn drop(&mut self) {
        if let Some(sink) = &mut self.sink {
            sink.send_reset(Reason::CANCEL);
        }
    }
}

/// Bytes that may be sent now; none where the stream is over.
fn poll_room(sink: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<Option<usize>> {
    loop {
        match sink.capacity() {
            0 => match ready!(sink.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(None),
            },
            room => return Poll::Ready(Some(room)),
        }
    }
}
