//! From text to something that runs: constants lifted out, functions kept, every name known.
//!
//! Rhai does not show a file's constants to its functions unless the whole file is evaluated at each call, which costs
//! sixty times as much. So the constants are evaluated once and laid into a module of their own.

use rhai::{AST, ASTFlags, Dynamic, EvalAltResult, Module, ParseError, Position, Scope, Shared, Stmt};

use super::braces::unclosed;
use super::budget::{self, Limits};
use super::engine::{Extras, Names, guarded, sandbox};
use crate::base::clock::Clock;
use crate::base::nearest::nearest;
use crate::base::problems::{Problem, Problems, Source};

/// Why a file did not compile.
pub(super) struct Failure {
    pub problem: Problem,
    /// The unknown namespace.
    pub missing: Option<String>,
}

/// A constant that was lifted out of a file.
pub(super) type Constant = (String, Dynamic);

/// Parses a file and evaluates its constants.
///
/// # Errors
/// Every problem of this pass.
pub(super) fn constants(source: &Source, extras: &Extras) -> Result<Vec<Constant>, Problems> {
    let engine = sandbox(extras, Names::Any);
    let parsed = guarded(|| engine.compile(&*source.text)).ok_or_else(|| one(crashed(source)))?;
    let ast = parsed.map_err(|e| one(syntax(source, &e)))?;
    let mut problems = Problems::default();
    for statement in ast.statements() {
        if !is_constant(statement) {
            let place = place(source, statement.position());
            let problem =
                Problem::at(place, "only `const` and `fn` stand at the top of a file").code("PM002");
            problems.push(problem.hint("move it into a hook such as `fn on_request(req) { … }`"));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut scope = Scope::new();
    budget::start(Limits::default(), &Clock::System);
    let ran = guarded(|| engine.run_ast_with_scope(&mut scope, &ast.clone_statements_only()));
    budget::finish();
    match ran {
        None => return Err(one(crashed(source))),
        Some(Err(e)) => return Err(one(failed(source, &e))),
        Some(Ok(())) => {}
    }
    Ok(scope.iter().map(|(name, _, value)| (name.to_owned(), value.flatten())).collect())
}

/// What is wrong with a text as an expression alone.
pub(super) fn expression(source: &Source) -> Problems {
    let engine = sandbox(&Extras::default(), Names::Any);
    match guarded(|| engine.compile_expression(&*source.text)) {
        None => one(crashed(source)),
        Some(Err(error)) => one(syntax(source, &error)),
        Some(Ok(_)) => Problems::default(),
    }
}

/// Compiles a file's functions; every variable and namespace must be known.
///
/// # Errors
/// The first problem that Rhai finds, and the namespace that was not there, if that was it.
pub(super) fn functions(
    source: &Source,
    extras: &Extras,
    constants: &[Constant],
) -> Result<AST, Box<Failure>> {
    let engine = sandbox(extras, Names::Known);
    let mut scope = Scope::new();
    for (name, _) in constants {
        // A variable and not a constant: Rhai would fold a constant's placeholder into the functions.
        scope.push_dynamic(name.as_str(), Dynamic::UNIT);
    }
    let parsed = guarded(|| engine.compile_with_scope(&scope, &*source.text));
    let parsed = parsed.ok_or_else(|| Box::new(Failure { problem: crashed(source), missing: None }))?;
    let mut ast = parsed.map_err(|e| unknown_name(source, &e, extras, constants))?.clone_functions_only();
    ast.set_source(file_in_plugin(&source.name));
    Ok(ast)
}

/// A file's functions as a namespace.
///
/// # Errors
/// What Rhai says.
pub(super) fn namespace(source: &Source, ast: &AST, extras: &Extras) -> Result<Shared<Module>, Box<Problem>> {
    let engine = sandbox(extras, Names::Known);
    let made =
        guarded(|| Module::eval_ast_as_new(Scope::new(), ast, &engine)).ok_or_else(|| crashed(source))?;
    let mut module = made.map_err(|e| failed(source, &e))?;
    module.build_index();
    Ok(module.into())
}

/// Constants as a module that every function of the engine sees.
pub(super) fn constant_module(constants: &[Constant]) -> Shared<Module> {
    let mut module = Module::new();
    for (name, value) in constants {
        module.set_var(name.as_str(), value.clone());
    }
    module.build_index();
    module.into()
}

/// Where Rhai says something stands.
pub(super) fn place(source: &Source, position: Position) -> crate::base::problems::Place {
    match position.line() {
        Some(line) => source.place_at(line, position.position().unwrap_or(1)),
        None => source.top(),
    }
}

/// The name of a file below its plugin: `main.rhai`, `lib/x.rhai`; a shared script keeps `scripts/`.
fn file_in_plugin(name: &str) -> String {
    let parts: Vec<&str> = name.split(['/', '\\']).collect();
    match parts.as_slice() {
        [.., folder @ ("lib" | "scripts" | "tests"), file] => format!("{folder}/{file}"),
        [.., file] => (*file).to_owned(),
        [] => String::new(),
    }
}

fn is_constant(statement: &Stmt) -> bool {
    match statement {
        Stmt::Noop(_) => true,
        Stmt::Var(_, flags, _) => flags.contains(ASTFlags::CONSTANT),
        _ => false,
    }
}

fn one(problem: Problem) -> Problems {
    let mut problems = Problems::default();
    problems.push(problem);
    problems
}

fn crashed(source: &Source) -> Problem {
    Problem::at(source.top(), "the script makes the interpreter fail").code("PM001")
}

fn failed(source: &Source, error: &EvalAltResult) -> Problem {
    Problem::at(place(source, error.unwrap_inner().position()), lower(&error.unwrap_inner().to_string()))
        .code("PM001")
}

fn syntax(source: &Source, error: &ParseError) -> Problem {
    let problem = Problem::at(place(source, error.1), lower(&error.0.to_string())).code("PM001");
    match unclosed(&source.text) {
        Some((line, column)) => problem.hint(format!("the brace opened at {line}:{column} is not closed")),
        None => problem,
    }
}

/// A strict compile fails at the first unknown variable or namespace; the nearest known one is the hint.
fn unknown_name(
    source: &Source,
    error: &ParseError,
    extras: &Extras,
    constants: &[Constant],
) -> Box<Failure> {
    use rhai::ParseErrorType as E;
    let problem = |message: String| Problem::at(place(source, error.1), message).code("PM020");
    let spaces = || {
        let services = super::api::SERVICES.iter().map(|(n, _)| *n);
        services.chain(extras.namespaces.iter().map(|(n, _)| n.as_str()))
    };
    let (problem, missing) = match &*error.0 {
        E::ModuleUndefined(name) => {
            let problem = problem(format!("unknown namespace `{name}`"));
            let problem = match nearest(name, spaces()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem
                    .hint(format!("known namespaces are `{}`", spaces().collect::<Vec<_>>().join("`, `"))),
            };
            (problem, Some(name.clone()))
        }
        E::VariableUndefined(name) => {
            let problem = problem(format!("unknown variable `{name}`"));
            let problem = match nearest(name, constants.iter().map(|(n, _)| n.as_str())) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem,
            };
            (problem, None)
        }
        _ => (syntax(source, error), None),
    };
    Box::new(Failure { problem, missing })
}

/// Rhai's sentences begin with a capital; ours do not.
fn lower(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let without_place = first.split(" (line ").next().unwrap_or(first);
    let mut chars = without_place.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}
