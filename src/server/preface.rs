//! Whether a client on a plain connection begins with HTTP/2: looked at before anything is read of it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::phase::{Phase, Shutdown};

/// What an HTTP/2 client sends first.
///
/// # Source
/// RFC 9113 section 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream with what was read of it put back at its front.
pub struct Begun<I> {
    front: Bytes,
    rest: I,
}

/// Reads until it is clear whether the client speaks HTTP/2: at the first byte that differs, or at the end of the
/// preface. Gives nothing where the client goes away, says only a part of it for `timeout`, or the drain begins first.
pub async fn look<I: AsyncRead + Unpin>(
    mut stream: I,
    timeout: Duration,
    shutdown: &Shutdown,
) -> Option<(bool, Begun<I>)> {
    let mut front = BytesMut::with_capacity(PREFACE.len());
    let reading = async {
        while front.len() < PREFACE.len() && PREFACE.starts_with(&front) {
            let mut rest = (&mut stream).take((PREFACE.len() - front.len()) as u64);
            if rest.read_buf(&mut front).await.unwrap_or(0) == 0 {
                return false;
            }
        }
        true
    };
    let clear = tokio::select! {
        clear = tokio::time::timeout(timeout, reading) => clear.unwrap_or(false),
        () = shutdown.reaches(Phase::Draining) => false,
    };
    let is_http2 = *front == *PREFACE;
    clear.then(|| (is_http2, Begun { front: front.freeze(), rest: stream }))
}

impl<I: AsyncRead + Unpin> AsyncRead for Begun<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.front.has_remaining() {
            let length = self.front.len().min(buffer.remaining());
            buffer.put_slice(&self.front.split_to(length));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.rest).poll_read(cx, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Begun<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.rest).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.rest).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.rest.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.rest).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.rest).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    const SHORT: Duration = Duration::from_millis(30);

    async fn looked(sent: &[&[u8]], closes: bool) -> Option<(bool, Vec<u8>)> {
        let (mut client, server) = tokio::io::duplex(256);
        for part in sent {
            client.write_all(part).await.unwrap();
        }
        if closes {
            client.shutdown().await.unwrap();
        }
        let (is_http2, mut stream) = look(server, SHORT, &Shutdown::default()).await?;
        client.shutdown().await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        Some((is_http2, all))
    }

    #[tokio::test]
    async fn what_was_looked_at_is_still_there() {
        let frames = [&PREFACE[..], b"frames"].concat();
        assert_eq!(looked(&[&frames], false).await, Some((true, frames)));
        for plain in
            ["G", "POST / HTTP/1.1\r\n\r\n", "PRI * HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r"]
        {
            assert_eq!(looked(&[plain.as_bytes()], false).await, Some((false, plain.into())), "{plain}");
        }
    }

    #[tokio::test]
    async fn who_says_a_part_or_nothing_is_given_up() {
        for part in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
            assert_eq!(looked(&[part.as_bytes()], false).await, None, "{part}");
            assert_eq!(looked(&[part.as_bytes()], true).await, None, "{part}");
        }
    }

    #[tokio::test]
    async fn the_drain_does_not_wait_for_a_first_byte() {
        let (_client, server) = tokio::io::duplex(256);
        let shutdown = Shutdown::default();
        shutdown.advance(Phase::Draining);
        let long = Duration::from_secs(3_600);
        assert!(look(server, long, &shutdown).await.is_none());
    }
}
