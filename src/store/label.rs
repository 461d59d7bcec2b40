//! Names that rows keep without copying them.

use std::fmt;
use std::sync::Arc;

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

/// A name that costs nothing to keep: one of the program's own, or one shared with the policy in force.
#[derive(Clone)]
pub enum Label {
    /// Of the program.
    Own(&'static str),
    /// Of the configuration or a rule.
    Shared(Arc<str>),
}

impl Label {
    /// The name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Own(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl PartialEq for Label {
    fn eq(&self, other: &Self) -> bool {
        let (own, other) = (self.as_str(), other.as_str());
        // Most are the same name of the same policy: then there is no need to read it.
        std::ptr::eq(own, other) || own == other
    }
}

impl Eq for Label {}

impl From<&'static str> for Label {
    fn from(text: &'static str) -> Self {
        Self::Own(text)
    }
}

impl From<Arc<str>> for Label {
    fn from(text: Arc<str>) -> Self {
        Self::Shared(text)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl ToSql for Label {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.as_str().as_bytes())))
    }
}
