//! Values that nobody can guess, and how they are compared.

use aws_lc_rs::{constant_time, digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// 256 random bits in 43 letters, digits, `-` and `_`.
///
/// # Panics
/// If the system's random generator fails: better no sign-in than one that can be guessed.
pub(super) fn token() -> String {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).expect("the system's random generator does not fail once the process has started");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// SHA-256.
pub(super) fn hash(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    out
}

/// Whether a text has this hash, in a time that does not tell where they differ.
pub(super) fn is_hash_of(expected: &[u8; 32], text: &str) -> bool {
    constant_time::verify_slices_are_equal(expected, &hash(text)).is_ok()
}

/// The PKCE challenge of a verifier (RFC 7636 section 4.2, method S256).
pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(hash(verifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oi_03_the_challenge_is_that_of_the_specification() {
        // RFC 7636 appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
