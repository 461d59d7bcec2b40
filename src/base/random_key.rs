//! The hash of keys that are random already, in whole or in half, so that nobody can choose where one stands: what is random
//! is as good as any hash of it, and the standard hash takes ten times as long.

use std::hash::Hasher;

/// Takes the words of a key for its hash.
#[derive(Default)]
pub struct RandomAlready(u64);

impl Hasher for RandomAlready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for word in bytes.as_chunks().0 {
            // Turned, for the few bits that are the same in every id (RFC 9562 section 5.4) not to meet.
            self.0 = self.0.rotate_left(29) ^ u64::from_ne_bytes(*word);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}
