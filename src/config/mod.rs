//! Floor 1: config.toml, one table a file. What was written is read once into values that are all in range.

mod admin;
mod alerts;
mod auth;
mod bans;
mod connections;
mod context;
mod cors;
mod draft;
mod env;
mod file;
mod gateway;
mod geo;
mod headers;
mod http2;
mod json;
mod load;
mod lockdown;
mod log;
mod methods;
mod named_file;
mod network;
mod origin;
mod plugins;
mod providers;
mod rate_limit;
mod reference;
mod rotate;
mod routes;
mod rules;
mod secrets;
mod server;
mod services;
mod session;
mod shown;
mod storage;
mod switch;
mod thresholds;
mod tls;
mod token;
mod tracing;
mod upstream_url;
mod weak_secret;
mod websocket;

#[cfg(test)]
mod check;

pub use self::tracing::{TraceTrust, Tracing};
pub use admin::Admin;
pub use alerts::{
    Alert, Measure as AlertMeasure, Per as AlertPer, Severity as AlertSeverity, Shape as AlertShape, Webhook,
    When,
};
pub use auth::Auth;
pub use bans::Bans;
pub use connections::{Connections, MemoryMax};
pub use cors::Cors;
pub use file::{CONFIG_BYTES_MAX, FileError, TextFile, read_file};
pub use gateway::{OWN, OwnPaths};
pub use geo::{Geo, GeoFile};
pub use headers::Headers;
pub use http2::Http2;
pub use load::{EMBEDDED, Inputs, Loaded, load};
pub use lockdown::Lockdown;
pub use log::{Format, Level, Log};
pub use named_file::NamedFile;
pub use plugins::{Mode, PluginOverride, Plugins, RouteFilter, SettingValue};
pub use providers::Provider;
pub use rate_limit::RateLimit;
pub use reference::reference;
pub use rotate::{RotateError, Rotated, rotate, secret_file};
pub use routes::{
    AuthNeed, Credential, Destination, REDIRECT_PATH, REDIRECT_QUERY, Redirect, Respond, Route, RouteLimits,
    Schema,
};
pub use rules::{InlineRule, RULES_MAX as INLINE_RULES_MAX, Then};
pub use secrets::{make_development_secret, new_secret};
pub use server::Server;
pub use services::{Balance, Breaker, Health, Protocol, Retry, Service, Tls};
pub use session::{SameSite, Session};
pub use shown::{ShownKey, shown, shown_keys};
pub use storage::Storage;
pub use switch::{SwitchError, Switched, replace_text, switch_mode};
pub use thresholds::Thresholds;
pub use tls::{CertificateFiles, ClientAuth, ServerTls, TlsVersion};
pub use weak_secret::{PLACEHOLDERS as SECRET_PLACEHOLDERS, SECRET_BYTES_MIN, Weakness, weakness};
pub use websocket::WebSocket;

use std::path::PathBuf;

/// Whether this is somebody's desk or the outside world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Convenient: a secret is made, cookies work over plain http.
    Development,
    /// Strict: see the production refusals in CONTRACT section 2.
    Production,
}

/// The whole configuration, every value in range.
#[derive(Clone, Debug)]
pub struct Config {
    /// `environment`.
    pub environment: Environment,
    /// The folder that relative paths are relative to.
    pub folder: PathBuf,
    /// `[gateway]`.
    pub gateway: OwnPaths,
    /// `[server]`.
    pub server: Server,
    /// `[admin]`.
    pub admin: Admin,
    /// `[session]`.
    pub session: Session,
    /// `[cors]`.
    pub cors: Cors,
    /// `[headers]`.
    pub headers: Headers,
    /// `[rate_limit]`.
    pub rate_limit: RateLimit,
    /// `[storage]`.
    pub storage: Storage,
    /// `[log]`.
    pub log: Log,
    /// `[auth]`.
    pub auth: Auth,
    /// `[[services]]`, in the file's order.
    pub services: Vec<Service>,
    /// `[[routes]]`, in the file's order.
    pub routes: Vec<Route>,
    /// `[plugins]`.
    pub plugins: Plugins,
    /// `[geo]`.
    pub geo: Geo,
    /// `[bans]`.
    pub bans: Bans,
    /// `[lockdown]`.
    pub lockdown: Lockdown,
    /// `[thresholds]`.
    pub thresholds: Thresholds,
    /// `[[alerts]]`, in the file's order.
    pub alerts: Vec<Alert>,
    /// `[tracing]`.
    pub tracing: Tracing,
}

/// A number that a range has kept from being negative.
fn count(n: i64) -> usize {
    usize::try_from(n).unwrap_or(0)
}
