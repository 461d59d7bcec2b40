//! What the gateway produced, read back and looked through.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

use super::canary::Kind;
use super::searcher::Searcher;

/// What kind of output it is: a column of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Standard output and error.
    Log,
    /// Tables, and the files as bytes.
    Database,
    /// `/metrics`.
    Metrics,
    /// Refusals that clients get.
    Answers,
    /// Probes, admin API and console.
    Admin,
}

impl Group {
    /// Every one, in the order of the columns.
    pub const ALL: [Self; 5] = [Self::Log, Self::Database, Self::Metrics, Self::Answers, Self::Admin];
}

/// A canary that was found: where it came from and what it looks like. Not more: a report of leaks is none itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Leak {
    /// The place in the request.
    pub place: String,
    /// What it looks like.
    pub kind: Kind,
}

/// One output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// How much was looked through, in bytes.
    pub bytes: u64,
    /// What was found.
    pub leaks: BTreeSet<Leak>,
}

/// All outputs.
pub struct Outputs<'a> {
    searcher: &'a Searcher,
    /// By kind and name.
    pub read: BTreeMap<(Group, String), Output>,
}

impl<'a> Outputs<'a> {
    /// None yet.
    pub fn new(searcher: &'a Searcher) -> Self {
        Self { searcher, read: BTreeMap::new() }
    }

    /// Looks through one.
    pub fn look(&mut self, group: Group, name: &str, bytes: &[u8]) {
        self.look_but(group, name, bytes, false);
    }

    /// Looks through one that names accounts on purpose.
    pub fn look_but_for_accounts(&mut self, group: Group, name: &str, bytes: &[u8]) {
        self.look_but(group, name, bytes, true);
    }

    fn look_but(&mut self, group: Group, name: &str, bytes: &[u8], names_accounts: bool) {
        let found = self.searcher.search(bytes);
        let output = self.read.entry((group, name.to_owned())).or_default();
        output.bytes += bytes.len() as u64;
        let counts = found.into_iter().filter(|canary| !(names_accounts && canary.kind == Kind::Account));
        output.leaks.extend(counts.map(|canary| Leak { place: canary.place.to_owned(), kind: canary.kind }));
    }

    /// Looks through every file of a folder, as bytes.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn look_through_files(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            // A file that is gone by now holds nothing.
            let Ok(bytes) = fs::read(&path) else { continue };
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            self.look_but_for_accounts(Group::Database, &format!("file {name}"), &bytes);
        }
        Ok(())
    }

    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.read.values().all(|output| output.leaks.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::super::canary::{Canary, of_place};
    use super::*;

    #[test]
    fn a_leak_says_where_it_came_from_and_where_it_went() {
        let mut canaries = of_place("Referer", 3);
        let account = Canary { place: "account", kind: Kind::Account, value: Kind::Account.value(0) };
        canaries.push(account.clone());
        let searcher = Searcher::new(canaries);
        let mut outputs = Outputs::new(&searcher);
        outputs.look(Group::Log, "log", b"nothing here");
        outputs.look_but_for_accounts(Group::Admin, "GET /admin/api/users", account.value.as_bytes());
        assert!(outputs.is_clean());
        outputs.look(Group::Log, "log", format!("seen {}", Kind::Email.value(3)).as_bytes());
        outputs.look(Group::Metrics, "/metrics", account.value.as_bytes());
        assert!(!outputs.is_clean());
        let leaks = |group, name: &str| outputs.read[&(group, name.to_owned())].leaks.clone();
        let leak = |place: &str, kind| BTreeSet::from([Leak { place: place.to_owned(), kind }]);
        assert_eq!(leaks(Group::Log, "log"), leak("Referer", Kind::Email));
        assert_eq!(leaks(Group::Metrics, "/metrics"), leak("account", Kind::Account));
    }

    #[test]
    fn files_are_looked_through_as_bytes() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.db-wal"), [&[0; 50][..], Kind::Token.value(0).as_bytes()].concat())
            .unwrap();
        let searcher = Searcher::new(of_place("path", 0));
        let mut outputs = Outputs::new(&searcher);
        outputs.look_through_files(folder.path()).unwrap();
        assert!(!outputs.is_clean());
    }
}
