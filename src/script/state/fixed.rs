//! The entries of a list that stand in a file: the operator's, the same until the file is edited.

use std::collections::HashMap;
use std::sync::Arc;

use globset::GlobMatcher;

use super::cell::NEVER_MS;
use super::list::{Item, Lengths, ListKind};
use crate::base::problems::{Problem, Problems, Source};
use crate::base::units::parse_duration;
use crate::script::api;

/// Problems reported of one file; the rest of a file of another kind says nothing new.
const PROBLEMS_MAX: usize = 10;

/// The entries of one file.
#[derive(Debug, Default)]
pub(in crate::script) struct Fixed {
    entries: HashMap<String, Listed>,
    globs: Vec<(Arc<GlobMatcher>, Listed)>,
    pub lengths: Lengths,
}

#[derive(Clone, Debug)]
struct Listed {
    expires_ms: i64,
    note: Arc<str>,
}

impl Fixed {
    /// Reads a file: one entry a line, `#` for comments, `; 24h ; note` where it ends by itself. Times run from
    /// `since_ms`, when the file was written.
    pub fn read(source: &Source, kind: ListKind, most: usize, since_ms: i64) -> (Self, Problems) {
        let mut fixed = Self::default();
        let mut problems = Problems::default();
        let mut wrong = 0;
        for (number, line) in (1..).zip(source.text.lines()) {
            let line = line.split(" #").next().unwrap_or_default().trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let outcome = if fixed.len() >= most {
                Err(format!("this list has room for {most} entries (`max`)"))
            } else {
                fixed.add(line, kind, since_ms)
            };
            if let Err(why) = outcome {
                wrong += 1;
                if wrong <= PROBLEMS_MAX {
                    problems.push(Problem::at(source.place_at(number, 1), why));
                }
                if fixed.len() >= most {
                    break;
                }
            }
        }
        (fixed, problems)
    }

    fn add(&mut self, line: &str, kind: ListKind, since_ms: i64) -> Result<(), String> {
        let mut parts = line.splitn(3, ';').map(str::trim);
        let (entry, ttl) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let note = Arc::from(parts.next().unwrap_or_default());
        let expires_ms = if ttl.is_empty() {
            NEVER_MS
        } else {
            since_ms.saturating_add(i64::try_from(parse_duration(ttl)?.as_millis()).unwrap_or(NEVER_MS))
        };
        let listed = Listed { expires_ms, note };
        let item = kind.entry(entry)?;
        if kind == ListKind::Glob {
            self.globs.push((api::glob(entry)?, listed));
        } else {
            let key = key_of(&item);
            self.lengths.note(&key);
            self.entries.insert(key, listed);
        }
        Ok(())
    }

    /// The note of the entry that a value matches; `None` where it matches none.
    pub fn find(&self, value: &str, candidates: &[Item], now_ms: i64) -> Option<Arc<str>> {
        let stands = |listed: &&Listed| listed.expires_ms > now_ms;
        let exact = candidates.iter().find_map(|item| self.entries.get(&key_of(item)).filter(stands));
        let glob = || {
            let fits = |(glob, listed): &&(Arc<GlobMatcher>, Listed)| stands(&listed) && glob.is_match(value);
            self.globs.iter().find(fits).map(|(_, listed)| listed)
        };
        exact.or_else(glob).map(|listed| listed.note.clone())
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len() + self.globs.len()
    }

    /// How many entries have not ended.
    pub fn standing(&self, now_ms: i64) -> usize {
        let listed = self.entries.values().chain(self.globs.iter().map(|(_, listed)| listed));
        listed.filter(|listed| listed.expires_ms > now_ms).count()
    }

    /// How many globs a look goes through.
    pub fn globs(&self) -> usize {
        self.globs.len()
    }
}

fn key_of(item: &Item) -> String {
    match item {
        Item::Address(address) => address.to_string(),
        Item::Text(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_comments_ends_and_notes() {
        let text = "# who\n10.0.0.0/8\n\n203.0.113.5 ; 24h ; scanner; twice  # seen\n 2001:db8::1;;friend\n";
        let (fixed, problems) = Fixed::read(&Source::new("l.txt", text), ListKind::Ip, 10, 1_000);
        assert!(problems.is_empty());
        let find = |value: &str, now_ms| {
            let candidates = ListKind::Ip.candidates(value, &fixed.lengths).unwrap();
            fixed.find(value, &candidates, now_ms).map(|note| note.to_string())
        };
        assert_eq!(find("10.1.1.1", 0).as_deref(), Some(""));
        assert_eq!(find("203.0.113.5", 0).as_deref(), Some("scanner; twice"));
        assert_eq!(find("203.0.113.5", 1_000 + 86_400_000), None);
        assert_eq!(find("2001:db8::1", 0).as_deref(), Some("friend"));
        assert_eq!((fixed.len(), fixed.standing(i64::MAX - 1)), (3, 2));
    }

    #[test]
    fn what_is_no_entry_is_told_with_its_line_and_only_ten_times() {
        let (_, problems) =
            Fixed::read(&Source::new("l.txt", "1.2.3.4\nx\n1.2.3.5 ; soon\n"), ListKind::Ip, 10, 0);
        let shown: Vec<String> = problems.iter().map(Problem::short).collect();
        assert_eq!(shown.len(), 2);
        assert!(shown[0].contains("l.txt:2"), "{shown:?}");
        let many = "x\n".repeat(5_000);
        let (_, problems) = Fixed::read(&Source::new("l.txt", many), ListKind::Ip, 10, 0);
        assert_eq!(problems.iter().count(), 10);
        let (fixed, problems) = Fixed::read(&Source::new("l.txt", "a\nb\nc\nd\n"), ListKind::String, 2, 0);
        assert_eq!((fixed.len(), problems.iter().count()), (2, 1));
    }
}
