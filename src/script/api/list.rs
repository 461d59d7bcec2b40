//! `list::`: the lists that a plugin declares in `plugin.toml`.

use std::sync::Arc;
use std::time::Duration;

use rhai::{Dynamic, ImmutableString, Module, NativeCallContext, export_module, exported_module};

use super::address::Ip;
use super::kv::{duration, look, write};
use super::log::redact;
use crate::script::budget;
use crate::script::call::{Call, Raised, error};
use crate::script::gateway_list::{self, BANS, BanChange};
use crate::script::state::ListValue;

/// The longest note of an entry, in characters.
const NOTE_CHARS_MAX: usize = 200;

pub(super) fn module() -> Module {
    exported_module!(list)
}

/// Hands a value over as an address or a text.
fn with<R>(value: &Dynamic, then: impl FnOnce(&ListValue<'_>) -> Result<R, String>) -> Raised<R> {
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return then(&ListValue::Text(&text)).map_err(error);
    }
    if let Some(ip) = value.read_lock::<Ip>() {
        return then(&ListValue::Address(ip.address)).map_err(error);
    }
    Err(error("an entry of a list is a text or an address"))
}

/// Pays for a look at every glob of a list.
fn pay(call: &Call, name: &str) -> Raised<()> {
    let cost = u64::try_from(call.state.cost(name)).unwrap_or(u64::MAX);
    if budget::charge(cost) { Err(error("the budget is spent")) } else { Ok(()) }
}

fn put(
    ctx: &NativeCallContext<'_>,
    name: &str,
    value: &Dynamic,
    ttl: Option<Duration>,
    note: &str,
) -> Raised<()> {
    let call = write(ctx)?;
    let note: String = redact(note, &call).chars().take(NOTE_CHARS_MAX).collect();
    if name == BANS {
        return with(value, |value| ban(&call, value, ttl, &note));
    }
    with(value, |value| call.state.add(name, value, ttl, &note, call.clock.unix_ms()))
}

/// Has somebody kept out: the gateway sees to it when the hook has ended. A plugin in shadow writes to its copy.
fn ban(call: &Call, value: &ListValue<'_>, ttl: Option<Duration>, note: &str) -> Result<(), String> {
    let network = gateway_list::network(value)?;
    if call.state.shadow || call.gateway_bans(BANS).is_none() {
        let text = network.to_string();
        return call.state.add(BANS, &ListValue::Text(&text), ttl, note, call.clock.unix_ms());
    }
    call.ask_ban(network, BanChange::Begin { expires_ms: call.end_of(ttl), reason: note.into() });
    Ok(())
}

/// Lets somebody in again whom this plugin had kept out; whether it had.
fn free(call: &Call, value: &ListValue<'_>) -> Result<bool, String> {
    let (network, now_ms) = (gateway_list::network(value)?, call.clock.unix_ms());
    match call.gateway_bans(BANS).filter(|_| !call.state.shadow) {
        None => call.state.remove(BANS, &ListValue::Text(&network.to_string()), now_ms),
        Some(bans) => {
            let own = call.asked_ban(network);
            let is_own = bans.banned_by(network, now_ms).is_some_and(|by| by == call.plugin);
            if own == Some(false) || (own.is_none() && !is_own) {
                return Ok(false);
            }
            call.ask_ban(network, BanChange::End);
            Ok(true)
        }
    }
}

/// The note of the entry that a value matches.
fn listed(call: &Call, name: &str, value: &ListValue<'_>) -> Result<Option<Arc<str>>, String> {
    let now_ms = call.clock.unix_ms();
    let Some(bans) = call.gateway_bans(name) else { return call.state.listed(name, value, now_ms) };
    if call.state.shadow
        && let Some(note) = call.state.listed(name, value, now_ms)?
    {
        return Ok(Some(note));
    }
    call.ban_reason(&**bans, value)
}

#[export_module]
mod list {
    /// Whether a value is in a list: an address also by its network, a host name also by a name above it, a text also by
    /// a glob, each where the list is of that type.
    #[rhai_fn(return_raw, volatile)]
    pub fn has(ctx: NativeCallContext<'_>, name: &str, value: Dynamic) -> Raised<bool> {
        let call = look(&ctx)?;
        pay(&call, name)?;
        with(&value, |value| listed(&call, name, value)).map(|note| note.is_some())
    }

    /// The note of the entry that a value matches; `""` where it matches none.
    #[rhai_fn(return_raw, volatile)]
    pub fn note(ctx: NativeCallContext<'_>, name: &str, value: Dynamic) -> Raised<ImmutableString> {
        let call = look(&ctx)?;
        pay(&call, name)?;
        let note = with(&value, |value| listed(&call, name, value))?;
        Ok(note.as_deref().unwrap_or_default().into())
    }

    /// Adds an entry that stays until it is removed, or gives way to others when the list is full. In `gateway/ban`, with
    /// `[permissions] lists_write`, it keeps an address or network out of the whole gateway, an IPv6 address with its /64.
    #[rhai_fn(return_raw, volatile)]
    pub fn add(ctx: NativeCallContext<'_>, name: &str, value: Dynamic) -> Raised<()> {
        put(&ctx, name, &value, None, "")
    }

    /// Adds an entry for a while: `"24h"`.
    #[rhai_fn(name = "add", return_raw, volatile)]
    pub fn add_for(ctx: NativeCallContext<'_>, name: &str, value: Dynamic, ttl: Dynamic) -> Raised<()> {
        put(&ctx, name, &value, Some(duration(&ttl)?), "")
    }

    /// Adds an entry for a while, with a note for people.
    #[rhai_fn(name = "add", return_raw, volatile)]
    pub fn add_noted(
        ctx: NativeCallContext<'_>,
        name: &str,
        value: Dynamic,
        ttl: Dynamic,
        note: &str,
    ) -> Raised<()> {
        put(&ctx, name, &value, Some(duration(&ttl)?), note)
    }

    /// Removes an entry that a rule added; whether it was there. The entries of the list's file stay.
    #[rhai_fn(return_raw, volatile)]
    pub fn remove(ctx: NativeCallContext<'_>, name: &str, value: Dynamic) -> Raised<bool> {
        let call = write(&ctx)?;
        if name == BANS {
            return with(&value, |value| free(&call, value));
        }
        with(&value, |value| call.state.remove(name, value, call.clock.unix_ms()))
    }

    /// How many entries a list has, those of its file included.
    #[rhai_fn(return_raw, volatile)]
    pub fn size(ctx: NativeCallContext<'_>, name: &str) -> Raised<i64> {
        let call = look(&ctx)?;
        let now_ms = call.clock.unix_ms();
        let entries = match call.gateway_bans(name) {
            Some(bans) => i64::try_from(bans.size(now_ms)).unwrap_or(i64::MAX),
            None => call.state.size(name, now_ms).map_err(error)?,
        };
        let cost = u64::try_from(entries).unwrap_or(u64::MAX) / 64;
        if budget::charge(cost) { Err(error("the budget is spent")) } else { Ok(entries) }
    }
}
