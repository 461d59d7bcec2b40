//! When each hook is called, in words for the page.

use crate::script::hook::Hook;

/// When a hook is called.
pub(super) fn when(hook: Hook) -> &'static str {
    match hook {
        Hook::Request => "Client, route and headers are known; who is asking is not known yet.",
        Hook::Auth => "User, session and API key are known.",
        Hook::Body => "The body of the request is there. Only for plugins whose `[body]` asks for it.",
        Hook::Upstream => "Nothing stands against the request; what goes upstream may be changed.",
        Hook::Response => "The head of the answer is known and may be changed.",
        Hook::ResponseBody => {
            "The body of the answer is there and may be changed. Only for plugins whose `[body]` asks for it."
        }
        Hook::Deny => "The request was refused; the words of the refusal may be changed.",
        Hook::Log => "Everything is over; nothing can be decided.",
    }
}
