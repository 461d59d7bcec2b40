//! The sandbox: one Rhai engine per plugin, with nothing in it that can reach outside or run without an end.
//!
//! # Source
//! Measured facts about rhai 1.27.0: the optimiser panics on an assignment into a constant map, so it is off; the
//! default resolver reads any file, so there is none; `disable_symbol` hides keywords and not functions; debug builds
//! have tighter defaults than release builds, so every limit is set here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use rhai::packages::{
    BasicArrayPackage, BasicMapPackage, BasicMathPackage, BitFieldPackage, CorePackage, LogicPackage,
    MoreStringPackage, Package,
};
use rhai::{Dynamic, Engine, Module, OptimizationLevel, Shared, Token, def_package};

use super::api::{GLOBALS, SERVICES};
use super::budget;
use super::strict::STRICT;

/// The longest text of a script at run time, in bytes.
pub(super) const STRING_BYTES_MAX: usize = 64 << 10;
/// The longest list, nested lists included.
pub(super) const ARRAY_ITEMS_MAX: usize = 1_000;
/// The largest map, nested maps included.
const MAP_ITEMS_MAX: usize = 500;
/// Calls within calls: heavy frames overflow a 2 MiB stack near 115.
const CALL_LEVELS_MAX: usize = 24;
/// Variables alive at once.
const VARIABLES_MAX: usize = 200;
/// Functions in one file.
const FUNCTIONS_MAX: usize = 200;
/// Nesting of expressions and blocks.
const NESTING_MAX: usize = 64;

def_package! {
    /// Rhai's own library without time, blobs and files.
    Standard(module) : CorePackage, BitFieldPackage, LogicPackage, BasicMathPackage, BasicArrayPackage, BasicMapPackage, MoreStringPackage {}
}

pub(super) static STANDARD: LazyLock<Shared<Module>> = LazyLock::new(|| Standard::new().as_shared_module());

/// Namespaces and constants that one plugin has beyond the services.
#[derive(Clone, Default)]
pub(super) struct Extras {
    /// `scripts/` and `lib/` files, `settings`.
    pub namespaces: Vec<(String, Shared<Module>)>,
    /// Constants of the plugin's files, lifted out of them; the last one of a name is found first.
    pub constants: Vec<Shared<Module>>,
}

/// How names are looked at while a script is compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Any name may be there: the first pass looks only for syntax and constants.
    Any,
    /// Every variable and namespace must be known.
    Known,
}

/// A sandbox with those extras.
pub(super) fn sandbox(extras: &Extras, names: Names) -> Engine {
    let mut engine = Engine::new_raw();
    engine.register_global_module(STANDARD.clone());
    engine.register_global_module(STRICT.clone());
    engine.register_global_module(GLOBALS.clone());
    for (name, module) in SERVICES.iter() {
        engine.register_static_module(*name, module.clone());
    }
    for (name, module) in &extras.namespaces {
        engine.register_static_module(name, module.clone());
    }
    for constants in &extras.constants {
        engine.register_global_module(constants.clone());
    }
    engine
        .set_optimization_level(OptimizationLevel::None)
        .set_max_strings_interned(0)
        .set_fast_operators(false)
        .set_strict_variables(names == Names::Known);
    for symbol in ["eval", "import", "export", "print"] {
        engine.disable_symbol(symbol);
    }
    // Rhai keeps the word `debug` for itself, also where it is `log::debug`; the function without a namespace is refused
    // like `print`, by the strict module.
    #[expect(
        deprecated,
        reason = "rhai marks so what may change between its versions, and this one is pinned"
    )]
    engine.on_parse_token(|token, _, _| match token {
        Token::Reserved(word) if word.as_str() == "debug" => Token::Identifier(word),
        other => other,
    });
    engine.on_print(|_| {}).on_debug(|_, _, _| {});
    limit(&mut engine);
    engine.on_progress(|_| budget::tick().then_some(Dynamic::UNIT));
    engine
}

fn limit(engine: &mut Engine) {
    engine
        .set_max_call_levels(CALL_LEVELS_MAX)
        .set_max_operations(0) // counted in `budget`: Rhai's own count starts again in every closure
        .set_max_string_size(STRING_BYTES_MAX)
        .set_max_array_size(ARRAY_ITEMS_MAX)
        .set_max_map_size(MAP_ITEMS_MAX)
        .set_max_variables(VARIABLES_MAX)
        .set_max_functions(FUNCTIONS_MAX)
        .set_max_modules(0)
        .set_max_expr_depths(NESTING_MAX, NESTING_MAX);
}

/// Runs something that may panic in the interpreter or in a host function; `None` if it did.
pub(super) fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    // No state outlives a panic: a call's own state is dropped with it, and what is shared is behind locks that do
    // not poison.
    catch_unwind(AssertUnwindSafe(run)).ok()
}
