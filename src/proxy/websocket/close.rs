//! Close frames that the gateway itself sends.

/// Why the gateway closes.
///
/// # Source
/// RFC 6455 section 7.4.1. 1014 (Bad Gateway) would be nearer for an upstream that is gone, but Chromium takes it for a
/// broken frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Code {
    /// The gateway ends, or the socket's time is over.
    GoingAway = 1001,
    /// What came is no frame.
    ProtocolError = 1002,
    /// Who opened it may not go on.
    PolicyViolation = 1008,
    /// A message is longer than the limit.
    TooBig = 1009,
    /// The upstream is gone.
    InternalError = 1011,
}

/// A whole close frame with a code and no reason; masked where it goes to a server, with a mask that hides nothing, for
/// the code is no secret.
pub fn close_frame(code: Code, to_server: bool) -> Vec<u8> {
    let [high, low] = (code as u16).to_be_bytes();
    if to_server { vec![0x88, 0x82, 0, 0, 0, 0, high, low] } else { vec![0x88, 0x02, high, low] }
}

#[cfg(test)]
mod tests {
    use super::super::{Frames, Side};
    use super::*;

    #[test]
    fn both_forms_are_frames_that_close() {
        assert_eq!(close_frame(Code::GoingAway, false), [0x88, 2, 0x03, 0xe9]);
        for (side, to_server) in [(Side::Client, true), (Side::Server, false)] {
            let mut frames = Frames::new(side, 0, 0);
            frames.follow(&close_frame(Code::PolicyViolation, to_server)).unwrap();
            assert!(frames.is_closed() && frames.is_between());
        }
    }
}
