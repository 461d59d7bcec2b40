//! A new session secret in the file of secrets: it comes first and signs; the ones before it verify, or are gone.

use std::io;
use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::file::{FileError, read_file};
use super::secrets::{KEYS_MAX, development_file, make_development_secret, new_secret};
use super::{Config, Environment};
use crate::base::secret::Secret;

/// What of a file's permissions is kept: others lose theirs.
const PERMISSIONS: u32 = 0o770;

/// Why the secret was not rotated. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The secret came from the environment, which no other process can change.
    #[error("the session secret is set in the environment: restart the gateway with a new value")]
    Environment,
    /// The secret stands in config.toml itself.
    #[error(
        "the session secret stands in config.toml: replace `session.secret` there, or use `session.secret_file`"
    )]
    Configuration,
    /// There is no file of secrets.
    #[error("there is no session secret to rotate: set `session.secret_file`")]
    NoFile,
    /// The file of secrets cannot be read.
    #[error("{path}: {why}", path = .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: FileError,
    },
    /// Another rotation left its draft, or is at work.
    #[error("{path} is there: another rotation is at work; remove the file if none is", path = .path.display())]
    UnderWay {
        /// The draft.
        path: PathBuf,
    },
    /// The file of secrets cannot be replaced.
    #[error("{path} cannot be replaced: {source}", path = .path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The file of secrets.
    pub file: PathBuf,
    /// How many older secrets still verify.
    pub kept: usize,
}

impl RotateError {
    /// Whether the configuration says where the secret is, and that place cannot be rotated.
    pub fn is_by_configuration(&self) -> bool {
        matches!(self, Self::Environment | Self::Configuration | Self::NoFile)
    }
}

/// The file whose first line is the session secret: `session.secret_file`, or in development the one in the data folder.
///
/// # Errors
/// The secret is in the environment or in config.toml, or there is no file.
pub fn secret_file(config: &Config) -> Result<PathBuf, RotateError> {
    match (&config.session.secret, &config.session.secret_file) {
        (Some(_), _) if config.session.secret_from_environment => Err(RotateError::Environment),
        (Some(_), _) => Err(RotateError::Configuration),
        (None, Some(file)) => Ok(file.clone()),
        (None, None) if config.environment == Environment::Development => {
            Ok(development_file(config.storage.data_folder()))
        }
        (None, None) => Err(RotateError::NoFile),
    }
}

/// Puts a new secret first into the file. With `keep` the older ones stay below it and verify, the newest of them up to
/// what a ring holds; without, they are gone. The file is replaced whole, by a rename, and keeps its owner and permissions,
/// but for those of others.
///
/// # Errors
/// [`RotateError`]; then the file is as it was.
pub fn rotate(file: &Path, keep: bool) -> Result<Rotated, RotateError> {
    let unwritable = |source| RotateError::Unwritable { path: file.to_owned(), source };
    // The file itself, not the link to it: a rename would leave what the link points at as it was.
    let target = match file.canonicalize() {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return first(file).map_err(unwritable);
        }
        Err(error) => return Err(unwritable(error)),
    };
    let draft = Draft::begin(&target).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => RotateError::UnderWay { path: Draft::path(&target) },
        _ => RotateError::Unwritable { path: target.clone(), source },
    })?;
    // Read once the draft is ours: two rotations, one after the other, lose no secret.
    let text = read_file(&target).map_err(|why| RotateError::Unreadable { path: file.to_owned(), why })?.text;
    let older: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let kept = if keep { &older[..older.len().min(KEYS_MAX - 1)] } else { &[] };
    let secret = new_secret().map_err(unwritable)?;
    draft.finish(&target, lines(&secret, kept).expose(), PERMISSIONS).map_err(unwritable)?;
    Ok(Rotated { file: file.to_owned(), kept: kept.len() })
}

/// There is none yet: this one is the first.
fn first(file: &Path) -> io::Result<Rotated> {
    let folder = file.parent().unwrap_or(Path::new("."));
    if file != development_file(folder) {
        return Err(io::Error::new(io::ErrorKind::NotFound, "there is no such file"));
    }
    make_development_secret(folder)?;
    Ok(Rotated { file: file.to_owned(), kept: 0 })
}

fn lines(secret: &Secret<String>, kept: &[&str]) -> Secret<String> {
    let mut text = secret.expose().clone();
    for line in kept {
        text.push('\n');
        text.push_str(line);
    }
    text.push('\n');
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    fn read(path: &Path) -> Vec<String> {
        fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_new_secret_comes_first_and_the_old_ones_stay_only_when_kept() {
        let (folder, path) = file("one\r\n\ntwo\n", 0o600);
        assert_eq!(rotate(&path, true).unwrap().kept, 2);
        let lines = read(&path);
        assert_eq!((lines[0].len(), &lines[1..]), (64, &["one".to_owned(), "two".to_owned()][..]));
        assert_eq!(rotate(&path, false).unwrap().kept, 0);
        let newer = read(&path);
        assert_eq!(newer.len(), 1);
        assert_ne!(newer[0], lines[0]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_ring_holds_sixteen_and_the_oldest_gives_way() {
        let old: Vec<String> = (0..16).map(|i| format!("secret {i}")).collect();
        let (_folder, path) = file(&old.join("\n"), 0o640);
        assert_eq!(rotate(&path, true).unwrap().kept, 15);
        assert_eq!(read(&path)[1..], old[..15]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640, "its group reads it still");
    }

    #[test]
    fn what_others_could_read_they_no_longer_can_and_a_link_stays_a_link() {
        let (folder, path) = file("one\n", 0o644);
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        rotate(&link, true).unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(read(&path).len(), 2);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    }

    #[test]
    fn a_rotation_that_cannot_be_done_changes_nothing() {
        let (folder, path) = file("one\n", 0o600);
        let draft = folder.path().join(".secrets.new");
        fs::write(&draft, "").unwrap();
        assert!(matches!(rotate(&path, true), Err(RotateError::UnderWay { .. })));
        assert!(draft.exists(), "another's draft is not ours to remove");
        fs::remove_file(&draft).unwrap();
        fs::write(&path, b"\xff\n").unwrap();
        assert!(matches!(rotate(&path, true), Err(RotateError::Unreadable { .. })));
        assert!(!draft.exists());
        assert_eq!(fs::read(&path).unwrap(), b"\xff\n");
        let missing = folder.path().join("missing");
        assert!(matches!(rotate(&missing, true), Err(RotateError::Unwritable { .. })));
        assert!(!missing.exists());
    }

    #[test]
    fn in_development_the_first_secret_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = development_file(folder.path());
        assert_eq!(rotate(&path, false).unwrap().kept, 0);
        assert_eq!(read(&path)[0].len(), 64);
        assert_eq!(rotate(&path, true).unwrap().kept, 1);
    }
}
