//! What framing depends on, gathered from the header lines of one message.

use super::{Fault, Fields};

/// A header that may stand once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Once<'a> {
    /// It does not stand there.
    #[default]
    Absent,
    /// It does, with this value.
    One(&'a [u8]),
    /// It stands there more than once.
    Many,
}

impl<'a> Once<'a> {
    /// It stands there once more.
    pub fn add(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::Absent => Self::One(value),
            Self::One(_) | Self::Many => Self::Many,
        };
    }

    /// Whether it stands there at all.
    pub fn is_present(self) -> bool {
        self != Self::Absent
    }
}

/// What framing depends on. What is allowed is for the side to say that asks: a request's judge or a response's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Header lines.
    pub count: usize,
    /// Bytes of all names and values.
    pub size: usize,
    /// Bytes of the longest name.
    pub name_max: usize,
    /// `Content-Length`.
    pub content_length: Once<'a>,
    /// `Transfer-Encoding`.
    pub transfer_encoding: Once<'a>,
    /// `Host`.
    pub host: Once<'a>,
    /// `Upgrade`.
    pub upgrade: Once<'a>,
    /// `Connection`; several lines are allowed, and then each must be read.
    pub connection: Once<'a>,
}

impl<'a> Facts<'a> {
    /// Goes through the lines.
    ///
    /// # Errors
    /// The first line that is none.
    pub fn gather(lines: &'a [u8]) -> Result<Self, Fault> {
        let mut facts = Self::default();
        for field in Fields::new(lines) {
            let field = field?;
            facts.count += 1;
            facts.size += field.name.len() + field.value.len();
            facts.name_max = facts.name_max.max(field.name.len());
            // The length first: it tells most names apart without a look at them.
            let known = match field.name.len() {
                4 if field.is("host") => &mut facts.host,
                7 if field.is("upgrade") => &mut facts.upgrade,
                10 if field.is("connection") => &mut facts.connection,
                14 if field.is("content-length") => &mut facts.content_length,
                17 if field.is("transfer-encoding") => &mut facts.transfer_encoding,
                _ => continue,
            };
            known.add(field.value);
        }
        Ok(facts)
    }
}

/// A length as `Content-Length` may say it: digits, no sign, no list, no zero in front, and small enough that a sum of
/// two of them is still a number.
pub fn decimal(value: &[u8]) -> Option<u64> {
    let leading_zero = value.len() > 1 && value[0] == b'0';
    if value.is_empty() || leading_zero {
        return None;
    }
    value.iter().try_fold(0_u64, |sum, b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit).filter(|sum| *sum <= i64::MAX.unsigned_abs())
    })
}

/// Whether a transfer coding is `chunked` and nothing else.
pub fn is_chunked(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"chunked")
}
