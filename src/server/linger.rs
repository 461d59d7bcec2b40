//! The close of a socket: what the client still sends is read and thrown away, for a socket closed with unread bytes is
//! reset, and the reset overtakes the last answer.
//!
//! # Source
//! RFC 9112 section 9.6.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Most bytes of an unread request that are thrown away before the close.
const BYTES_MAX: usize = 256 * 1024;

/// Longest time that unread bytes are thrown away before the close.
const TIME_MAX: Duration = Duration::from_secs(2);

/// A close under way.
pub struct Linger {
    left: usize,
    until: Pin<Box<Sleep>>,
    waits: Waits,
}

/// Whether more is waited for than what has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// No.
    Never,
    /// Once something has come.
    IfSomethingComes,
    /// Yes: something is under way.
    Yes,
}

impl Linger {
    /// Begins; the writing side has been closed.
    pub fn begin(waits: Waits) -> Self {
        Self { left: BYTES_MAX, until: Box::pin(sleep(TIME_MAX)), waits }
    }

    /// Throws away what comes until the client closes, the time is over, enough has come, or nothing is waited for.
    pub fn poll(&mut self, stream: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<()> {
        let mut waste = [0; 8 * 1024];
        while self.left > 0 && self.until.as_mut().poll(cx).is_pending() {
            let room = waste.len().min(self.left);
            let mut buffer = ReadBuf::new(&mut waste[..room]);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Pending if self.waits == Waits::Yes => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    if self.waits == Waits::IfSomethingComes {
                        self.waits = Waits::Yes;
                    }
                    self.left -= buffer.filled().len();
                }
                // The client has closed, is gone, or has nothing more to say.
                Poll::Pending | Poll::Ready(_) => break,
            }
        }
        Poll::Ready(())
    }
}
