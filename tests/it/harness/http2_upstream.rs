//! An upstream that speaks HTTP/2 with prior knowledge, and does with each request what the test says.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;

/// The upstream, on a free port. It lives as long as the test process; its thread ends with it.
pub struct Http2Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Request<()>>>>,
}

impl Http2Upstream {
    /// Calls `answer` with each request, in a task of its own.
    pub fn with<F>(answer: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("a socket option");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, serve(listener, record, std::rc::Rc::new(answer)));
        });
        Self { address, seen }
    }

    /// A service and a route `/up/*` without auth, for the config.
    pub fn config(&self) -> String {
        format!(
            "[[services]]\nname = \"up\"\nurls = [\"http://{}\"]\nprotocol = \"http2\"\n[[routes]]\nname = \"up\"\npath = \"/up/*\"\nservice = \"up\"\nauth = \"none\"\n",
            self.address
        )
    }

    /// The head of every request so far.
    pub fn seen(&self) -> Vec<Request<()>> {
        self.seen.lock().expect("no panic").clone()
    }
}

async fn serve<F: Future<Output = ()> + 'static>(
    listener: TcpListener,
    record: Arc<Mutex<Vec<Request<()>>>>,
    answer: std::rc::Rc<impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + 'static>,
) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let (record, answer) = (Arc::clone(&record), std::rc::Rc::clone(&answer));
        tokio::task::spawn_local(async move {
            let Ok(mut peer) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((request, respond))) = peer.accept().await {
                let (parts, body) = request.into_parts();
                record.lock().expect("no panic").push(Request::from_parts(parts.clone(), ()));
                tokio::task::spawn_local(answer(Request::from_parts(parts, body), respond));
            }
        });
    }
}
