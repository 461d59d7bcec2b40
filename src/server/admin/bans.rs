//! Who is kept out: listing, adding, revoking.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;
use serde_json::{Value, json};

use super::fields::{Fields, detail};
use super::status::rfc3339;
use super::users;
use crate::auth::{Auth, UserId};
use crate::bans::{Ban, Bans, MADE_BY_CLI, Target, is_too_wide, parse_network, reason_of};
use crate::base::address::canonical;
use crate::base::refusal::Refusal;
use crate::base::units::parse_duration;

/// Most bans in one listing, newest first.
pub const LISTED_MAX: usize = 10_000;

/// Who may be said to have made a ban; the first is meant where nobody is named.
const MAKERS: [&str; 3] = ["api", MADE_BY_CLI, "console"];

/// A ban as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BanView {
    /// `network` or `user`.
    pub kind: &'static str,
    /// The address, or the network; absent where it is a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The account's name; absent where it is none, or the account is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The account's id; absent where it is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Why; may be empty.
    pub reason: String,
    /// `cli`, `console`, `api`, or `rule:PLUGIN`.
    pub made_by: String,
    /// Since when, RFC 3339.
    pub created: String,
    /// Until when, RFC 3339; null: until it is revoked.
    pub expires: Option<String>,
}

impl BanView {
    /// The view of a ban; `name` gives an account's name.
    pub fn of(ban: &Ban, name: impl Fn(UserId) -> Option<String>) -> Self {
        let text = ban.target.to_string();
        let (address, user_id) = match ban.target {
            Target::Network(_) => (Some(text), None),
            Target::User(_) => (None, Some(text)),
        };
        Self {
            kind: ban.target.kind(),
            address,
            user: user_id.as_deref().and_then(UserId::parse).and_then(name),
            user_id,
            reason: ban.reason.to_string(),
            made_by: ban.made_by.to_string(),
            created: rfc3339(ban.created_ms),
            expires: ban.expires_ms.map(rfc3339),
        }
    }

    /// What `bans revoke` takes.
    pub fn target(&self) -> &str {
        self.address.as_deref().or(self.user.as_deref()).or(self.user_id.as_deref()).unwrap_or_default()
    }
}

/// Whom somebody means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// An address or a network, as it was written.
    Address(String),
    /// An account, by name or id.
    User(String),
}

/// The ban that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanWanted {
    /// Whom.
    pub whom: Whom,
    /// For how long, as `1h`; until it is revoked where absent.
    pub ttl: Option<String>,
    /// Why; may be empty.
    pub reason: String,
    /// `cli`, `console` or `api`.
    pub made_by: String,
    /// Also where it is likely a slip: a very wide network, or the address of whoever asks.
    pub force: bool,
    /// Where whoever asks is, where that is known. Not part of what is sent.
    pub asked_from: Option<IpAddr>,
}

/// Which bans end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freed {
    /// One.
    One(Whom),
    /// All.
    All,
}

impl Whom {
    /// As it is sent.
    pub fn body(&self) -> Value {
        match self {
            Self::Address(text) => json!({ "address": text }),
            Self::User(user) => json!({ "user": user }),
        }
    }

    /// Reads what was sent; exactly one of both must be there.
    pub(super) fn read(fields: &mut Fields) -> Self {
        match (fields.text_or_absent("address"), fields.text_or_absent("user")) {
            (Some(address), None) => Self::Address(address),
            (None, Some(user)) => Self::User(user),
            _ => {
                fields.wrong("", "must name one of `address` and `user`");
                Self::Address(String::new())
            }
        }
    }

    fn target(&self, auth: &Auth) -> Result<Target, Refusal> {
        match self {
            Self::Address(text) => {
                parse_network(text).map(Target::Network).map_err(|why| wrong("address", why))
            }
            Self::User(user) => {
                let account = users::find(auth, user).ok_or(Refusal::NotFound)?;
                Ok(Target::User(account.id.text().into()))
            }
        }
    }
}

impl BanWanted {
    /// As it is sent.
    pub(super) fn body(&self) -> Value {
        let mut body = self.whom.body();
        body["reason"] = json!(self.reason);
        body["made_by"] = json!(self.made_by);
        body["force"] = json!(self.force);
        if let Some(ttl) = &self.ttl {
            body["ttl"] = json!(ttl);
        }
        body
    }

    /// Reads what was sent.
    pub(super) fn read(fields: &mut Fields) -> Self {
        Self {
            whom: Whom::read(fields),
            ttl: fields.text_or_absent("ttl"),
            reason: fields.text_or_absent("reason").unwrap_or_default(),
            made_by: maker(fields),
            force: fields.flag("force"),
            asked_from: None,
        }
    }
}

impl Freed {
    /// As it is sent.
    pub(super) fn body(&self) -> Value {
        match self {
            Self::One(whom) => whom.body(),
            Self::All => json!({ "all": true }),
        }
    }

    /// Reads what was sent.
    pub(super) fn read(fields: &mut Fields) -> Self {
        let is_all = fields.flag("all");
        if is_all { Self::All } else { Self::One(Whom::read(fields)) }
    }
}

/// The bans that hold, newest first, [`LISTED_MAX`] at most.
pub fn list(bans: &Bans, auth: &Auth, now_ms: i64) -> Vec<BanView> {
    let name = |id| auth.accounts.get(id).map(|account| account.name.expose().to_owned());
    bans.list(now_ms).iter().take(LISTED_MAX).map(|ban| BanView::of(ban, name)).collect()
}

/// Keeps somebody out, on disk before it returns.
pub(super) async fn add(bans: &Bans, auth: &Auth, wanted: BanWanted, now_ms: i64) -> Result<Value, Refusal> {
    let target = wanted.whom.target(auth)?;
    let ttl_ms = wanted.ttl.as_deref().map(ttl_ms).transpose()?;
    // Before the other doubts: no force helps against this one.
    bans.allows(&target).map_err(|why| wrong("address", &why.to_string()))?;
    if let (Target::Network(net), false) = (&target, wanted.force) {
        beware(*net, wanted.asked_from)?;
    }
    let ban = Ban {
        target,
        reason: reason_of(&wanted.reason),
        made_by: wanted.made_by.as_str().into(),
        created_ms: now_ms,
        expires_ms: ttl_ms.map(|ttl| now_ms.saturating_add(ttl)),
    };
    let name = |id| auth.accounts.get(id).map(|account| account.name.expose().to_owned());
    let view = BanView::of(&ban, name);
    let written = bans.add(ban, now_ms).map_err(|why| wrong("address", &why.to_string()))?;
    written.await.map_err(|_| Refusal::Unavailable { retry_after: None })?;
    Ok(json!(view))
}

/// Lets somebody in again, on disk before it returns.
pub(super) async fn revoke(bans: &Bans, auth: &Auth, which: &Freed, now_ms: i64) -> Result<Value, Refusal> {
    let unavailable = |_| Refusal::Unavailable { retry_after: None };
    let whom = match which {
        Freed::All => {
            let revoked = bans.revoke_all(now_ms).await.map_err(unavailable)?;
            return Ok(json!({ "revoked": revoked }));
        }
        Freed::One(whom) => whom,
    };
    let target = whom.target(auth)?;
    if bans.revoke(&target, now_ms).await.map_err(unavailable)? {
        return Ok(json!({ "revoked": 1 }));
    }
    // Somebody who lets an address in again should learn that a wider ban still keeps it out.
    if let Target::Network(net) = &target
        && let Some(wider) = bans.of_address(net.addr(), now_ms)
    {
        let sentence = format!("{target} is kept out by the ban of {}: revoke that one", wider.target);
        return Err(wrong("address", &sentence));
    }
    Err(Refusal::NotFound)
}

/// Refuses what is more likely a slip than a wish.
fn beware(net: IpNet, asked_from: Option<IpAddr>) -> Result<(), Refusal> {
    if is_too_wide(net) {
        return Err(wrong(
            "address",
            "this would ban a large part of the internet; force it to do so (`--force`)",
        ));
    }
    if asked_from.is_some_and(|from| net.contains(&canonical(from))) {
        return Err(wrong(
            "address",
            "this would ban the address that you are connected from; force it to do so (`--force`)",
        ));
    }
    Ok(())
}

/// Who asks, as the body says.
pub(super) fn maker(fields: &mut Fields) -> String {
    let Some(named) = fields.text_or_absent("made_by") else { return MAKERS[0].to_owned() };
    if !MAKERS.contains(&named.as_str()) {
        fields.wrong("made_by", "must be `cli`, `console` or `api`");
    }
    named
}

/// A time to live in milliseconds.
pub(super) fn ttl_ms(text: &str) -> Result<i64, Refusal> {
    let ttl = parse_duration(text).map_err(|why| wrong("ttl", &why))?;
    if ttl.is_zero() {
        return Err(wrong("ttl", "a time to live is longer than nothing"));
    }
    Ok(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))
}

fn wrong(name: &str, message: &str) -> Refusal {
    Refusal::InvalidInput(vec![detail(name, message)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_likely_a_slip_is_refused_without_force() {
        let net = |text: &str| parse_network(text).unwrap();
        let from = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        assert!(beware(net("0.0.0.0/0"), None).is_err());
        assert!(beware(net("203.0.113.0/24"), from("::ffff:203.0.113.9")).is_err());
        assert!(beware(net("203.0.113.0/24"), from("198.51.100.1")).is_ok());
        assert!(beware(net("203.0.113.0/24"), None).is_ok());
    }

    #[test]
    fn a_time_to_live_is_a_duration_and_not_nothing() {
        assert_eq!(ttl_ms("1h").unwrap(), 3_600_000);
        assert!(ttl_ms("0s").is_err() && ttl_ms("soon").is_err());
    }
}
