//! `[auth]`: who may sign in, and how.

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
        local.finish();
        let provider_ca = providers::read_authorities(&mut table, context);
        let providers = providers::read_all(table.table("providers"), context);
        table.finish();
        Self {
            local_enabled,
            password_min: count(password_min),
            password_checks_max: count(password_checks_max),
            providers,
            provider_ca,
        }
    }
}
