//! One request, one connection, one bounded answer.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT,
};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::peer;
use super::trust::Trust;
use super::url::Url;

/// Longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1_024;
/// Most header fields of an answer.
const HEADERS_MAX: usize = 100;

/// How much time and room an exchange may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest time to look up the name, to connect and to shake hands.
    pub connect: Duration,
    /// Longest time of the whole exchange.
    pub total: Duration,
    /// Longest answer, in bytes.
    pub body_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(10), body_bytes_max: 256 * 1_024 }
    }
}

/// Why there is no answer. Names no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The name leads to an address that is never asked.
    #[error("the name leads to an address that is never asked")]
    Forbidden,
    /// No such name, or nobody takes the connection.
    #[error("nobody answers there")]
    Unreachable,
    /// No encrypted connection, or a certificate that is not believed.
    #[error("no encrypted connection with a believed certificate")]
    Tls,
    /// It took too long.
    #[error("it took too long")]
    Timeout,
    /// The answer is longer than allowed.
    #[error("the answer is too long")]
    TooLarge,
    /// The answer is no HTTP, broke off, or is encoded in a way that was not asked for.
    #[error("the answer cannot be read")]
    Unreadable,
}

/// An answer of any status, read whole.
#[derive(Debug)]
pub struct Answer {
    /// The status. A redirect is a status like any other.
    pub status: StatusCode,
    headers: HeaderMap,
    /// The content.
    pub body: Bytes,
}

impl Answer {
    /// Whether it says of itself that it is JSON.
    pub fn is_json(&self) -> bool {
        let value = self.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
    }

    /// For how long it says that it may be kept (RFC 9111 section 5.2.2.1), unclamped.
    pub fn max_age(&self) -> Option<Duration> {
        let fields = self.headers.get_all(CACHE_CONTROL);
        let mut directives = fields.iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
        directives.find_map(|d| {
            let (name, value) = d.trim().split_once('=')?;
            let seconds = value.trim_matches('"').parse().ok()?;
            name.eq_ignore_ascii_case("max-age").then(|| Duration::from_secs(seconds))
        })
    }
}

/// Makes requests. Clones share the list of believed authorities.
#[derive(Clone)]
pub struct Client {
    trust: Arc<ArcSwap<Trust>>,
    limits: Limits,
}

impl Client {
    /// A client that believes these authorities and keeps these limits.
    pub fn new(trust: Trust, limits: Limits) -> Self {
        Self { trust: Arc::new(ArcSwap::from_pointee(trust)), limits }
    }

    /// Believes other authorities from now on, and so do all clones; exchanges under way end under those they began with.
    pub fn believe(&self, trust: Trust) {
        self.trust.store(Arc::new(trust));
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// [`Failure`] when there is no whole answer in time; a status is no failure.
    pub async fn get(&self, url: &Url) -> Result<Answer, Failure> {
        self.exchange(url, request(Method::GET, url, Bytes::new())?).await
    }

    /// Sends a form (`application/x-www-form-urlencoded`), with credentials where there are some.
    ///
    /// # Errors
    /// [`Failure`] when there is no whole answer in time; a status is no failure.
    pub async fn post_form(
        &self,
        url: &Url,
        form: String,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, Failure> {
        let mut request = request(Method::POST, url, Bytes::from(form))?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(mut credentials) = authorization {
            credentials.set_sensitive(true);
            headers.insert(AUTHORIZATION, credentials);
        }
        self.exchange(url, request).await
    }

    /// Sends content of any type, with further headers.
    ///
    /// # Errors
    /// [`Failure`] when there is no whole answer in time; a status is no failure.
    pub async fn post(
        &self,
        url: &Url,
        content_type: HeaderValue,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let mut request = request(Method::POST, url, body)?;
        request.headers_mut().insert(CONTENT_TYPE, content_type);
        request.headers_mut().extend(headers.into_iter().map(|(name, value)| (Some(name), value)));
        self.exchange(url, request).await
    }

    /// Posts a JSON document.
    ///
    /// # Errors
    /// There is no answer, or not one that can be read whole.
    pub async fn post_json(&self, url: &Url, document: Vec<u8>) -> Result<Answer, Failure> {
        let mut request = request(Method::POST, url, Bytes::from(document))?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.exchange(url, request).await
    }

    async fn exchange(&self, url: &Url, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let limits = self.limits;
        within(limits.total, async {
            let stream = within(limits.connect, peer::connect(url)).await?;
            if !url.is_secure() {
                return speak(stream, request, limits.body_bytes_max).await;
            }
            let name = ServerName::try_from(url.name().to_owned()).map_err(|_| Failure::Tls)?;
            let connector = TlsConnector::from(self.trust.load().config());
            let shaken = async { connector.connect(name, stream).await.map_err(|_| Failure::Tls) };
            speak(within(limits.connect, shaken).await?, request, limits.body_bytes_max).await
        })
        .await
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(limit, work).await.unwrap_or(Err(Failure::Timeout))
}

fn request(method: Method, url: &Url, body: Bytes) -> Result<Request<Full<Bytes>>, Failure> {
    Request::builder()
        .method(method)
        .uri(url.target())
        .header(HOST, url.authority())
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("pluginmind/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Full::new(body))
        .map_err(|_| Failure::Unreadable)
}

/// The exchange on an open connection. Its driver runs beside it in the same future: dropping one drops both.
async fn speak<S>(stream: S, request: Request<Full<Bytes>>, bytes_max: usize) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Failure::Unreadable)?;
    let mut connection = pin!(connection);
    let mut exchange = pin!(async move {
        let answer = sender.send_request(request).await.map_err(|_| Failure::Unreadable)?;
        read(answer, bytes_max).await
    });
    tokio::select! {
        biased;
        answer = &mut exchange => return answer,
        // What was read is with the exchange by now, or never will be.
        _ = &mut connection => {}
    }
    exchange.await
}

async fn read(answer: http::Response<Incoming>, bytes_max: usize) -> Result<Answer, Failure> {
    let (head, mut body) = answer.into_parts();
    if crate::base::media_type::is_encoded(&head.headers) {
        return Err(Failure::Unreadable);
    }
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(Failure::TooLarge);
    }
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Failure::Unreadable)?.into_data() else { continue };
        if whole.len() + data.len() > bytes_max {
            return Err(Failure::TooLarge);
        }
        whole.extend_from_slice(&data);
    }
    Ok(Answer { status: head.status, headers: head.headers, body: Bytes::from(whole) })
}
