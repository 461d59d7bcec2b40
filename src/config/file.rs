//! Text files that an operator wrote: read whole, bounded, and never waited for.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Largest file of the configuration (config.toml, a schema, a list of secrets), in bytes.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// A file's text, without a byte order mark.
#[derive(Clone, PartialEq, Eq)]
pub struct TextFile {
    /// The whole text.
    pub text: String,
    /// Whether every account of the machine may change the file.
    pub writable_by_all: bool,
    /// Whether every account of the machine may read the file.
    pub readable_by_all: bool,
}

/// Why a file could not be taken. The sentences hold nothing of its content.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FileError {
    /// There is nothing at the path.
    #[error("there is no such file")]
    Missing,
    /// Something else than a file is at the path.
    #[error("is {0}, not a file")]
    NotAFile(&'static str),
    /// The file is larger than [`CONFIG_BYTES_MAX`].
    #[error("is larger than 1 MiB")]
    TooLarge,
    /// The bytes are no UTF-8.
    #[error("line {line} is not UTF-8")]
    NotUtf8 {
        /// From 1.
        line: usize,
    },
    /// The system refused.
    #[error("cannot be read: {0}")]
    Unreadable(io::ErrorKind),
}

/// Reads a text file. Symbolic links are followed: that is how a mounted secret or a release is swapped.
///
/// # Errors
/// When the path is no regular file (a pipe is opened without waiting for its other end), cannot be read, is larger
/// than [`CONFIG_BYTES_MAX`] or is no UTF-8.
pub fn read_file(path: &Path) -> Result<TextFile, FileError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(|e| refusal(path, &e))?;
    let metadata = file.metadata().map_err(|e| FileError::Unreadable(e.kind()))?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile(kind(metadata.file_type())));
    }
    if metadata.len() > CONFIG_BYTES_MAX {
        return Err(FileError::TooLarge);
    }
    let text = text_of(file)?;
    let by_all = |mask| metadata.mode() & mask != 0;
    Ok(TextFile { text, writable_by_all: by_all(0o002), readable_by_all: by_all(0o004) })
}

/// The size may grow after it was looked at: the read itself has the limit.
fn text_of(file: File) -> Result<String, FileError> {
    let mut bytes = Vec::new();
    file.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| FileError::Unreadable(e.kind()))?;
    if bytes.len() as u64 > CONFIG_BYTES_MAX {
        return Err(FileError::TooLarge);
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        FileError::NotUtf8 { line: e.as_bytes()[..good].split(|b| *b == b'\n').count() }
    })?;
    Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned))
}

fn refusal(path: &Path, error: &io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound => FileError::Missing,
        // A socket cannot be opened at all; say what it is.
        other => match path.metadata() {
            Ok(m) if !m.is_file() => FileError::NotAFile(kind(m.file_type())),
            _ => FileError::Unreadable(other),
        },
    }
}

fn kind(file_type: std::fs::FileType) -> &'static str {
    match () {
        () if file_type.is_dir() => "a folder",
        () if file_type.is_fifo() => "a pipe",
        () if file_type.is_socket() => "a socket",
        () => "a device",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn refused(path: &Path) -> FileError {
        read_file(path).map(|f| f.text).unwrap_err()
    }

    #[test]
    fn hr_05_what_is_no_plain_file_is_refused_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(refused(&at("none")), FileError::Missing);
        assert_eq!(refused(folder.path()), FileError::NotAFile("a folder"));
        assert_eq!(refused(Path::new("/dev/zero")), FileError::NotAFile("a device"));
        let status = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(status.success());
        assert_eq!(refused(&at("pipe")), FileError::NotAFile("a pipe"));
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        assert_eq!(refused(&at("socket")), FileError::NotAFile("a socket"));
        symlink(at("loop"), at("loop")).unwrap();
        assert!(matches!(refused(&at("loop")), FileError::Unreadable(_)));
    }

    #[test]
    fn hr_05_a_large_or_sparse_file_is_refused_by_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        File::create(&path).unwrap().set_len(1 << 30).unwrap();
        assert_eq!(refused(&path), FileError::TooLarge);
        File::create(&path).unwrap().set_len(CONFIG_BYTES_MAX).unwrap();
        assert!(read_file(&path).is_ok());
    }

    #[test]
    fn hr_05_a_file_that_everybody_may_write_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("open");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(!read_file(&path).unwrap().writable_by_all);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(read_file(&path).unwrap().writable_by_all);
    }

    #[test]
    fn hr_06_bad_utf8_names_its_line_and_a_byte_order_mark_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        fs::write(&path, b"a\nb\n\xff").unwrap();
        assert_eq!(refused(&path), FileError::NotUtf8 { line: 3 });
        fs::write(&path, b"\xef\xbb\xbfa = 1\r\n").unwrap();
        assert_eq!(read_file(&path).unwrap().text, "a = 1\r\n");
        fs::write(&path, b"").unwrap();
        assert_eq!(read_file(&path).unwrap().text, "");
    }
}
