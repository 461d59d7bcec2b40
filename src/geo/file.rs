//! The file of a database: bounded, never waited for, and told by its stamp whether it must be read again.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::error::GeoError;

/// Largest database, in bytes. The free ones of countries are 4 to 10 MB, those of cities 60 to 130 MB.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

/// What a file looked like: device, inode, size, and both times to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp([u64; 3], [i64; 4]);

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self(
            [meta.dev(), meta.ino(), meta.len()],
            [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()],
        )
    }
}

/// Opens the file. A pipe is opened without waiting for its other end.
pub(super) fn open(path: &Path) -> Result<(File, Stamp), GeoError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|error| refusal(path, &error))?;
    let meta = file.metadata().map_err(|error| GeoError::Unreadable(error.kind()))?;
    if !meta.is_file() {
        return Err(GeoError::NotAFile(kind(meta.file_type())));
    }
    if meta.len() > FILE_BYTES_MAX {
        return Err(GeoError::TooLarge);
    }
    Ok((file, Stamp::of(&meta)))
}

/// Reads the whole file; it may have grown since it was looked at, so the reading has the limit too.
pub(super) fn read(file: File) -> Result<Vec<u8>, GeoError> {
    let unreadable = |error: io::Error| GeoError::Unreadable(error.kind());
    let size = file.metadata().map_err(unreadable)?.len().min(FILE_BYTES_MAX);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(GeoError::TooLarge);
    }
    Ok(bytes)
}

fn refusal(path: &Path, error: &io::Error) -> GeoError {
    match error.kind() {
        io::ErrorKind::NotFound => GeoError::Absent,
        // A socket cannot be opened at all; say what it is.
        other => match path.metadata() {
            Ok(meta) if !meta.is_file() => GeoError::NotAFile(kind(meta.file_type())),
            _ => GeoError::Unreadable(other),
        },
    }
}

fn kind(file_type: FileType) -> &'static str {
    match () {
        () if file_type.is_dir() => "a folder",
        () if file_type.is_fifo() => "a pipe",
        () if file_type.is_socket() => "a socket",
        () => "a device",
    }
}
