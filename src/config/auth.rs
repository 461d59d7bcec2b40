//! `[auth]`: who may sign in, and how.

use std::time::Duration;

use crate::base::document::Table;

use super::context::Context;
use super::count;
use super::providers::{self, Provider};

/// Ways to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Whether local accounts may sign in.
    pub local_enabled: bool,
    /// Shortest password that `users add|passwd` takes, in characters.
    pub password_min: usize,
    /// Most password checks at a time; each takes 19 MiB.
    pub password_checks_max: usize,
    /// Wrong passwords for one name that lock it; 0 is never.
    pub lockout_failures: u32,
    /// How long a lock lasts.
    pub lockout_for: Duration,
    /// Wrong passwords from one network that lock it; 0 is never.
    pub lockout_network_failures: u32,
    /// Wrong passwords count together within this time.
    pub lockout_window: Duration,
    /// `[auth.providers.NAME]`: OpenID Connect providers, by name.
    pub providers: Vec<Provider>,
    /// A file of further certificate authorities that providers are believed under, in PEM.
    pub provider_ca: Option<String>,
}

impl Auth {
    /// Reads the table.
    pub(super) fn read(mut table: Table<'_>, context: &mut Context) -> Self {
        let mut local = table.table("local");
        let local_enabled = local.flag("enabled", true, "Whether local accounts may sign in.");
        let password_min = local.integer(
            "password_min",
            12,
            (8, 1_024),
            "Shortest password that `users add|passwd` takes, in characters.",
        );
        let password_checks_max = local.integer(
            "password_checks_max",
            2,
            (1, 64),
            "Most password checks at a time; each takes 19 MiB.",
        );
        let least = Duration::from_secs(1);
        let lockout_failures = local.integer(
            "lockout_failures",
            5,
            (0, 10_000),
            "Wrong passwords for one name, whether an account has it or not, after which it must wait; 0 is never.",
        );
        let lockout_for =
            local.duration("lockout_for", "15m", least, "How long a name or a network must wait then.");
        let lockout_network_failures = local.integer(
            "lockout_network_failures",
            30,
            (0, 1_000_000),
            "Wrong passwords from one network (IPv4 by /24, IPv6 by /64) after which it must wait; 0 is never.",
        );
        let lockout_window = local.duration(
            "lockout_window",
            "10m",
            least,
            "Wrong passwords count together when they come within this time of the first.",
        );
        local.finish();
        let provider_ca = providers::read_authorities(&mut table, context);
        let providers = providers::read_all(table.table("providers"), context);
        table.finish();
        Self {
            local_enabled,
            password_min: count(password_min),
            password_checks_max: count(password_checks_max),
            lockout_failures: u32::try_from(lockout_failures).unwrap_or(u32::MAX),
            lockout_for,
            lockout_network_failures: u32::try_from(lockout_network_failures).unwrap_or(u32::MAX),
            lockout_window,
            providers,
            provider_ca,
        }
    }
}
