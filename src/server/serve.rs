//! One connection of the public listener, from the accept to its end: who is at the other end, what is spoken, and then
//! its requests.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use tokio::net::TcpStream;

use super::connection::Http;
use super::front;
use super::limits::Limits;
use super::phase::Shutdown;
use crate::pipeline::gateway::Worker;
use crate::pipeline::handle;

/// Serves one connection.
pub async fn serve(
    worker: Rc<Worker>,
    mut stream: TcpStream,
    peer: SocketAddr,
    shutdown: Shutdown,
    limits: Arc<Limits>,
) {
    let gateway = Arc::clone(&worker.gateway);
    let known = front::receive(&mut stream, peer, &gateway, &limits, &shutdown).await;
    let Some((transport, _seat)) = known else { return };
    let http = Http::new(&gateway.live.current().config.server);
    // Answers are small and whole; Nagle's wait would only delay them. Where it cannot be set they are only slower.
    stream.set_nodelay(true).ok();
    let retiring = shutdown.clone();
    let service = service_fn(move |request| {
        let answer = handle(Rc::clone(&worker), request, transport.clone());
        let retiring = retiring.clone();
        async move { answer.await.map(|answer| closing_if(retiring.is_retiring(), answer)) }
    });
    http.serve(stream, &shutdown, service).await;
}

/// The answer, with which the connection closes where others have taken over from its workers; an upgraded one is no
/// longer ours to close.
pub fn closing_if<B>(is_retiring: bool, mut answer: Response<B>) -> Response<B> {
    if is_retiring && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
