//! The database without a gateway: changes by the same code that the gateway runs, and readings.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::failure::Failure;
use super::running::words;
use crate::alert::Sent;
use crate::auth::{Auth, Moment, UserId};
use crate::bans::Bans;
use crate::base::clock::Clock;
use crate::base::refusal::Refusal;
use crate::config::Config;
use crate::pipeline::durable::{Durable, account_of, ban_of, key_of, lockdown_of, session_of};
use crate::server::admin::action::{Action, Terms};
use crate::server::admin::bans::BanView;
use crate::server::admin::keys::KeyView;
use crate::server::admin::lockdown::LockdownView;
use crate::server::admin::sessions::{SessionView, is_current};
use crate::server::admin::users::{self, UserView};
use crate::server::alerting::sent_of;
use crate::store::{OpenError, Options, Reader, Store};

/// Longest wait for the database to be closed.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Makes a change in a database that no gateway holds.
pub(super) fn perform(config: &Config, action: Action) -> Result<Value, Failure> {
    let asked = words(&action);
    let store = Store::open(&config.storage.path, Options::default()).map_err(|error| match error {
        OpenError::InUse { .. } => Failure::cannot_run(format!(
            "{error}, and no gateway answers at {} (`admin.listen`)",
            config.admin.listen
        )),
        other => unreadable(&other),
    })?;
    let terms = Terms::of(config);
    let now = Moment::of(&Clock::System);
    let auth = load(&store, terms, now)?;
    let out = load_bans(&store, config, now)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::cannot_run(error.to_string()))?;
    let outcome = runtime.block_on(action.perform(&auth, &out, terms, now));
    drop(auth);
    drop(out);
    let closed = store.close(CLOSE_MAX);
    let done = outcome.map_err(|refusal| match refusal {
        Refusal::NotFound => Failure::problem(asked),
        Refusal::InvalidInput(details) => {
            Failure::problem(details.iter().map(|d| d.message.as_str()).collect::<Vec<_>>().join("; "))
        }
        _ => Failure::cannot_run(format!("{} did not take the change", config.storage.path.display())),
    })?;
    closed.map_err(|error| Failure::cannot_run(error.to_string()))?;
    Ok(done)
}

/// Every account, by name. No database yet is no account.
pub(super) fn users(config: &Config) -> Result<Vec<UserView>, Failure> {
    let Some(reader) = reader(config)? else { return Ok(Vec::new()) };
    let rows = reader.users().map_err(|error| unreadable(&error))?;
    Ok(rows.into_iter().filter_map(account_of).map(|account| UserView::of(&account)).collect())
}

/// Every API key, newest first. No database yet is no key.
pub(super) fn keys(config: &Config) -> Result<Vec<KeyView>, Failure> {
    let Some(reader) = reader(config)? else { return Ok(Vec::new()) };
    let accounts = reader.users().map_err(|error| unreadable(&error))?;
    let names: HashMap<UserId, String> =
        accounts.into_iter().map(|row| (UserId::from_bytes(row.id), row.name)).collect();
    let rows = reader.keys().map_err(|error| unreadable(&error))?;
    let now_ms = Clock::System.unix_ms();
    Ok(rows.into_iter().map(|row| KeyView::of(&key_of(row), now_ms, |id| names.get(&id).cloned())).collect())
}

/// The living sessions, of all or of one account, newest first.
pub(super) fn sessions(config: &Config, user: Option<&str>) -> Result<Vec<SessionView>, Failure> {
    let unknown = || Failure::problem("there is no such account");
    let Some(reader) = reader(config)? else {
        return if user.is_some() { Err(unknown()) } else { Ok(Vec::new()) };
    };
    let (now_ms, lifetimes) = (Clock::System.unix_ms(), Terms::of(config).lifetimes);
    let accounts = reader.users().map_err(|error| unreadable(&error))?;
    let names: HashMap<UserId, String> =
        accounts.into_iter().map(|row| (UserId::from_bytes(row.id), row.name)).collect();
    let of = match user {
        Some(text) => Some(account(&names, text).ok_or_else(unknown)?),
        None => None,
    };
    let rows = reader.sessions(now_ms).map_err(|error| unreadable(&error))?;
    let mut rows: Vec<_> = rows.iter().map(session_of).collect();
    rows.retain(|row| of.is_none_or(|id| row.user == id) && is_current(row, lifetimes, now_ms));
    rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.created_ms, row.id)));
    Ok(rows.iter().map(|row| SessionView::of(row, |id| names.get(&id).cloned())).collect())
}

/// The bans that hold, newest first. No database yet is no ban.
pub(super) fn bans(config: &Config) -> Result<Vec<BanView>, Failure> {
    let Some(reader) = reader(config)? else { return Ok(Vec::new()) };
    let accounts = reader.users().map_err(|error| unreadable(&error))?;
    let names: HashMap<UserId, String> =
        accounts.into_iter().map(|row| (UserId::from_bytes(row.id), row.name)).collect();
    let rows = reader.bans(Clock::System.unix_ms()).map_err(|error| unreadable(&error))?;
    let mut bans: Vec<_> = rows.into_iter().filter_map(ban_of).collect();
    bans.sort_unstable_by(|a, b| (b.created_ms, &a.target).cmp(&(a.created_ms, &b.target)));
    Ok(bans.iter().map(|ban| BanView::of(ban, |id| names.get(&id).cloned())).collect())
}

/// How lockdown stands. No database yet is no lockdown.
pub(super) fn lockdown(config: &Config) -> Result<LockdownView, Failure> {
    let Some(reader) = reader(config)? else { return Ok(LockdownView::default()) };
    let row = reader.lockdown().map_err(|error| unreadable(&error))?;
    let now_ms = Clock::System.unix_ms();
    let state = row.map(lockdown_of).filter(|state| state.expires_ms.is_none_or(|end| now_ms < end));
    Ok(LockdownView::of(state.as_ref()))
}

/// Messages of alerts not before a time in milliseconds since 1970-01-01 UTC, the newest first.
pub(super) fn alerts(config: &Config, since_ms: i64, most: usize) -> Result<Vec<Sent>, Failure> {
    let Some(reader) = reader(config)? else { return Ok(Vec::new()) };
    let rows = reader.alerts(since_ms, most).map_err(|error| unreadable(&error))?;
    Ok(rows.into_iter().map(sent_of).collect())
}

fn account(names: &HashMap<UserId, String>, text: &str) -> Option<UserId> {
    let wanted = users::name_of(text);
    let by_name = names.iter().find(|(_, name)| Some(name.as_str()) == wanted.as_deref()).map(|(id, _)| *id);
    by_name.or_else(|| UserId::parse(text).filter(|id| names.contains_key(id)))
}

fn load(store: &Store, terms: Terms, now: Moment) -> Result<Auth, Failure> {
    let reader = store.reader().map_err(|error| unreadable(&error))?;
    let durable = Arc::new(Durable(store.clone()));
    let auth = Auth::new(durable.clone(), durable.clone(), durable, 1);
    let accounts = reader.users().map_err(|error| unreadable(&error))?;
    auth.accounts.load(accounts.into_iter().filter_map(account_of).collect());
    let keys = reader.keys().map_err(|error| unreadable(&error))?;
    auth.keys.load(keys.into_iter().map(key_of).collect());
    let sessions = reader.sessions(now.unix_ms).map_err(|error| unreadable(&error))?;
    auth.sessions.load(sessions.iter().map(session_of).collect(), terms.lifetimes, now);
    Ok(auth)
}

fn load_bans(store: &Store, config: &Config, now: Moment) -> Result<Bans, Failure> {
    let reader = store.reader().map_err(|error| unreadable(&error))?;
    let bans = Bans::new(Arc::new(Durable(store.clone())), &config.bans);
    let rows = reader.bans(now.unix_ms).map_err(|error| unreadable(&error))?;
    bans.load(rows.into_iter().filter_map(ban_of));
    bans.lockdown.load(reader.lockdown().map_err(|error| unreadable(&error))?.map(lockdown_of));
    Ok(bans)
}

pub(super) fn reader(config: &Config) -> Result<Option<Reader>, Failure> {
    match Reader::open(&config.storage.path) {
        Ok(reader) => Ok(Some(reader)),
        Err(OpenError::Absent { .. }) => Ok(None),
        Err(error) => Err(unreadable(&error)),
    }
}

pub(super) fn unreadable(error: &OpenError) -> Failure {
    Failure::cannot_run(error.to_string())
}
