//! The request over a loopback connection that is served as any other is, so that framing and limits hold as they do.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::base::text::cut;
use crate::pipeline::gateway::Worker;
use crate::pipeline::handle;
use crate::pipeline::transport::{Tls, Transport};
use crate::server::connection::Http;
use crate::server::phase::{Phase, Shutdown};

/// Most bytes of an answer that are kept.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of an answer's body that are shown.
const BODY_BYTES_MAX: usize = 2_048;
/// Longest play. Every byte of the request is there, so nothing waits for it but a password that is checked.
const PLAY_MAX: Duration = Duration::from_secs(60);

/// What the client would have got.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers in their order; a cookie's value is not shown.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body, where it is text.
    pub body: String,
}

/// Sends the bytes and reads the answer; none where the connection was closed without one.
pub(super) async fn exchange(
    worker: Rc<Worker>,
    request: &[u8],
    peer: SocketAddr,
) -> io::Result<Option<Answer>> {
    let (ours, theirs) = pair().await?;
    let shutdown = Shutdown::default();
    let snapshot = worker.gateway.live.current();
    let http = Http::new(&snapshot.config.server);
    // Where the gateway speaks TLS, its clients do.
    let tls = snapshot.tls.as_ref().map(|_| Arc::new(Tls { version: "1.3", ..Tls::default() }));
    drop(snapshot);
    let transport = Transport { tls, ..Transport::plain(peer) };
    let service = service_fn(move |request| handle(Rc::clone(&worker), request, transport.clone()));
    let serving = http.serve(theirs, &shutdown, service);
    let both = async { tokio::join!(serving, ask(ours, request, &shutdown)).1 };
    let bytes = timeout(PLAY_MAX, both).await.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(read(&bytes))
}

/// The two ends of a loopback connection.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let ours = TcpStream::connect(listener.local_addr()?).await?;
    loop {
        let (theirs, from) = listener.accept().await?;
        // Somebody else on this machine may have been faster.
        if from == ours.local_addr()? {
            return Ok((ours, theirs));
        }
    }
}

/// Sends all bytes and reads to the end. The connection is to close after this answer: once some of it is here, the request
/// is in flight, and the drain finishes what is in flight.
async fn ask(mut stream: TcpStream, request: &[u8], shutdown: &Shutdown) -> io::Result<Vec<u8>> {
    // An error says that the gateway has answered without reading to the end.
    stream.write_all(request).await.ok();
    let (mut whole, mut part) = (Vec::new(), [0; 4_096]);
    loop {
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return Ok(whole),
            Ok(n) => {
                let room = ANSWER_BYTES_MAX - whole.len();
                whole.extend_from_slice(&part[..n.min(room)]);
                shutdown.advance(Phase::Draining);
            }
        }
    }
}

/// Reads an answer, after the interim ones before it.
fn read(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let mut rest = &*text;
    loop {
        let (head, body) = rest.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        if (100..200).contains(&status) && status != 101 {
            rest = body;
            continue;
        }
        let headers = lines.filter_map(|line| line.split_once(": ")).map(shown).collect();
        let body = if body.contains('\u{fffd}') { "" } else { body };
        return Some(Answer { status, headers, body: cut(body, BODY_BYTES_MAX).to_owned() });
    }
}

fn shown((name, value): (&str, &str)) -> (String, String) {
    let value = match name {
        "set-cookie" => value.split_once('=').map_or("…".to_owned(), |(cookie, _)| format!("{cookie}=…")),
        _ => value.to_owned(),
    };
    (name.to_owned(), value)
}
