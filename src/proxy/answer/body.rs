//! Where a body ends.

use super::fault::Fault;
use super::head::Framing;
use crate::base::head::chunks::Chunks;

/// A body that is being followed.
pub enum Body {
    /// So many bytes are to come.
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

impl Body {
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunks::with_blanks()),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Follows the next bytes and says how many of them belong to the body.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        match self {
            Self::Length(left) => {
                let here = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= here as u64;
                Ok(here)
            }
            // Of a piece with a bad byte nothing goes on: the fault is known before the bytes are.
            Self::Chunked(chunks) => Ok(chunks.follow(bytes).map_err(|(fault, _)| fault)?.length),
            Self::UntilClose => Ok(bytes.len()),
        }
    }

    /// Whether it has ended, so that no byte more belongs to it.
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.is_end(),
            Self::UntilClose => false,
        }
    }
}
