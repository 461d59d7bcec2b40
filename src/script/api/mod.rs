//! The vocabulary of scripts, one file a word. Everything here is bounded by its input, and the input by the sandbox.

mod address;
mod alert;
mod attack;
mod body;
mod counter;
mod denied;
mod geo;
mod hash;
mod identity;
mod info;
mod json;
mod json_body;
mod kv;
mod limit;
mod list;
mod log;
mod metric;
mod net;
mod patterns;
mod request;
mod response;
mod response_body;
mod shared_facts;
mod text;
mod time;
mod tls;
mod upstream;
mod vars;
mod verbs;

pub(super) use address::Ip;
pub(super) use denied::Denied;
pub(super) use info::Info;
pub(super) use patterns::{glob, pattern};
pub(super) use response::{
    Change as HeaderChange, check_name as check_header_name, check_value as check_header_value,
};
pub(super) use text::replaced;
pub(super) use time::{parse_clock_time, zone};
pub(super) use upstream::Up;
pub(super) use verbs::VERBS;

use std::any::{TypeId, type_name};
use std::sync::LazyLock;

use rhai::{ImmutableString, Module, Shared};

/// Names without a namespace: verbs, and the members of `req` and `res`.
pub(super) static GLOBALS: LazyLock<Shared<Module>> = LazyLock::new(|| {
    let mut module = Module::new();
    // Rhai asks module after module for the name of a value's type at each `text.method()`, and here it is found first.
    module.set_custom_type_raw(type_name::<ImmutableString>(), "string");
    verbs::register(&mut module);
    request::register(&mut module);
    identity::register(&mut module);
    geo::register(&mut module);
    address::register(&mut module);
    time::register(&mut module);
    tls::register(&mut module);
    vars::register(&mut module);
    response::register(&mut module);
    body::register(&mut module);
    attack::register(&mut module);
    shared_facts::register(&mut module);
    json_body::register(&mut module);
    upstream::register(&mut module);
    response_body::register(&mut module);
    denied::register(&mut module);
    info::register(&mut module);
    module.build_index();
    module.into()
});

/// The services, by namespace.
pub(super) static SERVICES: LazyLock<Vec<(&'static str, Shared<Module>)>> = LazyLock::new(|| {
    let services = [
        ("text", text::module()),
        ("net", net::module()),
        ("time", time::module()),
        ("attack", attack::module()),
        ("hash", hash::module()),
        ("json", json::module()),
        ("metric", metric::module()),
        ("alert", alert::module()),
        ("log", log::module()),
    ];
    let remembers = [
        ("kv", kv::module()),
        ("counter", counter::module()),
        ("limit", limit::module()),
        ("list", list::module()),
    ];
    services
        .into_iter()
        .chain(remembers)
        .map(|(name, mut module)| {
            module.build_index();
            (name, module.into())
        })
        .collect()
});

/// The type that a member returns, where it is one that has members itself.
pub(super) fn type_named(name: &str) -> Option<TypeId> {
    let last = name.rsplit("::").next().unwrap_or(name);
    Some(match last {
        "Info" => TypeId::of::<Info>(),
        "Ip" => TypeId::of::<Ip>(),
        "Client" => TypeId::of::<identity::Client>(),
        "Geo" => TypeId::of::<geo::Geo>(),
        "User" => TypeId::of::<identity::User>(),
        "Session" => TypeId::of::<identity::Session>(),
        "ApiKey" => TypeId::of::<identity::ApiKey>(),
        "Tls" => TypeId::of::<tls::Tls>(),
        "ClientCert" => TypeId::of::<tls::ClientCert>(),
        "Attack" => TypeId::of::<attack::Attack>(),
        "Body" => TypeId::of::<body::Body>(),
        "JsonBody" => TypeId::of::<json_body::JsonBody>(),
        "ResponseBody" => TypeId::of::<response_body::ResponseBody>(),
        "Time" => TypeId::of::<time::Time>(),
        "Route" => TypeId::of::<identity::Route>(),
        _ => return None,
    })
}
