//! Active checks.

use super::*;
use crate::proxy::{State, watch};

#[test]
fn a_health_check_finds_out_and_follows_changes() {
    run(async {
        let bench = Bench::with(|c| {
            c.health.path = Some("/health".to_owned());
            c.health.interval = Duration::from_millis(100);
            c.health.unhealthy_after = 1;
        })
        .await;
        let state = || bench.upstreams.status()[0].state;
        assert_eq!(state(), State::Unknown);
        let watching = tokio::task::spawn_local(watch(Arc::clone(&bench.upstreams)));
        for (status, expected) in [("200 OK", State::Up), ("503 No", State::Down), ("302 Found", State::Up)] {
            let mut socket = bench.accept().await;
            let head = read_head(&mut socket).await;
            assert!(head.starts_with("GET /health HTTP/1.1\r\n"), "{head}");
            let raw = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            socket.write_all(raw.as_bytes()).await.unwrap();
            assert!(is_closed(&mut socket).await);
            assert_eq!(state(), expected, "{status}");
        }
        let mut without = bench.config.clone();
        without.health.path = None;
        bench.upstreams.apply(&[without]);
        let last = tokio::time::timeout(Duration::from_millis(400), bench.accept()).await;
        assert!(last.is_err(), "a service without a health path is not asked");
        watching.abort();
    });
}
