//! Who sends the request: whoever its own credentials say, or somebody who is assumed.

use std::sync::Arc;

use super::request::RawRequest;
use crate::auth::api_key::NewKey;
use crate::auth::durable::AccountLog as _;
use crate::auth::name::AccountName;
use crate::auth::session::Limits;
use crate::auth::{Account, Moment, Person, UserId};
use crate::pipeline::durable::Durable;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::identity::lifetimes;

/// Who sends the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assumed {
    /// Whoever the request's own credentials say.
    AsSent,
    /// Somebody who is signed in.
    User {
        /// The account's name; an account of that name keeps its id, and its roles where none are given.
        name: String,
        /// The roles.
        roles: Vec<String>,
    },
    /// A machine with a key.
    Key {
        /// The word for rules.
        tier: String,
        /// What counts as roles.
        scopes: Vec<String>,
    },
}

impl Assumed {
    /// Gives the request what that somebody would send.
    pub(super) async fn put_into(
        &self,
        request: &mut RawRequest,
        gateway: &Gateway,
        remarks: &mut Vec<String>,
    ) -> Result<(), String> {
        match self {
            Self::AsSent => Ok(()),
            Self::User { name, roles } => {
                let token = sign_in(name, roles, gateway).await?;
                let cookie = &gateway.live.current().session_cookie;
                request.add("Cookie", &format!("{cookie}={token}"));
                remarks.push(format!("a session of `{name}` was added to the request"));
                let says_site = ["origin", "sec-fetch-site", "referer"];
                if says_site.iter().all(|header| request.value(header).is_none()) {
                    request.add("Sec-Fetch-Site", "same-origin");
                    remarks.push(
                        "`Sec-Fetch-Site: same-origin` was added, as a page of this site sends it".to_owned(),
                    );
                }
                Ok(())
            }
            Self::Key { tier, scopes } => {
                let made = NewKey {
                    name: "explain".to_owned(),
                    tier: tier.clone(),
                    scopes: scopes.clone(),
                    ..NewKey::default()
                };
                let issued = gateway.auth.keys.create(made, gateway.clock.unix_ms()).await;
                let issued = issued.map_err(|error| format!("no key can be made: {error}"))?;
                request.add("X-Api-Key", issued.text.expose());
                remarks.push(format!("an API key of the tier `{tier}` was added to the request"));
                Ok(())
            }
        }
    }
}

/// Opens a session in the play, and gives back its token.
async fn sign_in(name: &str, roles: &[String], gateway: &Gateway) -> Result<String, String> {
    let snapshot = gateway.live.current();
    let parsed = AccountName::parse(name).map_err(|error| format!("`--user {name}`: {error}"))?;
    let known = gateway.auth.accounts.find(&parsed);
    if known.as_ref().is_some_and(|account| account.disabled) {
        return Err(format!("`{name}` is disabled, and so cannot be signed in"));
    }
    let given: Vec<Arc<str>> = roles.iter().map(|role| Arc::from(role.as_str())).collect();
    let own = || known.as_ref().map_or_else(Vec::new, |account| account.roles.to_vec());
    let id = known.as_ref().map_or_else(UserId::generate, |account| account.id);
    let account = Account {
        id,
        person: known.as_ref().map_or_else(|| Person::new(id), |account| account.person.clone()),
        name: parsed,
        password: None,
        roles: if given.is_empty() { own() } else { given }.into(),
        disabled: false,
        created_ms: gateway.clock.unix_ms(),
    };
    let unavailable = |error: &dyn std::fmt::Display| format!("`{name}` cannot be signed in: {error}");
    // The session's row stands on the account's.
    Durable(gateway.store.clone()).save(&account).await.map_err(|error| unavailable(&error))?;
    gateway.auth.accounts.load(vec![account.clone()]);
    let session = &snapshot.config.session;
    let limits = Limits {
        lifetimes: lifetimes(session),
        per_user_max: session.per_user_max,
        sessions_max: session.sessions_max,
    };
    let now = Moment::of(&gateway.clock);
    let opened = gateway.auth.open(&snapshot.keyring, Arc::new(account), limits, now).await;
    opened.map(|signed_in| signed_in.token.expose().clone()).map_err(|error| unavailable(&error))
}
