//! One HTTP/2 connection: its limits, its requests side by side, and how it ends. hyper and h2 speak the protocol; here
//! stands what they leave open: when a connection has been idle for too long, and when a client does not read.
//!
//! # Source
//! RFC 9113; THREATS section H2; decision 0014.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http2::Builder;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::Ending;
use super::http2_idle::{Clock, Due};
use super::http2_streams::{Executor, Flowing, Streams};
use super::http2_wire::Http2Wire;
use super::phase::{Phase, Shutdown};
use crate::config::Server;

/// What ALPN calls HTTP/2.
pub const ALPN: &[u8] = b"h2";

/// Bytes of one request body that a client may send before they are read.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;

/// Bytes of all request bodies of one connection that may come before they are read.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Bytes of one answer that h2 takes before the client has room for them.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// Largest frame that is taken, in bytes; the least that the protocol allows.
const FRAME_BYTES: u32 = 16 * 1024;

/// Requests that a client has reset and nobody has looked at yet; one more ends the connection.
const RESETS_PENDING_MAX: usize = 20;

/// Requests of one connection that had to be reset because the client broke the protocol; one more ends the connection.
const RESETS_BY_FAULT_MAX: usize = 100;

/// How often a client is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Longest wait for its word that it is.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What one header costs on top of its name and its value, in bytes (RFC 9113 section 6.5.2).
const HEADER_OVERHEAD_BYTES: u64 = 32;

/// How HTTP/2 connections are served: made once per snapshot, used for every connection that begins under it.
#[derive(Clone, Debug)]
pub struct Http2 {
    streams_max: u32,
    header_list_max: u32,
    header_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    ping_interval: Duration,
    ping_timeout: Duration,
}

impl Http2 {
    /// The limits of `[server]`. An answer that its client does not take stalls as long as a body may be silent.
    pub fn new(config: &Server) -> Self {
        Self {
            streams_max: config.http2.streams_max,
            header_list_max: header_list_max(config),
            header_timeout: config.header_timeout,
            idle_timeout: config.idle_timeout,
            write_timeout: config.body_timeout,
            ping_interval: PING_INTERVAL,
            ping_timeout: PING_TIMEOUT,
        }
    }

    /// Serves one connection to its end. The first request must come within the header timeout. A connection without a
    /// request is told to go away after the idle timeout, one that does not go is cut. In the drain, and where others have
    /// taken over, no new request is taken and those under way are finished. An error of the service resets its request alone.
    pub async fn serve<I, S, B>(&self, stream: I, shutdown: &Shutdown, service: S) -> Ending
    where
        I: AsyncRead + AsyncWrite + Unpin + 'static,
        S: Service<Request<Incoming>, Response = Response<B>>,
        S::Future: 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body<Data = bytes::Bytes> + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let streams = Streams::new(self.write_timeout);
        let wire = Http2Wire::new(stream, self.write_timeout);
        let service = Flowing::new(service, streams.executor());
        let mut connection = self.builder(streams.executor()).serve_connection(wire, service);
        let mut clock = Clock::new(self.header_timeout, self.idle_timeout, self.write_timeout);
        let mut leaving = false;
        let result = poll_fn(|cx| {
            shutdown.register(cx);
            if shutdown.phase() == Phase::Ended {
                return Poll::Ready(None);
            }
            if !leaving && (shutdown.phase() == Phase::Draining || shutdown.is_retiring()) {
                leaving = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            loop {
                if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
                    return Poll::Ready(Some(Ok(result)));
                }
                let open = streams.poll_open(cx);
                match clock.poll(cx, open, streams.begun()) {
                    Poll::Pending => return Poll::Pending,
                    // What this has to say is written by the next turn.
                    Poll::Ready(Due::GoAway) => Pin::new(&mut connection).graceful_shutdown(),
                    Poll::Ready(Due::Cut) => return Poll::Ready(Some(Err(()))),
                }
            }
        })
        .await;
        match result {
            None => Ending::Cut,
            Some(Ok(Ok(())) | Err(())) => Ending::Closed,
            Some(Ok(Err(_))) => Ending::Broken,
        }
    }

    fn builder(&self, executor: Executor) -> Builder<Executor> {
        let mut builder = Builder::new(executor);
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.streams_max)
            .max_header_list_size(self.header_list_max)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
            .max_local_error_reset_streams(RESETS_BY_FAULT_MAX)
            .keep_alive_interval(self.ping_interval)
            .keep_alive_timeout(self.ping_timeout);
        builder
    }
}

/// Twice what the pipeline takes: a head that is too large gets the answer of the pipeline, with its envelope, and only one
/// that is far too large that of h2, which keeps no more of it than this.
fn header_list_max(config: &Server) -> u32 {
    let headers = u64::try_from(config.headers_max).unwrap_or(u64::MAX);
    let bytes = config
        .header_max
        .saturating_add(config.target_max)
        .saturating_add(headers.saturating_mul(HEADER_OVERHEAD_BYTES));
    u32::try_from(bytes.saturating_mul(2)).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "http2_tests.rs"]
mod tests;
