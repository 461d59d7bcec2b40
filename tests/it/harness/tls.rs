//! An authority that makes certificates, and a client that speaks TLS and then sends exactly the bytes it is given.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};

use super::client::Answer;

/// Longest wait for anything from the gateway.
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody who vouches for certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
#[derive(Clone)]
pub struct Pair {
    /// The certificate, in PEM.
    pub certificate: String,
    /// The key, in PEM.
    pub key: String,
    der: CertificateDer<'static>,
    key_der: Vec<u8>,
}

impl Authority {
    /// A new one of that name.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"),
        )
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", self.0.der())
    }

    /// A server's certificate for these names.
    pub fn server(&self, names: &[&str]) -> Pair {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        self.sign(&CertificateParams::new(names).expect("names"))
    }

    /// A client's certificate with that common name, of the organisation `Example`.
    pub fn client(&self, name: &str) -> Pair {
        self.named(&[(DnType::OrganizationName, "Example"), (DnType::CommonName, name)])
    }

    /// A client's certificate with that common name and nothing else.
    pub fn lone_client(&self, name: &str) -> Pair {
        self.named(&[(DnType::CommonName, name)])
    }

    fn named(&self, parts: &[(DnType, &str)]) -> Pair {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in parts {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Pair {
            certificate: pem("CERTIFICATE", certificate.der()),
            key: pem("PRIVATE KEY", &key.serialize_der()),
            der: certificate.der().clone(),
            key_der: key.serialize_der(),
        }
    }
}

impl Pair {
    /// The certificate as it is on the wire.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// How a client speaks TLS. Clones share their sessions.
#[derive(Clone)]
pub struct Client(Arc<ClientConfig>);

impl Client {
    /// One that believes an authority, with a certificate of its own where it has one.
    pub fn new(believes: &Authority, own: Option<&Pair>) -> Self {
        Self::with(believes, own, rustls::ALL_VERSIONS, |_| ())
    }

    /// One with further wishes.
    pub fn with(
        believes: &Authority,
        own: Option<&Pair>,
        versions: &[&'static SupportedProtocolVersion],
        change: impl FnOnce(&mut ClientConfig),
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(believes.0.der().clone()).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pair.key_der.clone()));
                builder.with_client_auth_cert(vec![pair.der.clone()], key).expect("a pair")
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        change(&mut config);
        Self(Arc::new(config))
    }

    /// The side of the protocol alone, for tests that move its bytes themselves.
    pub fn begin(&self, name: &str) -> ClientConnection {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        ClientConnection::new(Arc::clone(&self.0), name).expect("a connection")
    }

    /// Connects and shakes hands.
    pub fn connect(&self, address: SocketAddr, name: &str) -> io::Result<Secure> {
        let mut tls = self.begin(name);
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        Ok(Secure { stream: StreamOwned::new(tls, stream), buffer: Vec::new() })
    }

    /// Sends one request on a connection of its own.
    pub fn request(&self, address: SocketAddr, name: &str, bytes: impl AsRef<[u8]>) -> io::Result<Answer> {
        let mut connection = self.connect(address, name)?;
        connection.send(bytes)?;
        connection.read()
    }

    /// `GET` of that path from that host.
    pub fn get(&self, address: SocketAddr, host: &str, path: &str) -> io::Result<Answer> {
        self.request(address, host, format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }
}

/// A connection over TLS.
pub struct Secure {
    stream: StreamOwned<ClientConnection, TcpStream>,
    buffer: Vec<u8>,
}

impl Secure {
    /// What TLS says.
    pub fn tls(&self) -> &ClientConnection {
        &self.stream.conn
    }

    /// The certificate that the gateway showed.
    pub fn shown(&self) -> CertificateDer<'static> {
        self.tls().peer_certificates().expect("a certificate")[0].clone().into_owned()
    }

    /// Whether the session was taken up again.
    pub fn is_resumed(&self) -> bool {
        self.tls().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The version that is spoken.
    pub fn version(&self) -> ProtocolVersion {
        self.tls().protocol_version().expect("a version")
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// Reads one answer whose length is declared.
    pub fn read(&mut self) -> io::Result<Answer> {
        let end = self.fill_until(|buffer| buffer.windows(4).position(|w| w == b"\r\n\r\n"))?;
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok());
        let headers: Vec<_> = lines
            .filter_map(|l| l.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer { status: status.expect("a status line"), headers, body: Vec::new() };
        let length = answer.header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
        self.fill_until(|buffer| (buffer.len() >= length).then_some(length))?;
        answer.body = self.buffer.drain(..length).collect();
        Ok(answer)
    }

    /// So many bytes, as they come.
    pub fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        self.fill_until(|buffer| (buffer.len() >= length).then_some(length))?;
        Ok(self.buffer.drain(..length).collect())
    }

    fn fill_until(&mut self, found: impl Fn(&[u8]) -> Option<usize>) -> io::Result<usize> {
        let mut chunk = [0; 16 * 1024];
        loop {
            if let Some(at) = found(&self.buffer) {
                return Ok(at);
            }
            match self.stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => self.buffer.extend_from_slice(&chunk[..n]),
            }
        }
    }
}
