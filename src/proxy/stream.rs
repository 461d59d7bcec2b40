//! The bytes under an upstream connection, whatever carries them: TCP, a unix socket, or TLS over TCP.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// A connected stream to an upstream.
pub enum Stream {
    /// `http://`.
    Tcp(TcpStream),
    /// `unix:`.
    Unix(UnixStream),
    /// `https://`, after the handshake and the check of the certificate.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether an unused connection is as it was left: open, and with nothing unasked in it. Asks the kernel, for the
    /// runtime may not have heard yet. Under TLS any byte counts, a session ticket too: the connection is only not
    /// used again then.
    pub fn is_quiet(&mut self) -> bool {
        match self {
            Self::Tcp(s) => nothing_to_read(&socket2::SockRef::from(&*s)),
            Self::Unix(s) => nothing_to_read(&socket2::SockRef::from(&*s)),
            Self::Tls(s) => {
                let (tcp, session) = s.get_mut();
                let read_whole =
                    session.process_new_packets().is_ok_and(|s| s.plaintext_bytes_to_read() == 0);
                read_whole && nothing_to_read(&socket2::SockRef::from(&*tcp))
            }
        }
    }

    /// What the two sides agreed to speak (ALPN, RFC 7301): `h2`, `http/1.1`, or nothing.
    pub fn protocol(&self) -> Option<&[u8]> {
        match self {
            Self::Tls(s) => s.get_ref().1.alpn_protocol(),
            Self::Tcp(_) | Self::Unix(_) => None,
        }
    }
}

fn nothing_to_read(socket: &socket2::SockRef<'_>) -> bool {
    let seen = socket.peek(&mut [MaybeUninit::uninit(); 1]);
    matches!(seen, Err(e) if e.kind() == io::ErrorKind::WouldBlock)
}

/// Does the same with whichever stream it is.
macro_rules! each {
    ($stream:expr, $s:ident => $work:expr) => {
        match $stream.get_mut() {
            Stream::Tcp($s) => $work,
            Stream::Unix($s) => $work,
            Stream::Tls($s) => $work,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, s => Pin::new(s).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, s => Pin::new(s).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, s => Pin::new(s).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, s => Pin::new(s).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, s => Pin::new(s).poll_shutdown(cx))
    }
}
