//! One connection of the public listener, from the accept to its end: who is at the other end, what is spoken, and then
//! its requests.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::connection::{Ending, Http};
use super::http2::{self, Http2};
use super::limits::Limits;
use super::phase::{Phase, Shutdown};
use super::tls::{self, Accepted};
use super::{front, preface};
use crate::live::tls::Tls;
use crate::pipeline::gateway::Worker;
use crate::pipeline::handle;
use crate::pipeline::transport::{Purpose, Transport};

/// Serves one connection.
pub async fn serve(
    worker: Rc<Worker>,
    mut stream: TcpStream,
    peer: SocketAddr,
    shutdown: Shutdown,
    limits: Arc<Limits>,
) {
    let known = front::receive(&mut stream, peer, &worker.gateway, &limits, &shutdown).await;
    let Some((transport, _seat)) = known else { return };
    // Answers are small and whole; Nagle's wait would only delay them. Where it cannot be set they are only slower.
    stream.set_nodelay(true).ok();
    let (tls, h2c) = {
        let snapshot = worker.gateway.live.current();
        (snapshot.tls.clone(), snapshot.config.server.http2.over_plain)
    };
    match tls {
        None if h2c => Box::pin(look(worker, stream, transport, &shutdown)).await,
        None => speak(worker, stream, transport, &shutdown).await,
        // What a handshake needs would make every connection's task larger.
        Some(tls) => Box::pin(encrypt(worker, tls, stream, transport, &shutdown)).await,
    }
}

/// Serves one connection of the listener that only sends on to https.
pub async fn redirect(
    worker: Rc<Worker>,
    mut stream: TcpStream,
    peer: SocketAddr,
    shutdown: Shutdown,
    limits: Arc<Limits>,
) {
    let known = front::receive(&mut stream, peer, &worker.gateway, &limits, &shutdown).await;
    let Some((transport, _seat)) = known else { return };
    stream.set_nodelay(true).ok();
    speak(worker, stream, Transport { purpose: Purpose::SendToHttps, ..transport }, &shutdown).await;
}

/// Waits to see which HTTP a client on a plain connection begins with, and then serves the connection.
async fn look(worker: Rc<Worker>, stream: TcpStream, transport: Transport, shutdown: &Shutdown) {
    let wait = worker.gateway.live.current().config.server.header_timeout;
    match preface::look(stream, wait, shutdown).await {
        Some((true, stream)) => speak_http2(worker, stream, transport, shutdown).await,
        Some((false, stream)) => speak(worker, stream, transport, shutdown).await,
        None => {}
    }
}

/// Shakes hands, and then serves the connection.
async fn encrypt(
    worker: Rc<Worker>,
    tls: Arc<Tls>,
    stream: TcpStream,
    transport: Transport,
    shutdown: &Shutdown,
) {
    let gateway = Arc::clone(&worker.gateway);
    let limit = {
        let server = &gateway.live.current().config.server;
        server.tls.as_ref().map_or(server.header_timeout, |tls| tls.handshake_timeout)
    };
    let accepted = tls::accept(&tls, stream, limit, shutdown, &gateway.metrics).await;
    // The connection keeps what it was made with; what others are spoken to with may be another from now on.
    drop((tls, gateway));
    match accepted {
        Accepted::Tls(stream, said) => {
            let transport = Transport { tls: Some(Arc::new(said)), ..transport };
            if stream.get_ref().1.alpn_protocol() == Some(http2::ALPN) {
                speak_http2(worker, stream, transport, shutdown).await;
            } else {
                speak(worker, stream, transport, shutdown).await;
            }
        }
        Accepted::Plain(stream) => {
            speak(worker, stream, Transport { purpose: Purpose::AskForTls, ..transport }, shutdown).await;
        }
        Accepted::Failed => {}
    }
}

/// Serves the requests of a connection of which everything is known.
async fn speak<I>(worker: Rc<Worker>, stream: I, transport: Transport, shutdown: &Shutdown)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let http = Http::new(&worker.gateway.live.current().config.server);
    let handoff = transport.handoff.clone();
    let retiring = shutdown.clone();
    let service = service_fn(move |request| {
        let answer = handle(Rc::clone(&worker), request, transport.clone());
        let retiring = retiring.clone();
        async move { answer.await.map(|answer| closing_if(retiring.is_retiring(), answer)) }
    });
    if http.serve(stream, shutdown, service).await == Ending::Tunnelled
        && let Some(tunnel) = handoff.take()
    {
        // In a box: few connections become one, and its buffers would be a part of every one's task.
        Box::pin(tunnel.run(shutdown.reaches(Phase::Ended))).await;
    }
}

/// Serves the requests of a connection on which HTTP/2 was chosen.
async fn speak_http2<I>(worker: Rc<Worker>, stream: I, transport: Transport, shutdown: &Shutdown)
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let http = Http2::new(&worker.gateway.live.current().config.server);
    let service = service_fn(move |request| handle(Rc::clone(&worker), request, transport.clone()));
    http.serve(stream, shutdown, service).await;
}

/// The answer, with which the connection closes where others have taken over from its workers; an upgraded one is no
/// longer ours to close.
pub fn closing_if<B>(is_retiring: bool, mut answer: Response<B>) -> Response<B> {
    if is_retiring && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
