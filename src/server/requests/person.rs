//! From what an operator types to the keyed hash under which a person stands in the log: a person's own key makes it, a
//! machine's is the database's.

use std::net::IpAddr;

use super::asked::Wrong;
use super::search::SearchError;
use crate::auth::UserId;
use crate::base::address::Pseudonymiser;
use crate::pipeline::durable::person_of;
use crate::server::admin::users::name_of;
use crate::store::Reader;

/// What an API key is known by begins with this.
const KEY_PREFIX: &str = "key:";

/// The hash of an account, by its name, its address or its id; or of an API key, by `key:` and its id.
pub(super) fn user(text: &str, reader: &Reader, people: &Pseudonymiser) -> Result<[u8; 16], SearchError> {
    if text.starts_with(KEY_PREFIX) {
        return Ok(*people.user(text).bytes());
    }
    let (name, id) = (name_of(text), UserId::parse(text));
    let users = reader.users()?;
    let by_name = users.iter().find(|row| Some(&row.name) == name.as_ref());
    let found = by_name.or_else(|| users.iter().find(|row| Some(UserId::from_bytes(row.id)) == id));
    let found = found.ok_or(Wrong::NoSuchUser)?;
    Ok(*person_of(found).pseudonym().bytes())
}

/// The hash of an address.
pub(super) fn client(address: IpAddr, people: &Pseudonymiser) -> [u8; 16] {
    *people.address(address).bytes()
}
