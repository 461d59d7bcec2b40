//! What a TLS handshake said of a client, as the pipeline and the rules see it.

/// What a TLS handshake said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The name that the client asked for (SNI), in lower case.
    pub server_name: Option<String>,
    /// The client's certificate, verified against `server.tls.client_ca`; absent where it showed none.
    pub client: Option<ClientCertificate>,
}

/// Whom a verified client certificate names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject's distinguished name, as RFC 4514 writes it, in printable ASCII.
    pub subject: String,
    /// SHA-256 over its DER form, in lower-case hex.
    pub fingerprint: String,
}
