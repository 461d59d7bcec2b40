//! Why a file does not become a database, in words that follow the file's name.

use std::io;

/// Why a file is no database that can go live.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GeoError {
    /// There is nothing at the path.
    #[error("is not there")]
    Absent,
    /// Something else than a file is at the path.
    #[error("is {0}, not a file")]
    NotAFile(&'static str),
    /// The file is larger than [`super::FILE_BYTES_MAX`].
    #[error("is larger than 256 MiB")]
    TooLarge,
    /// The system refused.
    #[error("cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    /// The bytes are no database in `MaxMind`'s format, or only a part of one.
    #[error("is no database in MaxMind's format, or a damaged one: {0}")]
    Damaged(String),
    /// A database that knows other things than it is asked for.
    #[error("holds no {wanted}: it is a database of the type `{found}`")]
    WrongType {
        /// What was looked for.
        wanted: &'static str,
        /// What the database calls itself.
        found: String,
    },
}
