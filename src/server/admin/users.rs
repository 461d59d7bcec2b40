//! Local accounts: adding, listing, a new password, the end.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::action::Terms;
use super::fields::detail;
use super::status::rfc3339;
use crate::auth::accounts::AccountError;
use crate::auth::name::AccountName;
use crate::auth::password::PasswordDigest;
use crate::auth::{Account, Auth, Moment, UserId};
use crate::base::refusal::Refusal;
use crate::base::secret::Secret;

/// The longest name of a role, in bytes.
pub const ROLE_BYTES_MAX: usize = 64;

/// The sentence about a name that somebody has.
pub const TAKEN: &str = "there is already an account of that name";

/// An account as an operator sees it; never its password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserView {
    /// Opaque id: what upstreams know.
    pub id: String,
    /// What the person signs in with.
    pub name: String,
    /// Roles.
    pub roles: Vec<String>,
    /// May not act.
    pub disabled: bool,
    /// When it was added, RFC 3339.
    pub created: String,
}

impl UserView {
    /// The view of an account.
    pub fn of(account: &Account) -> Self {
        Self {
            id: account.id.text(),
            name: account.name.expose().to_owned(),
            roles: account.roles.iter().map(ToString::to_string).collect(),
            disabled: account.disabled,
            created: rfc3339(account.created_ms),
        }
    }
}

/// All accounts by name.
pub fn list(auth: &Auth) -> Vec<UserView> {
    auth.accounts.list().iter().map(|account| UserView::of(account)).collect()
}

/// The account of that name or id.
pub fn find(auth: &Auth, text: &str) -> Option<Arc<Account>> {
    let by_name = AccountName::parse(text).ok().and_then(|name| auth.accounts.find(&name));
    by_name.or_else(|| auth.accounts.get(UserId::parse(text)?))
}

pub(super) async fn add(
    auth: &Auth,
    terms: Terms,
    name: &str,
    password: Secret<String>,
    roles: &[String],
    now: Moment,
) -> Result<Value, Refusal> {
    let mut details = Vec::new();
    let name = AccountName::parse(name).map_err(|why| details.push(detail("name", &why.to_string()))).ok();
    details.extend(password_problem(&password, terms).map(|why| detail("password", &why)));
    if !roles.iter().all(|role| is_role(role)) {
        details.push(detail("roles", "a role is a word of up to 64 printable characters without a comma"));
    }
    let Some(name) = name.filter(|_| details.is_empty()) else { return Err(Refusal::InvalidInput(details)) };
    let roles: Vec<Arc<str>> = roles.iter().map(|role| Arc::from(role.as_str())).collect();
    if auth.accounts.find(&name).is_some() {
        return Err(taken());
    }
    let digest = digest(auth, password).await?;
    let account = auth.accounts.add(name, Some(digest), roles, now.unix_ms).await.map_err(refusal)?;
    Ok(json!(UserView::of(&account)))
}

pub(super) async fn set_password(
    auth: &Auth,
    terms: Terms,
    user: &str,
    password: Secret<String>,
) -> Result<Value, Refusal> {
    let id = find(auth, user).ok_or(Refusal::NotFound)?.id;
    if let Some(why) = password_problem(&password, terms) {
        return Err(Refusal::InvalidInput(vec![detail("password", &why)]));
    }
    let digest = digest(auth, password).await?;
    auth.change_password(id, digest).await.map_err(refusal)?;
    done(auth, id)
}

pub(super) async fn disable(auth: &Auth, user: &str) -> Result<Value, Refusal> {
    let id = find(auth, user).ok_or(Refusal::NotFound)?.id;
    auth.disable(id).await.map_err(refusal)?;
    done(auth, id)
}

/// Erases an account. The answer holds no id: whoever keeps it could find what was written about the person.
pub(super) async fn forget(auth: &Auth, user: &str) -> Result<Value, Refusal> {
    let account = find(auth, user).ok_or(Refusal::NotFound)?;
    let ended = auth.forget(account.id).await.map_err(refusal)?;
    Ok(json!({ "name": account.name.expose(), "forgotten": true, "sessions_ended": ended }))
}

fn done(auth: &Auth, id: UserId) -> Result<Value, Refusal> {
    auth.accounts.get(id).map(|account| json!(UserView::of(&account))).ok_or(Refusal::NotFound)
}

/// What is wrong with a password, before anything is spent on it.
fn password_problem(password: &Secret<String>, terms: Terms) -> Option<String> {
    let short = password.expose().chars().count() < terms.password_min;
    short.then(|| format!("the password must have at least {} characters", terms.password_min))
}

pub(super) fn is_role(role: &str) -> bool {
    (1..=ROLE_BYTES_MAX).contains(&role.len()) && role.bytes().all(|b| b.is_ascii_graphic() && b != b',')
}

async fn digest(auth: &Auth, password: Secret<String>) -> Result<PasswordDigest, Refusal> {
    let hashed = auth.checks.hash(password).await.map_err(|_| Refusal::Unavailable { retry_after: None })?;
    hashed.map_err(|why| Refusal::InvalidInput(vec![detail("password", &why.to_string())]))
}

fn refusal(error: AccountError) -> Refusal {
    match error {
        AccountError::Taken => taken(),
        AccountError::Unknown => Refusal::NotFound,
        AccountError::TooMany => Refusal::InvalidInput(vec![detail("", &error.to_string())]),
        AccountError::Unavailable(_) => Refusal::Unavailable { retry_after: None },
    }
}

fn taken() -> Refusal {
    Refusal::InvalidInput(vec![detail("name", TAKEN)])
}

/// The canonical form of a name.
pub fn name_of(text: &str) -> Option<String> {
    AccountName::parse(text).ok().map(|name| name.expose().to_owned())
}
