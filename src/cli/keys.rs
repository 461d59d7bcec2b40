//! `pluginmind keys`: API keys for machines.

use super::exit::Exit;
use super::failure::Failure;
use super::options::Keys;
use super::{Options, inputs, offline, render, running};
use crate::server::admin::action::{Action, KeyWanted};
use crate::server::admin::keys::KeyView;

const SHOWN_ONCE: &str = "This is the only time the key is shown; only a hash of it is kept.";

pub(super) fn run(options: &Options, what: Keys) -> Result<Exit, Failure> {
    match what {
        Keys::List => {
            let keys = offline::keys(&inputs::config(options)?)?;
            render::result(options.format, &keys, || table(&keys));
        }
        Keys::Create { name, owner, tier, scopes, per_minute, expires } => {
            let wanted = KeyWanted { name, owner, tier, scopes, per_minute, expires };
            let made = running::change(options, Action::CreateKey(wanted))?;
            let text = |name: &str| made.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
            render::result(options.format, &made, || {
                format!("{}\n\nmade: {} ({})\n{SHOWN_ONCE}", text("key"), text("name"), text("id"))
            });
        }
        Keys::Revoke { id } => {
            let ended = running::change(options, Action::RevokeKey { id })?;
            let text = |name: &str| ended.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
            render::result(options.format, &ended, || format!("revoked: {} ({})", text("name"), text("id")));
        }
    }
    Ok(Exit::Fine)
}

fn table(keys: &[KeyView]) -> String {
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            [
                key.id.clone(),
                key.name.clone(),
                key.state.to_owned(),
                or_dash(&key.owner),
                or_dash(&key.tier),
                key.scopes.join(", "),
                or_dash(&key.expires),
                or_dash(&key.last_used),
            ]
        })
        .collect();
    let head = ["ID", "NAME", "STATE", "OWNER", "TIER", "SCOPES", "EXPIRES", "LAST USED"];
    render::table(head, &rows, "no keys")
}
