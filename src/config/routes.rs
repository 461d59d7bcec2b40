//! `[[routes]]`: which requests go where, and what they need.

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::target::EncodedSlashes;

/// Whether a route needs a caller who is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthNeed {
    /// 401 without a valid credential.
    Required,
    /// The caller is told upstream when known.
    Optional,
    /// Nobody asks.
    None,
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub enum Destination {
    /// To a service, by name.
    Service(String),
    /// Answered here.
    Respond(Respond),
}

/// A fixed answer. `{name}` in texts stands for what the gateway saw: `request.id`, `route`, `auth.state`, `user.id`,
/// `generation`, `method`.
#[derive(Clone, Debug, PartialEq)]
pub struct Respond {
    /// The status.
    pub status: u16,
    /// A JSON body; texts in it may hold placeholders.
    pub json: Option<serde_json::Value>,
    /// A text body; may hold placeholders.
    pub text: Option<String>,
}

/// A JSON Schema 2020-12 for request bodies.
#[derive(Clone, Debug)]
pub struct Schema {
    /// Where it was read from, for problems; `inline` schemas name the config file.
    pub origin: String,
    /// The file it was read from, so that it is watched.
    pub file: Option<PathBuf>,
    /// The schema itself.
    pub document: Arc<serde_json::Value>,
}

/// Limits of one route that replace the general ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RouteLimits {
    /// Replaces `rate_limit.user_per_minute`.
    pub user_per_minute: Option<u32>,
    /// Replaces `rate_limit.user_burst`.
    pub user_burst: Option<u32>,
    /// Replaces `rate_limit.ip_per_minute`.
    pub ip_per_minute: Option<u32>,
    /// Replaces `rate_limit.ip_burst`.
    pub ip_burst: Option<u32>,
}

/// One route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Metric label and log field; the path where no name is given.
    pub name: String,
    /// `/exact` or `/prefix/*`.
    pub path: String,
    /// The host it is for, lower case; any where absent.
    pub host: Option<String>,
    /// The methods it takes; the seven usual ones where empty.
    pub methods: Vec<String>,
    /// Where it goes.
    pub to: Destination,
    /// Whether the caller must be known.
    pub auth: AuthNeed,
    /// Roles of which the caller needs one; none are needed where empty.
    pub roles: Vec<String>,
    /// The schema of request bodies.
    pub body_schema: Option<Schema>,
    /// Replaces `server.body_max`, in bytes.
    pub body_max: Option<u64>,
    /// Media types it takes, `type/subtype` or `type/*`; any where empty.
    pub content_types: Vec<String>,
    /// Replaces `[rate_limit]` for this route, with buckets of its own.
    pub rate_limit: Option<RouteLimits>,
    /// Removed from the path before it goes upstream.
    pub strip_prefix: Option<String>,
    /// Headers set on the request that goes upstream.
    pub set_headers: Vec<(String, String)>,
    /// Words for plugins' `[routes]`.
    pub tags: Vec<String>,
    /// Whether `%2F` and `%5C` may stand in the path.
    pub encoded_slashes: EncodedSlashes,
}
