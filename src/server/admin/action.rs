//! What can be changed from outside, as data: the API reads it from a body, the command line makes it and either sends it
//! or performs it on a database that no gateway holds.

use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::fields::Fields;
use super::{sessions, users};
use crate::auth::{Auth, Lifetimes, Moment};
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
    /// Sessions end.
    RevokeSessions(Which),
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
        let lifetimes = Lifetimes { ttl: config.session.ttl, idle: config.session.idle };
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
            Self::RevokeSessions(_) => "/admin/api/sessions/revoke",
        }
    }

    /// The JSON that is posted; it holds the password, so it goes nowhere but to the gateway.
    pub fn body(&self) -> Secret<String> {
        let value = match self {
            Self::AddUser { name, password, roles } => {
                json!({ "name": name, "password": password.expose(), "roles": roles })
            }
            Self::SetPassword { user, password } => json!({ "user": user, "password": password.expose() }),
            Self::DisableUser { user } | Self::RevokeSessions(Which::User(user)) => json!({ "user": user }),
            Self::RevokeSessions(Which::Id(id)) => json!({ "id": id }),
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
            Endpoint::RevokeSessions => Self::RevokeSessions(which(&mut fields)),
            _ => return Err(Refusal::NotFound),
        };
        fields.finish()?;
        Ok(action)
    }

    /// The name or id of the account that it is about, where there is one.
    pub(super) fn target(&self) -> Option<&str> {
        match self {
            Self::RevokeSessions(Which::All | Which::Id(_)) => None,
            Self::AddUser { name: user, .. }
            | Self::SetPassword { user, .. }
            | Self::DisableUser { user }
            | Self::RevokeSessions(Which::User(user)) => Some(user),
        }
    }

    /// Does it, on disk before it returns, and says what was done.
    ///
    /// # Errors
    /// 422 for values that are out of range, 404 for an account or a session that is not there, 503 where the disk does not
    /// take it.
    pub async fn perform(self, auth: &Auth, terms: Terms, now: Moment) -> Result<Value, Refusal> {
        match self {
            Self::AddUser { name, password, roles } => {
                users::add(auth, terms, &name, password, &roles, now).await
            }
            Self::SetPassword { user, password } => users::set_password(auth, terms, &user, password).await,
            Self::DisableUser { user } => users::disable(auth, &user).await,
            Self::RevokeSessions(which) => sessions::revoke(auth, &which, terms.lifetimes, now).await,
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
            (Endpoint::RevokeSessions, Action::RevokeSessions(Which::User("a".into()))),
            (Endpoint::RevokeSessions, Action::RevokeSessions(Which::Id("a".into()))),
            (Endpoint::RevokeSessions, Action::RevokeSessions(Which::All)),
        ];
        for (endpoint, action) in actions {
            let read = Action::read(endpoint, action.body().expose().as_bytes()).unwrap();
            assert_eq!(format!("{read:?}"), format!("{action:?}"));
            assert_eq!(read.body(), action.body());
            assert!(!format!("{action:?}").contains("horse"));
        }
    }

    #[test]
    fn a_revocation_names_exactly_one_kind_of_target() {
        for body in ["{}", r#"{"all":false}"#, r#"{"user":"a","all":true}"#, r#"{"user":"a","id":"b"}"#] {
            let refusal = Action::read(Endpoint::RevokeSessions, body.as_bytes()).unwrap_err();
            assert_eq!(refusal.code(), "INVALID_INPUT", "{body}");
        }
    }
}
