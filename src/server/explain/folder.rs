//! A folder for a while, for nobody else to read.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// The folder; it goes when this is dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it among the system's temporary files; `purpose` is a part of its name.
    ///
    /// # Errors
    /// No folder can be made there.
    pub fn new(purpose: &str) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("pluginmind-{purpose}-{}", Uuid::new_v4()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it is empty of people: nobody but the play has written to it.
        fs::remove_dir_all(&self.0).ok();
    }
}
