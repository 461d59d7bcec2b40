//! Saves what rules remember, off the request path: about every second, and once more at the end.

use std::sync::Arc;
use std::time::Duration;

use crate::bans::Bans;
use crate::pipeline::durable::{kv_row, state_row};
use crate::pipeline::gateway::Gateway;
use crate::pipeline::rule_bans::Seen;
use crate::script::{RuleBook, State, StateRow};
use crate::store::{KvRow, OpenError, Store};

/// How often changes are saved: what a crash can lose.
const EVERY: Duration = Duration::from_secs(1);
/// Most commits of one round; what is left waits for the next.
const COMMITS_MAX: usize = 256;

/// What was saved, in a state that goes on from it. The rules take it over first: their quotas say what is kept.
///
/// # Errors
/// The database cannot be read.
pub fn load(store: &Store, rules: &mut RuleBook, bans: &Arc<Bans>, now_ms: i64) -> Result<State, OpenError> {
    let state = State::new(store.pseudonym_key().expose()).with_bans(Arc::new(Seen(Arc::clone(bans))));
    rules.remember_in(&state);
    state.load(store.reader()?.kv(now_ms)?.into_iter().map(state_row));
    Ok(state)
}

/// Saves changes for as long as the process runs. Requests never wait for it: what cannot be saved is tried again.
pub async fn save_for_ever(gateway: Arc<Gateway>) {
    loop {
        tokio::time::sleep(EVERY).await;
        gateway.state.tidy(gateway.clock.unix_ms());
        for _ in 0..COMMITS_MAX {
            let rows = gateway.state.changes();
            if rows.is_empty() {
                break;
            }
            if gateway.store.save_kv(to_save(&rows)).await.is_err() {
                // The store says once that the database refuses writes.
                gateway.state.unsaved(&rows);
                break;
            }
        }
    }
}

/// Saves what is left. Blocks; for the end of the process, outside of any runtime.
pub fn save_last(gateway: &Gateway) {
    for _ in 0..COMMITS_MAX {
        let rows = gateway.state.changes();
        if rows.is_empty() {
            return;
        }
        if let Err(error) = gateway.store.save_kv(to_save(&rows)).wait() {
            gateway.state.unsaved(&rows);
            tracing::error!(%error, "what rules remember was not saved");
            return;
        }
    }
    tracing::error!("too much was left to save of what rules remember");
}

fn to_save(rows: &[StateRow]) -> Vec<KvRow> {
    rows.iter().map(kv_row).collect()
}
