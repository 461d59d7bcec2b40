//! `[server.tls]`: certificates, and who must show one. The files are read where the acceptor is built from them.

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::document::Table;

use super::context::Context;
use super::named_file::NamedFile;
use super::network::{collide, parse_listen};

/// How TLS is spoken to clients.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// Certificates with their keys, at least one; the first is for names that none of them has.
    pub certificates: Vec<CertificateFiles>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Whether clients are asked for a certificate.
    pub client_auth: Option<ClientAuth>,
    /// A plain listener whose requests are only sent on to https.
    pub redirect_listen: Option<SocketAddr>,
    /// Longest wait for a handshake, from accept to its last byte.
    pub handshake_timeout: Duration,
}

/// A certificate chain and the key of its first certificate, both in PEM.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The chain; the gateway's own certificate first.
    pub certificate: NamedFile,
    /// The private key.
    pub key: NamedFile,
}

/// How clients are asked for a certificate.
#[derive(Clone, Debug)]
pub struct ClientAuth {
    /// The authorities that vouch for clients, in PEM.
    pub authorities: NamedFile,
    /// Whether a client without a certificate is turned away in the handshake.
    pub required: bool,
}

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// Keys that the environment may set where the file has no such table.
const KEYS: [&str; 7] =
    ["certificate", "key", "client_ca", "client_auth", "min_version", "redirect_listen", "handshake_timeout"];

/// Most certificates.
const CERTIFICATES_MAX: usize = 1_000;

/// Shortest time in which an honest client can shake hands.
const HANDSHAKE_LEAST: Duration = Duration::from_millis(100);

impl ServerTls {
    /// Reads the table; nothing where it names no certificate, and then plain HTTP is spoken.
    pub(super) fn read(mut table: Table<'_>, listen: SocketAddr, context: &mut Context) -> Option<Self> {
        let certificates = certificates(&mut table, context);
        let versions = [("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)];
        let doc = "The oldest version that is spoken: `1.2` or `1.3`.";
        let min_version = table.choice("min_version", &versions, "1.2", doc).unwrap_or(TlsVersion::Tls12);
        let client_auth = client_auth(&mut table, context);
        let redirect_listen = table.parsed(
            "redirect_listen",
            "address",
            "",
            "A plain listener that sends every request on to https (308), such as `0.0.0.0:80`.",
            parse_listen,
        );
        let handshake_timeout = table.duration(
            "handshake_timeout",
            "10s",
            HANDSHAKE_LEAST,
            "Longest wait for a TLS handshake, from accept to its last byte.",
        );
        if let Some(redirect) = redirect_listen.filter(|redirect| collide(*redirect, listen)) {
            let message = format!("`server.tls.redirect_listen`: {redirect} is also `server.listen`");
            table.report(table.problem("redirect_listen", message));
        }
        let wanted = table.exists() || KEYS.iter().any(|key| table.has(key));
        if certificates.is_empty() && wanted && !table.has("certificates") {
            let problem = table.problem("certificate", "`[server.tls]` names no certificate");
            table
                .report(problem.hint("set `certificate` and `key`, or remove the table to speak plain HTTP"));
        }
        table.finish();
        let tls = Self { certificates, min_version, client_auth, redirect_listen, handshake_timeout };
        (!tls.certificates.is_empty()).then_some(tls)
    }

    /// Every file that is read.
    pub fn files(&self) -> impl Iterator<Item = &NamedFile> {
        let pairs = self.certificates.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
        pairs.chain(self.client_auth.as_ref().map(|auth| &auth.authorities))
    }
}

fn certificates(table: &mut Table<'_>, context: &mut Context) -> Vec<CertificateFiles> {
    let mut all: Vec<_> = pair(table, context).into_iter().collect();
    for mut further in table.tables("certificates") {
        if all.len() == CERTIFICATES_MAX {
            let message = format!("there are more than {CERTIFICATES_MAX} certificates");
            further.report(further.problem("certificate", message));
            break;
        }
        let read = pair(&mut further, context);
        if read.is_none() && further.exists() && !further.has("certificate") && !further.has("key") {
            let message = "an entry of `server.tls.certificates` needs `certificate` and `key`";
            further.report(further.problem("certificate", message));
        }
        all.extend(read);
        further.finish();
    }
    all
}

/// A certificate and its key: both or neither.
fn pair(table: &mut Table<'_>, context: &mut Context) -> Option<CertificateFiles> {
    let certificate = NamedFile::read(
        table,
        "certificate",
        "A PEM file with the certificate chain, the gateway's own certificate first; read again when it changes.",
        context,
    );
    let key = NamedFile::read(table, "key", "A PEM file with the private key of the certificate.", context);
    let lone = |has, wants| {
        let path = table.path();
        table.report(table.problem(has, format!("`{path}.{has}` needs `{path}.{wants}`")));
        None
    };
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(CertificateFiles { certificate, key }),
        (Some(_), None) => lone("certificate", "key"),
        (None, Some(_)) => lone("key", "certificate"),
        (None, None) => None,
    }
}

fn client_auth(table: &mut Table<'_>, context: &mut Context) -> Option<ClientAuth> {
    let authorities = NamedFile::read(
        table,
        "client_ca",
        "A PEM file of the authorities that vouch for client certificates (mTLS).",
        context,
    );
    let doc = "Whether a client must show a certificate of `client_ca`: `optional` or `required`.";
    let words = [("optional", false), ("required", true)];
    let required = table.choice("client_auth", &words, "optional", doc).unwrap_or(true);
    if authorities.is_none() && table.has("client_auth") {
        let problem = table.problem("client_auth", "`server.tls.client_auth` needs `server.tls.client_ca`");
        table.report(problem.hint("name the file of the authorities that vouch for clients"));
    }
    authorities.map(|authorities| ClientAuth { authorities, required })
}

#[cfg(test)]
mod tests {
    use crate::config::check::{config, dev, finds};

    #[test]
    fn without_a_certificate_plain_http_is_spoken() {
        assert!(config("").server.tls.is_none());
        finds(&dev("[server.tls]\n"), "config.toml:1:1: `[server.tls]` names no certificate");
        finds(&dev("[server.tls]\nmin_version = \"1.3\"\n"), "`[server.tls]` names no certificate");
    }

    #[test]
    fn files_are_relative_to_the_config_file_and_the_first_certificate_is_the_default() {
        let tls = config(
            "[server.tls]\ncertificate = \"a.pem\"\nkey = \"/k/a.key\"\ncertificates = [{ certificate = \"b.pem\", key = \"b.key\" }]\n",
        )
        .server
        .tls
        .unwrap();
        let files: Vec<_> = tls.files().map(|f| f.path.display().to_string()).collect();
        assert_eq!(files, ["/nonexistent/a.pem", "/k/a.key", "/nonexistent/b.pem", "/nonexistent/b.key"]);
        assert!(tls.client_auth.is_none() && tls.redirect_listen.is_none());
    }

    #[test]
    fn a_certificate_without_a_key_is_told_where_it_stands() {
        finds(
            &dev("[server.tls]\ncertificate = \"a.pem\"\n"),
            "config.toml:2:15: `server.tls.certificate` needs `server.tls.key`",
        );
        finds(
            &dev("[server.tls]\ncertificates = [{ key = \"a.key\" }]\n"),
            "config.toml:2:25: `server.tls.certificates[].key` needs `server.tls.certificates[].certificate`",
        );
        finds(&dev("[server.tls]\ncertificates = [{}]\n"), "needs `certificate` and `key`");
        finds(
            &dev("[server.tls]\ncertificates = [{ cert = \"a\" }]\n"),
            "unknown key `cert` in `[server.tls.certificates[]]`",
        );
    }

    #[test]
    fn ad_05_asking_for_client_certificates_without_an_authority_is_refused() {
        let pair = "[server.tls]\ncertificate = \"a\"\nkey = \"b\"\n";
        finds(
            &dev(&format!("{pair}client_auth = \"required\"\n")),
            "config.toml:4:15: `server.tls.client_auth` needs `server.tls.client_ca`",
        );
        finds(
            &dev(&format!("{pair}client_ca = \"ca\"\nclient_auth = \"requird\"\n")),
            "`requird` is not one of `optional`, `required` (did you mean `required`?)",
        );
        let auth = config(&format!("{pair}client_ca = \"ca\"\n")).server.tls.unwrap().client_auth.unwrap();
        assert!(!auth.required);
    }

    #[test]
    fn versions_below_1_2_cannot_be_asked_for_and_the_listeners_need_ports_of_their_own() {
        let pair = "[server.tls]\ncertificate = \"a\"\nkey = \"b\"\n";
        finds(&dev(&format!("{pair}min_version = \"1.1\"\n")), "`1.1` is not one of `1.2`, `1.3`");
        finds(
            &dev(&format!("{pair}redirect_listen = \"0.0.0.0:8080\"\n")),
            "0.0.0.0:8080 is also `server.listen`",
        );
        finds(
            &dev(&format!("{pair}redirect_listen = \"127.0.0.1:8081\"\n")),
            "127.0.0.1:8081 is also `server.tls.redirect_listen`",
        );
    }
}
