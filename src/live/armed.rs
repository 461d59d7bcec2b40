//! The kernel's watches on folders, kept in step with what each scan finds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::fingerprint::Folder;
use super::watch::Message;

/// What the kernel said, in the words of the watcher.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// Something about this path changed.
    Changed(PathBuf),
    /// Bytes were written to a file that is still open; `Closed` follows.
    Writing(PathBuf),
    /// A writer has closed the file.
    Closed(PathBuf),
    /// The path is gone or has another name.
    Gone(PathBuf),
    /// Events were lost: look at everything.
    Lost,
}

/// The watches that are set.
pub(super) struct Armed {
    watcher: Option<RecommendedWatcher>,
    folders: BTreeMap<PathBuf, Folder>,
    inbox: SyncSender<Message>,
    /// Set when a notice found the inbox full.
    pub(super) overflowed: Arc<AtomicBool>,
}

impl Armed {
    pub(super) fn new(inbox: SyncSender<Message>) -> Self {
        Self { watcher: None, folders: BTreeMap::new(), inbox, overflowed: Arc::default() }
    }

    /// Watches these folders and no others.
    ///
    /// # Errors
    /// Some folder cannot be watched, or none can. Those that can are watched.
    pub(super) fn arm(&mut self, folders: &BTreeMap<PathBuf, Folder>) -> notify::Result<Change> {
        if self.watcher.is_none() {
            self.folders.clear();
            self.watcher = Some(self.watcher()?);
        }
        let Some(watcher) = &mut self.watcher else { return Ok(Change::None) };
        self.folders.retain(|path, old| {
            let gone = folders.get(path).is_none_or(|new| new.id != old.id);
            if gone {
                // An error says that the kernel dropped the watch already.
                watcher.unwatch(path).ok();
            }
            !gone
        });
        let (mut change, mut failed) = (Change::None, None);
        for (path, folder) in folders {
            if let Some(known) = self.folders.get_mut(path) {
                *known = *folder;
                continue;
            }
            match watcher.watch(path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.folders.insert(path.clone(), *folder);
                    change = Change::Added;
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(change), Err)
    }

    /// Forgets the watch on what is gone; says whether it was a folder. A file goes with every edit that replaces it.
    pub(super) fn forget(&mut self, path: &Path) -> bool {
        let known = self.folders.remove(path);
        if let (Some(_), Some(watcher)) = (known, &mut self.watcher) {
            watcher.unwatch(path).ok();
        }
        known.is_some_and(|known| !known.is_file)
    }

    /// Whether an event on this path can matter to the roots.
    pub(super) fn concerns(&self, path: &Path, roots: &[PathBuf]) -> bool {
        let named = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".."));
        let inside = || path.parent().and_then(|p| self.folders.get(p)).is_some_and(|folder| folder.whole);
        named || inside() || roots.iter().any(|root| path.starts_with(root) || root.starts_with(path))
    }

    fn watcher(&self) -> notify::Result<RecommendedWatcher> {
        let (inbox, overflowed) = (self.inbox.clone(), Arc::clone(&self.overflowed));
        notify::recommended_watcher(move |event: notify::Result<Event>| {
            for notice in notices(event) {
                if inbox.try_send(Message::Notice(notice)).is_err() {
                    overflowed.store(true, Ordering::Release);
                }
            }
        })
    }
}

/// Whether new watches were set, so that what happened before they were must be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Added,
}

/// The kernel's event in the watcher's words; reading is no event.
fn notices(event: notify::Result<Event>) -> Vec<Notice> {
    let Ok(event) = event else { return vec![Notice::Lost] };
    if event.need_rescan() {
        return vec![Notice::Lost];
    }
    let word: fn(PathBuf) -> Notice = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Notice::Closed,
        EventKind::Access(_) => return Vec::new(),
        // Only Linux tells when a writer closes.
        EventKind::Modify(ModifyKind::Data(_)) if cfg!(target_os = "linux") => Notice::Writing,
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)) => Notice::Gone,
        _ => Notice::Changed,
    };
    event.paths.into_iter().map(word).collect()
}
