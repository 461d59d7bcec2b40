//! Sessions: who has which, and how they end.

use serde::Serialize;
use serde_json::{Value, json};

use super::action::Which;
use super::fields::detail;
use super::status::rfc3339;
use super::users;
use crate::auth::durable::SessionRow;
use crate::auth::{Auth, Lifetimes, Moment, SessionId, UserId};
use crate::base::refusal::Refusal;
use crate::base::target::query_pairs;
use crate::pipeline::gateway::Gateway;

/// Most sessions in one listing, newest first.
pub const LISTED_MAX: usize = 10_000;

/// A session as an operator sees it. Its id is no credential: only a signed token that carries it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// What `sessions revoke --id` takes.
    pub id: String,
    /// The account's name; absent where the account is gone.
    pub user: Option<String>,
    /// The account's id.
    pub user_id: String,
    /// When it began, RFC 3339.
    pub created: String,
    /// When it ends at the latest, RFC 3339.
    pub expires: String,
    /// The last request, at most a minute behind on disk, RFC 3339.
    pub last_seen: String,
}

impl SessionView {
    /// The view of a row; `name` gives an account's name.
    pub fn of(row: &SessionRow, name: impl Fn(UserId) -> Option<String>) -> Self {
        Self {
            id: row.id.text(),
            user: name(row.user),
            user_id: row.user.text(),
            created: rfc3339(row.created_ms),
            expires: rfc3339(row.expires_ms),
            last_seen: rfc3339(row.last_seen_ms),
        }
    }
}

/// Whether a session on disk or in memory is one that a request would still find alive.
pub fn is_current(row: &SessionRow, lifetimes: Lifetimes, now_ms: i64) -> bool {
    let ms = |d: std::time::Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
    let longest = ms(lifetimes.absolute.max(lifetimes.ttl));
    let ends = row.expires_ms.min(row.created_ms.saturating_add(longest));
    now_ms < ends && now_ms < row.last_seen_ms.saturating_add(ms(lifetimes.idle))
}

/// The living sessions, of all or of `?user=`, newest first.
pub(super) fn list(gateway: &Gateway, query: &str) -> Result<Vec<SessionView>, Refusal> {
    let auth = &gateway.auth;
    let mut of = None;
    for (name, value) in query_pairs(query) {
        match name.as_str() {
            "user" => of = Some(users::find(auth, &value).ok_or(Refusal::NotFound)?.id),
            _ => return Err(Refusal::BadRequest("The query holds a name that is not known here.")),
        }
    }
    let session = &gateway.live.current().config.session;
    let lifetimes = Lifetimes::of(session);
    let now_ms = gateway.clock.unix_ms();
    let name = |id| auth.accounts.get(id).map(|account| account.name.expose().to_owned());
    let rows = auth.sessions.list(of, LISTED_MAX);
    Ok(rows
        .iter()
        .filter(|row| is_current(row, lifetimes, now_ms))
        .map(|row| SessionView::of(row, name))
        .collect())
}

/// Ends sessions, on disk before it returns.
pub(super) async fn revoke(
    auth: &Auth,
    which: &Which,
    lifetimes: Lifetimes,
    now: Moment,
) -> Result<Value, Refusal> {
    let unavailable = |_| Refusal::Unavailable { retry_after: None };
    let revoked = match which {
        Which::All => auth.sessions.end_all().await.map_err(unavailable)?,
        Which::User(user) => {
            let id = users::find(auth, user).ok_or(Refusal::NotFound)?.id;
            auth.sessions.end_all_of(id).await.map_err(unavailable)?
        }
        Which::Id(id) => {
            let not_an_id = || {
                Refusal::InvalidInput(vec![detail(
                    "id",
                    "a session's id is 32 lower-case hexadecimal digits",
                )])
            };
            let id = SessionId::parse(id).ok_or_else(not_an_id)?;
            let alive = auth.sessions.lookup(id, lifetimes, now).is_ok();
            // One that is dead here may still be on disk: ending it again tells the disk.
            auth.sessions.end(id).await.map_err(unavailable)?;
            if !alive {
                return Err(Refusal::NotFound);
            }
            1
        }
    };
    Ok(json!({ "revoked": revoked }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_session_is_listed_while_a_request_would_find_it_alive() {
        let ttl = Duration::from_secs(100);
        let lifetimes = Lifetimes { ttl, idle: Duration::from_secs(10), absolute: ttl };
        let (id, user) = (SessionId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let row = SessionRow { id, user, created_ms: 0, expires_ms: 100_000, last_seen_ms: 95_000 };
        assert!(is_current(&row, lifetimes, 99_999));
        assert!(!is_current(&row, lifetimes, 100_000), "its time is over");
        let silent = SessionRow { last_seen_ms: 50_000, ..row.clone() };
        assert!(is_current(&silent, lifetimes, 59_999) && !is_current(&silent, lifetimes, 60_000), "idle");
        let ttl = Duration::from_secs(96);
        let shorter = Lifetimes { ttl, absolute: ttl, ..lifetimes };
        assert!(!is_current(&row, shorter, 96_000), "a shorter ttl holds for old sessions too");
    }
}
