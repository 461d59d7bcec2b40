//! One HTTP/1.1 connection: its limits, its requests one after another, and how it ends.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::rt::Write as _;
use hyper::server::conn::http1::Builder;
use hyper::service::{Service, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use super::guard::{Limits, Link, Patience, Standing, call};
use super::phase::{Phase, Shutdown};
use super::rest::Speaker;
use super::wire::Wire;
use crate::config::Server;

/// Headers that hyper takes without an allocation of its own; the configuration's default is the same.
const HEADERS_ON_STACK: usize = 100;

/// Smallest read buffer that a connection may grow to, in bytes: bodies go through it too.
const BUFFER_BYTES_MIN: usize = 64 * 1024;

/// How connections are served: made once per snapshot, used for every connection that begins under it.
#[derive(Clone, Debug)]
pub struct Http {
    builder: Builder,
    limits: Limits,
    header_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Both sides were done, or nothing had come in time.
    Closed,
    /// The client went away, or did not read, while something was in flight.
    Broken,
    /// The drain's time was over.
    Cut,
    /// The answer was 101: whoever gave it has the stream.
    Tunnelled,
}

impl Http {
    /// The limits of `[server]`. A write stalls as long as a body may be silent.
    pub fn new(config: &Server) -> Self {
        let limits = Limits::of(config);
        let mut builder = Builder::new();
        // The guard has refused what is larger, and has timers of its own: hyper's limits only have to be wider.
        builder
            .header_read_timeout(None)
            .max_header_size(limits.head())
            .max_buf_size(limits.head().max(BUFFER_BYTES_MIN))
            .half_close(false)
            .keep_alive(true);
        if config.headers_max != HEADERS_ON_STACK {
            builder.max_headers(config.headers_max);
        }
        Self {
            builder,
            limits,
            header_timeout: config.header_timeout,
            idle_timeout: config.idle_timeout,
            write_timeout: config.body_timeout,
        }
    }

    /// Serves one connection to its end. What the guard refuses is given to the service as a request with an
    /// [`Unparsed`](crate::pipeline::unparsed::Unparsed) among its extensions, which it answers and closes; half a head
    /// that is late is such a refusal, and an idle connection closes silently. In the drain, the request in flight is
    /// finished and its answer says `Connection: close`. An error of the service closes the connection without an answer.
    ///
    /// A request that asks for an upgrade has hyper's promise of the stream ([`hyper::upgrade::on`]). Until its answer is
    /// there, nothing that the client sends behind it is judged; then it is a tunnel's if the answer was 101, and the next
    /// request's if it was another. A tunnel outlives this call.
    pub async fn serve<I, S, B>(&self, stream: I, shutdown: &Shutdown, service: S) -> Ending
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>>,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let link = Arc::new(Link::default());
        let wire = Wire::new(stream, self.write_timeout, self.limits, Arc::clone(&link));
        let service = {
            let link = Arc::clone(&link);
            service_fn(move |request| call(&link, &service, request))
        };
        let mut connection = Speaker::new(&self.builder, wire, service);
        let mut patience = Patience::new(self.header_timeout, self.idle_timeout);
        let mut draining = false;
        // A client that is in the middle of a head has begun a request: the drain waits for it.
        let may_drain = || shutdown.phase() == Phase::Draining && link.standing().0 != Standing::InHead;
        let result = poll_fn(|cx| {
            shutdown.register(cx);
            loop {
                if shutdown.phase() == Phase::Ended {
                    return Poll::Ready(None);
                }
                if !draining && may_drain() {
                    draining = true;
                    link.set_closing();
                    connection.close();
                }
                if let Poll::Ready(result) = connection.poll(cx) {
                    return Poll::Ready(Some(result));
                }
                let must_drain = !draining && may_drain();
                if !must_drain && !connection.again(&link, &mut patience, cx) {
                    return Poll::Pending;
                }
            }
        })
        .await;
        drop(connection);
        // A promise that stayed in the link would keep the stream, and the stream its link.
        let promise = link.take_promise();
        match result {
            None => Ending::Cut,
            Some(_) if link.is_tunnel() => Ending::Tunnelled,
            Some(Ok(())) => {
                close_promised(promise).await;
                Ending::Closed
            }
            Some(Err(_)) => Ending::Broken,
        }
    }
}

/// hyper leaves the close of a connection on which an upgrade was once asked for to whoever it promised the stream to.
async fn close_promised(promise: Option<OnUpgrade>) {
    let Some(promise) = promise else { return };
    // An error says that the stream was closed as any other.
    if let Ok(mut stream) = promise.await {
        poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await.ok();
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
pub(super) mod tests;
