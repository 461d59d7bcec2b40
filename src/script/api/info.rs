//! `info`: why a plugin goes live, for `on_start(info)`.

use rhai::{ImmutableString, Module, export_module, exported_module};

/// The handle of `info`.
#[derive(Clone, Debug)]
pub(in crate::script) struct Info {
    pub reason: &'static str,
    pub previous_version: String,
}

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Info>("Info");
    module.combine_flatten(exported_module!(info));
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod info {
    /// `"boot"`, `"reload"` where the plugin's files are others, `"settings"` where only its settings are.
    #[rhai_fn(get = "reason", pure)]
    pub fn reason(info: &mut Info) -> ImmutableString {
        info.reason.into()
    }

    /// The version that ran before this one, perhaps the same; `""` where there was none.
    #[rhai_fn(get = "previous_version", pure)]
    pub fn previous_version(info: &mut Info) -> ImmutableString {
        info.previous_version.as_str().into()
    }
}
