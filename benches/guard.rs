//! Budget: 1 us for a head of 600 bytes, 1 ns a byte of a chunked body.
//!
//! The trade of the framing guard: what judging one head costs. Run alone with `cargo bench guard:`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use pluginmind::base::head::chunks::Chunks;
use pluginmind::server::guard::{Guard, Heading, Limits, Link};

const LIMITS: Limits = Limits { target: 8 * 1024, fields: 32 * 1024, count: 100 };

/// What a browser sends: 12 headers, some 600 bytes.
const HEAD: &str = "GET /api/v1/items/42?expand=owner&page=3 HTTP/1.1\r\n\
Host: app.example.com\r\n\
Connection: keep-alive\r\n\
sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\n\
sec-ch-ua-mobile: ?0\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
Accept: application/json, text/plain, */*\r\n\
Sec-Fetch-Site: same-origin\r\n\
Sec-Fetch-Mode: cors\r\n\
Referer: https://app.example.com/items\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Accept-Language: de-CH,de;q=0.9,en;q=0.8\r\n\
Cookie: pm_session=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw; theme=dark\r\n\
\r\n";

/// One head at once, one on a connection with all that goes with it, and a chunked body of 64 KiB.
pub fn judge(c: &mut Criterion) {
    c.bench_function("guard: head", |b| {
        b.iter(|| {
            Heading::new().judge(black_box(HEAD.as_bytes()), &LIMITS).map(|head| head.map(|h| h.bytes))
        });
    });
    c.bench_function("guard: request on a kept connection", |b| {
        let mut guard = Guard::new(LIMITS, Arc::new(Link::default()));
        b.iter(|| guard.pass(black_box(HEAD.as_bytes()), 8 * 1024));
    });
    let body: Vec<u8> = [b"1000\r\n".to_vec(), vec![b'x'; 4_096], b"\r\n".to_vec()].concat().repeat(16);
    let mut group = c.benchmark_group("guard");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("chunks", |b| {
        b.iter_batched_ref(
            Chunks::new,
            |chunks| chunks.follow(black_box(&body)).is_ok(),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}
