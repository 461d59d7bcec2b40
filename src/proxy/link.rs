//! One connection to an upstream. Its future runs inside the task of the request that uses it: no task of its own, no
//! wake-up between two tasks, and a request that is dropped takes its connection with it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;

use super::alarm::Alarm;
use super::answer::{Asked, Fault, HEAD_BYTES_MAX};
use super::dial::{DialError, Peer, dial};
use super::socket::Socket;
use super::upload::{Progress, Tracked};
use crate::config;

/// A connection, its sender, and a look at its socket.
pub struct Link {
    sender: SendRequest<Tracked>,
    connection: Connection<TokioIo<Socket>, Tracked>,
    socket: Socket,
    /// How long the head of an answer may take; there once one was waited for.
    alarm: Option<Alarm>,
    ended: bool,
    is_new: bool,
    /// Asked to change the protocol: whatever the answer is, nobody else gets this connection.
    single_use: bool,
}

/// Why no response head came.
pub enum NoHead {
    /// The head was not there in time.
    Timeout,
    /// The connection ended or what came was no response.
    Broken {
        /// The request, if nothing of it was written.
        unsent: Option<Box<Request<Tracked>>>,
        /// Whether not a single byte came.
        silent: bool,
        /// What was wrong with what came.
        fault: Option<Fault>,
    },
}

impl Link {
    /// Connects, within the service's `connect_timeout`.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn open(peer: &Peer, service: &config::Service) -> Result<Box<Self>, DialError> {
        let socket = Socket::new(dial(peer, service).await?);
        let (sender, connection) = Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .max_header_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(socket.clone()))
            .await
            .map_err(|_| DialError::Refused)?;
        let (alarm, ended, is_new, single_use) = (None, false, true, false);
        Ok(Box::new(Self { sender, connection, socket, alarm, ended, is_new, single_use }))
    }

    /// Lets the connection do what it can: write the upload, read the response.
    pub fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.ended {
            self.ended = Pin::new(&mut self.connection).poll(cx).is_ready();
        }
    }

    /// Whether the connection can take another request: both bodies have ended and nothing is left over.
    pub fn is_reusable(&self) -> bool {
        let hyper_is_ready = !self.ended && self.sender.is_ready() && !self.sender.is_closed();
        hyper_is_ready && !self.single_use && self.socket.is_clean() && !self.socket.write_failed()
    }

    /// What was wrong with what came.
    pub fn fault(&self) -> Option<Fault> {
        self.socket.fault()
    }

    /// Whether nothing came while nobody used it.
    pub fn is_quiet(&self) -> bool {
        self.socket.is_quiet()
    }

    /// The connection without HTTP, after a 101, and what of the other protocol has come already.
    pub fn release(self) -> (Socket, Bytes) {
        (self.socket, self.connection.into_parts().read_buf)
    }

    /// Sends a request and waits for the response head. `timeout` is the longest time in which neither the upload moves
    /// nor the head comes while it is the upstream's turn.
    pub async fn exchange(
        &mut self,
        request: Request<Tracked>,
        progress: &Rc<Progress>,
        timeout: Duration,
    ) -> Result<Response<Incoming>, NoHead> {
        // The pool has looked at a kept connection a moment ago. Under TLS a new one begins with session tickets.
        if std::mem::take(&mut self.is_new) && !self.socket.is_encrypted() && !self.is_quiet() {
            return Err(NoHead::Broken { unsent: Some(Box::new(request)), silent: true, fault: None });
        }
        let bytes_before = self.socket.bytes_read();
        let asked = Asked {
            head_only: *request.method() == Method::HEAD,
            // No client's own gets so far: where it stands, the gateway asks.
            upgrade: request.headers().contains_key(header::UPGRADE),
        };
        self.single_use |= asked.upgrade;
        self.socket.begin(asked, progress.taken());
        let Self { sender, connection, socket, alarm, ended, .. } = self;
        let mut answer = pin!(sender.try_send_request(request));
        let alarm = match alarm {
            Some(alarm) => {
                alarm.set(timeout);
                alarm
            }
            None => alarm.insert(Alarm::after(timeout)),
        };
        let mut frames_seen = 0;
        std::future::poll_fn(|cx| {
            if !*ended {
                *ended = Pin::new(&mut *connection).poll(cx).is_ready();
            }
            if let Poll::Ready(outcome) = answer.as_mut().poll(cx) {
                return Poll::Ready(outcome.map_err(|mut e| NoHead::Broken {
                    unsent: e.take_message().map(Box::new),
                    silent: socket.bytes_read() == bytes_before,
                    fault: socket.fault(),
                }));
            }
            if progress.frames() != frames_seen {
                frames_seen = progress.frames();
                alarm.set(timeout);
            }
            while alarm.poll(cx).is_ready() {
                if !progress.waits_for_client() {
                    return Poll::Ready(Err(NoHead::Timeout));
                }
                alarm.set(timeout);
            }
            Poll::Pending
        })
        .await
    }
}
