//! Secrets that somebody could guess.

use std::fmt;

/// Shortest secret, in bytes: as long as the output of HMAC-SHA256 (RFC 7518 section 3.2).
pub const SECRET_BYTES_MIN: usize = 32;

/// Least Shannon entropy, in bits a character.
pub const BITS_PER_CHARACTER_MIN: f64 = 3.0;

/// What stands in examples in place of a secret: a secret that begins with one of these is a placeholder.
/// Compared in lower case, without `-`, `_`, `.` and spaces.
pub const PLACEHOLDERS: [&str; 29] = [
    "changeit",
    "changeme",
    "changethis",
    "default",
    "development",
    "devsecret",
    "donotuse",
    "dummy",
    "example",
    "fixme",
    "insecure",
    "insertyour",
    "jwtsecret",
    "mysecret",
    "notsecret",
    "notasecret",
    "password",
    "placeholder",
    "pleasechange",
    "replaceme",
    "replacethis",
    "replacewith",
    "secretkey",
    "sessionsecret",
    "supersecret",
    "testsecret",
    "thisis",
    "todo",
    "your",
];

/// Words of which a secret may not wholly consist, digits between them included.
const WORDS: [&str; 24] = [
    "secret",
    "secrets",
    "password",
    "key",
    "token",
    "session",
    "jwt",
    "auth",
    "backend",
    "admin",
    "root",
    "test",
    "this",
    "the",
    "my",
    "very",
    "long",
    "random",
    "string",
    "char",
    "chars",
    "characters",
    "letmein",
    "qwerty",
];

/// Why a secret is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Shorter than [`SECRET_BYTES_MIN`].
    Short,
    /// One of [`PLACEHOLDERS`], or nothing but common words.
    Placeholder,
    /// Under `BITS_PER_CHARACTER_MIN`.
    LowEntropy,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => write!(f, "is shorter than {SECRET_BYTES_MIN} bytes"),
            Self::Placeholder => f.write_str("is a placeholder"),
            Self::LowEntropy => write!(f, "repeats itself: under {BITS_PER_CHARACTER_MIN} bits a character"),
        }
    }
}

/// What is weak about a secret; the placeholder first, because it says most.
pub fn weakness(secret: &[u8]) -> Option<Weakness> {
    if is_placeholder(secret) {
        Some(Weakness::Placeholder)
    } else if secret.len() < SECRET_BYTES_MIN {
        Some(Weakness::Short)
    } else if bits_per_character(secret) < BITS_PER_CHARACTER_MIN {
        Some(Weakness::LowEntropy)
    } else {
        None
    }
}

fn is_placeholder(secret: &[u8]) -> bool {
    let text = String::from_utf8_lossy(secret).to_ascii_lowercase();
    let plain: String = text.chars().filter(|c| !matches!(c, '-' | '_' | '.' | ' ' | '<' | '>')).collect();
    PLACEHOLDERS.iter().any(|p| plain.starts_with(p)) || is_only_words(&plain)
}

/// Whether the text can be cut into [`WORDS`] and digits, with one word at least.
fn is_only_words(text: &str) -> bool {
    let bytes = text.as_bytes();
    // reached[i]: the first i bytes can be cut so; the value says whether a word was among them.
    let mut reached = vec![None; bytes.len() + 1];
    reached[0] = Some(false);
    for i in 0..bytes.len() {
        let Some(had_word) = reached[i] else { continue };
        if bytes[i].is_ascii_digit() {
            reached[i + 1] = Some(reached[i + 1].unwrap_or(false) || had_word);
        }
        for word in WORDS.iter().filter(|w| bytes[i..].starts_with(w.as_bytes())) {
            reached[i + word.len()] = Some(true);
        }
    }
    reached[bytes.len()] == Some(true)
}

/// Shannon entropy of the bytes of a text, in bits a byte.
fn bits_per_character(text: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in text {
        counts[usize::from(*byte)] += 1;
    }
    let total = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    let share = |n: u32| f64::from(n) / total;
    counts.iter().filter(|n| **n > 0).map(|n| -share(*n) * share(*n).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cs_12_placeholders_are_known_in_every_spelling() {
        for text in [
            "your-64-char-secret",
            "YOUR_64_CHAR_SECRET",
            "changeme",
            "ChangeMe-ChangeMe-ChangeMe-ChangeMe!",
            "<your-secret-here>",
            "secret",
            "password",
            "secretsecretsecretsecretsecretsecret",
            "this-is-a-very-long-random-string-1234567890",
            "replace-with-64-random-characters-please",
        ] {
            assert_eq!(weakness(text.as_bytes()), Some(Weakness::Placeholder), "{text}");
        }
    }

    #[test]
    fn cs_12_short_secrets_are_weak() {
        for text in ["", "x7#Kq9!z", "31-bytes-of-x7Kq9zLm2Vw8Rt4Yp0"] {
            assert_eq!(weakness(text.as_bytes()), Some(Weakness::Short), "{text}");
        }
    }

    #[test]
    fn cs_12_secrets_that_repeat_themselves_are_weak() {
        for text in ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abcabcabcabcabcabcabcabcabcabcabcabc"] {
            assert_eq!(weakness(text.as_bytes()), Some(Weakness::LowEntropy), "{text}");
        }
    }

    #[test]
    fn a_random_secret_is_strong_in_hex_and_in_base64() {
        for text in [
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
            "31415926535897932384626433832795028841971693",
            "secret_9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        ] {
            assert_eq!(weakness(text.as_bytes()), None, "{text}");
        }
    }
}
