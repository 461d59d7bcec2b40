//! The schema, one numbered step at a time. A step that was released is never changed.

use rusqlite::{Connection, TransactionBehavior};

/// `PM` and `GW`: what the file says it is (`PRAGMA application_id`).
pub(super) const APPLICATION_ID: i32 = 0x504d_4757;

const STEPS: [&str; 10] = [
    include_str!("migrations/0001_first_tables.sql"),
    include_str!("migrations/0002_api_keys.sql"),
    include_str!("migrations/0003_identities.sql"),
    include_str!("migrations/0004_rule_state.sql"),
    include_str!("migrations/0005_decisions.sql"),
    include_str!("migrations/0006_requests_explained.sql"),
    include_str!("migrations/0007_bans.sql"),
    include_str!("migrations/0008_alerts.sql"),
    include_str!("migrations/0009_person_keys.sql"),
    include_str!("migrations/0010_reload_changes.sql"),
];

/// The schema that this program writes.
pub(super) fn newest() -> i64 {
    i64::try_from(STEPS.len()).expect("a handful of steps")
}

/// Brings a database from schema `found` to the newest. Each step is done whole or not at all.
pub(super) fn migrate(connection: &mut Connection, found: i64) -> rusqlite::Result<()> {
    let done = usize::try_from(found).unwrap_or(0);
    for (version, step) in (1_i64..).zip(STEPS).skip(done) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}
