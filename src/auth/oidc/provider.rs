//! One OpenID Connect provider as an operator describes it.

use std::fmt;

use crate::base::secret::Secret;
use crate::outbound::{PlainHttp, Url};

/// Google's issuer.
pub const GOOGLE_ISSUER: &str = "https://accounts.google.com";
/// The scopes that are asked for when none are named.
pub const SCOPES: [&str; 3] = ["openid", "email", "profile"];

/// How ID tokens are signed. One provider has one; a token that says another is refused. There are no symmetric ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256: what every provider must support.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All, in the order in which they are chosen among those that a provider advertises.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Es256, Self::Ps256, Self::EdDsa];

    /// The registered name (RFC 7518 section 3.1, RFC 8037 section 3.1).
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of exactly this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name() == name)
    }
}

/// A provider. `Debug` shows no secret and nobody's address.
#[derive(Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name in URLs and logs.
    pub name: String,
    /// The issuer, exactly as the provider writes it.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// What proves it; a public client has none.
    pub client_secret: Option<Secret<String>>,
    /// What is asked for; `openid` always is.
    pub scopes: Vec<String>,
    /// Domains of e-mail addresses that may sign in. With this and the next one empty, everybody known there may.
    pub allowed_domains: Vec<String>,
    /// E-mail addresses that may sign in.
    pub allowed_emails: Vec<String>,
    /// How ID tokens are signed; without one, RS256 where the provider advertises it, else the first it does.
    pub algorithm: Option<Algorithm>,
    /// Whether somebody may sign in whose address the provider did not verify. The address is not used then.
    pub unverified_email: bool,
}

impl Provider {
    /// A provider with the usual scopes, open to everybody known there.
    pub fn new(name: &str, issuer: &str, client_id: &str) -> Self {
        Self {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: None,
            scopes: SCOPES.map(str::to_owned).to_vec(),
            allowed_domains: Vec::new(),
            allowed_emails: Vec::new(),
            algorithm: None,
            unverified_email: false,
        }
    }

    /// The issuer of a provider that is known by its name alone.
    pub fn preset_issuer(name: &str) -> Option<&'static str> {
        (name == "google").then_some(GOOGLE_ISSUER)
    }

    /// What is wrong with it, as a sentence for its author.
    pub fn problem(&self) -> Option<&'static str> {
        if self.issuer_url().is_none() {
            return Some("the issuer is an https address without a query (http on loopback addresses only)");
        }
        if self.client_id.is_empty() || self.client_id.len() > 512 {
            return Some("the client id has 1 to 512 characters");
        }
        None
    }

    /// Where `http` may be spoken: only when the issuer itself is an http address of this machine.
    pub(super) fn plain_http(&self) -> PlainHttp {
        if self.issuer.starts_with("http://") { PlainHttp::Loopback } else { PlainHttp::Never }
    }

    /// Where the provider describes itself (OpenID Connect Discovery section 4).
    pub(super) fn discovery_url(&self) -> Option<Url> {
        self.issuer_url()?;
        let base = self.issuer.strip_suffix('/').unwrap_or(&self.issuer);
        Url::parse(&format!("{base}/.well-known/openid-configuration"), self.plain_http()).ok()
    }

    fn issuer_url(&self) -> Option<Url> {
        if self.issuer.contains('?') {
            return None;
        }
        Url::parse(&self.issuer, self.plain_http()).ok()
    }

    /// Whether a token may say this `iss`. Google writes its own in two ways, and documents both.
    pub(super) fn is_issuer(&self, iss: &str) -> bool {
        iss == self.issuer || (self.issuer == GOOGLE_ISSUER && iss == "accounts.google.com")
    }

    /// The scopes, space separated, `openid` among them.
    pub(super) fn scope(&self) -> String {
        let listed = self.scopes.iter().map(String::as_str).filter(|s| *s != "openid");
        std::iter::once("openid").chain(listed).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("name", &self.name)
            .field("issuer", &self.issuer)
            .field("has_secret", &self.client_secret.is_some())
            .finish_non_exhaustive()
    }
}
