//! Upstreams behind a socket in the file system.

use super::*;
use crate::proxy::{State, watch};

use tokio::net::{UnixListener, UnixStream};

struct Unix {
    bench: Bench,
    listener: UnixListener,
    _folder: tempfile::TempDir,
}

async fn unix(change: impl FnOnce(&mut config::Service)) -> Unix {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let bench = Bench::with(|c| {
        c.urls = vec![format!("unix:{}", path.display())];
        change(c);
    })
    .await;
    Unix { bench, listener, _folder: folder }
}

async fn head(socket: &mut UnixStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.expect("a request head"));
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn a_unix_socket_is_an_upstream_whose_connections_are_kept_and_whose_host_is_the_clients() {
    run(async {
        let unix = unix(|_| {}).await;
        let upstream = async {
            let (mut socket, _) = unix.listener.accept().await.unwrap();
            for path in ["/a", "/b"] {
                let head = head(&mut socket).await;
                assert_eq!(head, format!("GET {path} HTTP/1.1\r\nhost: app.example\r\n\r\n"));
                socket.write_all(OK).await.unwrap();
            }
            socket
        };
        let client = async {
            for path in ["/a", "/b"] {
                let answer = unix.bench.send(get(path)).await.unwrap();
                assert_eq!(text(answer).await.unwrap(), "ok");
                assert_eq!(unix.bench.pool.unused(), 1);
            }
        };
        let ((), socket) = tokio::join!(client, upstream);
        // Closed meanwhile: found out before it is used.
        drop(socket);
        unix.bench.pool.sweep();
        assert_eq!(unix.bench.pool.unused(), 0);
    });
}

#[test]
fn up_01_a_unix_socket_that_is_not_there_is_a_502() {
    run(async {
        let bench = Bench::with(|c| c.urls = vec!["unix:/nonexistent/app.sock".to_owned()]).await;
        let answer = bench.send(get("/")).await;
        assert!(matches!(answer, Err(SendError::Unreachable(_))), "{answer:?}");
        assert_eq!(bench.upstreams.status()[0].state, State::Down);
    });
}

#[test]
fn a_unix_socket_is_asked_for_its_health() {
    run(async {
        let unix = unix(|c| c.health.path = Some("/health".to_owned())).await;
        let watching = tokio::task::spawn_local(watch(Arc::clone(&unix.bench.upstreams)));
        let (mut socket, _) = unix.listener.accept().await.unwrap();
        let head = head(&mut socket).await;
        assert!(head.starts_with("GET /health HTTP/1.1\r\nhost: localhost\r\n"), "{head}");
        socket.write_all(OK).await.unwrap();
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
        assert_eq!(unix.bench.upstreams.status()[0].state, State::Up);
        watching.abort();
    });
}
