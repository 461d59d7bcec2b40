//! Upstreams behind TLS: whom the gateway believes, and that it says why it does not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, uuid::Uuid::new_v4().to_string());
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> Arc<str> {
        let base64 = STANDARD.encode(self.0.der());
        format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n").into()
    }

    fn acceptor(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A service at `https://localhost`, believed under an authority.
async fn secure(pem: Option<Arc<str>>, change: impl FnOnce(&mut config::Service)) -> Bench {
    Bench::with(|c| {
        c.urls[0] = c.urls[0].replace("http://127.0.0.1", "https://localhost");
        c.tls.authorities = pem;
        change(c);
    })
    .await
}

async fn head(socket: &mut TlsStream<TcpStream>) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.expect("a request head"));
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn an_encrypted_upstream_is_believed_under_the_operators_authority_and_its_connections_are_kept() {
    run(async {
        let authority = Authority::new();
        let acceptor = authority.acceptor("localhost", |_| {});
        let bench = secure(Some(authority.pem()), |_| {}).await;
        let upstream = async {
            let mut socket = acceptor.accept(bench.accept().await).await.unwrap();
            assert_eq!(socket.get_ref().1.server_name(), Some("localhost"));
            for _ in 0..3 {
                let head = head(&mut socket).await;
                assert_eq!(head, "GET / HTTP/1.1\r\nhost: app.example\r\n\r\n");
                socket.write_all(OK).await.unwrap();
                socket.flush().await.unwrap();
            }
            socket
        };
        let client = async {
            for _ in 0..3 {
                let answer = bench.send(get("/")).await.unwrap();
                assert_eq!(text(answer).await.unwrap(), "ok");
                assert_eq!(bench.pool.unused(), 1);
            }
        };
        let ((), mut socket) = tokio::join!(client, upstream);
        // What comes unasked makes the connection unfit, encrypted or not.
        socket.write_all(OK).await.unwrap();
        socket.flush().await.unwrap();
        while bench.pool.unused() > 0 {
            bench.pool.sweep();
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_large_body_passes_in_both_directions_under_encryption() {
    run(async {
        const BYTES: usize = 3 << 20;
        let authority = Authority::new();
        let acceptor = authority.acceptor("localhost", |_| {});
        let bench = secure(Some(authority.pem()), |_| {}).await;
        let upstream = async {
            let mut socket = acceptor.accept(bench.accept().await).await.unwrap();
            head(&mut socket).await;
            let mut body = vec![0; BYTES];
            socket.read_exact(&mut body).await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n");
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(&body).await.unwrap();
            socket.flush().await.unwrap();
            socket
        };
        let client = async {
            let answer = bench.send(post(Upload::whole(vec![b'~'; BYTES].into()))).await.unwrap();
            answer.into_body().collect().await.unwrap().to_bytes().len()
        };
        assert_eq!(tokio::join!(client, upstream).0, BYTES);
    });
}

#[test]
fn what_is_not_certified_as_it_should_be_is_a_502_that_says_certificate() {
    let expired = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    };
    let (ours, theirs) = (Authority::new(), Authority::new());
    let cases = [
        (ours.acceptor("elsewhere.example", |_| {}), Some(ours.pem()), "for another name"),
        (theirs.acceptor("localhost", |_| {}), Some(ours.pem()), "of an unknown authority"),
        (ours.acceptor("localhost", |_| {}), None, "of an unknown authority"),
        (ours.acceptor("localhost", expired), Some(ours.pem()), "that has expired"),
    ];
    for (acceptor, pem, why) in cases {
        run(async {
            let bench = secure(pem, |_| {}).await;
            let upstream = async { acceptor.accept(bench.accept().await).await.is_err() };
            let (answer, refused) = tokio::join!(bench.send(post(Upload::none())), upstream);
            let sentence = answer.unwrap_err().to_string();
            assert!(sentence.contains("certificate") && sentence.contains(why), "{sentence}");
            assert!(refused, "the upstream got no request");
            assert!(bench.upstreams.reports()[0].troubles.contains(&("certificate", 1)));
        });
    }
}

#[test]
fn the_operator_may_say_which_name_the_certificate_has() {
    run(async {
        let authority = Authority::new();
        let acceptor = authority.acceptor("app.internal", |_| {});
        let bench = secure(Some(authority.pem()), |c| c.tls.name = Some("app.internal".to_owned())).await;
        let upstream = async {
            let mut socket = acceptor.accept(bench.accept().await).await.unwrap();
            assert_eq!(socket.get_ref().1.server_name(), Some("app.internal"));
            head(&mut socket).await;
            socket.write_all(OK).await.unwrap();
            socket.flush().await.unwrap();
            socket
        };
        let (answer, _socket) = tokio::join!(bench.send(get("/")), upstream);
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
    });
}

#[test]
fn an_upstream_that_speaks_no_tls_is_a_502_and_hears_no_request() {
    run(async {
        let bench = secure(None, |_| {}).await;
        let upstream = async {
            let mut socket = bench.accept().await;
            let mut hello = vec![0; 5];
            socket.read_exact(&mut hello).await.unwrap();
            socket.write_all(OK).await.unwrap();
            let mut rest = Vec::new();
            let _ = socket.read_to_end(&mut rest).await;
            rest
        };
        let (answer, rest) = tokio::join!(bench.send(get("/secret")), upstream);
        assert!(matches!(answer, Err(SendError::Unreachable(_))), "{answer:?}");
        assert!(!rest.windows(6).any(|w| w == b"secret"));
    });
}

#[test]
fn a_second_connection_resumes_the_session_of_the_first() {
    run(async {
        let authority = Authority::new();
        let acceptor = authority.acceptor("localhost", |_| {});
        let bench = secure(Some(authority.pem()), |c| c.idle_max = 0).await;
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let upstream = async {
                let mut socket = acceptor.accept(bench.accept().await).await.unwrap();
                head(&mut socket).await;
                socket.write_all(OK).await.unwrap();
                socket.flush().await.unwrap();
                socket
            };
            let client = async { text(bench.send(get("/")).await.unwrap()).await.unwrap() };
            let (_, socket) = tokio::join!(client, upstream);
            kinds.push(socket.get_ref().1.handshake_kind());
        }
        assert_eq!(kinds, [Some(rustls::HandshakeKind::Full), Some(rustls::HandshakeKind::Resumed)]);
    });
}

#[test]
fn up_05_an_encrypted_body_that_ends_with_its_connection_but_without_a_goodbye_is_no_clean_end() {
    run(async {
        let authority = Authority::new();
        let acceptor = authority.acceptor("localhost", |_| {});
        for polite in [true, false] {
            let bench = secure(Some(authority.pem()), |_| {}).await;
            let upstream = async {
                let mut socket = acceptor.accept(bench.accept().await).await.unwrap();
                head(&mut socket).await;
                socket.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf").await.unwrap();
                socket.flush().await.unwrap();
                if polite {
                    socket.shutdown().await.unwrap();
                }
            };
            let client = async { text(bench.send(get("/")).await.unwrap()).await };
            let (body, ()) = tokio::join!(client, upstream);
            assert_eq!(body.is_ok(), polite, "{body:?}");
        }
    });
}
