//! Every native function and member, by name: made once from what the sandbox really has.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use crate::script::engine::{Extras, Names, sandbox};
use crate::script::strict::HIDDEN;

/// Functions that Rhai handles itself and that appear in no list, with any number of arguments.
const INTRINSIC: [&str; 8] =
    ["call", "curry", "Fn", "type_of", "is_def_fn", "is_def_var", "is_shared", "eval"];

/// What the sandbox has.
pub(super) struct Catalogue {
    /// Namespace and name, with the numbers of arguments; the namespace is empty for global functions.
    functions: BTreeMap<(String, String), BTreeSet<usize>>,
    /// Members of a type: properties and methods, with the text of their return type.
    members: HashMap<TypeId, BTreeMap<String, String>>,
}

pub(super) static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::collect);

impl Catalogue {
    fn collect() -> Self {
        let engine = sandbox(&Extras::default(), Names::Known);
        let all = engine.collect_fn_metadata(
            None,
            |f| {
                let m = f.metadata;
                let first = m.param_types.first().copied();
                Some((
                    f.namespace.to_string(),
                    m.name.to_string(),
                    m.num_params,
                    first,
                    m.return_type.to_string(),
                ))
            },
            true,
        );
        let mut catalogue = Self { functions: BTreeMap::new(), members: HashMap::new() };
        for (space, name, arity, first, returns) in all {
            if space.is_empty() && HIDDEN.contains(&name.as_str()) {
                continue;
            }
            let member = name.strip_prefix("get$").unwrap_or(&name).to_owned();
            if let Some(first) = first.filter(|_| space.is_empty()) {
                catalogue.members.entry(first).or_default().entry(member).or_insert(returns);
            }
            catalogue.functions.entry((space, name)).or_default().insert(arity);
        }
        catalogue
    }

    /// The numbers of arguments that a function takes; `None` if there is no such function.
    pub fn arities(&self, space: &str, name: &str) -> Option<&BTreeSet<usize>> {
        self.functions.get(&(space.to_owned(), name.to_owned()))
    }

    /// Whether Rhai itself handles a function of that name.
    pub fn is_intrinsic(name: &str) -> bool {
        // Closures and operators have names that nobody can write.
        INTRINSIC.contains(&name)
            || !name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            || name.contains('$')
    }

    /// The names of a namespace.
    pub fn names<'a>(&'a self, space: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        let plain = |name: &&str| name.starts_with(|c: char| c.is_alphabetic()) && !name.contains('$');
        self.functions.keys().filter(move |(s, _)| s == space).map(|(_, n)| n.as_str()).filter(plain)
    }

    /// The members of a type.
    pub fn members(&self, of: TypeId) -> Option<&BTreeMap<String, String>> {
        self.members.get(&of)
    }
}
