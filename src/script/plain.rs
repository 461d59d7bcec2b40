//! Plain data: what a script may hand to something that outlives its call.

use rhai::Dynamic;

/// The deepest nesting of one value.
const DEPTH_MAX: usize = 8;

/// The weight of plain data: characters of texts, and one for everything else; `None` for a closure, a handle, or what is
/// nested too deep.
pub(super) fn weight(value: &Dynamic) -> Option<usize> {
    weigh(value, 0)
}

fn weigh(value: &Dynamic, depth: usize) -> Option<usize> {
    if depth > DEPTH_MAX {
        return None;
    }
    if let Some(text) = value.read_lock::<rhai::ImmutableString>() {
        return Some(text.len() + 1);
    }
    if let Some(items) = value.read_lock::<rhai::Array>() {
        return items.iter().try_fold(1, |sum, v| Some(sum + weigh(v, depth + 1)?));
    }
    if let Some(map) = value.read_lock::<rhai::Map>() {
        return map.iter().try_fold(1, |sum, (k, v)| Some(sum + k.len() + weigh(v, depth + 1)?));
    }
    (value.is_int() || value.is_float() || value.is_bool() || value.is_char()).then_some(1)
}
