//! Replaces a file whole, by a rename: whoever reads it sees the old content or the new.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// The next content, beside the file that it is to replace. Dropped unfinished, it is gone.
pub(super) struct Draft {
    path: PathBuf,
    file: File,
    finished: bool,
}

impl Draft {
    /// Where the next content of a file is written.
    pub(super) fn path(target: &Path) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(".new");
        target.with_file_name(name)
    }

    /// Begins a draft; one at a time.
    ///
    /// # Errors
    /// Another one is there, or it cannot be written.
    pub(super) fn begin(target: &Path) -> io::Result<Self> {
        let path = Self::path(target);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, file, finished: false })
    }

    /// Puts the text in the file's place, with its owner and those of its permissions that the mask leaves.
    ///
    /// # Errors
    /// It cannot be written; the file is as it was.
    pub(super) fn finish(mut self, target: &Path, text: &str, mask: u32) -> io::Result<()> {
        self.write(target, text, mask)?;
        self.take_place(target)
    }

    /// Writes the text down, with the owner of the file and those of its permissions that the mask leaves.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn write(&mut self, target: &Path, text: &str, mask: u32) -> io::Result<()> {
        let (old, new) = (target.metadata()?, self.file.metadata()?);
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            fchown(&self.file, Some(old.uid()), Some(old.gid()))?;
        }
        self.file.set_permissions(Permissions::from_mode(old.mode() & mask))?;
        self.file.write_all(text.as_bytes())?;
        self.file.sync_all()
    }

    /// Puts what was written in the file's place.
    ///
    /// # Errors
    /// It cannot; the file is as it was.
    pub(super) fn take_place(mut self, target: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, target)?;
        self.finished = true;
        // The name is as durable as the content.
        File::open(target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")))?
            .sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.finished {
            // Whoever finds it is told that it is there.
            std::fs::remove_file(&self.path).ok();
        }
    }
}
