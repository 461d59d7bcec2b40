//! An OpenID Connect provider on loopback, played by the tests: it signs what it is told to, and checks what a strict
//! provider checks.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::Upstream;

/// Who the gateway is at this provider.
pub const CLIENT_ID: &str = "our-client";
/// What proves it.
pub const CLIENT_SECRET: &str = "a secret of the client";

/// A key of the provider.
pub struct Signer {
    /// Its name.
    pub kid: String,
    pair: EcdsaKeyPair,
}

/// The provider.
pub struct Provider {
    /// Its issuer.
    pub issuer: String,
    upstream: Upstream,
    state: Arc<Mutex<State>>,
}

struct State {
    issuer: String,
    signer: Arc<Signer>,
    published: Vec<Value>,
    down: bool,
    names_issuer: bool,
    grants: HashMap<String, Grant>,
}

/// A code that was given out.
struct Grant {
    challenge: String,
    redirect_uri: String,
    claims: Value,
}

impl Signer {
    /// A new key of this name.
    pub fn new(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Self { kid: kid.to_owned(), pair }
    }

    /// The public key, as it is published.
    pub fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (b64(&point[1..33]), b64(&point[33..65]));
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid, "x": x, "y": y })
    }

    /// A token with this header and these claims.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", b64(signature))
    }

    /// A token with the usual header.
    pub fn token(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": "ES256", "typ": "JWT", "kid": self.kid }), claims)
    }
}

impl Provider {
    /// A provider with one key, `key-1`.
    pub fn start() -> Self {
        let signer = Arc::new(Signer::new("key-1"));
        let state = Arc::new(Mutex::new(State {
            issuer: String::new(),
            published: vec![signer.jwk()],
            signer,
            down: false,
            names_issuer: true,
            grants: HashMap::new(),
        }));
        let shared = Arc::clone(&state);
        let upstream = Upstream::with(move |request, stream| answer(&shared, request, stream));
        let issuer = format!("http://{}", upstream.address);
        state.lock().expect("no panic").issuer.clone_from(&issuer);
        Self { issuer, upstream, state }
    }

    /// The table for the configuration, as `idp`; `more` are further keys.
    pub fn config(&self, more: &str) -> String {
        format!(
            "\n[auth.providers.idp]\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\n{more}\n",
            self.issuer
        )
    }

    /// Claims that are accepted, about this person.
    pub fn claims(&self, subject: &str, email: &str) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        json!({
            "iss": self.issuer, "aud": CLIENT_ID, "sub": subject, "iat": now - 1, "exp": now + 600,
            "email": email, "email_verified": true, "name": "Ada L.",
        })
    }

    /// The key that signs now.
    pub fn signer(&self) -> Arc<Signer> {
        Arc::clone(&self.state.lock().expect("no panic").signer)
    }

    /// A token that is accepted, about this person.
    pub fn token(&self, subject: &str, email: &str) -> String {
        self.signer().token(&self.claims(subject, email))
    }

    /// Signs with a new key from now on; the old one is published no more.
    pub fn rotate(&self, kid: &str) {
        let signer = Arc::new(Signer::new(kid));
        let mut state = self.state.lock().expect("no panic");
        state.published = vec![signer.jwk()];
        state.signer = signer;
    }

    /// Whether it hangs up on whoever asks.
    pub fn set_down(&self, down: bool) {
        self.state.lock().expect("no panic").down = down;
    }

    /// Every request for a path.
    pub fn asked(&self, path: &str) -> Vec<String> {
        let is_for = |request: &String| request.split(' ').nth(1).is_some_and(|target| target == path);
        self.upstream.seen().into_iter().filter(is_for).collect()
    }

    /// A person signs in: what a browser that was sent to `location` brings back, as a query.
    pub fn authorize(&self, location: &str, subject: &str, email: &str) -> String {
        let (endpoint, query) = location.split_once('?').expect("a query");
        assert_eq!(endpoint, format!("{}/authorize", self.issuer));
        let sent = pairs(query);
        let claims = self.claims(subject, email);
        assert_eq!((&*sent["response_type"], &*sent["client_id"]), ("code", CLIENT_ID));
        assert_eq!((&*sent["code_challenge_method"], sent["code_challenge"].len()), ("S256", 43));
        assert!(sent["scope"].split(' ').any(|scope| scope == "openid"));
        assert!(sent["nonce"].len() >= 22 && sent["state"].len() >= 22 && sent["nonce"] != sent["state"]);
        let code = format!("code-{}", &sent["state"][..12]);
        let mut claims = claims;
        claims["nonce"] = json!(sent["nonce"]);
        let grant = Grant {
            challenge: sent["code_challenge"].clone(),
            redirect_uri: sent["redirect_uri"].clone(),
            claims,
        };
        self.state.lock().expect("no panic").grants.insert(code.clone(), grant);
        format!("code={code}&state={}&iss={}", sent["state"], escaped(&self.issuer))
    }

    /// Has the ID token of every code that is out say something else.
    pub fn change_grants(&self, name: &str, value: &Value) {
        for grant in self.state.lock().expect("no panic").grants.values_mut() {
            grant.claims[name] = value.clone();
        }
    }
}

fn answer(state: &Mutex<State>, request: &str, stream: &mut TcpStream) -> bool {
    let mut state = state.lock().expect("no panic");
    if state.down {
        return false;
    }
    let (status, body) = match request.split(' ').nth(1).unwrap_or_default() {
        "/.well-known/openid-configuration" => (200, description(&state)),
        "/keys" => (200, json!({ "keys": state.published })),
        "/token" => redeem(&mut state, request),
        _ => (404, json!({})),
    };
    let body = body.to_string();
    let head =
        format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).is_ok()
}

fn description(state: &State) -> Value {
    let at = |path: &str| format!("{}{path}", state.issuer);
    json!({
        "issuer": state.issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "jwks_uri": at("/keys"),
        "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": state.names_issuer,
    })
}

/// A code is good once, with the verifier and the address that it was asked for with, for the client alone.
fn redeem(state: &mut State, request: &str) -> (u16, Value) {
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    let sent = pairs(body);
    let of = |name: &str| sent.get(name).map_or("", String::as_str);
    let grant = state.grants.remove(of("code"));
    let basic = format!("{CLIENT_ID}:{}", escaped(CLIENT_SECRET));
    let basic = format!("basic {}", base64::engine::general_purpose::STANDARD.encode(basic)).to_lowercase();
    let proven = head.to_lowercase().contains(&format!("authorization: {basic}"));
    let challenge = b64(digest(&SHA256, of("code_verifier").as_bytes()));
    let good = |grant: &Grant| {
        proven
            && of("grant_type") == "authorization_code"
            && grant.challenge == challenge
            && grant.redirect_uri == of("redirect_uri")
    };
    match grant.filter(good) {
        Some(grant) => {
            let token = state.signer.token(&grant.claims);
            (200, json!({ "access_token": "canary-access-token", "token_type": "Bearer", "id_token": token }))
        }
        None => (400, json!({ "error": "invalid_grant" })),
    }
}

/// The pairs of a query or a form.
pub fn pairs(query: &str) -> HashMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (unescaped(name), unescaped(value))
    };
    query.split('&').filter(|p| !p.is_empty()).map(pair).collect()
}

/// Every byte but unreserved characters escaped.
pub fn escaped(text: &str) -> String {
    let one = |b: u8| match b {
        b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
        b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    text.bytes().map(one).collect()
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().replace('+', " ").into_bytes();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("an escape"));
        bytes.extend(part[2..].replace('+', " ").into_bytes());
    }
    String::from_utf8(bytes).expect("UTF-8")
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
