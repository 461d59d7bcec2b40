//! A TOML file read key by key: every value checked, every problem collected with its place, every key remembered so
//! that an unknown one is an error with the nearest known name.
//!
//! The same calls that read a file describe it: with a [`Reference`] attached, each key leaves its kind, default and
//! sentence there, and the reference pages are made of that.

mod table;
mod values;

pub use values::from_str;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use super::problems::{Place, Problem, Problems, Source};
use super::withheld::withheld_lines;

/// Values from outside the file that win over it: dotted key → (where it comes from, text).
pub type Overlay = BTreeMap<String, (String, String)>;

/// Most problems of one file that are reported; a person reads no more, and a hostile file has one a byte.
pub const PROBLEMS_MAX: usize = 100;

/// Longest line that is shown under a problem, in characters.
const EXCERPT_CHARS_MAX: usize = 200;

/// One key of a file's reference page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    /// Dotted, with `*` for a name the operator chooses and `[]` for a list of tables.
    pub key: String,
    /// The kind of value, as a person says it.
    pub kind: &'static str,
    /// The default as written in a file; empty where there is none.
    pub default: String,
    /// One sentence.
    pub doc: &'static str,
}

/// Every key that a reader asked for, in the order of asking.
#[derive(Debug, Default)]
pub struct Reference(pub Vec<KeyDoc>);

/// What all tables of one file share while it is read.
pub struct Document<'a> {
    source: &'a Source,
    overlay: &'a Overlay,
    used_overlay: RefCell<BTreeSet<String>>,
    known: RefCell<BTreeSet<String>>,
    withheld: BTreeSet<usize>,
    problems: RefCell<Problems>,
    reference: Option<RefCell<Reference>>,
}

/// One table of the file, or one that is not there and has only defaults.
pub struct Table<'a> {
    document: &'a Document<'a>,
    path: String,
    entries: Option<&'a DeTable<'a>>,
    span: Range<usize>,
    asked: BTreeSet<&'static str>,
    open: bool,
}

/// A value found for a key: in the file, or laid over it.
enum Found<'a> {
    File(&'a DeValue<'a>, Range<usize>),
    Laid { origin: String, text: String },
}

impl<'a> Document<'a> {
    /// A document with values laid over it (environment variables, flags).
    pub fn new(source: &'a Source, overlay: &'a Overlay) -> Self {
        Self {
            source,
            overlay,
            used_overlay: RefCell::default(),
            known: RefCell::default(),
            withheld: withheld_lines(&source.text),
            problems: RefCell::default(),
            reference: None,
        }
    }

    /// A document that also writes down every key it is asked for.
    pub fn describing(source: &'a Source, overlay: &'a Overlay) -> Self {
        Self { reference: Some(RefCell::default()), ..Self::new(source, overlay) }
    }

    /// The root table of a parsed file.
    pub fn root(&'a self, table: &'a Spanned<DeTable<'a>>) -> Table<'a> {
        Table {
            document: self,
            path: String::new(),
            entries: Some(table.get_ref()),
            span: table.span(),
            asked: BTreeSet::new(),
            open: false,
        }
    }

    /// Parses the text; syntax errors become problems, and what could be read is read.
    pub fn parse(source: &'a Source, problems: &mut Problems) -> Spanned<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        let withheld = withheld_lines(&source.text);
        for error in errors.into_iter().take(PROBLEMS_MAX) {
            let place = shown(source.place(error.span().unwrap_or(0..0)), &withheld);
            problems.push(Problem::at(place, error.message().trim().replace('\n', ", ")));
        }
        table
    }

    /// Adds a problem that a reader of the file found by itself.
    pub fn problem(&self, problem: Problem) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < PROBLEMS_MAX {
            problems.push(problem);
        } else if problems.len() == PROBLEMS_MAX {
            problems.push(Problem::of(
                self.source.name.to_string(),
                "there are more problems; these are the first",
            ));
        }
    }

    /// The place of a byte range; a line that may hold a secret, or is longer than a screen, is not shown.
    pub fn place(&self, span: Range<usize>) -> Place {
        shown(self.source.place(span), &self.withheld)
    }

    /// Ends the reading: all problems, unknown laid-over keys among them, and the reference.
    pub fn finish(self) -> (Problems, Reference) {
        let used = self.used_overlay.into_inner();
        let mut problems = self.problems.into_inner();
        let known = self.known.into_inner();
        for (key, (origin, _)) in self.overlay.iter().filter(|(k, _)| !used.contains(*k)) {
            let problem = Problem::of(origin.clone(), format!("there is no key `{key}`"));
            problems.push(match nearest_key(key, &known) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem,
            });
        }
        (problems, self.reference.map(RefCell::into_inner).unwrap_or_default())
    }
}

/// The known key that was meant: one of the same table by its own name, else any by its whole name.
fn nearest_key<'k>(key: &str, known: &'k BTreeSet<String>) -> Option<&'k str> {
    let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
    let of_table = |k: &'k String| k.strip_prefix(table)?.strip_prefix('.').map(|name| (k.as_str(), name));
    let beside: Vec<_> = known.iter().filter_map(of_table).collect();
    if beside.is_empty() {
        return nearest(key, known.iter().map(String::as_str));
    }
    let near = nearest(name, beside.iter().map(|(_, name)| *name))?;
    beside.iter().find(|(_, name)| *name == near).map(|(key, _)| *key)
}

fn shown(mut place: Place, withheld: &BTreeSet<usize>) -> Place {
    let long = |line: &String| line.chars().count() > EXCERPT_CHARS_MAX;
    if withheld.contains(&place.line) || place.excerpt.as_ref().is_some_and(long) {
        place.excerpt = None;
    }
    place
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(text: &str, overlay: &Overlay) -> (Duration, i64, String) {
        let source = Source::new("config.toml", text);
        let mut problems = Problems::default();
        let parsed = Document::parse(&source, &mut problems);
        let document = Document::new(&source, overlay);
        let mut root = document.root(&parsed);
        let mut session = root.table("session");
        let ttl = session.duration("ttl", "24h", Duration::from_secs(1), "How long.");
        let cap = session.integer("cap", 10, (1, 100), "How many.");
        session.finish();
        root.finish();
        problems.append(document.finish().0);
        let short = problems
            .iter()
            .map(|p| p.short() + &p.hint.as_ref().map_or(String::new(), |h| format!(" [{h}]")));
        (ttl, cap, short.collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn defaults_stand_where_the_file_says_nothing() {
        assert_eq!(read("", &Overlay::new()), (Duration::from_secs(86_400), 10, String::new()));
    }

    #[test]
    fn every_problem_is_reported_at_once_and_the_nearest_key_is_named() {
        let (_, _, problems) =
            read("[session]\nttl = 5\ncap = 500\ntll = \"1h\"\n[sesion]\n", &Overlay::new());
        assert_eq!(
            problems,
            "config.toml:2:7: `session.ttl` must be a text in quotes, not a whole number\n\
             config.toml:3:7: `session.cap`: 500 is not between 1 and 100\n\
             config.toml:4:1: unknown key `tll` in `[session]` [did you mean `ttl`?]\n\
             config.toml:5:2: unknown key `sesion` at the top [did you mean `session`?]"
        );
    }

    #[test]
    fn what_is_laid_over_the_file_wins_and_is_named_in_problems() {
        let mut overlay = Overlay::new();
        overlay.insert("session.cap".into(), ("environment variable X".into(), "7".into()));
        overlay.insert("session.nope".into(), ("environment variable Y".into(), "7".into()));
        let (_, cap, problems) = read("[session]\ncap = 3\n", &overlay);
        assert_eq!(cap, 7);
        assert_eq!(problems, "environment variable Y: there is no key `session.nope`");
    }
}
