//! A response body, whichever protocol it comes over.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::download::{Tunnel, UpstreamBody as Http1Body, UpstreamBodyError};
use super::http2::Http2Body;

/// An upstream's response body. Trailers come over HTTP/2 alone, without those that may not stand there.
pub enum UpstreamBody {
    /// Over HTTP/1.1.
    Http1(Box<Http1Body>),
    /// Over HTTP/2.
    Http2(Box<Http2Body>),
}

impl UpstreamBody {
    /// The connection, where a 101 has made it one that speaks another protocol; HTTP/2 has no 101.
    pub fn into_tunnel(self) -> Option<Tunnel> {
        match self {
            Self::Http1(body) => (*body).into_tunnel(),
            Self::Http2(_) => None,
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = UpstreamBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamBodyError>>> {
        match self.get_mut() {
            Self::Http1(body) => Pin::new(&mut **body).poll_frame(cx),
            Self::Http2(body) => Pin::new(&mut **body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamBody(…)")
    }
}
