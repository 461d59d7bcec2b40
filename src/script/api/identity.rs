//! `req.client`, `req.user`, `req.session`, `req.api_key`, `req.route`.

use std::sync::Arc;

use rhai::{Array, Dynamic, ImmutableString, Module, export_module, exported_module};

use super::address::Ip;
use crate::script::facts::{RequestFacts, RouteFacts};

/// `req.client`.
#[derive(Clone)]
pub(super) struct Client {
    pub ip: Ip,
    pub port: i64,
    pub is_private: bool,
    pub tls_version: &'static str,
}

/// `req.user`.
#[derive(Clone)]
pub(super) struct User(pub Arc<RequestFacts>);

/// `req.session`.
#[derive(Clone)]
pub(super) struct Session(pub Arc<RequestFacts>);

/// `req.api_key`.
#[derive(Clone)]
pub(super) struct ApiKey(pub Arc<RequestFacts>);

/// `req.route`.
#[derive(Clone)]
pub(super) struct Route(pub RouteFacts);

/// A session younger than this is fresh, in seconds.
const FRESH_SECONDS: u64 = 300;

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Client>("Client");
    module.set_custom_type::<User>("User");
    module.set_custom_type::<Session>("Session");
    module.set_custom_type::<ApiKey>("ApiKey");
    module.set_custom_type::<Route>("Route");
    module.combine_flatten(exported_module!(client));
    module.combine_flatten(exported_module!(user));
    module.combine_flatten(exported_module!(session));
    module.combine_flatten(exported_module!(api_key));
    module.combine_flatten(exported_module!(route));
}

fn texts(values: &[String]) -> Array {
    values.iter().map(|v| Dynamic::from(v.clone())).collect()
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod client {
    /// The client's address.
    #[rhai_fn(get = "ip", pure)]
    pub fn ip(client: &mut Client) -> Ip {
        client.ip.clone()
    }

    /// The client's port; 0 where a proxy hides it.
    #[rhai_fn(get = "port", pure)]
    pub fn port(client: &mut Client) -> i64 {
        client.port
    }

    /// `1.2` or `1.3`; `""` where no TLS is spoken to the gateway itself.
    #[rhai_fn(get = "tls_version", pure)]
    pub fn tls_version(client: &mut Client) -> ImmutableString {
        client.tls_version.into()
    }

    /// Whether the address is loopback, private or link-local.
    #[rhai_fn(get = "is_private", pure)]
    pub fn is_private(client: &mut Client) -> bool {
        client.is_private
    }
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod user {
    /// Whether somebody is signed in.
    #[rhai_fn(get = "authenticated", pure)]
    pub fn authenticated(user: &mut User) -> bool {
        user.0.user().is_some()
    }

    /// The opaque id.
    #[rhai_fn(get = "id", pure)]
    pub fn id(user: &mut User) -> ImmutableString {
        user.0.user().map_or("", |u| &u.id).into()
    }

    /// The name.
    #[rhai_fn(get = "name", pure)]
    pub fn name(user: &mut User) -> ImmutableString {
        user.0.user().map_or("", |u| &u.name).into()
    }

    /// How the user signed in.
    #[rhai_fn(get = "method", pure)]
    pub fn method(user: &mut User) -> ImmutableString {
        user.0.user().map_or("", |u| &u.method).into()
    }

    /// The pseudonym under which logs know the user.
    #[rhai_fn(get = "hash", pure)]
    pub fn hash(user: &mut User) -> ImmutableString {
        user.0.user().map_or("", |u| &u.hash).into()
    }

    /// Whether a second factor was shown.
    #[rhai_fn(get = "mfa", pure)]
    pub fn mfa(user: &mut User) -> bool {
        user.0.user().is_some_and(|u| u.mfa)
    }

    /// The roles.
    #[rhai_fn(get = "roles", pure)]
    pub fn roles(user: &mut User) -> Array {
        user.0.user().map_or_else(Array::new, |u| texts(&u.roles))
    }

    /// The groups.
    #[rhai_fn(get = "groups", pure)]
    pub fn groups(user: &mut User) -> Array {
        user.0.user().map_or_else(Array::new, |u| texts(&u.groups))
    }

    /// Whether the user has a role.
    #[rhai_fn(pure)]
    pub fn has_role(user: &mut User, role: &str) -> bool {
        user.0.user().is_some_and(|u| u.roles.iter().any(|r| r == role))
    }

    /// Whether the user is in a group.
    #[rhai_fn(pure)]
    pub fn in_group(user: &mut User, group: &str) -> bool {
        user.0.user().is_some_and(|u| u.groups.iter().any(|g| g == group))
    }
}

#[expect(clippy::cast_possible_wrap, reason = "ages are far below 2^63 seconds")]
#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod session {
    /// Whether there is a live session.
    #[rhai_fn(get = "present", pure)]
    pub fn present(session: &mut Session) -> bool {
        session.0.session().is_some()
    }

    /// A pseudonym of the session's id.
    #[rhai_fn(get = "id", pure)]
    pub fn id(session: &mut Session) -> ImmutableString {
        session.0.session().map_or("", |s| &s.id).into()
    }

    /// Seconds since it began.
    #[rhai_fn(get = "age", pure)]
    pub fn age(session: &mut Session) -> i64 {
        session.0.session().map_or(0, |s| s.age_seconds as i64)
    }

    /// Whether it began in the last five minutes.
    #[rhai_fn(get = "fresh", pure)]
    pub fn fresh(session: &mut Session) -> bool {
        session.0.session().is_some_and(|s| s.age_seconds < FRESH_SECONDS)
    }
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod api_key {
    /// Whether a key identified the request.
    #[rhai_fn(get = "present", pure)]
    pub fn present(key: &mut ApiKey) -> bool {
        key.0.api_key().is_some()
    }

    /// The public id.
    #[rhai_fn(get = "id", pure)]
    pub fn id(key: &mut ApiKey) -> ImmutableString {
        key.0.api_key().map_or("", |k| &k.id).into()
    }

    /// The tier.
    #[rhai_fn(get = "tier", pure)]
    pub fn tier(key: &mut ApiKey) -> ImmutableString {
        key.0.api_key().map_or("", |k| &k.tier).into()
    }

    /// Whose key it is.
    #[rhai_fn(get = "owner", pure)]
    pub fn owner(key: &mut ApiKey) -> ImmutableString {
        key.0.api_key().map_or("", |k| &k.owner).into()
    }
}

#[expect(clippy::unwrap_used, reason = "rhai's macro unwraps arguments whose types it has checked")]
#[export_module]
mod route {
    /// The name; `""` for a path without a route.
    #[rhai_fn(get = "name", pure)]
    pub fn name(route: &mut Route) -> ImmutableString {
        route.0.name.as_ref().into()
    }

    /// The service behind it; `""` where the gateway answers.
    #[rhai_fn(get = "upstream", pure)]
    pub fn upstream(route: &mut Route) -> ImmutableString {
        route.0.service.as_ref().into()
    }

    /// Whether the route has a tag.
    #[rhai_fn(pure)]
    pub fn has_tag(route: &mut Route, tag: &str) -> bool {
        route.0.tags.iter().any(|t| t == tag)
    }
}
