//! One connection of the public listener, from the accept to its end: who is at the other end, what is spoken, and then
//! its requests.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::connection::{Ending, Http};
use super::http2::Http2;
use super::phase::Shutdown;
use super::tls::{self, Accepted};
use super::wire::{Unread, Wire};
use super::{preface, raw};
use crate::live::tls::Tls;
use crate::pipeline::gateway::Worker;
use crate::pipeline::transport::Transport;
use crate::pipeline::{handle, unparsed};

/// Serves one connection.
pub async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, shutdown: Shutdown) {
    // Answers are small and whole; Nagle's wait would only delay them. Where it cannot be set they are only slower.
    stream.set_nodelay(true).ok();
    let (tls, h2c) = {
        let snapshot = worker.gateway.live.current();
        (snapshot.tls.clone(), snapshot.config.server.h2c)
    };
    match tls {
        None if h2c => Box::pin(plain(worker, stream, peer, shutdown)).await,
        None => http1(worker, stream, Transport::plain(peer), shutdown).await,
        // What a handshake needs would make every connection's task larger.
        Some(tls) => Box::pin(encrypt(worker, tls, stream, peer, shutdown)).await,
    }
}

/// Serves one connection of the listener that only sends on to https.
pub async fn redirect(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, shutdown: Shutdown) {
    stream.set_nodelay(true).ok();
    http1(worker, stream, Transport::redirecting(peer), shutdown).await;
}

/// Waits to see which HTTP a client on a plain connection begins with.
async fn plain(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, shutdown: Shutdown) {
    let wait = worker.gateway.live.current().config.server.header_timeout;
    match preface::look(stream, wait, &shutdown).await {
        Some((true, stream)) => http2(worker, stream, Transport::plain(peer), shutdown).await,
        Some((false, stream)) => http1(worker, stream, Transport::plain(peer), shutdown).await,
        None => {}
    }
}

async fn encrypt(worker: Rc<Worker>, tls: Arc<Tls>, stream: TcpStream, peer: SocketAddr, shutdown: Shutdown) {
    let gateway = Arc::clone(&worker.gateway);
    let (handshake, write) = {
        let server = &gateway.live.current().config.server;
        (server.tls.as_ref().map_or(server.header_timeout, |tls| tls.handshake_timeout), server.body_timeout)
    };
    match tls::accept(&tls, stream, handshake, &shutdown, &gateway.metrics).await {
        Accepted::Tls(stream, said) => {
            // The connection keeps what it was made with; the snapshot's may be another from now on.
            drop(tls);
            let transport = Transport::over_tls(peer, said);
            if stream.get_ref().1.alpn_protocol() == Some(super::http2::ALPN) {
                http2(worker, stream, transport, shutdown).await;
            } else {
                http1(worker, stream, transport, shutdown).await;
            }
        }
        Accepted::Plain(stream) => {
            let answer = raw::bytes(unparsed::plain_http(&gateway, peer));
            // An error says that the client is gone: there is nobody to tell.
            Wire::new(stream, write, Unread::default()).finish(&answer).await.ok();
        }
        Accepted::Failed => {}
    }
}

/// Speaks HTTP/1.1 on a connection of which everything is known.
async fn http1<I>(worker: Rc<Worker>, stream: I, transport: Transport, shutdown: Shutdown)
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let gateway = Arc::clone(&worker.gateway);
    let peer = transport.peer;
    let http = Http::new(&gateway.live.current().config.server);
    let service = service_fn(move |request| handle(Rc::clone(&worker), request, transport.clone()));
    let ending = http.serve(stream, &shutdown, service, || raw::bytes(unparsed::late(&gateway, peer))).await;
    if let Ending::Unparsed(status) = ending {
        unparsed::record(&gateway, peer, status);
    }
}

/// Speaks HTTP/2 on a connection of which everything is known.
async fn http2<I>(worker: Rc<Worker>, stream: I, transport: Transport, shutdown: Shutdown)
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let http = Http2::new(&worker.gateway.live.current().config.server);
    let service = service_fn(move |request| handle(Rc::clone(&worker), request, transport.clone()));
    http.serve(stream, &shutdown, service).await;
}
