//! What the start shows on a terminal: the addresses, each plugin with its mode and hooks, and three lines to try.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::render;
use crate::config::Environment;
use crate::pipeline::gateway::Gateway;
use crate::telemetry::logs::Form;

/// Shows the banner on a terminal; elsewhere one log line says that the gateway is up. The addresses are those of the public
/// and of the admin listener.
pub fn show(gateway: &Gateway, addresses: (SocketAddr, SocketAddr), form: Form) {
    let snapshot = gateway.live.current();
    match form {
        Form::Text => render::print(&text(gateway, addresses)),
        Form::Json => {
            tracing::info!(
                port = addresses.0.port(),
                admin_port = addresses.1.port(),
                generation = snapshot.generation,
                "listening"
            );
        }
    }
}

fn text(gateway: &Gateway, (public, admin): (SocketAddr, SocketAddr)) -> String {
    let snapshot = gateway.live.current();
    let config = &snapshot.config;
    let mode = match config.environment {
        Environment::Development => "development",
        Environment::Production => "production",
    };
    let mut out = format!("PluginMind {} ({mode})\n\n", env!("CARGO_PKG_VERSION"));
    let scheme = if snapshot.tls.is_some() { "https" } else { "http" };
    let _ = writeln!(out, "  gateway  {scheme}://{public}");
    let _ = writeln!(out, "  admin    http://{admin}  (metrics, status; not for the public)\n");
    out.push_str("  plugins\n");
    let plugins = snapshot.rules.plugins();
    if plugins.is_empty() {
        out.push_str("    none\n");
    }
    for plugin in plugins {
        let _ = writeln!(out, "    {:<20} {:<8} {}", plugin.name, plugin.mode, plugin.hooks.join(", "));
    }
    out.push_str("\n  try\n");
    for line in [
        format!("curl -i {scheme}://{public}/hello"),
        format!("curl -i {scheme}://{public}/private"),
        format!("curl -i {scheme}://{public}/.env"),
    ] {
        let _ = writeln!(out, "    {line}");
    }
    out.push_str("\n  Edit a file below plugins/ and ask again: the next answer follows the new rule.\n\n");
    out
}
