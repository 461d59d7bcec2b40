//! What the cases of a plugin reached: lines, by a callback of the interpreter for each statement, and codes.
//!
//! Only the engine that runs cases is watched. The engines that serve have no callback, which costs them one look at an
//! empty field per node.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use rhai::debugger::DebuggerCommand;
use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, Position, Stmt};
use serde::Serialize;

use crate::base::problems::Source;
use crate::script::api::VERBS;

/// The most of a line that is shown, in characters.
const EXCERPT_MAX: usize = 80;

/// What the cases of one plugin reached.
#[derive(Clone, Debug, Serialize)]
pub struct PluginCoverage {
    /// The plugin.
    pub plugin: Arc<str>,
    /// Lines on which a statement begins, and how many of them ran.
    pub lines: Share,
    /// Codes that the verbs of the plugin can say, and how many of them were said.
    pub codes: Share,
    /// The lines that never ran, or not all of whose statements did.
    pub missed_lines: Vec<Missed>,
    /// The codes that no case produced, each with the first verb that says it.
    pub missed_codes: Vec<Missed>,
}

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Those that were reached.
    pub covered: usize,
    /// All of them.
    pub total: usize,
}

/// Something that no case reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// The file, relative to the config file's folder.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
    /// The line's text, or the code.
    pub text: String,
}

impl Share {
    /// Whole percent, rounded down, so that 100 means all; 100 of nothing.
    pub fn percent(self) -> usize {
        (self.covered * 100).checked_div(self.total).unwrap_or(100)
    }
}

/// Where the interpreter has been, file by file as a plugin names them: `main.rhai`, `lib/x.rhai`.
#[derive(Clone, Default)]
pub(in crate::script) struct Probe(Arc<Mutex<HashMap<String, HashSet<Position>>>>);

impl Probe {
    /// Has the engine tell each node that it comes to. There are as many as the scripts have, which is bounded.
    #[expect(deprecated, reason = "rhai marks what may change between versions so; the version is pinned")]
    pub fn attach(&self, engine: &mut Engine) {
        let seen = self.clone();
        engine.register_debugger(
            |_, debugger| debugger,
            move |_, _, _, file, position| {
                seen.mark(file.unwrap_or("main.rhai"), position);
                Ok(DebuggerCommand::StepInto)
            },
        );
    }

    fn mark(&self, file: &str, position: Position) {
        let mut seen = self.0.lock();
        match seen.get_mut(file) {
            Some(places) => drop(places.insert(position)),
            None => drop(seen.insert(file.to_owned(), HashSet::from([position]))),
        }
    }

    fn has_seen(&self, file: &str, position: Position) -> bool {
        self.0.lock().get(file).is_some_and(|places| places.contains(&position))
    }
}

/// Compares what there is in the plugin's files with what was seen.
pub(super) fn measure(plugin: Arc<str>, files: &[(Source, Arc<AST>)], probe: &Probe) -> PluginCoverage {
    let mut report = PluginCoverage {
        plugin,
        lines: Share::default(),
        codes: Share::default(),
        missed_lines: Vec::new(),
        missed_codes: Vec::new(),
    };
    let mut codes: BTreeMap<String, (Missed, bool)> = BTreeMap::new();
    for (source, ast) in files {
        let file = ast.source().unwrap_or("main.rhai");
        let found = Places::of(ast);
        for (line, places) in found.lines {
            report.lines.total += 1;
            if places.iter().all(|p| probe.has_seen(file, *p)) {
                report.lines.covered += 1;
            } else {
                report.missed_lines.push(missed(source, line, excerpt(source, line)));
            }
        }
        for (code, position) in found.codes {
            let said = probe.has_seen(file, position);
            let line = position.line().unwrap_or(1);
            let entry = codes.entry(code.clone()).or_insert_with(|| (missed(source, line, code), false));
            entry.1 |= said;
        }
    }
    report.codes.total = codes.len();
    report.codes.covered = codes.values().filter(|(_, said)| *said).count();
    report.missed_codes = codes.into_values().filter(|(_, said)| !said).map(|(at, _)| at).collect();
    report
}

fn missed(source: &Source, line: usize, text: String) -> Missed {
    Missed { file: source.name.clone(), line, text }
}

fn excerpt(source: &Source, line: usize) -> String {
    let text = source.text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    text.trim().chars().take(EXCERPT_MAX).collect()
}

/// What can be reached in one file.
#[derive(Default)]
struct Places {
    /// By line, what the interpreter tells of the statements that begin there.
    lines: BTreeMap<usize, Vec<Position>>,
    /// In the order of the file, the codes of verbs and where those stand.
    codes: Vec<(String, Position)>,
}

impl Places {
    fn of(ast: &AST) -> Self {
        let mut places = Self::default();
        ast.walk(&mut |path| {
            match path.last() {
                Some(ASTNode::Stmt(statement)) => places.statement(statement),
                Some(ASTNode::Expr(Expr::FnCall(call, position))) => places.call(call, *position),
                _ => {}
            }
            true
        });
        places.codes.sort_by_key(|(_, p)| (p.line(), p.position()));
        places
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            // Neither is a step of its own, for the interpreter and for whoever reads the file.
            Stmt::Noop(_) | Stmt::Block(_) | Stmt::Share(_) => return,
            Stmt::FnCall(call, position) => self.call(call, *position),
            Stmt::Switch(switch, _) => {
                switch.1.expressions.iter().for_each(|case| self.branch(&case.rhs));
            }
            Stmt::Expr(value) => return self.value(value),
            _ => {}
        }
        self.line(statement.position(), statement.position());
    }

    /// What a case of a `switch` gives: a block's statements count by themselves.
    fn branch(&mut self, value: &Expr) {
        if !matches!(value, Expr::Stmt(_)) {
            self.value(value);
        }
    }

    /// The interpreter tells of `a::b` and `a.b` in their middle; they stand where they begin.
    fn value(&mut self, value: &Expr) {
        self.line(value.start_position(), value.position());
    }

    fn line(&mut self, begins: Position, told: Position) {
        if let Some(line) = begins.line() {
            self.lines.entry(line).or_default().push(told);
        }
    }

    fn call(&mut self, call: &FnCallExpr, position: Position) {
        // `limit::allow` is no verb.
        if !call.is_qualified()
            && let Some((_, _, Some(code))) = VERBS.into_iter().find(|(verb, ..)| *verb == call.name)
            && let Some(Expr::StringConstant(text, _)) = call.args.get(code)
        {
            self.codes.push((text.to_string(), position));
        }
    }
}
