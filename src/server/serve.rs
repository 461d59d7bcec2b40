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
use super::{preface, raw};
use crate::pipeline::gateway::Worker;
use crate::pipeline::transport::Transport;
use crate::pipeline::{handle, unparsed};

/// Serves one connection.
pub async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, shutdown: Shutdown) {
    // Copied out, so that a long connection holds no old snapshot.
    let (h2c, header_timeout) = {
        let snapshot = worker.gateway.live.current();
        (snapshot.config.server.h2c, snapshot.config.server.header_timeout)
    };
    // Answers are small and whole; Nagle's wait would only delay them. Where it cannot be set they are only slower.
    stream.set_nodelay(true).ok();
    let transport = Transport::plain(peer);
    if !h2c {
        return http1(worker, stream, transport, &shutdown).await;
    }
    match preface::look(stream, header_timeout, &shutdown).await {
        Some((true, stream)) => http2(worker, stream, transport, &shutdown).await,
        Some((false, stream)) => http1(worker, stream, transport, &shutdown).await,
        None => {}
    }
}

/// Speaks HTTP/1.1 on a connection.
async fn http1<I>(worker: Rc<Worker>, stream: I, transport: Transport, shutdown: &Shutdown)
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let gateway = Arc::clone(&worker.gateway);
    let http = Http::new(&gateway.live.current().config.server);
    let peer = transport.peer;
    let service = service_fn(move |request| handle(Rc::clone(&worker), request, transport.clone()));
    let ending = http.serve(stream, shutdown, service, || raw::bytes(unparsed::late(&gateway, peer))).await;
    if let Ending::Unparsed(status) = ending {
        unparsed::record(&gateway, peer, status);
    }
}

/// Speaks HTTP/2 on a connection.
async fn http2<I>(worker: Rc<Worker>, stream: I, transport: Transport, shutdown: &Shutdown)
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let http = Http2::new(&worker.gateway.live.current().config.server);
    let service = service_fn(move |request| handle(Rc::clone(&worker), request, transport.clone()));
    http.serve(stream, shutdown, service).await;
}
