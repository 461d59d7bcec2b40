//! What can be changed from outside, as data: the API reads it from a body, the command line makes it and either sends it
//! or performs it on a database that no gateway holds.

use serde_json::{Value, json};

use super::bans::{self, BanWanted, Freed, Whom};
use super::endpoint::Endpoint;
use super::fields::Fields;
use super::lockdown::{self, LockdownWanted};
use super::{keys, sessions, users};
use crate::auth::{Auth, Lifetimes, Moment};
use crate::bans::{Bans, Target};
use crate::base::refusal::Refusal;
use crate::base::secret::Secret;
use crate::config::Config;

/// One change.
#[derive(Debug)]
pub enum Action {
    /// A new local account.
    AddUser {
        /// An e-mail address or a word.
        name: String,
        /// Its password.
        password: Secret<String>,
        /// Its roles.
        roles: Vec<String>,
    },
    /// Another password; the account's sessions end.
    SetPassword {
        /// The account's name or id.
        user: String,
        /// The new password.
        password: Secret<String>,
    },
    /// The account may not act any more; its sessions end.
    DisableUser {
        /// The account's name or id.
        user: String,
    },
    /// The account is erased; its sessions end.
    ForgetUser {
        /// The account's name or id.
        user: String,
    },
    /// Sessions end.
    RevokeSessions(Which),
    /// A new API key; what comes of it holds the key, this once.
    CreateKey(KeyWanted),
    /// An API key ends.
    RevokeKey {
        /// Its public id.
        id: String,
    },
    /// Somebody is kept out.
    Ban(BanWanted),
    /// Somebody is let in again.
    Free(Freed),
    /// Incident mode begins or ends.
    Lockdown(LockdownWanted),
}

/// The API key that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyWanted {
    /// What operators call it.
    pub name: String,
    /// An account's name or id, or a word.
    pub owner: Option<String>,
    /// A word for rules.
    pub tier: Option<String>,
    /// What counts as roles.
    pub scopes: Vec<String>,
    /// Requests a minute, in place of a user's.
    pub per_minute: Option<i64>,
    /// For how long it is good, as `90d`; for ever where absent.
    pub expires: Option<String>,
}

/// Which sessions end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those of an account, by name or id.
    User(String),
    /// One, by its id.
    Id(String),
    /// All.
    All,
}

/// What the configuration says about changes.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Shortest password, in characters.
    pub password_min: usize,
    /// How long sessions live.
    pub lifetimes: Lifetimes,
}

impl Terms {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Self {
        let lifetimes = Lifetimes::of(&config.session);
        Self { password_min: config.auth.password_min, lifetimes }
    }
}

impl Action {
    /// Where it is posted.
    pub fn path(&self) -> &'static str {
        match self {
            Self::AddUser { .. } => "/admin/api/users",
            Self::SetPassword { .. } => "/admin/api/users/passwd",
            Self::DisableUser { .. } => "/admin/api/users/disable",
            Self::ForgetUser { .. } => "/admin/api/users/forget",
            Self::RevokeSessions(_) => "/admin/api/sessions/revoke",
            Self::CreateKey(_) => "/admin/api/keys",
            Self::RevokeKey { .. } => "/admin/api/keys/revoke",
            Self::Ban(_) => "/admin/api/bans",
            Self::Free(_) => "/admin/api/bans/revoke",
            Self::Lockdown(_) => "/admin/api/lockdown",
        }
    }

    /// The JSON that is posted; it holds the password, so it goes nowhere but to the gateway.
    pub fn body(&self) -> Secret<String> {
        let value = match self {
            Self::AddUser { name, password, roles } => {
                json!({ "name": name, "password": password.expose(), "roles": roles })
            }
            Self::SetPassword { user, password } => json!({ "user": user, "password": password.expose() }),
            Self::DisableUser { user }
            | Self::ForgetUser { user }
            | Self::RevokeSessions(Which::User(user)) => json!({ "user": user }),
            Self::RevokeSessions(Which::Id(id)) | Self::RevokeKey { id } => json!({ "id": id }),
            Self::CreateKey(wanted) => wanted.body(),
            Self::Ban(wanted) => wanted.body(),
            Self::Free(which) => which.body(),
            Self::Lockdown(wanted) => wanted.body(),
            Self::RevokeSessions(Which::All) => json!({ "all": true }),
        };
        Secret::new(value.to_string())
    }

    /// Reads the body of a request to an endpoint that changes something.
    pub(super) fn read(endpoint: Endpoint, body: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Fields::read(body)?;
        let action = match endpoint {
            Endpoint::AddUser => Self::AddUser {
                name: fields.text("name"),
                password: Secret::new(fields.text("password")),
                roles: fields.texts("roles"),
            },
            Endpoint::SetPassword => Self::SetPassword {
                user: fields.text("user"),
                password: Secret::new(fields.text("password")),
            },
            Endpoint::DisableUser => Self::DisableUser { user: fields.text("user") },
            Endpoint::ForgetUser => Self::ForgetUser { user: fields.text("user") },
            Endpoint::RevokeSessions => Self::RevokeSessions(which(&mut fields)),
            Endpoint::CreateKey => Self::CreateKey(KeyWanted::read(&mut fields)),
            Endpoint::RevokeKey => Self::RevokeKey { id: fields.text("id") },
            Endpoint::AddBan => Self::Ban(BanWanted::read(&mut fields)),
            Endpoint::RevokeBans => Self::Free(Freed::read(&mut fields)),
            Endpoint::SetLockdown => Self::Lockdown(LockdownWanted::read(&mut fields)),
            _ => return Err(Refusal::NotFound),
        };
        fields.finish()?;
        Ok(action)
    }

    /// The name or id of the account that it is about, where there is one and a log line may tell. Not of a person who is
    /// forgotten: the line's time and the pseudonym together would be the link that is to go.
    pub(super) fn target(&self) -> Option<&str> {
        match self {
            Self::ForgetUser { .. }
            | Self::RevokeSessions(Which::All | Which::Id(_))
            | Self::CreateKey(_)
            | Self::RevokeKey { .. }
            | Self::Lockdown(_)
            | Self::Ban(BanWanted { whom: Whom::Address(_), .. })
            | Self::Free(Freed::All | Freed::One(Whom::Address(_))) => None,
            Self::Ban(BanWanted { whom: Whom::User(user), .. })
            | Self::Free(Freed::One(Whom::User(user)))
            | Self::AddUser { name: user, .. }
            | Self::SetPassword { user, .. }
            | Self::DisableUser { user }
            | Self::RevokeSessions(Which::User(user)) => Some(user),
        }
    }

    /// The address or network that it is about, where there is one.
    pub(super) fn address(&self) -> Option<&str> {
        match self {
            Self::Ban(BanWanted { whom: Whom::Address(text), .. })
            | Self::Free(Freed::One(Whom::Address(text))) => Some(text),
            _ => None,
        }
    }

    /// Does it, on disk before it returns, and says what was done.
    ///
    /// # Errors
    /// 422 for values that are out of range, 404 for an account or a session that is not there, 503 where the disk does not
    /// take it.
    pub async fn perform(self, auth: &Auth, out: &Bans, terms: Terms, now: Moment) -> Result<Value, Refusal> {
        match self {
            Self::AddUser { name, password, roles } => {
                users::add(auth, terms, &name, password, &roles, now).await
            }
            Self::SetPassword { user, password } => users::set_password(auth, terms, &user, password).await,
            Self::DisableUser { user } => users::disable(auth, &user).await,
            Self::ForgetUser { user } => {
                let id = users::find(auth, &user).map(|account| account.id.text());
                let done = users::forget(auth, &user).await?;
                // The ban would be the last thing that knows the id.
                if let Some(written) = id.and_then(|id| out.remove(&Target::User(id.into()))) {
                    written.await.map_err(|_| Refusal::Unavailable { retry_after: None })?;
                }
                Ok(done)
            }
            Self::RevokeSessions(which) => sessions::revoke(auth, &which, terms.lifetimes, now).await,
            Self::CreateKey(wanted) => keys::create(auth, wanted, now).await,
            Self::RevokeKey { id } => keys::revoke(auth, &id, now).await,
            Self::Ban(wanted) => bans::add(out, auth, wanted, now.unix_ms).await,
            Self::Free(which) => bans::revoke(out, auth, &which, now.unix_ms).await,
            Self::Lockdown(wanted) => lockdown::set(&out.lockdown, wanted, now.unix_ms).await,
        }
    }
}

impl KeyWanted {
    fn body(&self) -> Value {
        let Self { name, owner, tier, scopes, per_minute, expires } = self;
        let mut body = json!({ "name": name, "scopes": scopes });
        let rest = [
            ("owner", owner.as_ref().map(|v| json!(v))),
            ("tier", tier.as_ref().map(|v| json!(v))),
            ("per_minute", per_minute.map(|v| json!(v))),
            ("expires", expires.as_ref().map(|v| json!(v))),
        ];
        for (key, value) in rest {
            if let Some(value) = value {
                body[key] = value;
            }
        }
        body
    }

    fn read(fields: &mut Fields) -> Self {
        Self {
            name: fields.text("name"),
            owner: fields.text_or_absent("owner"),
            tier: fields.text_or_absent("tier"),
            scopes: fields.texts("scopes"),
            per_minute: fields.integer_or_absent("per_minute"),
            expires: fields.text_or_absent("expires"),
        }
    }
}

fn which(fields: &mut Fields) -> Which {
    let (user, id) = (fields.text_or_absent("user"), fields.text_or_absent("id"));
    match (user, id, fields.flag("all")) {
        (Some(user), None, false) => Which::User(user),
        (None, Some(id), false) => Which::Id(id),
        (None, None, true) => Which::All,
        _ => {
            fields.wrong("", "must name one of `user`, `id` and `all`");
            Which::Id(String::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_command_line_sends_is_what_the_gateway_reads() {
        let secret = || Secret::new("correct horse".to_owned());
        let actions = [
            (
                Endpoint::AddUser,
                Action::AddUser { name: "a".into(), password: secret(), roles: vec!["staff".into()] },
            ),
            (Endpoint::SetPassword, Action::SetPassword { user: "a".into(), password: secret() }),
            (Endpoint::DisableUser, Action::DisableUser { user: "a".into() }),
            (Endpoint::ForgetUser, Action::ForgetUser { user: "a".into() }),
            (Endpoint::RevokeSessions, Action::RevokeSessions(Which::User("a".into()))),
            (Endpoint::RevokeSessions, Action::RevokeSessions(Which::Id("a".into()))),
            (Endpoint::RevokeSessions, Action::RevokeSessions(Which::All)),
            (Endpoint::CreateKey, Action::CreateKey(KeyWanted { name: "a".into(), ..KeyWanted::default() })),
            (
                Endpoint::CreateKey,
                Action::CreateKey(KeyWanted {
                    name: "a".into(),
                    owner: Some("b".into()),
                    tier: Some("gold".into()),
                    scopes: vec!["read".into()],
                    per_minute: Some(5),
                    expires: Some("90d".into()),
                }),
            ),
            (Endpoint::RevokeKey, Action::RevokeKey { id: "a".into() }),
            (Endpoint::AddBan, Action::Ban(ban(Whom::Address("203.0.113.5".into()), Some("1h")))),
            (Endpoint::AddBan, Action::Ban(ban(Whom::User("a".into()), None))),
            (Endpoint::RevokeBans, Action::Free(Freed::One(Whom::Address("203.0.113.5".into())))),
            (Endpoint::RevokeBans, Action::Free(Freed::All)),
            (
                Endpoint::SetLockdown,
                Action::Lockdown(LockdownWanted {
                    on: true,
                    ttl: Some("30m".into()),
                    reason: "leak".into(),
                    made_by: "cli".into(),
                }),
            ),
        ];
        for (endpoint, action) in actions {
            let read = Action::read(endpoint, action.body().expose().as_bytes()).unwrap();
            assert_eq!(format!("{read:?}"), format!("{action:?}"));
            assert_eq!(read.body(), action.body());
            assert!(!format!("{action:?}").contains("horse"));
        }
    }

    fn ban(whom: Whom, ttl: Option<&str>) -> BanWanted {
        BanWanted {
            whom,
            ttl: ttl.map(str::to_owned),
            reason: "scanner".into(),
            made_by: "cli".into(),
            force: true,
            asked_from: None,
        }
    }

    #[test]
    fn a_ban_names_an_address_or_a_user_and_a_maker_that_is_known() {
        for body in ["{}", r#"{"address":"a","user":"b"}"#, r#"{"address":"a","made_by":"me"}"#] {
            let refusal = Action::read(Endpoint::AddBan, body.as_bytes()).unwrap_err();
            assert_eq!(refusal.code(), "INVALID_INPUT", "{body}");
        }
        assert!(Action::read(Endpoint::SetLockdown, b"{}").is_err(), "on or off must be said");
    }

    #[test]
    fn a_revocation_names_exactly_one_kind_of_target() {
        for body in ["{}", r#"{"all":false}"#, r#"{"user":"a","all":true}"#, r#"{"user":"a","id":"b"}"#] {
            let refusal = Action::read(Endpoint::RevokeSessions, body.as_bytes()).unwrap_err();
            assert_eq!(refusal.code(), "INVALID_INPUT", "{body}");
        }
    }
}
