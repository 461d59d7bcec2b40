//! One connection of the public listener, from the accept to its end: who is at the other end, what is spoken, and then
//! its requests.

use std::net::SocketAddr;
use std::rc::Rc;

use hyper::service::service_fn;
use tokio::net::TcpStream;

use super::connection::Http;
use super::phase::Shutdown;
use crate::pipeline::gateway::Worker;
use crate::pipeline::handle;
use crate::pipeline::transport::Transport;

/// Serves one connection.
pub async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, shutdown: Shutdown) {
    let http = Http::new(&worker.gateway.live.current().config.server);
    // Answers are small and whole; Nagle's wait would only delay them. Where it cannot be set they are only slower.
    stream.set_nodelay(true).ok();
    let transport = Transport::plain(peer);
    let service = service_fn(move |request| handle(Rc::clone(&worker), request, transport.clone()));
    http.serve(stream, &shutdown, service).await;
}
