//! A small HTTP/1.1 client for one question to the admin listener.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::base::secret::Secret;

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Longest answer that is read, in bytes.
const BODY_BYTES_MAX: usize = 4 << 20;

/// One question.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) token: Option<&'a Secret<String>>,
    /// JSON.
    pub(super) body: Option<Secret<String>>,
    /// Longest wait for the whole answer.
    pub(super) wait: Duration,
}

/// The answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// Nobody listens there.
    #[error("no gateway answers at {0}")]
    NotRunning(SocketAddr),
    /// Somebody listens and says nothing.
    #[error("{0} does not answer in time")]
    Silent(SocketAddr),
    /// What came is no answer.
    #[error("{0} does not speak as a gateway does: {1}")]
    Strange(SocketAddr, String),
}

/// Asks and waits.
pub(super) fn ask(address: SocketAddr, question: Question<'_>) -> Result<Answer, NoAnswer> {
    let strange = |why: &dyn std::fmt::Display| NoAnswer::Strange(address, why.to_string());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| strange(&e))?;
    runtime.block_on(async {
        let stream = match timeout(CONNECT_MAX, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                return Err(NoAnswer::NotRunning(address));
            }
            Ok(Err(error)) => return Err(strange(&error)),
            Err(_) => return Err(NoAnswer::Silent(address)),
        };
        let wait = question.wait;
        match timeout(wait, exchange(stream, address, question)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(strange(&error)),
            Err(_) => Err(NoAnswer::Silent(address)),
        }
    })
}

async fn exchange(stream: TcpStream, address: SocketAddr, question: Question<'_>) -> anyhow::Result<Answer> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Its error is the exchange's error as well.
    tokio::spawn(connection);
    let mut request = Request::builder().method(question.method).uri(question.path);
    // A loopback name is always one that the API answers to, whatever address it listens on.
    request = request.header(HOST, format!("localhost:{}", address.port())).header(CONNECTION, "close");
    if let Some(token) = question.token {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    if question.body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = question.body.map(|body| Bytes::from(body.expose().clone())).unwrap_or_default();
    let answer = sender.send_request(request.body(Full::new(body))?).await?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), BODY_BYTES_MAX)
        .collect()
        .await
        .map_err(anyhow::Error::from_boxed)?;
    Ok(Answer { status, body: body.to_bytes() })
}
