//! The frames of one direction, followed as their bytes go by. Only headers are read; nothing is kept or changed.
//!
//! # Source
//! RFC 6455 sections 5.2 to 5.5.

/// Longest header of a frame, in bytes: two, a length of eight, a mask of four.
const HEADER_BYTES_MAX: usize = 14;

/// Longest payload of a control frame, in bytes.
const CONTROL_BYTES_MAX: u64 = 125;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client: its frames are masked.
    Client,
    /// The server: its frames are not.
    Server,
}

/// Why no more of a direction goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// What comes is no frame that may stand here.
    Malformed,
    /// A message is longer than the limit.
    TooBig,
}

/// Where a direction stands.
#[derive(Clone, Debug)]
pub struct Frames {
    side: Side,
    reserved_bits: u8,
    message_max: u64,
    place: Place,
    /// Payload bytes of the message under way, as its headers announce them.
    message: u64,
    in_message: bool,
    carried_data: bool,
    closed: bool,
}

#[derive(Clone, Debug)]
enum Place {
    Header { bytes: [u8; HEADER_BYTES_MAX], have: usize },
    Payload { left: u64 },
}

const START: Place = Place::Header { bytes: [0; HEADER_BYTES_MAX], have: 0 };

impl Frames {
    /// Follows a direction from its first byte. `reserved_bits` are those that an agreed extension uses; `message_max` is
    /// in bytes as they go over the wire, compressed or not.
    pub fn new(side: Side, reserved_bits: u8, message_max: u64) -> Self {
        Self {
            side,
            reserved_bits,
            message_max,
            place: START,
            message: 0,
            in_message: false,
            carried_data: false,
            closed: false,
        }
    }

    /// Takes note of bytes that are about to go on.
    ///
    /// # Errors
    /// [`Violation`], at which the direction ends: none of these bytes goes on.
    pub fn follow(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while !bytes.is_empty() {
            match &mut self.place {
                Place::Payload { left } => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= taken as u64;
                    bytes = &bytes[taken..];
                    if *left == 0 {
                        self.place = START;
                    }
                }
                Place::Header { bytes: header, have } => {
                    header[*have] = bytes[0];
                    *have += 1;
                    bytes = &bytes[1..];
                    let (header, have) = (*header, *have);
                    if have >= 2 && have == header_length(header[1]) {
                        self.begin(&header[..have])?;
                    } else if have == 2 {
                        self.judge(header[0], header[1])?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the last byte that went by was the last of a frame: only there may another frame be put in.
    pub fn is_between(&self) -> bool {
        matches!(self.place, Place::Header { have: 0, .. })
    }

    /// Whether a close frame has begun; nothing may follow it.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether a frame with data has begun since the last time that this was asked; pings and pongs are none.
    pub fn take_carried_data(&mut self) -> bool {
        std::mem::take(&mut self.carried_data)
    }

    /// What can be judged by the first two bytes is judged there: nobody waits for the rest of what is no frame.
    fn judge(&self, first: u8, second: u8) -> Result<(), Violation> {
        let (opcode, is_last) = (first & OPCODE, first & FIN != 0);
        let is_control = opcode & 0x8 != 0;
        let reserved_bits = if is_control { 0 } else { self.reserved_bits };
        let fits = match opcode {
            0x0 => self.in_message,
            0x1 | 0x2 => !self.in_message,
            0x8..=0xa => is_last && u64::from(second & LENGTH) <= CONTROL_BYTES_MAX,
            _ => false,
        };
        let masked_as_due = (second & MASKED != 0) == (self.side == Side::Client);
        let holds = fits && masked_as_due && !self.closed && first & RESERVED & !reserved_bits == 0;
        if holds { Ok(()) } else { Err(Violation::Malformed) }
    }

    /// A header is whole.
    fn begin(&mut self, header: &[u8]) -> Result<(), Violation> {
        self.judge(header[0], header[1])?;
        let length = payload_length(header).ok_or(Violation::Malformed)?;
        self.place = if length == 0 { START } else { Place::Payload { left: length } };
        match header[0] & OPCODE {
            0x8 => self.closed = true,
            0x0..=0x2 => {
                self.carried_data = true;
                self.message = self.message.saturating_add(length);
                if self.message > self.message_max {
                    return Err(Violation::TooBig);
                }
                self.in_message = header[0] & FIN == 0;
                if !self.in_message {
                    self.message = 0;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn header_length(second: u8) -> usize {
    let length = match second & LENGTH {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & MASKED == 0 { 0 } else { 4 };
    2 + length + mask
}

/// The payload's length; none where it is not written in the fewest bytes, or has its first bit set.
fn payload_length(header: &[u8]) -> Option<u64> {
    match header[1] & LENGTH {
        126 => {
            let length = u16::from_be_bytes(header[2..4].try_into().ok()?);
            (u64::from(length) > CONTROL_BYTES_MAX).then_some(u64::from(length))
        }
        127 => {
            let length = u64::from_be_bytes(header[2..10].try_into().ok()?);
            (length > u64::from(u16::MAX) && length >> 63 == 0).then_some(length)
        }
        short => Some(u64::from(short)),
    }
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
