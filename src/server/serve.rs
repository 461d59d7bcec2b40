//! One connection of the public listener, from the accept to its end: who is at the other end, what is spoken, and then
//! its requests.

use std::net::SocketAddr;
use std::rc::Rc;

use hyper::service::service_fn;
use tokio::net::TcpStream;

use super::connection::{Ending, Http};
use super::phase::{Phase, Shutdown};
use crate::pipeline::gateway::Worker;
use crate::pipeline::handle;
use crate::pipeline::transport::Transport;

/// Serves one connection.
pub async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, shutdown: Shutdown) {
    let http = Http::new(&worker.gateway.live.current().config.server);
    // Answers are small and whole; Nagle's wait would only delay them. Where it cannot be set they are only slower.
    stream.set_nodelay(true).ok();
    let transport = Transport::plain(peer);
    let handoff = transport.handoff.clone();
    let service = service_fn(move |request| handle(Rc::clone(&worker), request, transport.clone()));
    if http.serve(stream, &shutdown, service).await == Ending::Tunnelled
        && let Some(tunnel) = handoff.take()
    {
        tunnel.run(shutdown.reaches(Phase::Ended)).await;
    }
}
