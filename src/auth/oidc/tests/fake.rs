//! A provider on a loopback port, made of answers that a test sets path by path.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::signer::{Signer, key_set};
use super::{CLIENT_ID, Provider, Providers, client};

pub(super) const DISCOVERY: &str = "/.well-known/openid-configuration";
pub(super) const KEYS: &str = "/keys";
pub(super) const TOKEN: &str = "/token";

/// A request that came in.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) head: String,
    pub(super) body: String,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, String>,
    seen: Vec<Seen>,
}

/// The provider. Ends with the test's runtime.
#[derive(Clone)]
pub(super) struct Fake {
    pub(super) issuer: String,
    state: Arc<Mutex<State>>,
}

impl Fake {
    /// A provider that describes itself and publishes the public key of this signer.
    pub(super) async fn start(signer: &Signer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let fake = Self { issuer, state: Arc::default() };
        let mut description = fake.description();
        description["id_token_signing_alg_values_supported"] = json!([signer.algorithm().name()]);
        fake.answers(DISCOVERY, 200, &description.to_string());
        fake.answers(KEYS, 200, &key_set(&[signer.jwk()]));
        let state = Arc::clone(&fake.state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&state)));
            }
        });
        fake
    }

    pub(super) fn description(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        json!({
            "issuer": self.issuer,
            "authorization_endpoint": at("/authorize?tenant=1"),
            "token_endpoint": at(TOKEN),
            "jwks_uri": at(KEYS),
        })
    }

    /// Sets a JSON answer.
    pub(super) fn answers(&self, path: &str, status: u16, body: &str) {
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n");
        self.answers_raw(path, format!("{head}content-length: {length}\r\n\r\n{body}"));
    }

    /// Sets the bytes of an answer; the connection closes after them.
    pub(super) fn answers_raw(&self, path: &str, bytes: String) {
        self.state.lock().answers.insert(path.to_owned(), bytes);
    }

    /// Changes members of its description.
    pub(super) fn describes(&self, changes: &[(&str, Value)]) {
        let changed =
            changes.iter().fold(self.description(), |d, (n, v)| super::signer::with(&d, n, v.clone()));
        self.answers(DISCOVERY, 200, &changed.to_string());
    }

    /// Publishes other keys.
    pub(super) fn publishes(&self, keys: &[Value]) {
        self.answers(KEYS, 200, &key_set(keys));
    }

    /// How often a path was asked for.
    pub(super) fn count(&self, path: &str) -> usize {
        self.state.lock().seen.iter().filter(|s| s.path == path).count()
    }

    /// The last request for a path.
    pub(super) fn last(&self, path: &str) -> Seen {
        self.state.lock().seen.iter().rfind(|s| s.path == path).cloned().unwrap()
    }

    pub(super) fn provider(&self, name: &str) -> Provider {
        Provider::new(name, &self.issuer, CLIENT_ID)
    }

    /// A registry with this provider as `fake`.
    pub(super) fn registry(&self) -> Providers {
        let providers = Providers::new(client());
        providers.apply(&[self.provider("fake")]);
        providers
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut chunk = [0; 4_096];
        let read = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            break (head.to_owned(), length);
        }
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let body = text[text.len() - length..].to_owned();
    let path = head.split(' ').nth(1)?.to_owned();
    let answer = {
        let mut state = state.lock();
        state.seen.push(Seen { path: path.clone(), head, body });
        state.answers.get(&path).cloned()
    };
    let answer = answer.unwrap_or_else(|| "HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n".to_owned());
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}
