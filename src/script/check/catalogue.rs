//! Every native function and member, by name: made once from what the sandbox really has.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use rhai::ImmutableString;

use crate::script::engine::{Extras, Names, sandbox};
use crate::script::strict::HIDDEN;

/// Functions that Rhai handles itself and that appear in no list, with any number of arguments.
const INTRINSIC: [&str; 8] =
    ["call", "curry", "Fn", "type_of", "is_def_fn", "is_def_var", "is_shared", "eval"];

/// What one function takes and gives.
pub(super) struct Signature {
    pub params: Vec<TypeId>,
    /// The text of the type that it returns.
    pub returns: String,
}

/// What the sandbox has.
pub(super) struct Catalogue {
    /// Namespace and name, with what each takes and gives; the namespace is empty for global functions.
    functions: BTreeMap<(String, String), Vec<Signature>>,
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
                let params: Vec<TypeId> = m.param_types.iter().map(|t| text_is_text(*t)).collect();
                Some((f.namespace.to_string(), m.name.to_string(), params, m.return_type.to_string()))
            },
            true,
        );
        let mut catalogue = Self { functions: BTreeMap::new(), members: HashMap::new() };
        for (space, name, params, returns) in all {
            if space.is_empty() && HIDDEN.contains(&name.as_str()) {
                continue;
            }
            let member = name.strip_prefix("get$").unwrap_or(&name).to_owned();
            if let Some(first) = params.first().copied().filter(|_| space.is_empty()) {
                catalogue.members.entry(first).or_default().entry(member).or_insert(returns.clone());
            }
            catalogue.functions.entry((space, name)).or_default().push(Signature { params, returns });
        }
        catalogue
    }

    /// The numbers of arguments that a function takes; `None` if there is no such function.
    pub fn arities(&self, space: &str, name: &str) -> Option<BTreeSet<usize>> {
        let signatures = self.functions.get(&(space.to_owned(), name.to_owned()))?;
        Some(signatures.iter().map(|s| s.params.len()).collect())
    }

    /// Everything of that name.
    pub fn signatures(&self, space: &str, name: &str) -> &[Signature] {
        self.functions.get(&(space.to_owned(), name.to_owned())).map_or(&[], Vec::as_slice)
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

/// The types of text are one to a script.
fn text_is_text(of: TypeId) -> TypeId {
    let text = TypeId::of::<ImmutableString>();
    if of == TypeId::of::<&str>() || of == TypeId::of::<String>() { text } else { of }
}
