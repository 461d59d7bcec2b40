//! The token that allows changes: a file that only its owner can read, made at the first start.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::{constant_time, digest};

use crate::base::secret::Secret;
use crate::config::{Config, new_secret};

/// The name of the token file in the data folder.
pub const TOKEN_FILE: &str = "admin.token";

/// The longest token file, in bytes.
const FILE_BYTES_MAX: u64 = 4096;

/// The shortest token that is taken from a file, in bytes.
const TOKEN_LENGTH_MIN: usize = 16;

/// The token that a request must bring. Clones share it: who renews one has renewed all.
#[derive(Clone, Debug)]
pub struct Token(Arc<ArcSwap<Secret<String>>>);

impl Token {
    /// The token with that text.
    pub fn new(text: Secret<String>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(text)))
    }

    /// Puts another text in its place, at once and for every request that is judged from now on.
    pub fn renew(&self, text: Secret<String>) {
        self.0.store(Arc::new(text));
    }

    /// Whether that is its text.
    pub fn is_text(&self, text: &Secret<String>) -> bool {
        *self.0.load_full() == *text
    }

    /// Tells this text from every other, and tells nobody the text.
    pub(in crate::server) fn fingerprint(&self) -> [u8; 32] {
        sha256(self.0.load().expose().as_bytes())
    }

    /// Whether the bytes are the token. Hashes are compared, in constant time: how much of a wrong token is right, or how
    /// long the right one is, shows nowhere (AD-01).
    pub fn is(&self, given: &[u8]) -> bool {
        let own = sha256(self.0.load().expose().as_bytes());
        constant_time::verify_slices_are_equal(&own, &sha256(given)).is_ok()
    }
}

/// Where the token of a configuration stands.
pub fn token_path(token_file: Option<&Path>, data_folder: &Path) -> PathBuf {
    token_file.map_or_else(|| data_folder.join(TOKEN_FILE), Path::to_owned)
}

/// The admin token: of `admin.token_file`, or of `admin.token` in the data folder, which is made (0600) where it is absent.
///
/// # Errors
/// The file cannot be made or read, or holds no token: then the gateway must not start (AD-05).
pub fn admin_token(config: &Config, data_folder: &Path) -> io::Result<Secret<String>> {
    token_in(config.admin.token_file.as_deref(), data_folder)
}

fn token_in(token_file: Option<&Path>, data_folder: &Path) -> io::Result<Secret<String>> {
    if token_file.is_none() {
        make(data_folder, TOKEN_FILE)?;
    }
    read_token(&token_path(token_file, data_folder))
}

/// A secret of that name in the data folder, which is made (0600) where it is absent.
///
/// # Errors
/// As [`read_token`].
pub fn kept_secret(data_folder: &Path, name: &str) -> io::Result<Secret<String>> {
    make(data_folder, name)?;
    read_token(&data_folder.join(name))
}

/// Reads a token file: one line, without the blanks around it.
///
/// # Errors
/// It is absent, unreadable, no regular file, too long, or holds no token. The sentence names the file and holds nothing of it.
pub fn read_token(path: &Path) -> io::Result<Secret<String>> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {}", path.display(), plain(&error)));
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()));
    // A pipe in the file's place must not hold the start up.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(named)?;
    if !file.metadata().map_err(named)?.is_file() {
        return Err(bad("is not a file"));
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(named)?;
    let token = text.trim();
    let clean = token.bytes().all(|b| b.is_ascii_graphic());
    if text.len() as u64 > FILE_BYTES_MAX || !clean || token.len() < TOKEN_LENGTH_MIN {
        return Err(bad("holds no admin token: one line of at least 16 printable characters is expected"));
    }
    Ok(Secret::new(token.to_owned()))
}

/// Makes the token file where there is none. Written under another name and renamed, so that nobody reads half a token;
/// whoever holds the database's lock is alone here.
fn make(folder: &Path, name: &str) -> io::Result<()> {
    let path = folder.join(name);
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    let draft = folder.join(format!(".{name}.draft"));
    let write = || {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // One that a killed start left.
        std::fs::remove_file(&draft).ok();
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        writeln!(file, "{}", new_secret()?.expose())?;
        file.sync_all()?;
        std::fs::rename(&draft, &path)
    };
    write().map_err(|error: io::Error| {
        io::Error::new(error.kind(), format!("{}: {}", path.display(), plain(&error)))
    })
}

/// What the system said, as a reader of the sentence knows it.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        kind => kind.to_string(),
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_token_is_made_once_for_its_owner_alone_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let first = token_in(None, &data).unwrap();
        assert_eq!(first.expose().len(), 64);
        assert_eq!(token_in(None, &data).unwrap(), first);
        let mode = std::fs::metadata(data.join(TOKEN_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn ad_05_a_token_that_cannot_be_read_is_an_error_and_never_an_open_door() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let read = || token_in(Some(&file), dir.path());
        assert!(read().is_err(), "absent");
        assert!(!dir.path().join(TOKEN_FILE).exists(), "a named file is not replaced by another");
        for bad in ["", "\n", "short", "two words of some length", &"x".repeat(5000)] {
            std::fs::write(&file, bad).unwrap();
            let error = read().unwrap_err().to_string();
            assert!(bad.trim().is_empty() || !error.contains(bad.trim()), "{error}");
        }
        std::fs::write(&file, "a-token-of-one-line\n").unwrap();
        assert_eq!(read().unwrap().expose(), "a-token-of-one-line");
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(read().is_err(), "a folder");
    }

    #[test]
    fn ad_01_only_the_whole_token_is_the_token() {
        let token = Token::new(Secret::new("0123456789abcdef".into()));
        assert!(token.is(b"0123456789abcdef"));
        for wrong in [
            &b""[..],
            b"0",
            b"0123456789abcde",
            b"0123456789abcdeF",
            b"0123456789abcdef ",
            b"0123456789abcdef0",
        ] {
            assert!(!token.is(wrong));
        }
        assert!(!format!("{token:?}").contains("0123"));
    }
}
