//! One connection of the public listener, from the accept to its end: who is at the other end, what is spoken, and then
//! its requests.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::connection::Http;
use super::phase::Shutdown;
use super::tls::{self, Accepted};
use crate::live::tls::Tls;
use crate::pipeline::gateway::Worker;
use crate::pipeline::handle;
use crate::pipeline::transport::Transport;

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
    let limit = {
        let server = &gateway.live.current().config.server;
        server.tls.as_ref().map_or(server.header_timeout, |tls| tls.handshake_timeout)
    };
    let accepted = tls::accept(&tls, stream, limit, &shutdown, &gateway.metrics).await;
    // The connection keeps what it was made with; what others are spoken to with may be another from now on.
    drop((tls, gateway));
    match accepted {
        Accepted::Tls(stream, said) => speak(worker, stream, Transport::over_tls(peer, said), shutdown).await,
        Accepted::Plain(stream) => speak(worker, stream, Transport::asking_for_tls(peer), shutdown).await,
        Accepted::Failed => {}
    }
}

/// Serves the requests of a connection of which everything is known.
async fn speak<I>(worker: Rc<Worker>, stream: I, transport: Transport, shutdown: Shutdown)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let http = Http::new(&worker.gateway.live.current().config.server);
    let service = service_fn(move |request| handle(Rc::clone(&worker), request, transport.clone()));
    http.serve(stream, &shutdown, service).await;
}
