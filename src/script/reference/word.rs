//! One word of the vocabulary, as its registration tells it: name, parameters, result, sentence.

use rhai::FuncMetadata;

/// How a script uses a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// `value.name`
    Read,
    /// `value.name = …`
    Write,
    /// `value["…"]`
    Look,
    /// `value["…"] = …`
    Put,
    /// `name(…)`, or `value.name(…)`
    Call,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub name: String,
    /// The type as scripts know it.
    pub kind: String,
}

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The namespace; empty for a global word.
    pub space: String,
    pub name: String,
    pub used: Use,
    pub parameters: Vec<Parameter>,
    /// The type of the result as scripts know it; `()` for none.
    pub gives: String,
    /// The doc comment, one line a line.
    pub doc: Vec<String>,
}

impl Word {
    /// The word of a registration; `None` for an operator, and for what Rhai names for itself.
    pub fn read(space: &str, metadata: &FuncMetadata) -> Option<Self> {
        let (used, name) = used(&metadata.name);
        if name.contains('$') || !(used == Use::Look || used == Use::Put || is_name(name)) {
            return None;
        }
        let parameters = (0..metadata.num_params).map(|i| parameter(metadata.params_info.get(i)));
        let doc = metadata.comments.iter().flat_map(|c| c.lines());
        Some(Self {
            space: space.to_owned(),
            name: name.to_owned(),
            used,
            parameters: parameters.collect(),
            gives: kind(&metadata.return_type),
            doc: doc.map(|line| line.trim_start_matches('/').trim().to_owned()).collect(),
        })
    }

    /// The type that the word is a member of, where it is read, written or called so.
    pub fn receiver(&self) -> Option<&str> {
        self.parameters.first().map(|p| p.kind.as_str())
    }

    /// The first paragraph of the doc comment, in one line.
    pub fn sentence(&self) -> String {
        let first: Vec<&str> = self
            .doc
            .iter()
            .map(String::as_str)
            .skip_while(|l| l.is_empty())
            .take_while(|l| !l.is_empty())
            .collect();
        first.join(" ")
    }

    /// The names of the parameters from the one at `from` on.
    pub fn names(&self, from: usize) -> String {
        let names: Vec<&str> = self.parameters.iter().skip(from).map(|p| p.name.as_str()).collect();
        names.join(", ")
    }
}

fn used(registered: &str) -> (Use, &str) {
    if let Some(name) = registered.strip_prefix("get$") {
        (Use::Read, name)
    } else if let Some(name) = registered.strip_prefix("set$") {
        (Use::Write, name)
    } else if registered == "index$get$" {
        (Use::Look, "[]")
    } else if registered == "index$set$" {
        (Use::Put, "[]")
    } else {
        (Use::Call, registered)
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic()) && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn parameter(registered: Option<&impl AsRef<str>>) -> Parameter {
    let text = registered.map_or("_", AsRef::as_ref);
    let (name, of) = text.split_once(':').unwrap_or((text, ""));
    let name = name.rsplit(' ').next().unwrap_or(name);
    Parameter { name: name.to_owned(), kind: kind(of) }
}

/// A Rust type as scripts know it.
fn kind(of: &str) -> String {
    let of = of.trim().trim_start_matches('&').trim_start();
    let of: String = of.strip_prefix("mut ").unwrap_or(of).split_whitespace().collect();
    let of = of.as_str();
    let inner = ["Raised<", "RhaiResultOf<", "Result<"].into_iter().find_map(|p| of.strip_prefix(p));
    if let Some(inner) = inner {
        let end = inner.find([',', '>']).unwrap_or(inner.len());
        return kind(&inner[..end]);
    }
    match of.rsplit("::").next().unwrap_or(of) {
        "" | "()" => "()",
        "ImmutableString" | "str" | "String" => "String",
        "i64" | "INT" => "int",
        "f64" | "FLOAT" => "float",
        "Dynamic" | "RhaiResult" | "T" => "?",
        "Denied" => "Verdict",
        "SharedFacts" => "Facts",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_as_scripts_know_them() {
        for (rust, script) in [
            ("&mut Request", "Request"),
            ("& mut rhai::ImmutableString", "String"),
            ("Raised<i64>", "int"),
            ("Raised < () >", "()"),
            ("RhaiResultOf<Array>", "Array"),
            ("", "()"),
            ("Dynamic", "?"),
            ("crate::script::api::Denied", "Verdict"),
        ] {
            assert_eq!(kind(rust), script, "{rust}");
        }
    }
}
