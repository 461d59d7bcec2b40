//! One connection of the public listener, from the accept to its end: who is at the other end, what is spoken, and then
//! its requests.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::connection::{Ending, Http};
use super::phase::Shutdown;
use super::raw;
use super::tls::{self, Accepted};
use super::wire::{Unread, Wire};
use crate::live::tls::Tls;
use crate::pipeline::gateway::Worker;
use crate::pipeline::transport::Transport;
use crate::pipeline::{handle, unparsed};

/// Serves one connection.
pub async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, shutdown: Shutdown) {
    // Answers are small and whole; Nagle's wait would only delay them. Where it cannot be set they are only slower.
    stream.set_nodelay(true).ok();
    let tls = worker.gateway.live.current().tls.clone();
    match tls {
        None => speak(worker, stream, Transport::plain(peer), shutdown).await,
        // What a handshake needs would make every connection's task larger.
        Some(tls) => Box::pin(encrypt(worker, tls, stream, peer, shutdown)).await,
    }
}

/// Serves one connection of the listener that only sends on to https.
pub async fn redirect(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, shutdown: Shutdown) {
    stream.set_nodelay(true).ok();
    speak(worker, stream, Transport::redirecting(peer), shutdown).await;
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
            speak(worker, stream, Transport::over_tls(peer, said), shutdown).await;
        }
        Accepted::Plain(stream) => {
            let answer = raw::bytes(unparsed::plain_http(&gateway, peer));
            // An error says that the client is gone: there is nobody to tell.
            Wire::new(stream, write, Unread::default()).finish(&answer).await.ok();
        }
        Accepted::Failed => {}
    }
}

/// Serves the requests of a connection of which everything is known.
async fn speak<I>(worker: Rc<Worker>, stream: I, transport: Transport, shutdown: Shutdown)
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
