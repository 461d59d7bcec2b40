//! Floor 3: who is asking. Cookies, tokens, sessions, accounts and passwords; nothing here knows a database or a request.
//!
//! A credential passes three doors: the token is genuine ([`token`]), the session it names is alive ([`session`], one
//! shared look per request), and the account behind it may still act ([`accounts`]). A machine shows a key
//! of its own instead ([`api_key`]). What must outlive the process goes
//! through the traits of [`durable`].

pub mod accounts;
pub mod api_key;
pub mod assertion;
pub mod cookie;
pub mod durable;
pub mod federated;
mod id_map;
pub mod ids;
pub mod keyring;
pub mod lockout;
pub mod moment;
pub mod name;
pub mod oidc;
pub mod password;
pub mod person;
pub mod session;
pub mod sign_in;
pub mod token;
pub mod verified;

#[cfg(test)]
pub(crate) mod fake_log;

pub use accounts::{Account, Accounts};
pub use api_key::{ApiKey, ApiKeys, KeyId};
pub use durable::Unavailable;
pub use ids::{SessionId, UserId};
pub use keyring::Keyring;
pub use moment::Moment;
pub use person::Person;
pub use session::{Lifetimes, Session, Sessions};
pub use sign_in::Auth;
pub use verified::{Authenticated, Reason, Verified};
