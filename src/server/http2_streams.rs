//! The requests under way on one HTTP/2 connection. Each is a task of the worker that ends with its connection, and is given
//! up when its client does not take the answer for too long.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::CONTENT_LENGTH;
use hyper::service::Service;
use hyper::{Method, Request, Response, StatusCode};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep};

/// Most bytes of an answer that are handed to h2 at once, in bytes: what a client that grants a single byte can have it
/// hold beyond that byte, per request.
const PIECE_BYTES: usize = 16 * 1024;

/// The requests of one connection. They end when this is dropped.
pub struct Streams(Rc<Shared>);

struct Shared {
    tasks: RefCell<JoinSet<()>>,
    begun: Cell<u64>,
    /// The progress of the request that the service was called for last, until its task is begun.
    next: RefCell<Option<Rc<Progress>>>,
    stall_max: Duration,
}

/// Begins the tasks of one connection.
#[derive(Clone, Debug)]
pub struct Executor(Weak<Shared>);

/// How far an answer is, seen from the task that sends it.
#[derive(Default)]
struct Progress {
    /// Pieces taken so far.
    pieces: Cell<u64>,
    /// The last piece was handed over and none was asked for since: if the task waits now, then for the client.
    handed_over: Cell<bool>,
}

impl Streams {
    /// No requests yet; one whose client takes nothing for `stall_max` is given up.
    pub fn new(stall_max: Duration) -> Self {
        let shared =
            Shared { tasks: RefCell::default(), begun: Cell::new(0), next: RefCell::default(), stall_max };
        Self(Rc::new(shared))
    }

    /// What begins tasks for hyper. It holds no task alive.
    pub fn executor(&self) -> Executor {
        Executor(Rc::downgrade(&self.0))
    }

    /// How many have begun so far.
    pub fn begun(&self) -> u64 {
        self.0.begun.get()
    }

    /// How many are under way; the task of `cx` is woken when one ends.
    pub fn poll_open(&self, cx: &mut Context<'_>) -> usize {
        let mut tasks = self.0.tasks.borrow_mut();
        while let Poll::Ready(Some(_ended)) = tasks.poll_join_next(cx) {}
        tasks.len()
    }
}

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, task: F) {
        // Without a connection there is nobody to answer to.
        let Some(shared) = self.0.upgrade() else { return };
        let progress = shared.next.take();
        let stall_max = shared.stall_max;
        let sending = Sending { task: Box::pin(task), progress, stall_max, stalled: None };
        shared.tasks.borrow_mut().spawn_local(sending);
    }
}

/// One request's task.
struct Sending<F> {
    task: Pin<Box<F>>,
    progress: Option<Rc<Progress>>,
    stall_max: Duration,
    stalled: Option<(u64, Pin<Box<Sleep>>)>,
}

impl<F: Future<Output = ()>> Future for Sending<F> {
    type Output = ();

    /// To drop the task is to reset its stream.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.task.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(progress) = this.progress.as_ref().filter(|p| p.handed_over.get()) else {
            this.stalled = None;
            return Poll::Pending;
        };
        let pieces = progress.pieces.get();
        if this.stalled.as_ref().is_none_or(|(at, _)| *at != pieces) {
            this.stalled = Some((pieces, Box::pin(sleep(this.stall_max))));
        }
        match &mut this.stalled {
            Some((_, timer)) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

/// A service whose answers tell how far they are.
pub struct Flowing<S> {
    service: S,
    executor: Executor,
}

impl<S> Flowing<S> {
    /// Watches the answers of a service.
    pub fn new(service: S, executor: Executor) -> Self {
        Self { service, executor }
    }
}

impl<S, B> Service<Request<Incoming>> for Flowing<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<Pieces<B>>;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    /// hyper begins the task of a request right after this call; the executor gives it the progress left here.
    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let progress = Rc::new(Progress::default());
        if let Some(shared) = self.executor.0.upgrade() {
            shared.begun.set(shared.begun.get() + 1);
            shared.next.replace(Some(Rc::clone(&progress)));
        }
        let is_head = request.method() == Method::HEAD;
        Answering { future: Box::pin(self.service.call(request)), progress, is_head }
    }
}

/// An answer that is not there yet.
pub struct Answering<F> {
    future: Pin<Box<F>>,
    progress: Rc<Progress>,
    is_head: bool,
}

impl<F, B, E> Future for Answering<F>
where
    B: Body<Data = Bytes>,
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Pieces<B>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = ready!(self.future.as_mut().poll(cx))?;
        let progress = Rc::clone(&self.progress);
        if self.is_head
            && let Some(length) = answer.body().size_hint().exact()
        {
            answer.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
        }
        let is_bare =
            self.is_head || matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Poll::Ready(Ok(answer.map(|body| Pieces { body, rest: Bytes::new(), progress, is_bare })))
    }
}

/// A body in pieces of at most [`PIECE_BYTES`], that tells when one was handed over.
pub struct Pieces<B> {
    body: B,
    rest: Bytes,
    progress: Rc<Progress>,
    /// An answer without a body, whatever was written for it: hyper asks for none only over HTTP/1.
    is_bare: bool,
}

impl<B> Pieces<B> {
    fn hand_over(&mut self, mut data: Bytes) -> Frame<Bytes> {
        if data.len() > PIECE_BYTES {
            self.rest = data.split_off(PIECE_BYTES);
        }
        self.progress.pieces.set(self.progress.pieces.get() + 1);
        self.progress.handed_over.set(true);
        Frame::data(data)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Pieces<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        this.progress.handed_over.set(false);
        if this.is_bare {
            return Poll::Ready(None);
        }
        if !this.rest.is_empty() {
            let rest = std::mem::take(&mut this.rest);
            return Poll::Ready(Some(Ok(this.hand_over(rest))));
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| match frame.into_data() {
                Ok(data) => this.hand_over(data),
                Err(other) => other,
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.is_bare || (self.rest.is_empty() && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let hint = self.body.size_hint();
        let mut own = SizeHint::new();
        own.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper().and_then(|u| u.checked_add(rest)) {
            own.set_upper(upper);
        }
        own
    }
}
