//! Budget: 1 us for a head of 400 bytes, 1 ns a byte of a chunked body.
//!
//! The guard in front of upstreams' answers: what a typical head costs, and a body per byte. Run alone with
//! `cargo bench answer:`.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Waker};

use criterion::{BatchSize, Criterion, Throughput};
use pluginmind::proxy::answer::{Asked, Guard};
use tokio::io::ReadBuf;

/// A head as apps send it, of 400 bytes and some, with a short body.
const TYPICAL: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 12:00:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n\
Content-Length: 15\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nCache-Control: private, max-age=0, must-revalidate\r\n\
ETag: W/\"f-2Yc0aJ0cN1z0z4Vq1Jt2m3o4p5q\"\r\nVary: Accept-Encoding, Origin\r\nX-Powered-By: Express\r\n\
Set-Cookie: theme=dark; Path=/; HttpOnly; SameSite=Lax\r\nX-Response-Time: 3.141ms\r\n\r\n{\"status\":\"ok\"}";

/// Reads one answer through a guard, as hyper would.
fn through(guard: &mut Guard, mut answer: &[u8], space: &mut [u8]) -> usize {
    let taken = Arc::new(AtomicBool::new(true));
    guard.begin(Asked::default(), taken);
    guard.writes();
    guard.flushed();
    let mut cx = Context::from_waker(Waker::noop());
    let mut passed = 0;
    while !answer.is_empty() {
        let mut buf = ReadBuf::new(space);
        match guard.poll_read(&mut answer, &mut cx, &mut buf) {
            Poll::Ready(Ok(())) => passed += buf.filled().len(),
            _ => break,
        }
    }
    passed
}

/// A head in one piece, in two, and bodies of 1 MiB.
pub fn judge(c: &mut Criterion) {
    let mut space = vec![0; 16 * 1024];
    c.bench_function("answer: typical head in one piece", |b| {
        let mut guard = Guard::default();
        b.iter(|| through(&mut guard, black_box(TYPICAL), &mut space));
    });
    let mut small = vec![0; 256];
    c.bench_function("answer: typical head in two pieces", |b| {
        b.iter_batched_ref(
            Guard::default,
            |guard| through(guard, black_box(TYPICAL), &mut small),
            BatchSize::SmallInput,
        );
    });
    let chunk = [b"4000\r\n", vec![b'x'; 0x4000].as_slice(), b"\r\n"].concat();
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunked = [&head[..], &chunk.repeat(64), b"0\r\n\r\n"].concat();
    let mut group = c.benchmark_group("answer");
    group.throughput(Throughput::Bytes(chunked.len() as u64));
    group.bench_function("chunked body of 1 MiB", |b| {
        let mut guard = Guard::default();
        b.iter(|| through(&mut guard, black_box(&chunked), &mut space));
    });
    group.finish();
}
