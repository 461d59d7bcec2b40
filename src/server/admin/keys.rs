//! API keys: making one, listing, the end.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::action::KeyWanted;
use super::fields::detail;
use super::status::rfc3339;
use super::users::{self, is_role};
use crate::auth::api_key::{KeyError, KeyRow, NewKey};
use crate::auth::name::AccountName;
use crate::auth::{Auth, KeyId, Moment, UserId};
use crate::base::refusal::{Detail, Refusal};
use crate::base::units::parse_duration;

/// The longest name or owner of a key, in bytes.
pub const WORD_BYTES_MAX: usize = 128;
/// Most scopes of one key.
pub const SCOPES_MAX: usize = 64;
/// Range of a key's own limit, in requests a minute.
const PER_MINUTE: std::ops::RangeInclusive<i64> = 1..=1_000_000;

/// A key as an operator sees it; never its secret, nor what stands for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyView {
    /// The public id: what `keys revoke` takes.
    pub id: String,
    /// What operators call it.
    pub name: String,
    /// `active`, `expired` or `revoked`.
    pub state: &'static str,
    /// Whose key it is: an account's name, or a word; absent for nobody's.
    pub owner: Option<String>,
    /// The word for rules.
    pub tier: Option<String>,
    /// What counts as roles.
    pub scopes: Vec<String>,
    /// Requests a minute, in place of a user's.
    pub per_minute: Option<u32>,
    /// When it was made, RFC 3339.
    pub created: String,
    /// When it ends by itself, RFC 3339.
    pub expires: Option<String>,
    /// The last use, at most a minute behind, RFC 3339.
    pub last_used: Option<String>,
    /// When it was revoked, RFC 3339.
    pub revoked: Option<String>,
}

impl KeyView {
    /// The view of a row; `name` gives an account's name.
    pub fn of(row: &KeyRow, now_ms: i64, name: impl Fn(UserId) -> Option<String>) -> Self {
        let made = &row.made;
        let word = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
        let state = match (row.revoked_ms, made.expires_ms) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if now_ms >= end => "expired",
            _ => "active",
        };
        Self {
            id: row.id.text(),
            name: made.name.clone(),
            state,
            owner: UserId::parse(&made.owner).and_then(name).or_else(|| word(&made.owner)),
            tier: word(&made.tier),
            scopes: made.scopes.clone(),
            per_minute: made.per_minute,
            created: rfc3339(row.created_ms),
            expires: made.expires_ms.map(rfc3339),
            last_used: row.last_used_ms.map(rfc3339),
            revoked: row.revoked_ms.map(rfc3339),
        }
    }
}

/// All keys, newest first.
pub fn list(auth: &Auth, now_ms: i64) -> Vec<KeyView> {
    auth.keys.list().iter().map(|key| view(auth, &key.row(), now_ms)).collect()
}

/// Makes a key. What it returns holds the key's whole text, this once.
pub(super) async fn create(auth: &Auth, wanted: KeyWanted, now: Moment) -> Result<Value, Refusal> {
    let made = vetted(auth, wanted, now).map_err(Refusal::InvalidInput)?;
    let issued = auth.keys.create(made, now.unix_ms).await.map_err(refusal)?;
    let mut done = json!(view(auth, &issued.key.row(), now.unix_ms));
    done["key"] = Value::from(issued.text.expose().as_str());
    Ok(done)
}

pub(super) async fn revoke(auth: &Auth, id: &str, now: Moment) -> Result<Value, Refusal> {
    let not_an_id =
        || Refusal::InvalidInput(vec![detail("id", "a key's id is 16 lower-case hexadecimal digits")]);
    let id = KeyId::parse(id).ok_or_else(not_an_id)?;
    let key = auth.keys.revoke(id, now.unix_ms).await.map_err(refusal)?;
    Ok(json!(view(auth, &key.row(), now.unix_ms)))
}

fn view(auth: &Auth, row: &KeyRow, now_ms: i64) -> KeyView {
    KeyView::of(row, now_ms, |id| auth.accounts.get(id).map(|account| account.name.expose().to_owned()))
}

/// What is asked for, with every value in range; or all that is wrong with it.
fn vetted(auth: &Auth, wanted: KeyWanted, now: Moment) -> Result<NewKey, Vec<Detail>> {
    let mut details = Vec::new();
    if !is_word(&wanted.name) {
        details.push(detail("name", "a key's name has 1 to 128 characters, none of them a control"));
    }
    let owner = owner(auth, wanted.owner.as_deref()).map_err(|why| details.push(detail("owner", why)));
    let tier = wanted.tier.unwrap_or_default();
    if !tier.is_empty() && !is_role(&tier) {
        details.push(detail("tier", "a tier is a word of up to 64 printable characters without a comma"));
    }
    if wanted.scopes.len() > SCOPES_MAX || !wanted.scopes.iter().all(|scope| is_role(scope)) {
        let why = "there are up to 64 scopes, each a word of up to 64 printable characters without a comma";
        details.push(detail("scopes", why));
    }
    let per_minute = wanted.per_minute.map(|n| u32::try_from(n).ok().filter(|_| PER_MINUTE.contains(&n)));
    if per_minute == Some(None) {
        details.push(detail("per_minute", "a limit is 1 to 1000000 requests a minute"));
    }
    let lives = wanted.expires.as_deref().map(parse_duration).transpose();
    let lives = lives.and_then(|for_long| match for_long {
        Some(Duration::ZERO) => Err("a key lives longer than no time at all".to_owned()),
        other => Ok(other),
    });
    let lives = lives.map_err(|why| details.push(detail("expires", &why)));
    let (Ok(owner), Ok(lives), true) = (owner, lives, details.is_empty()) else { return Err(details) };
    let end = |for_long: Duration| {
        now.unix_ms.saturating_add(i64::try_from(for_long.as_millis()).unwrap_or(i64::MAX))
    };
    Ok(NewKey {
        name: wanted.name,
        owner,
        tier,
        scopes: wanted.scopes,
        per_minute: per_minute.flatten(),
        expires_ms: lives.map(end),
    })
}

/// An account by name or id becomes its id: then the key ends with the account, and no address is kept with the key.
fn owner(auth: &Auth, asked: Option<&str>) -> Result<String, &'static str> {
    let Some(text) = asked.filter(|text| !text.is_empty()) else { return Ok(String::new()) };
    if let Some(account) = users::find(auth, text) {
        return Ok(account.id.text());
    }
    let is_address = AccountName::parse(text).is_ok_and(|name| name.email().is_some());
    if is_address || UserId::parse(text).is_some() {
        return Err("there is no such account; an owner is an account or a word");
    }
    if is_word(text) {
        Ok(text.to_owned())
    } else {
        Err("an owner is an account, or a word of up to 128 bytes")
    }
}

fn is_word(text: &str) -> bool {
    (1..=WORD_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control) && text.trim() == text
}

fn refusal(error: KeyError) -> Refusal {
    match error {
        KeyError::Unknown => Refusal::NotFound,
        KeyError::TooMany => Refusal::InvalidInput(vec![detail("", &error.to_string())]),
        KeyError::Unavailable(_) => Refusal::Unavailable { retry_after: None },
    }
}
