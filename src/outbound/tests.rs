//! Rows RT-16 and JK-07: where a request goes, whom it believes, and when it ends.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

fn parse(text: &str) -> Result<String, BadUrl> {
    Url::parse(text, PlainHttp::Loopback).map(|u| u.text())
}

#[test]
fn an_address_is_https_or_http_on_this_machine() {
    assert_eq!(parse("https://Id.example").as_deref(), Ok("https://id.example/"));
    assert_eq!(parse("https://id.example:8443/a/b?c=d").as_deref(), Ok("https://id.example:8443/a/b?c=d"));
    assert_eq!(parse("https://id.example?c=d").as_deref(), Ok("https://id.example/?c=d"));
    for loopback in ["http://127.0.0.1:1/", "http://localhost/", "http://[::1]:9/", "http://127.9.9.9/"] {
        assert_eq!(parse(loopback).as_deref(), Ok(loopback));
        assert_eq!(Url::parse(loopback, PlainHttp::Never), Err(BadUrl::Plain));
    }
    for plain in
        ["http://id.example/", "http://10.0.0.1/", "http://localhost.evil.example/", "http://127.0.0.1.evil/"]
    {
        assert_eq!(parse(plain), Err(BadUrl::Plain), "{plain}");
    }
}

#[test]
fn rt_16_metadata_services_files_and_disguised_addresses_are_no_addresses() {
    for bad in [
        "https://169.254.169.254/",
        "https://[::ffff:169.254.169.254]/",
        "https://[fe80::1]/",
        "https://[fd00:ec2::254]/",
        "https://[fd20:ce::254]/",
        "https://100.100.100.200/",
        "https://192.0.0.192/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:a9fe:a9fe::]/",
        "https://[::a9fe:a9fe]/",
        "https://[2002:0:1::]/",
        "https://0.0.0.0/",
        "https://[::]/",
        "https://255.255.255.255/",
        "https://224.0.0.1/",
    ] {
        assert_eq!(parse(bad), Err(BadUrl::Forbidden), "{bad}");
    }
    for bad in [
        "file:///etc/passwd",
        "gopher://x/",
        "ftp://x/",
        "HTTPS://x/",
        "https:/x",
        "https://",
        "https:///x",
        "https://user:word@x/",
        "https://x@169.254.169.254/",
        "https://2852039166/",
        "https://0xa9.0xfe.0xa9.0xfe/",
        "https://x/#f",
        "https://x\\@y/",
        "https://x/\r\nHost: y",
        "https://x/ y",
        "https://\u{456}d.example/",
        "https://x:0/",
        "https://x:99999/",
        "",
    ] {
        assert_eq!(parse(bad), Err(BadUrl::Form), "{bad}");
    }
    assert_eq!(parse(&format!("https://x/{}", "a".repeat(3_000))), Err(BadUrl::Form));
}

#[test]
fn an_address_is_shown_without_its_query() {
    let url = Url::parse("https://id.example/a?code=hunter2", PlainHttp::Never).unwrap();
    assert_eq!(format!("{url:?}"), "https://id.example/a");
}

/// A listener that answers every connection with these bytes after it has read something.
async fn answering(answer: &'static str) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            if answer.is_empty() {
                // Neither an answer nor an end: the client has to give up.
                std::future::pending::<()>().await;
            }
        }
    });
    Url::parse(&url, PlainHttp::Loopback).unwrap()
}

fn client() -> Client {
    Client::new(Trust::built_in(), Limits::default())
}

#[tokio::test]
async fn jk_07_a_redirect_is_an_answer_and_not_an_instruction() {
    let url = answering("HTTP/1.1 302 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(client().get(&url).await.unwrap().status, 302);
}

#[tokio::test]
async fn jk_07_a_peer_that_never_answers_is_given_up() {
    let limits = Limits { total: Duration::from_millis(50), ..Limits::default() };
    let url = answering("").await;
    assert_eq!(Client::new(Trust::built_in(), limits).get(&url).await.err(), Some(Failure::Timeout));
    let slow = answering("HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\nab").await;
    let client = Client::new(Trust::built_in(), limits);
    let ended = client.get(&slow).await.err();
    assert!(matches!(ended, Some(Failure::Timeout | Failure::Unreadable)), "{ended:?}");
}

#[tokio::test]
async fn jk_07_an_answer_is_bounded_by_declaration_and_by_count() {
    let limits = Limits { body_bytes_max: 8, ..Limits::default() };
    let client = Client::new(Trust::built_in(), limits);
    for (answer, outcome) in [
        ("HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\n", Some(Failure::TooLarge)),
        (
            "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n",
            Some(Failure::TooLarge),
        ),
        ("HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n8\r\n12345678\r\n0\r\n\r\n", None),
        ("HTTP/1.1 200 X\r\ncontent-length: 8\r\n\r\n12345678", None),
    ] {
        assert_eq!(client.get(&answering(answer).await).await.err(), outcome, "{answer}");
    }
}

#[tokio::test]
async fn what_an_answer_says_of_itself_is_read() {
    let url = answering(
        "HTTP/1.1 200 X\r\nContent-Type: Application/JSON; charset=utf-8\r\n\
         Cache-Control: public, Max-Age=60\r\ncontent-length: 2\r\n\r\n{}",
    )
    .await;
    let answer = client().get(&url).await.unwrap();
    assert!(answer.is_json());
    assert_eq!(answer.max_age(), Some(Duration::from_secs(60)));
    let plain = client().get(&answering("HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n").await).await.unwrap();
    assert!(!plain.is_json() && plain.max_age().is_none());
}

/// An authority, and a listener on `localhost` with a certificate of it for this name.
async fn encrypted(name: &str) -> (String, Url) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://127.0.0.1:{}/x", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\nok").await;
            let _ = stream.shutdown().await;
        }
    });
    let encoded = STANDARD.encode(authority.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n");
    (pem, Url::parse(&url, PlainHttp::Never).unwrap())
}

#[tokio::test]
async fn an_operators_own_authority_is_believed_and_no_stranger() {
    let (authority, url) = encrypted("127.0.0.1").await;
    let own = Client::new(Trust::with_own(authority.as_bytes()).unwrap(), Limits::default());
    assert_eq!(own.get(&url).await.unwrap().body, "ok");
    assert_eq!(client().get(&url).await.err(), Some(Failure::Tls), "the built-in ones do not know it");
    let (stranger, _) = encrypted("127.0.0.1").await;
    let other = Client::new(Trust::with_own(stranger.as_bytes()).unwrap(), Limits::default());
    assert_eq!(other.get(&url).await.err(), Some(Failure::Tls));
    // Clones believe what the client is told to believe, from then on.
    let clone = other.clone();
    other.believe(Trust::with_own(authority.as_bytes()).unwrap());
    assert_eq!(clone.get(&url).await.unwrap().body, "ok");
    other.believe(Trust::built_in());
    assert_eq!(clone.get(&url).await.err(), Some(Failure::Tls));
}

#[tokio::test]
async fn jk_07_a_certificate_for_another_name_is_not_believed() {
    let (authority, url) = encrypted("127.0.0.2").await;
    let own = Client::new(Trust::with_own(authority.as_bytes()).unwrap(), Limits::default());
    assert_eq!(own.get(&url).await.err(), Some(Failure::Tls));
}

#[test]
fn a_file_of_authorities_without_one_is_refused() {
    assert_eq!(Trust::with_own(b"").err(), Some(BadTrust::Pem));
    assert_eq!(Trust::with_own(b"no certificate").err(), Some(BadTrust::Pem));
    let junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(Trust::with_own(junk).err(), Some(BadTrust::Certificate));
}

#[test]
fn http_to_other_machines_is_an_address_only_where_the_caller_sends_no_secret() {
    let anywhere = |text: &str| Url::parse(text, PlainHttp::Anywhere).map(|url| url.text());
    assert_eq!(anywhere("http://collector.example:4318/").as_deref(), Ok("http://collector.example:4318/"));
    assert_eq!(anywhere("http://169.254.169.254/"), Err(BadUrl::Forbidden));
}
