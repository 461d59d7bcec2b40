//! `hash::`: digests, and comparing secrets without telling by the time where they differ.

use aws_lc_rs::{constant_time, digest, hmac};
use rhai::{Module, export_module, exported_module};

use super::text::pay;
use crate::base::text::hex;
use crate::script::call::Raised;

/// Hashing costs more than looking: one byte counts as this many.
const BYTE_COST: usize = 4;

pub(super) fn module() -> Module {
    exported_module!(hash)
}

#[export_module]
mod hash {
    /// SHA-256 of a text, in hex.
    #[rhai_fn(return_raw)]
    pub fn sha256(s: &str) -> Raised<String> {
        pay(s.len() * BYTE_COST)?;
        Ok(hex(digest::digest(&digest::SHA256, s.as_bytes()).as_ref()))
    }

    /// HMAC-SHA256 of a text under a key, in hex.
    #[rhai_fn(return_raw)]
    pub fn hmac(key: &str, s: &str) -> Raised<String> {
        pay((key.len() + s.len()) * BYTE_COST)?;
        let key = self::hmac::Key::new(self::hmac::HMAC_SHA256, key.as_bytes());
        Ok(hex(self::hmac::sign(&key, s.as_bytes()).as_ref()))
    }

    /// Whether two texts are equal, in a time that does not tell where they differ.
    #[rhai_fn(return_raw)]
    pub fn equal(a: &str, b: &str) -> Raised<bool> {
        pay(a.len())?;
        Ok(constant_time::verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok())
    }
}
