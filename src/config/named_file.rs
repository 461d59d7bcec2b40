//! A file that the configuration names and that is read elsewhere: where it is, and what a problem with it points at.

use std::path::PathBuf;

use crate::base::document::Table;
use crate::base::problems::Problem;

use super::context::Context;

/// A file, and where the configuration names it.
#[derive(Clone, Debug)]
pub struct NamedFile {
    /// The file.
    pub path: PathBuf,
    shown: String,
    blame: Problem,
}

impl NamedFile {
    /// Reads the key; nothing where it is absent or empty. The file is watched from then on.
    pub(super) fn read(
        table: &mut Table<'_>,
        key: &'static str,
        doc: &'static str,
        context: &mut Context,
    ) -> Option<Self> {
        let shown = table.optional_text(key, doc).filter(|path| !path.is_empty())?;
        let path = context.resolve(&shown);
        context.files.push(path.clone());
        let blame = table.problem(key, format!("`{}.{key}`", table.path()));
        Some(Self { path, shown, blame })
    }

    /// A problem at the line that names the file.
    pub fn at(&self, message: String) -> Problem {
        Problem { message, ..self.blame.clone() }
    }

    /// A problem at the line that names the file: `why` goes on from the file's name.
    pub fn problem(&self, why: &str) -> Problem {
        self.at(format!("{}: {} {why}", self.blame.message, self.shown))
    }
}
