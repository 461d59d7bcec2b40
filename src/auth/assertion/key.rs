//! The key that signs assertions: P-256, made once, kept in the data folder for its owner alone.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

/// The name of the key's file in the data folder.
pub const KEY_FILE: &str = "assertion.key";

/// The longest file that is read, in bytes; a key takes about 240.
const FILE_BYTES_MAX: u64 = 4096;
/// An uncompressed P-256 point: a byte, then `x` and `y` (SEC 1 section 2.3.3).
const POINT_BYTES: usize = 65;
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
/// Characters of a line of PEM (RFC 7468 section 2).
const PEM_LINE: usize = 64;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{}: holds no P-256 key in PKCS#8 (PEM): remove it, and a new one is made", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
}

/// A private key, its name, and its public half.
pub struct SigningKey {
    signs: EncodingKey,
    kid: String,
    jwk: Value,
}

impl SigningKey {
    /// The key in the data folder, made there (0600) where there is none. One that is there is never replaced.
    ///
    /// # Errors
    /// The file cannot be read or made, or holds no key.
    pub fn of_folder(folder: &Path) -> Result<Self, KeyError> {
        let path = folder.join(KEY_FILE);
        match make(folder, &path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(KeyError::Io { path, source: error });
            }
            _ => {}
        }
        let text = match read(&path) {
            Ok(text) => text,
            Err(source) => return Err(KeyError::Io { path, source }),
        };
        from_pem(&text).and_then(|der| Self::from_pkcs8(&der)).ok_or(KeyError::NoKey { path })
    }

    fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok()?;
        let point = pair.public_key().as_ref();
        if point.len() != POINT_BYTES {
            return None;
        }
        let (x, y) = point[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // RFC 7638 section 3: the required members alone, in this order, without a blank.
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()));
        let jwk =
            json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "use": "sig", "alg": "ES256" });
        Some(Self { signs: EncodingKey::from_ec_der(der), kid, jwk })
    }

    /// Signs.
    pub fn signs(&self) -> &EncodingKey {
        &self.signs
    }

    /// The thumbprint of the public key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key.
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }
}

/// Written under another name and then linked, so that nobody reads half a key and none is replaced.
fn make(folder: &Path, path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let failed = || io::Error::other("the system makes no key");
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(|_| failed())?;
    let draft = folder.join(format!(".{KEY_FILE}.draft"));
    // One that a killed start left; whoever holds the database's lock is alone here.
    std::fs::remove_file(&draft).ok();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(to_pem(key.as_ref()).as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    linked
}

fn read(path: &Path) -> io::Result<String> {
    // A pipe in the file's place must not hold the start up.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a file"));
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn to_pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("{BEGIN}\n");
    for line in text.as_bytes().chunks(PEM_LINE) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem + END + "\n"
}

fn from_pem(text: &str) -> Option<Vec<u8>> {
    let inside = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
    let inside: String = inside.split_ascii_whitespace().collect();
    STANDARD.decode(inside).ok()
}
