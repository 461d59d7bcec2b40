//! One HTTP/1.1 connection: its limits, its requests one after another, and how it ends.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1::Builder;
use hyper::service::Service;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncWrite};

use super::phase::{Phase, Shutdown};
use super::wire::{Unread, Wire};
use crate::config::Server;

/// Headers that hyper takes without an allocation of its own; the configuration's default is the same.
const HEADERS_ON_STACK: usize = 100;

/// Smallest read buffer that a connection may grow to, in bytes: bodies go through it too.
const BUFFER_BYTES_MIN: usize = 64 * 1024;

/// How connections are served: made once per snapshot, used for every connection that begins under it.
#[derive(Clone, Debug)]
pub struct Http {
    builder: Builder,
    write_timeout: Duration,
}

/// How a connection ended, for the access line of what never became a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Both sides were done, or nothing had come in time.
    Closed,
    /// Part of a request head had come, the rest did not come in time; answered with what `late` gave.
    HeadTimeout,
    /// hyper refused the head with this status while it parsed.
    Unparsed(StatusCode),
    /// The client went away, or did not read, while something was in flight.
    Broken,
    /// The drain's time was over.
    Cut,
}

impl Http {
    /// The limits of `[server]`. A write stalls as long as a body may be silent.
    pub fn new(config: &Server) -> Self {
        let header_max =
            usize::try_from(config.header_max.saturating_add(config.target_max)).unwrap_or(usize::MAX);
        let mut builder = Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(config.header_timeout)
            .max_header_size(header_max)
            .max_buf_size(header_max.max(BUFFER_BYTES_MIN))
            .half_close(false)
            .keep_alive(true);
        if config.headers_max != HEADERS_ON_STACK {
            builder.max_headers(config.headers_max);
        }
        Self { builder, write_timeout: config.body_timeout }
    }

    /// Serves one connection to its end. The header timeout runs from the accept and between requests: an idle connection closes
    /// silently, one with half a head is answered with the bytes of `late`. In the drain, the request in flight is finished and
    /// its answer says `Connection: close`. An error of the service closes the connection without an answer.
    pub async fn serve<I, S, B>(
        &self,
        stream: I,
        shutdown: &Shutdown,
        service: S,
        late: impl FnOnce() -> Vec<u8>,
    ) -> Ending
    where
        I: AsyncRead + AsyncWrite + Unpin + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Unpin,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let unread = Unread::default();
        let wire = Wire::new(stream, self.write_timeout, unread.clone());
        let mut connection = self.builder.serve_connection(wire, Watched { service, unread });
        let mut draining = false;
        let result = poll_fn(|cx| {
            match shutdown.phase() {
                Phase::Ended => return Poll::Ready(None),
                Phase::Draining if !draining => {
                    draining = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                Phase::Draining | Phase::Serving => {}
            }
            shutdown.register(cx);
            Pin::new(&mut connection).poll(cx).map(Some)
        })
        .await;
        match result {
            None => Ending::Cut,
            Some(Ok(())) => Ending::Closed,
            Some(Err(error)) if error.is_timeout() => {
                let parts = connection.into_parts();
                if parts.read_buf.iter().all(u8::is_ascii_whitespace) {
                    return Ending::Closed;
                }
                // An error says that the client is gone: there is nobody to tell.
                parts.io.finish(&late()).await.ok();
                Ending::HeadTimeout
            }
            Some(Err(error)) => ending(&error),
        }
    }
}

fn ending(error: &hyper::Error) -> Ending {
    if error.is_parse_too_large() {
        Ending::Unparsed(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    } else if error.is_parse() {
        Ending::Unparsed(StatusCode::BAD_REQUEST)
    } else {
        Ending::Broken
    }
}

/// The service, noting whether the request under way has a body that may be left unread.
struct Watched<S> {
    service: S,
    unread: Unread,
}

impl<S: Service<Request<Incoming>>> Service<Request<Incoming>> for Watched<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.unread.set(!request.body().is_end_stream());
        self.service.call(request)
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
pub(super) mod tests;
