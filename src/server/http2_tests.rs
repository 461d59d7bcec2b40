use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::server::connection::tests::limits;

const SHORT: Duration = Duration::from_millis(50);

/// A GET of `/`: the preface, empty settings, and indexed headers of a request that has ended.
const REQUEST: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01a";

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let test = async { tokio::time::timeout(Duration::from_secs(20), test).await.expect("the test hangs") };
    local.block_on(&runtime, test);
}

async fn never(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    std::future::pending().await
}

#[test]
fn a_client_that_does_not_answer_pings_is_gone() {
    run(async {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let http = Http2 { ping_interval: SHORT, ping_timeout: SHORT, ..Http2::new(&limits()) };
        client.write_all(REQUEST).await.unwrap();
        let ending = http.serve(server, &Shutdown::default(), service_fn(never)).await;
        assert_ne!(ending, Ending::Cut);
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
    });
}

#[test]
fn requests_end_with_their_connection() {
    run(async {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let http = Http2::new(&limits());
        let alive = std::rc::Rc::new(());
        let held = std::rc::Rc::clone(&alive);
        let service = service_fn(move |request| {
            let held = std::rc::Rc::clone(&held);
            async move {
                let answer = never(request).await;
                drop(held);
                answer
            }
        });
        client.write_all(REQUEST).await.unwrap();
        let shutdown = Shutdown::default();
        let end = async {
            while std::rc::Rc::strong_count(&alive) < 3 {
                tokio::task::yield_now().await;
            }
            shutdown.advance(Phase::Ended);
        };
        let (ending, ()) = tokio::join!(http.serve(server, &shutdown, service), end);
        assert_eq!(ending, Ending::Cut);
        while std::rc::Rc::strong_count(&alive) > 1 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_head_that_is_refused_with_an_envelope_is_not_refused_before() {
    let limits = limits();
    let largest = limits.header_max + limits.target_max + 32 * 100;
    assert!(u64::from(header_list_max(&limits)) >= 2 * largest);
    assert_eq!(header_list_max(&Server { header_max: u64::MAX, ..limits }), u32::MAX);
}
