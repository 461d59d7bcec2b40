//! A connection that is put to rest after each answer, beside one that never is.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::server::guard::{Limits, Link, Standing, call};

const LIMITS: Limits = Limits { target: 64, fields: 256, count: 8 };

/// What the client reads for these pieces, and how often the connection was put to rest; `rests` says whether it ever is.
async fn through(pieces: &[&str], rests: bool) -> (String, usize) {
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    let link = Arc::new(Link::default());
    let wire = Wire::new(server, Duration::from_secs(20), LIMITS, Arc::clone(&link));
    let echo = service_fn(async |request: Request<Incoming>| {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
        let text = format!("<{path} {}>", String::from_utf8_lossy(&body.unwrap_or_default()));
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
    });
    let service = {
        let link = Arc::clone(&link);
        service_fn(move |request| call(&link, &echo, request))
    };
    let builder = Builder::new();
    let mut speaker = Speaker::new(&builder, wire, service);
    let mut rested = 0;
    // Once: what it says is no longer pending is over.
    let mut turn = async |client: &mut tokio::io::DuplexStream, piece: &str| {
        client.write_all(piece.as_bytes()).await.unwrap();
        let over = poll_fn(|cx| Poll::Ready(speaker.poll(cx).is_ready())).await;
        if rests && !over && link.standing().0 == Standing::Between && speaker.rests_after().is_some() {
            speaker.rest();
            rested += 1;
            assert_eq!(speaker.rests_after(), None);
        }
        over
    };
    for piece in pieces {
        assert!(!turn(&mut client, piece).await, "{piece:?}");
    }
    client.shutdown().await.unwrap();
    let over = turn(&mut client, "").await || turn(&mut client, "").await;
    assert!(over, "the end of the stream ends it, at rest too");
    drop(speaker);
    let mut told = String::new();
    client.read_to_string(&mut told).await.unwrap();
    let bodies = told.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()).collect::<Vec<_>>();
    (bodies.join("|"), rested)
}

#[tokio::test]
async fn a_connection_that_rests_answers_as_one_that_does_not() {
    let get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    let post = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
    let chunked = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let twice = format!("{get}{get}");
    let cases: [(&[&str], &str, usize); 5] = [
        (&[get, get], "/a |/a ", 2),
        (&[&twice, post, "abc", get], "/a |/a |/b abc|/a ", 3),
        // An empty line wakes nobody.
        (&[&get[..5], &get[5..20], &get[20..], "\r\n", get], "/a |/a ", 2),
        (&[chunked, "1\r\nx\r\n", "0\r\n", "\r\n", get], "/c x|/a ", 2),
        (&[], "", 0),
    ];
    for (pieces, answers, rests) in cases {
        assert_eq!(through(pieces, true).await, (answers.to_owned(), rests), "{pieces:?}");
        assert_eq!(through(pieces, false).await, (answers.to_owned(), 0), "{pieces:?}");
    }
}

#[test]
fn many_that_are_awake_rest_sooner_and_are_counted_to_their_end() {
    let before = AWAKE.get();
    let many: Vec<_> = (0..=MANY).map(|_| Counted::new()).collect();
    assert_eq!(AWAKE.get(), before + MANY + 1);
    drop(many);
    assert_eq!(AWAKE.get(), before);
}
