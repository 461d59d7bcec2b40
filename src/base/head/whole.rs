//! The usual head: it is there as a whole, begins with its first line, and holds nothing odd. Then one look for the line
//! ends and one pass over all of its bytes, sixteen and more at a time, say all that [`Finder`](super::Finder) finds line by
//! line. Whatever is odd is left to it, and it says what is wrong.

use memchr::memchr_iter;

/// A head without a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// Its bytes.
    pub end: usize,
    /// Those of its first line, with the line's end.
    pub first: usize,
    /// Its lines, the empty one at the end not.
    pub lines: usize,
}

/// The head at the front of the bytes; nothing where it is not all there or something is odd.
pub(super) fn whole(bytes: &[u8]) -> Option<Whole> {
    if !bytes.first()?.is_ascii_graphic() {
        return None;
    }
    let mut ends = memchr_iter(b'\n', bytes);
    let first = ends.next()? + 1;
    let (mut line, mut lines) = (first, 1);
    for lf in ends {
        if lf == line + 1 {
            let end = lf + 1;
            return is_clean(&bytes[..end]).then_some(Whole { end, first, lines });
        }
        line = lf + 1;
        lines += 1;
    }
    None
}

/// Whether each LF stands behind a CR and each CR before an LF, and no other control character but TAB stands there; the
/// first byte is not asked.
fn is_clean(head: &[u8]) -> bool {
    let after = head.get(1..).unwrap_or_default();
    let odd = head.iter().zip(after).fold(0, |odd, (before, byte)| {
        let is_unpaired = (*before == b'\r') != (*byte == b'\n');
        let is_control = *byte < b' ' && !matches!(byte, b'\t' | b'\r' | b'\n') || *byte == 0x7f;
        odd | u8::from(is_unpaired) | u8::from(is_control)
    });
    odd == 0
}
