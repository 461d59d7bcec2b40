//! What watched files hold, as one hash: equal hashes mean that an edit changed nothing.
//!
//! Only regular files are opened, without blocking; everything else is told by its kind. Every walk is bounded.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

/// Deepest folder below a root that is looked into.
pub const DEPTH_MAX: usize = 8;

/// Most files and folders of all roots that are looked at.
pub const ENTRIES_MAX: usize = 10_000;

/// Largest file whose content is read, in bytes; a larger one is told by size, inode and times.
pub const CONTENT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Most bytes that are read in one scan; further files are told by size, inode and times.
pub const SCAN_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A hash over names and contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// What one scan saw.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The hash.
    pub fingerprint: Fingerprint,
    /// What to watch: folders below the roots, those that hold the roots, and those that symbolic links lead to; of a busy
    /// folder the files that are roots.
    pub folders: BTreeMap<PathBuf, Folder>,
    /// When something of it was changed last, in milliseconds since 1970-01-01 UTC, by the file system's clock.
    pub changed_unix_ms: i64,
    /// Whether a limit cut the walk short.
    pub cut_short: bool,
}

/// A folder to watch, or a file in a busy one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Device and inode: the same path with another one is another folder.
    pub id: (u64, u64),
    /// Whether everything in it counts; in a folder that only holds a root, only the root's name does.
    pub whole: bool,
    /// Whether it is a file.
    pub is_file: bool,
}

/// Looks at the roots, files or folders; what is not there is part of the hash as well. In the folder `busy` somebody writes
/// all the time, the database: it is not watched for the sake of a root in it that is there, but the root is.
pub fn scan(roots: &[PathBuf], busy: Option<&Path>) -> Scan {
    let mut walk = Walk {
        hash: Context::new(&SHA256),
        folders: BTreeMap::new(),
        inside: HashSet::new(),
        entries: 0,
        bytes: 0,
        changed_unix_ms: 0,
        cut_short: false,
    };
    for root in roots {
        if root.parent().is_none_or(|folder| Some(folder) != busy) || !walk.alone(root) {
            walk.holder(root, false);
        }
        walk.entry(root, root.as_os_str(), 0);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(walk.hash.finish().as_ref());
    Scan {
        fingerprint: Fingerprint(hash),
        folders: walk.folders,
        changed_unix_ms: walk.changed_unix_ms,
        cut_short: walk.cut_short,
    }
}

/// Whether a name is an editor's leftover or hidden; Kubernetes' `..data` is hidden too, and reached through the links that
/// point into it.
pub fn is_leftover(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let ends = [&b"~"[..], b".swp", b".swx", b".swo", b".tmp", b"#"];
    name.starts_with(b".") || name == b"4913" || ends.iter().any(|end| name.ends_with(end))
}

struct Walk {
    hash: Context,
    folders: BTreeMap<PathBuf, Folder>,
    /// Folders by device and inode, so that each is walked once and a loop ends.
    inside: HashSet<(u64, u64)>,
    entries: usize,
    bytes: u64,
    changed_unix_ms: i64,
    cut_short: bool,
}

impl Walk {
    /// One file or folder, under the name that it is known by.
    fn entry(&mut self, path: &Path, name: &OsStr, depth: usize) {
        self.entries += 1;
        if self.entries > ENTRIES_MAX || depth > DEPTH_MAX {
            self.cut_short = true;
            return self.tell(b"limit", name.as_bytes());
        }
        self.tell(b"name", name.as_bytes());
        if fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink()) {
            self.link(path);
        }
        // Follows links: the content counts, not where it lies.
        let meta = fs::metadata(path);
        if let Ok(meta) = &meta {
            self.changed_unix_ms =
                self.changed_unix_ms.max(meta.ctime() * 1_000 + meta.ctime_nsec() / 1_000_000);
        }
        match meta {
            Err(error) => self.tell(b"absent", error.kind().to_string().as_bytes()),
            Ok(meta) if meta.is_dir() => self.folder(path, &meta, depth),
            Ok(meta) if meta.is_file() => self.file(path, &meta),
            Ok(meta) => self.tell(b"kind", kind(&meta)),
        }
    }

    fn folder(&mut self, path: &Path, meta: &Metadata, depth: usize) {
        let id = (meta.dev(), meta.ino());
        self.folders.insert(path.to_owned(), Folder { id, whole: true, is_file: false });
        if !self.inside.insert(id) {
            return self.tell(b"again", b"");
        }
        let mut names = match fs::read_dir(path) {
            Err(error) => return self.tell(b"unreadable", error.kind().to_string().as_bytes()),
            Ok(entries) => {
                let names = entries.flatten().map(|e| e.file_name()).filter(|n| !is_leftover(n));
                names.take(ENTRIES_MAX + 1).collect::<Vec<_>>()
            }
        };
        names.sort_unstable();
        self.tell(b"folder", &names.len().to_le_bytes());
        for name in &names {
            self.entry(&path.join(name), name, depth + 1);
        }
        self.tell(b"end", b"");
    }

    fn file(&mut self, path: &Path, meta: &Metadata) {
        if meta.len() > CONTENT_BYTES_MAX || self.bytes + meta.len() > SCAN_BYTES_MAX {
            return self.stamp(meta);
        }
        match digest(path) {
            Ok((content, read)) => {
                self.bytes += read;
                self.tell(b"content", &content);
            }
            Err(error) => self.tell(b"unreadable", error.kind().to_string().as_bytes()),
        }
    }

    fn stamp(&mut self, meta: &Metadata) {
        for number in [meta.dev(), meta.ino(), meta.len()] {
            self.tell(b"stamp", &number.to_le_bytes());
        }
        for number in [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()] {
            self.tell(b"time", &number.to_le_bytes());
        }
    }

    /// The folders that a symbolic link leads to, so that a change there is seen as well.
    fn link(&mut self, path: &Path) {
        if let Ok(target) = fs::canonicalize(path) {
            self.holder(&target, true);
        }
        if let Ok(target) = fs::read_link(path) {
            self.holder(&path.parent().unwrap_or(Path::new("/")).join(target), true);
        }
    }

    /// A file by itself; whether it is one. Another in its place has another inode, and the kernel tells that this one is gone.
    fn alone(&mut self, path: &Path) -> bool {
        let Some(meta) = fs::symlink_metadata(path).ok().filter(Metadata::is_file) else { return false };
        let id = (meta.dev(), meta.ino());
        self.folders.insert(path.to_owned(), Folder { id, whole: false, is_file: true });
        true
    }

    /// The nearest folder above that is there: where the entry would appear.
    fn holder(&mut self, path: &Path, whole: bool) {
        let found = path.ancestors().skip(1).find_map(|above| {
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            fs::metadata(above).ok().filter(Metadata::is_dir).map(|meta| (above, meta))
        });
        if let Some((above, meta)) = found {
            let id = (meta.dev(), meta.ino());
            let folder = self.folders.entry(above.to_owned()).or_insert(Folder { id, whole, is_file: false });
            folder.whole |= whole;
        }
    }

    /// Adds a tagged, length-prefixed value, so that no two trees give the same bytes.
    fn tell(&mut self, tag: &[u8], value: &[u8]) {
        for part in [tag, value] {
            self.hash.update(&part.len().to_le_bytes());
            self.hash.update(part);
        }
    }
}

/// The hash of a file's content and its length. Opened without blocking and looked at again once it is open, because what the
/// name meant a moment ago may have become a FIFO.
fn digest(path: &Path) -> io::Result<([u8; 32], u64)> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    read_digest(file)
}

fn read_digest(file: File) -> io::Result<([u8; 32], u64)> {
    let mut file = file.take(CONTENT_BYTES_MAX + 1);
    let mut hash = Context::new(&SHA256);
    let mut buffer = [0; 16 * 1024];
    let mut total = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => {
                hash.update(&buffer[..n]);
                total += n as u64;
            }
        }
    }
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    Ok((out, total))
}

fn kind(meta: &Metadata) -> &'static [u8] {
    let kind = meta.file_type();
    if kind.is_fifo() {
        b"fifo"
    } else if kind.is_socket() {
        b"socket"
    } else {
        b"device"
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn print(root: &Path) -> Fingerprint {
        scan(&[root.to_owned()], None).fingerprint
    }

    fn write(path: impl AsRef<Path>, text: &str) {
        fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn every_change_of_content_or_name_changes_it_and_a_touch_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("plugins");
        let mut seen = vec![print(&root)];
        let mut changed = |what: &str| {
            let now = print(&root);
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        write(root.join("a/main.rhai"), "1");
        changed("a file came");
        write(root.join("a/main.rhai"), "2");
        changed("its content changed");
        write(root.join("b/main.rhai"), "");
        changed("an empty file came");
        fs::rename(root.join("b"), root.join("c")).unwrap();
        changed("a folder was renamed");
        fs::remove_dir_all(root.join("c")).unwrap();
        fs::create_dir(root.join("c")).unwrap();
        changed("a file went");
        let before = print(&root);
        File::open(root.join("a/main.rhai")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(print(&root), before, "a touch");
    }

    #[test]
    fn leftovers_of_editors_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path().join("main.rhai"), "1");
        let before = print(dir.path());
        for name in [".main.rhai.swp", "main.rhai~", "4913", "#main.rhai#", ".hidden", "x.tmp"] {
            write(dir.path().join(name), "x");
        }
        assert_eq!(print(dir.path()), before);
    }

    #[test]
    fn hr_05_what_is_no_regular_file_is_never_opened_and_never_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let before = print(dir.path());
        let made = std::process::Command::new("mkfifo").arg(dir.path().join("fifo")).status().unwrap();
        assert!(made.success());
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        symlink("/dev/zero", dir.path().join("zero")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        symlink(dir.path(), dir.path().join("itself")).unwrap();
        symlink("/nowhere/at/all", dir.path().join("dangling")).unwrap();
        fs::create_dir(dir.path().join("main.rhai")).unwrap();
        let after = print(dir.path());
        assert_ne!(before, after);
        assert_eq!(after, print(dir.path()));
        assert!(
            digest(&dir.path().join("fifo")).is_err(),
            "even when it became a FIFO after it was looked at"
        );
    }

    #[test]
    fn hr_05_a_huge_file_is_told_by_its_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("huge");
        let file = File::create(&path).unwrap();
        file.set_len(1 << 30).unwrap();
        let before = print(dir.path());
        file.set_len((1 << 30) + 1).unwrap();
        assert_ne!(before, print(dir.path()));
    }

    #[test]
    fn a_walk_is_bounded_in_depth() {
        let dir = tempfile::tempdir().unwrap();
        let deep: PathBuf = std::iter::repeat_n("d", DEPTH_MAX + 3).collect();
        write(dir.path().join(deep).join("f"), "x");
        assert!(scan(&[dir.path().to_owned()], None).cut_short);
    }

    #[test]
    fn hr_03_a_swapped_link_changes_it_and_its_targets_are_watched() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        write(at("..v1/config.toml"), "1");
        write(at("..v2/config.toml"), "2");
        symlink("..v1", at("..data")).unwrap();
        symlink("..data/config.toml", at("config.toml")).unwrap();
        let before = scan(&[at("config.toml")], None);
        symlink("..v2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
        let after = scan(&[at("config.toml")], None);
        assert_ne!(before.fingerprint, after.fingerprint);
        assert!(before.folders.contains_key(dir.path()));
        let real = fs::canonicalize(at("..v2")).unwrap();
        assert!(after.folders.contains_key(&real), "{:?}", after.folders);
    }
}
