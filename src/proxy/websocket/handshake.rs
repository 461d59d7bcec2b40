//! The opening handshake: what a client may ask, and whether an upstream's 101 answers it.
//!
//! # Source
//! RFC 6455 sections 4.1, 4.2 and 11.3; RFC 9110 section 7.8.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Version};

use crate::base::upgrade::tokens;

/// The one version that there is.
pub const VERSION: &str = "13";

/// What is hashed behind the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of a key.
const KEY_BYTES: usize = 16;

/// Most subprotocols or extensions of one offer.
const OFFERS_MAX: usize = 32;

/// A client's handshake that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    key: String,
    protocols: Vec<String>,
    extensions: Vec<String>,
}

/// Why a request that asks for a WebSocket is no handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHandshake {
    /// It is malformed; a public sentence.
    Malformed(&'static str),
    /// It is of another version than [`VERSION`].
    Version,
}

impl Handshake {
    /// Reads the handshake of a request for which [`crate::base::upgrade::asks_websocket`] is true.
    ///
    /// # Errors
    /// [`BadHandshake`] when it is none.
    pub fn read(
        method: &Method,
        version: Version,
        has_body: bool,
        headers: &HeaderMap,
    ) -> Result<Self, BadHandshake> {
        use BadHandshake::Malformed;
        if *method != Method::GET {
            return Err(Malformed("A WebSocket is opened with GET."));
        }
        if version != Version::HTTP_11 {
            return Err(Malformed("A WebSocket is opened over HTTP/1.1."));
        }
        if has_body {
            return Err(Malformed("A WebSocket handshake has no body."));
        }
        match only(headers, &SEC_WEBSOCKET_VERSION) {
            Some(VERSION) => {}
            Some(_) => return Err(BadHandshake::Version),
            None => return Err(Malformed("A WebSocket handshake has one version.")),
        }
        let key = only(headers, &SEC_WEBSOCKET_KEY)
            .filter(|key| BASE64_STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == KEY_BYTES))
            .ok_or(Malformed("A WebSocket handshake has one key of 16 bytes."))?
            .to_owned();
        let protocols = offers(headers, &SEC_WEBSOCKET_PROTOCOL)
            .filter(|all| all.iter().all(|p| is_token(p)))
            .ok_or(Malformed("The WebSocket subprotocols cannot be read."))?;
        let extensions = offers(headers, &SEC_WEBSOCKET_EXTENSIONS)
            .map(|all| all.iter().map(|e| name_of(e)).collect::<Vec<_>>())
            .filter(|all| all.iter().all(|e| is_token(e)))
            .ok_or(Malformed("The WebSocket extensions cannot be read."))?;
        Ok(Self { key, protocols, extensions })
    }

    /// Writes what the upstream must see, whatever a `Connection` list of the client said.
    pub fn tell(&self, headers: &mut HeaderMap) {
        change_protocol(headers);
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
        if let Ok(key) = HeaderValue::from_str(&self.key) {
            headers.insert(SEC_WEBSOCKET_KEY, key);
        }
    }

    /// Whether the head of a 101 answers this handshake: the protocol, the proof that the key was read, and nothing that
    /// the client did not offer. Gives the extensions that were agreed on.
    pub fn is_answered_by(&self, headers: &HeaderMap) -> Option<Agreed> {
        let changes = tokens(headers, &CONNECTION).any(|t| t.eq_ignore_ascii_case("upgrade"))
            && only(headers, &UPGRADE).is_some_and(|u| u.eq_ignore_ascii_case("websocket"));
        let proven = only(headers, &SEC_WEBSOCKET_ACCEPT) == Some(&accept(&self.key));
        let protocol_fits = !headers.contains_key(SEC_WEBSOCKET_PROTOCOL)
            || only(headers, &SEC_WEBSOCKET_PROTOCOL).is_some_and(|p| self.protocols.iter().any(|o| o == p));
        let extensions = offers(headers, &SEC_WEBSOCKET_EXTENSIONS)?;
        let names: Vec<String> = extensions.iter().map(|e| name_of(e)).collect();
        let offered = names.iter().all(|name| self.extensions.contains(name));
        (changes && proven && protocol_fits && offered).then_some(Agreed { extensions: names })
    }
}

/// What both sides agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    extensions: Vec<String>,
}

impl Agreed {
    /// The reserved bits of a frame's first byte that an agreed extension gives a meaning. `permessage-deflate` has the
    /// first (RFC 7692 section 6); what another has is not known here.
    pub fn reserved_bits(&self) -> u8 {
        let bits = |name: &String| if name == "permessage-deflate" { 0x40 } else { 0x70 };
        self.extensions.iter().map(bits).fold(0, |all, one| all | one)
    }
}

/// Says that the protocol changes to WebSocket.
pub fn change_protocol(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// The proof that a key was read.
fn accept(key: &str) -> String {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat());
    BASE64_STANDARD.encode(hash)
}

/// The value of a header that stands once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(one), None) => one.to_str().ok().map(str::trim),
        _ => None,
    }
}

/// The items of a list header; none where a line is no text or there are too many.
fn offers(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for line in headers.get_all(name) {
        all.extend(line.to_str().ok()?.split(',').map(|item| item.trim().to_owned()));
        if all.len() > OFFERS_MAX {
            return None;
        }
    }
    Some(all)
}

/// The name of an extension, without its parameters.
fn name_of(extension: &str) -> String {
    extension.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
