//! Raw bytes to the guard, hyper, and the canonical target: every request that comes out is one that the reference reader
//! finds in the bytes, in order, with the same method, target and body; what comes in pieces is judged as what comes at once.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::LazyLock;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use pluginmind::base::clock::Clock;
use pluginmind::base::ids::CorrelationId;
use pluginmind::base::trace_context::TraceContext;
use pluginmind::config::{Inputs, Server, load};
use pluginmind::pipeline::arrival::receive;
use pluginmind::pipeline::client::locate;
use pluginmind::pipeline::trail::Trail;
use pluginmind::pipeline::transport::Transport;
use pluginmind::pipeline::unparsed::Unparsed;
use pluginmind::server::connection::Http;
use pluginmind::server::guard::{Judged, Limits, judge_stream};
use pluginmind::server::phase::Shutdown;
use tokio::io::AsyncWriteExt as _;

use super::strict::{self, Message, canonical_target};

/// Longest input; more is not more interesting.
const BYTES_MAX: usize = 16 * 1024;

/// How often a connection is looked at until it has nothing more to do.
const LOOKS: usize = 64;

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let loaded = load(&Inputs::embedded(Path::new("."), std::collections::BTreeMap::new()));
    loaded.config.expect("the embedded configuration is good").server
});

/// What policy judged of one request.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    method: String,
    target: String,
    body: Vec<u8>,
}

/// The first byte says how the rest is cut.
pub fn run(data: &[u8]) -> usize {
    let Some((cut, bytes)) = data.split_first() else { return 0 };
    let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
    let reading = strict::read(bytes);
    judged(bytes, &reading.requests);
    let at_once = served(bytes, bytes.len().max(1));
    compare(&at_once, &reading.requests, bytes);
    let piece = usize::from(*cut) % 40 + 1;
    let in_pieces = served(bytes, piece.max(bytes.len() / 64));
    assert_eq!(at_once, in_pieces, "cut by {piece}: {}", bytes.escape_ascii());
    at_once.len()
}

/// The guard alone: no more whole requests than there are, and the same heads.
fn judged(bytes: &[u8], requests: &[Message]) {
    let mut expected = requests.iter();
    for judged in judge_stream(bytes, Limits::of(&SERVER)) {
        if let Judged::Request { head, is_whole: true, .. } = judged {
            let text = String::from_utf8_lossy(&bytes[head]).trim_start().to_owned();
            // After one that closes nothing is read; the guard alone does not know what is answered.
            let Some(message) = expected.next() else { break };
            let line = format!("{} {} HTTP/1.{}\r\n", message.method, message.target, message.minor);
            assert!(text.starts_with(&line), "{text:?} is not {line:?}: {}", bytes.escape_ascii());
        }
    }
}

/// What policy sees of a connection.
fn served(bytes: &[u8], piece: usize) -> Vec<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let seen = Rc::new(RefCell::new(Vec::new()));
    let record = Rc::clone(&seen);
    runtime.block_on(async move {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let shutdown = Shutdown::default();
        let service = service_fn(move |request| policy(request, Rc::clone(&record)));
        let http = Http::new(&SERVER);
        let mut serving = pin!(http.serve(server, &shutdown, service));
        for (at, piece) in bytes.chunks(piece).enumerate() {
            let looks = if at == bytes.chunks(piece.len()).count() - 1 { LOOKS } else { 2 };
            if client.write_all(piece).await.is_err() {
                break;
            }
            for _ in 0..looks {
                if std::future::poll_fn(|cx| std::task::Poll::Ready(serving.as_mut().poll(cx).is_ready()))
                    .await
                {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
    });
    Rc::into_inner(seen).expect("the connection is gone").into_inner()
}

async fn policy(
    request: Request<Incoming>,
    seen: Rc<RefCell<Vec<Seen>>>,
) -> Result<Response<Empty<&'static [u8]>>, Infallible> {
    let (parts, body) = request.into_parts();
    let is_refused = parts.extensions.get::<Unparsed>().is_some();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes);
    let mut answer = Response::new(Empty::new());
    if is_refused || body.is_err() {
        *answer.status_mut() = http::StatusCode::BAD_REQUEST;
        return Ok(answer);
    }
    let method = parts.method.to_string();
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let mut trail = Trail::open(
        CorrelationId::generate(),
        TraceContext::begin("one", 1.0),
        &parts.method,
        &Clock::System,
    );
    let located =
        receive(parts, true, Transport::plain(peer), &SERVER).and_then(|a| locate(a, &[], &mut trail));
    if let (Ok(located), Ok(body)) = (located, body) {
        let query = located.query().map_or_else(String::new, |q| format!("?{q}"));
        let target = located.path().as_str().to_owned() + &query;
        seen.borrow_mut().push(Seen { method, target, body: body.to_vec() });
    }
    Ok(answer)
}

/// What was judged is, in order, some of what the reference reader found.
fn compare(seen: &[Seen], requests: &[Message], bytes: &[u8]) {
    let mut expected = requests.iter();
    for seen in seen {
        let fits = |m: &&Message| {
            m.method == seen.method && m.body == seen.body && target(m).as_ref() == Some(&seen.target)
        };
        assert!(expected.any(|m| fits(&m)), "nobody asked for {seen:?}: {}", bytes.escape_ascii());
    }
}

/// The route decides about encoded slashes, later: here they are as any other escape.
fn target(message: &Message) -> Option<String> {
    const MARKS: [(&str, &str); 4] =
        [("%2f", "%C3%80"), ("%2F", "%C3%80"), ("%5c", "%C3%81"), ("%5C", "%C3%81")];
    let plain =
        |text: &str| text.to_ascii_lowercase().contains("%2f") || text.to_ascii_lowercase().contains("%5c");
    let (path, query) = message.target.split_at(message.target.find('?').unwrap_or(message.target.len()));
    if !plain(path) {
        return canonical_target(message);
    }
    let marked = MARKS.iter().fold(path.to_owned(), |path, (slash, mark)| path.replace(slash, mark));
    let message = Message { target: marked + query, ..message.clone() };
    canonical_target(&message).map(|t| t.replace("%C3%80", "%2F").replace("%C3%81", "%5C"))
}
