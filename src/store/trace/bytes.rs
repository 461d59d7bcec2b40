//! Where the bytes of a trace are kept: within the row itself, as far as they fit. The row goes to another thread, and memory
//! that one thread asks for and another gives back costs more than to write the trace.

use std::fmt;
use std::ops::Deref;

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

/// Most bytes that need no memory of their own; of a request that no rule was asked about all fit.
const WITHIN: usize = 94;

/// A trace, encoded.
#[derive(Clone)]
pub struct TraceBytes(Kept);

#[derive(Clone)]
enum Kept {
    Within { length: u8, bytes: [u8; WITHIN] },
    Apart(Vec<u8>),
}

const _: () = assert!(WITHIN <= u8::MAX as usize, "the length fits its byte");

impl TraceBytes {
    /// No bytes yet.
    pub(super) const fn new() -> Self {
        Self(Kept::Within { length: 0, bytes: [0; WITHIN] })
    }

    pub(super) fn push(&mut self, byte: u8) {
        match &mut self.0 {
            Kept::Within { length, bytes } => match bytes.get_mut(usize::from(*length)) {
                Some(place) => {
                    *place = byte;
                    *length += 1;
                }
                None => self.apart().push(byte),
            },
            Kept::Apart(bytes) => bytes.push(byte),
        }
    }

    pub(super) fn extend_from_slice(&mut self, more: &[u8]) {
        match &mut self.0 {
            Kept::Within { length, bytes } => {
                let start = usize::from(*length);
                match bytes.get_mut(start..start + more.len()) {
                    Some(place) => {
                        place.copy_from_slice(more);
                        *length += u8::try_from(more.len()).expect("it fitted");
                    }
                    None => self.apart().extend_from_slice(more),
                }
            }
            Kept::Apart(bytes) => bytes.extend_from_slice(more),
        }
    }

    /// Moves what there is to memory of its own.
    #[cold]
    fn apart(&mut self) -> &mut Vec<u8> {
        let mut moved = Vec::with_capacity(4 * WITHIN);
        moved.extend_from_slice(self);
        self.0 = Kept::Apart(moved);
        match &mut self.0 {
            Kept::Apart(bytes) => bytes,
            Kept::Within { .. } => unreachable!("it was moved just now"),
        }
    }
}

impl Deref for TraceBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kept::Within { length, bytes } => &bytes[..usize::from(*length)],
            Kept::Apart(bytes) => bytes,
        }
    }
}

impl PartialEq for TraceBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for TraceBytes {}

impl fmt::Debug for TraceBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&**self).finish()
    }
}

impl ToSql for TraceBytes {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_are_kept_in_order_however_many_there_are(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..12)
        ) {
            let (mut kept, mut wanted) = (TraceBytes::new(), Vec::new());
            for part in &parts {
                if let [byte] = part[..] {
                    kept.push(byte);
                } else {
                    kept.extend_from_slice(part);
                }
                wanted.extend_from_slice(part);
            }
            prop_assert_eq!(&*kept, &*wanted);
            prop_assert_eq!(matches!(kept.0, Kept::Within { .. }), wanted.len() <= WITHIN);
            kept.push(7);
            wanted.push(7);
            prop_assert_eq!(&*kept, &*wanted);
        }
    }
}
