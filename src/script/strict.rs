//! Built-ins that are stricter or smaller than Rhai's own: comparisons that do not lie, and functions with an end.
//!
//! Rhai compares unlike types to `false`: `"5" > 3` is false, `"5" <= 3` is false too. A rule that reads so decides
//! wrongly without a sound, so here it is an error. `x == ()` stays: it asks whether a map has a key.

use std::cmp::Ordering;
use std::sync::LazyLock;

use rhai::{Dynamic, FuncRegistration, ImmutableString, Module, Shared};

use super::api::Ip;
use super::call::{Raised, error};

/// Functions of Rhai's own library that scripts cannot use; each raises when it is called all the same.
pub(super) const HIDDEN: [&str; 8] =
    ["sleep", "parse_json", "get_fn_metadata_list", "timestamp", "eval", "print", "debug", "take"];

/// The stricter built-ins. Registered after the standard packages, and so found before them.
pub(super) static STRICT: LazyLock<Shared<Module>> = LazyLock::new(|| {
    let mut module = Module::new();
    compare_same::<i64>(&mut module);
    compare_same::<f64>(&mut module);
    compare_same::<bool>(&mut module);
    compare_same::<char>(&mut module);
    compare_same::<ImmutableString>(&mut module);
    compare_any(&mut module);
    hide(&mut module);
    bound_replace(&mut module);
    module.build_index();
    module.into()
});

/// What a comparison asks.
type Holds = fn(Ordering) -> bool;

const OPERATORS: [(&str, Holds); 6] = [
    ("==", Ordering::is_eq),
    ("!=", Ordering::is_ne),
    ("<", Ordering::is_lt),
    ("<=", Ordering::is_le),
    (">", Ordering::is_gt),
    (">=", Ordering::is_ge),
];

/// Equal types: found first, without a look at the types.
fn compare_same<T: PartialOrd + Clone + Send + Sync + 'static>(module: &mut Module) {
    for (name, holds) in OPERATORS {
        FuncRegistration::new(name).with_purity(true).with_volatility(false).set_into_module(
            module,
            move |a: &mut T, b: T| -> bool {
                // NaN compares to nothing, itself included: only `!=` holds.
                (*a).partial_cmp(&b).map_or(name == "!=", holds)
            },
        );
    }
}

/// All other pairs.
fn compare_any(module: &mut Module) {
    for (name, holds) in OPERATORS {
        let equality = matches!(name, "==" | "!=");
        FuncRegistration::new(name).with_purity(true).with_volatility(false).set_into_module(
            module,
            move |a: &mut Dynamic, b: Dynamic| -> Raised<bool> {
                if equality && (a.is_unit() || b.is_unit()) {
                    return Ok((a.is_unit() && b.is_unit()) == (name == "=="));
                }
                match order(a, &b) {
                    Order::Is(order) => Ok(holds(order)),
                    // NaN compares to nothing, itself included: only `!=` holds.
                    Order::NotANumber => Ok(name == "!="),
                    Order::Unlike => {
                        Err(error(format!("`{name}` cannot compare {} with {}", kind(a), kind(&b))))
                    }
                }
            },
        );
    }
}

/// How two values stand to each other.
enum Order {
    Is(Ordering),
    NotANumber,
    Unlike,
}

fn order(a: &Dynamic, b: &Dynamic) -> Order {
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return a.partial_cmp(&b).map_or(Order::NotANumber, Order::Is);
    }
    if let (Some(a), Some(b)) = (text(a), text(b)) {
        return Order::Is(a.cmp(&b));
    }
    match (a.as_bool(), b.as_bool()) {
        (Ok(a), Ok(b)) => Order::Is(a.cmp(&b)),
        _ => Order::Unlike,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a whole number beside one with a point is compared as Rhai does it"
)]
fn number(value: &Dynamic) -> Option<f64> {
    value.as_float().ok().or_else(|| value.as_int().ok().map(|n| n as f64))
}

/// A text, or a character as a text of one.
fn text(value: &Dynamic) -> Option<ImmutableString> {
    value
        .as_char()
        .ok()
        .map(|c| ImmutableString::from(c.to_string()))
        .or_else(|| value.clone().into_immutable_string().ok())
}

fn kind(value: &Dynamic) -> &'static str {
    if value.is_int() || value.is_float() {
        "a number"
    } else if value.is_string() || value.is_char() {
        "a text"
    } else if value.is_bool() {
        "true or false"
    } else if value.is_array() {
        "a list"
    } else if value.is_map() {
        "a map"
    } else if value.is_unit() {
        "nothing"
    } else if value.is::<Ip>() {
        "an address"
    } else {
        "this kind of value"
    }
}

fn hide(module: &mut Module) {
    fn gone<T>(name: &str) -> Raised<T> {
        Err(error(format!("`{name}` is not available")))
    }
    module.set_native_fn("sleep", |_: i64| gone::<()>("sleep"));
    module.set_native_fn("sleep", |_: f64| gone::<()>("sleep"));
    module.set_native_fn("parse_json", |_: &str| gone::<()>("parse_json"));
    module.set_native_fn("get_fn_metadata_list", || gone::<()>("get_fn_metadata_list"));
    module.set_native_fn("get_fn_metadata_list", |_: &str| gone::<()>("get_fn_metadata_list"));
    module.set_native_fn("get_fn_metadata_list", |_: &str, _: i64| gone::<()>("get_fn_metadata_list"));
}

/// `replace` in place, as Rhai has it, with an end to what it makes: Rhai's own builds the product of both lengths.
fn bound_replace(module: &mut Module) {
    fn in_place(s: &mut ImmutableString, from: &str, to: &str) -> Raised<()> {
        *s = super::api::replaced(s, from, to)?;
        Ok(())
    }
    module.set_native_fn("replace", |s: &mut ImmutableString, from: &str, to: &str| in_place(s, from, to));
    module.set_native_fn("replace", |s: &mut ImmutableString, from: char, to: &str| {
        in_place(s, from.encode_utf8(&mut [0; 4]), to)
    });
    module.set_native_fn("replace", |s: &mut ImmutableString, from: &str, to: char| {
        in_place(s, from, to.encode_utf8(&mut [0; 4]))
    });
    module.set_native_fn("replace", |s: &mut ImmutableString, from: char, to: char| {
        in_place(s, from.encode_utf8(&mut [0; 4]), to.encode_utf8(&mut [0; 4]))
    });
}
