//! A client that does not read, where TLS stands between it and us: bytes are taken and go nowhere.

use super::*;

const LIMITS: Limits = Limits { target: 64, fields: 256, count: 8 };

/// Takes every byte and never has it gone.
struct Swallows;

impl AsyncRead for Swallows {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Swallows {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn sl_05_what_waits_in_tls_for_a_client_that_does_not_read_is_given_up() {
    let mut wire = Wire::new(Swallows, Duration::from_millis(20), LIMITS, Arc::default());
    let written = std::future::poll_fn(|cx| Pin::new(&mut wire).poll_write(cx, b"answer")).await;
    assert_eq!(written.unwrap(), 6);
    let flushed = std::future::poll_fn(|cx| Pin::new(&mut wire).poll_flush(cx)).await;
    assert_eq!(flushed.unwrap_err().kind(), io::ErrorKind::TimedOut);
    let closed = std::future::poll_fn(|cx| Pin::new(&mut wire).poll_shutdown(cx)).await;
    assert_eq!(closed.unwrap_err().kind(), io::ErrorKind::TimedOut);
}
