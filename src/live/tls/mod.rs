//! TLS for clients, built whole from the operator's files: what is half written or does not fit never goes live.
//!
//! # Source
//! Mozilla's "intermediate" (TLS 1.2 with forward secrecy and AEAD, and 1.3), which are the suites of rustls;
//! RFC 8446, RFC 5246; THREATS rows H2-17, AD-05.

mod certificate;
mod client_auth;
mod coverage;
mod names;
mod resolver;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};

use self::certificate::Look;
use self::resolver::Resolver;
use crate::base::problems::{Problem, Problems};
use crate::base::text::hex;
use crate::config::{Config, Environment, ServerTls, TlsVersion};

/// The application protocols that are offered, best first (RFC 7301).
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// What clients are spoken to with: certificates, versions, and who must show a certificate.
#[derive(Debug)]
pub struct Tls {
    server: Arc<ServerConfig>,
    resolver: Arc<Resolver>,
    hosts: Vec<String>,
    public_port: Option<u16>,
    verifies_clients: bool,
    /// SHA-256 over all that it was built from, in hex.
    fingerprint: String,
}

/// When a certificate ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The certificate's first name.
    pub name: String,
    /// Seconds since 1970-01-01 UTC.
    pub not_after: i64,
}

impl Tls {
    /// Builds it from the files as they are now; nothing where the configuration has no TLS, or where there are errors.
    /// Where all is as it was, `before` is taken, so that sessions can be resumed after an edit of something else. An edit
    /// of anything here ends them: nobody goes on under an authority that is no longer trusted.
    pub fn load(
        config: &Config,
        http2: bool,
        before: Option<&Arc<Self>>,
        now: i64,
        problems: &mut Problems,
    ) -> Option<Arc<Self>> {
        let tls = config.server.tls.as_ref()?;
        let provider = Arc::new(default_provider());
        let mut look = Look {
            provider: &provider,
            strict: config.environment == Environment::Production,
            now,
            problems,
            content: Context::new(&SHA256),
        };
        let certificates: Vec<_> = tls.certificates.iter().map(|pair| look.pair(pair)).collect();
        let verifier = tls.client_auth.as_ref().map(|auth| client_auth::verifier(&mut look, auth));
        let verifier = verifier.map_or(Some(None), |verifier| verifier.map(Some));
        let hosts = coverage::hosts(config);
        let shape =
            format!("{http2} {:?} {:?}", tls.min_version, tls.client_auth.as_ref().map(|a| a.required));
        look.content.update(shape.as_bytes());
        look.content.update(hosts.join("\n").as_bytes());
        look.content.update(config.gateway.public_url.as_deref().unwrap_or_default().as_bytes());
        let fingerprint = hex(look.content.finish().as_ref());
        // Every one of them, or none: a certificate left out would show its clients another one.
        let certificates = certificates.into_iter().collect::<Option<Vec<_>>>()?;
        coverage::check(config, tls, &certificates, problems);
        let verifier = verifier?;
        if let Some(same) = before.filter(|before| before.fingerprint == fingerprint) {
            return Some(Arc::clone(same));
        }
        let resolver = Arc::new(Resolver::new(certificates));
        let verifies_clients = verifier.is_some();
        match server(tls, http2, verifier, &resolver) {
            Ok(server) => Some(Arc::new(Self {
                server: Arc::new(server),
                resolver,
                hosts,
                public_port: config
                    .gateway
                    .public_url
                    .as_deref()
                    .filter(|url| url.starts_with("https://"))
                    .and_then(coverage::host_of_url)
                    .map(|host| host.port().unwrap_or(443)),
                verifies_clients,
                fingerprint,
            })),
            Err(why) => {
                problems.push(Problem::of("[server.tls]", format!("TLS cannot be set up: {why}")));
                None
            }
        }
    }

    /// What handshakes are made with.
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// Whether both were built from the same.
    pub fn is_same(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }

    /// Whether the host is served here: by a certificate, by a route, or as the site's own address.
    pub fn serves(&self, host: &str) -> bool {
        self.hosts.iter().any(|named| named == host)
            || self.resolver.all().iter().any(|certificate| certificate.names.covers(host))
    }

    /// Whether a request for `host` may come over a connection that asked for `server_name`. It may not where the certificate
    /// that was shown is not for the host, if that matters: where there are several, or where clients show one.
    ///
    /// # Source
    /// RFC 9110 section 7.4.
    pub fn may_carry(&self, server_name: &str, host: &str) -> bool {
        let matters = self.verifies_clients || self.resolver.all().len() > 1;
        !matters || self.resolver.names_for(server_name).is_none_or(|names| names.covers(host))
    }

    /// The port at which clients find the site over https, where the operator says so with `gateway.public_url`.
    pub fn public_port(&self) -> Option<u16> {
        self.public_port
    }

    /// When each certificate ends, in the operator's order; of one name the first that ends.
    pub fn expiries(&self) -> Vec<Expiry> {
        let mut all: Vec<Expiry> = Vec::new();
        for certificate in self.resolver.all() {
            let Some(name) = certificate.names.first() else { continue };
            match all.iter_mut().find(|known| known.name == name) {
                Some(known) => known.not_after = known.not_after.min(certificate.not_after),
                None => all.push(Expiry { name, not_after: certificate.not_after }),
            }
        }
        all
    }
}

impl Expiry {
    /// Whether it ends so soon that somebody should look.
    pub fn is_near(&self, now: i64) -> bool {
        certificate::is_near(self.not_after, now)
    }
}

/// Suites, groups and versions are those of rustls, which knows no weak ones. No early data is ever taken: it can be replayed.
fn server(
    tls: &ServerTls,
    http2: bool,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    resolver: &Arc<Resolver>,
) -> Result<ServerConfig, rustls::Error> {
    let versions: &[_] = match tls.min_version {
        TlsVersion::Tls12 => &[&TLS13, &TLS12],
        TlsVersion::Tls13 => &[&TLS13],
    };
    let builder =
        ServerConfig::builder_with_provider(Arc::new(default_provider())).with_protocol_versions(versions)?;
    let verifies = verifier.is_some();
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_cert_resolver(Arc::clone(resolver) as Arc<_>);
    server.alpn_protocols = if http2 { vec![HTTP2.to_vec(), HTTP1.to_vec()] } else { vec![HTTP1.to_vec()] };
    server.max_early_data_size = 0;
    server.session_storage = Arc::new(NoServerSessionStorage {});
    if verifies {
        // A resumed session would take the word of an earlier handshake for a certificate that may have ended since.
        server.send_tls13_tickets = 0;
    } else {
        // Nothing is kept here for a session: its state is with the client, under keys that change every six hours.
        server.ticketer = Ticketer::new()?;
    }
    Ok(server)
}
