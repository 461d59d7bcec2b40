//! Findings in words: which rule was broken, without the value that broke it.

use std::fmt::Write as _;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};

use crate::base::refusal::Detail;

/// Longest path that is told, in bytes; keys may be as long as the body.
const PATH_BYTES_MAX: usize = 256;

/// A finding about a body, for the client.
pub fn about_the_body(error: &ValidationError<'_>) -> Detail {
    Detail { path: shortened(error.instance_path().as_str()), message: rule(error.kind()) }
}

/// A problem of a schema, for the operator, in one line.
pub fn about_the_schema(error: &ValidationError<'_>) -> String {
    if let Kind::Referencing(reference) = error.kind() {
        return format!(
            "a reference leads outside of the schema or to nothing; nothing is fetched ({reference})"
        )
        .replace('\n', " ");
    }
    let place = error.instance_path().as_str();
    let place = if place.is_empty() { "the top" } else { place };
    format!("not a JSON Schema 2020-12: at {place}: {error}").replace('\n', " ")
}

fn shortened(path: &str) -> String {
    let mut short = crate::base::text::cut(path, PATH_BYTES_MAX).to_owned();
    if short.len() < path.len() {
        short.push('…');
    }
    short
}

/// The rule, from words of the schema alone.
fn rule(kind: &Kind) -> String {
    match kind {
        Kind::Required { property } => format!("needs the property `{}`", property.as_str().unwrap_or("?")),
        Kind::Type { kind } => type_rule(kind),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::AdditionalItems { limit } => format!("must have no more than {limit} items"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} properties"),
        Kind::MinProperties { limit } => format!("must have at least {limit} properties"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::Format { format } => format!("must have the format `{format}`"),
        other => by_keyword(other).to_owned(),
    }
}

fn by_keyword(kind: &Kind) -> &'static str {
    match kind {
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
            "has a property that is not allowed"
        }
        Kind::UnevaluatedItems { .. } => "has an item that is not allowed",
        Kind::PropertyNames { .. } => "has a property whose name is not allowed",
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => "must fit one of the listed schemas",
        Kind::OneOfMultipleValid { .. } => "must fit exactly one of the listed schemas",
        Kind::Constant { .. } => "must be the one allowed value",
        Kind::Enum { .. } => "must be one of the listed values",
        Kind::Contains => "must contain an item that fits",
        Kind::Pattern { .. } | Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            "must match the pattern"
        }
        Kind::UniqueItems => "must have no item twice",
        Kind::Not { .. } => "must not fit the excluded schema",
        Kind::FalseSchema => "must not be there",
        _ => "does not fit the schema",
    }
}

fn type_rule(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => format!("must be of type {one}"),
        TypeKind::Multiple(several) => {
            let mut sentence = "must be of type ".to_owned();
            for (i, one) in several.iter().enumerate() {
                let _ = write!(sentence, "{}{one}", if i == 0 { "" } else { " or " });
            }
            sentence
        }
    }
}
