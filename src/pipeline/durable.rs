//! Where two trades meet: what `auth` must not forget, `store` keeps.

use std::sync::Arc;

use crate::auth::accounts::Account;
use crate::auth::api_key::{self, KeyId, NewKey, SecretDigest};
use crate::auth::durable::{AccountLog, Ended, KeyLog, SessionLog, SessionRow, Unavailable, Written};
use crate::auth::federated::{Link, LinkLog, Profile};
use crate::auth::ids::{SessionId, UserId};
use crate::auth::name::AccountName;
use crate::auth::password::PasswordDigest;
use crate::auth::person::Person;
use crate::bans::{self, Ban, BanLog, LockdownState, Target};
use crate::script::StateRow;
use crate::store::{self, BanRow, IdentityRow, KvRow, LockdownRow, Pending, SessionsRemoved, Store, UserRow};

/// The database, as `auth` asks for it.
pub struct Durable(pub Store);

impl SessionLog for Durable {
    fn insert(&self, row: SessionRow, gave_way: Vec<SessionId>) -> Written {
        let gave_way = gave_way.iter().map(|id| *id.as_bytes()).collect();
        written(self.0.insert_session(to_row(&row), gave_way))
    }

    fn remove(&self, which: Ended) -> Written {
        written(self.0.remove_sessions(match which {
            Ended::Ids(ids) => SessionsRemoved::Ids(ids.iter().map(|id| *id.as_bytes()).collect()),
            Ended::User(user) => SessionsRemoved::User(*user.as_bytes()),
            Ended::All => SessionsRemoved::All,
        }))
    }

    fn extend(&self, id: SessionId, expires_ms: i64) -> Written {
        written(self.0.extend_session(*id.as_bytes(), expires_ms))
    }

    fn touch(&self, id: SessionId, last_seen_ms: i64) {
        self.0.touch_session(*id.as_bytes(), last_seen_ms);
    }
}

impl AccountLog for Durable {
    fn save(&self, account: &Account) -> Written {
        written(self.0.save_user(UserRow {
            id: *account.id.as_bytes(),
            name: account.name.expose().to_owned(),
            password: account.password.as_ref().map(|p| p.expose().to_owned()),
            roles: account.roles.iter().map(ToString::to_string).collect(),
            disabled: account.disabled,
            created_ms: account.created_ms,
            pseudonym_key: Some(account.person.key().clone()),
        }))
    }

    fn erase(&self, id: UserId) -> Written {
        written(self.0.erase_user(*id.as_bytes(), id.text()))
    }
}

impl KeyLog for Durable {
    fn insert(&self, row: &api_key::KeyRow) -> Written {
        let NewKey { name, owner, tier, scopes, per_minute, expires_ms } = row.made.clone();
        written(self.0.insert_key(store::KeyRow {
            id: *row.id.as_bytes(),
            digest: *row.digest.as_bytes(),
            name,
            owner,
            tier,
            scopes,
            per_minute,
            created_ms: row.created_ms,
            expires_ms,
            last_used_ms: row.last_used_ms,
            revoked_ms: row.revoked_ms,
        }))
    }

    fn revoke(&self, id: KeyId, revoked_ms: i64) -> Written {
        written(self.0.revoke_key(*id.as_bytes(), revoked_ms))
    }

    fn touch(&self, id: KeyId, last_used_ms: i64) {
        self.0.touch_key(*id.as_bytes(), last_used_ms);
    }
}

impl LinkLog for Durable {
    fn save(&self, link: &Link) -> Written {
        written(self.0.save_identity(IdentityRow {
            issuer: link.issuer.clone(),
            subject: link.subject.clone(),
            user: *link.user.as_bytes(),
            provider: link.profile.provider.clone(),
            email: link.profile.email.clone(),
            name: link.profile.name.clone(),
            updated_ms: link.updated_ms,
        }))
    }
}

impl BanLog for Durable {
    fn save(&self, ban: &Ban) -> bans::Written {
        ban_written(self.0.save_ban(BanRow {
            kind: ban.target.kind(),
            target: ban.target.to_string(),
            reason: ban.reason.to_string(),
            made_by: ban.made_by.to_string(),
            created_ms: ban.created_ms,
            expires_ms: ban.expires_ms,
        }))
    }

    fn remove(&self, targets: &[Target]) -> bans::Written {
        ban_written(self.0.remove_bans(targets.iter().map(|t| (t.kind(), t.to_string())).collect()))
    }

    fn lockdown(&self, state: Option<&LockdownState>) -> bans::Written {
        ban_written(self.0.set_lockdown(state.map(|state| LockdownRow {
            reason: state.reason.to_string(),
            made_by: state.made_by.to_string(),
            since_ms: state.since_ms,
            expires_ms: state.expires_ms,
        })))
    }
}

fn ban_written(pending: Pending) -> bans::Written {
    let written = written(pending);
    Box::pin(async move { written.await.map_err(|_| bans::Unavailable) })
}

/// A stored ban, as `bans` knows it; `None` where its target is none any more.
pub fn ban_of(row: BanRow) -> Option<Ban> {
    let BanRow { kind, target, reason, made_by, created_ms, expires_ms } = row;
    let target = Target::from_row(kind, &target)?;
    Some(Ban { target, reason: reason.into(), made_by: made_by.into(), created_ms, expires_ms })
}

/// Stored lockdown, as `bans` knows it.
pub fn lockdown_of(row: LockdownRow) -> LockdownState {
    let LockdownRow { reason, made_by, since_ms, expires_ms } = row;
    LockdownState { reason: reason.into(), made_by: made_by.into(), since_ms, expires_ms }
}

/// A stored identity, as `auth` knows it.
pub fn link_of(row: IdentityRow) -> Link {
    Link {
        issuer: row.issuer,
        subject: row.subject,
        user: UserId::from_bytes(row.user),
        profile: Profile { provider: row.provider, email: row.email, name: row.name },
        updated_ms: row.updated_ms,
    }
}

fn written(pending: Pending) -> Written {
    Box::pin(async move {
        pending.await.map_err(|error| {
            tracing::error!(%error, "a durable write failed");
            Unavailable
        })
    })
}

fn to_row(row: &SessionRow) -> store::SessionRow {
    store::SessionRow {
        id: *row.id.as_bytes(),
        user: *row.user.as_bytes(),
        created_ms: row.created_ms,
        expires_ms: row.expires_ms,
        last_seen_ms: row.last_seen_ms,
    }
}

/// A stored session, as `auth` knows it.
pub fn session_of(row: &store::SessionRow) -> SessionRow {
    SessionRow {
        id: SessionId::from_bytes(row.id),
        user: UserId::from_bytes(row.user),
        created_ms: row.created_ms,
        expires_ms: row.expires_ms,
        last_seen_ms: row.last_seen_ms,
    }
}

/// A stored account, as `auth` knows it; `None` where its name is none any more.
pub fn account_of(row: UserRow) -> Option<Account> {
    Some(Account {
        id: UserId::from_bytes(row.id),
        person: person_of(&row),
        name: AccountName::parse(&row.name).ok()?,
        password: row.password.map(PasswordDigest::from_stored),
        roles: row.roles.into_iter().map(Arc::from).collect(),
        disabled: row.disabled,
        created_ms: row.created_ms,
    })
}

/// What a stored account is called in logs and rows. One without a key yet is called anew.
pub fn person_of(row: &UserRow) -> Person {
    let id = UserId::from_bytes(row.id);
    row.pseudonym_key.as_ref().map_or_else(|| Person::new(id), |key| Person::with_key(id, *key.expose()))
}

/// What rules remember, as the database keeps it.
pub fn kv_row(row: &StateRow) -> KvRow {
    let StateRow { plugin, list, key, value, expires_ms } = row.clone();
    KvRow { plugin, list, key, value, expires_ms }
}

/// A stored entry, as rules know it.
pub fn state_row(row: KvRow) -> StateRow {
    let KvRow { plugin, list, key, value, expires_ms } = row;
    StateRow { plugin, list, key, value: Some(value.unwrap_or_default()), expires_ms }
}

/// A stored API key, as `auth` knows it.
pub fn key_of(row: store::KeyRow) -> api_key::KeyRow {
    let store::KeyRow { name, owner, tier, scopes, per_minute, expires_ms, .. } = row;
    api_key::KeyRow {
        id: KeyId::from_bytes(row.id),
        digest: SecretDigest::from_bytes(row.digest),
        made: NewKey { name, owner, tier, scopes, per_minute, expires_ms },
        created_ms: row.created_ms,
        last_used_ms: row.last_used_ms,
        revoked_ms: row.revoked_ms,
    }
}
