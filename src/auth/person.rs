//! What a person is called where nobody is to be named: pseudonyms under a key of the person's own. With the key goes the
//! link: whoever has every row, the account's id and every other key cannot tell any more whose the rows were.

use std::fmt;

use aws_lc_rs::rand;

use super::ids::{SessionId, UserId};
use crate::base::address::{Pseudonym, Pseudonymiser};
use crate::base::secret::Secret;

/// A person's key and pseudonym. The pseudonym is computed once, with the account, and not for each request.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    key: Secret<[u8; 32]>,
    pseudonym: Pseudonym,
}

impl Person {
    /// A person who was not known before, with a key from the system's random generator.
    ///
    /// # Panics
    /// If that generator fails: better no account than one that can be guessed.
    pub fn new(id: UserId) -> Self {
        let mut key = [0; 32];
        rand::fill(&mut key)
            .expect("the system's random generator does not fail once the process has started");
        Self::with_key(id, key)
    }

    /// A person whose key was kept.
    pub fn with_key(id: UserId, key: [u8; 32]) -> Self {
        let pseudonym = Pseudonymiser::new(&key).user(&id.text());
        Self { key: Secret::new(key), pseudonym }
    }

    /// The key, for storage.
    pub fn key(&self) -> &Secret<[u8; 32]> {
        &self.key
    }

    /// What logs, rows and rules call the person.
    pub fn pseudonym(&self) -> Pseudonym {
        self.pseudonym
    }

    /// What rules call a session of the person. One HMAC: the session keeps it.
    pub(super) fn session(&self, id: SessionId) -> Pseudonym {
        Pseudonymiser::new(self.key.expose()).session(&id.text())
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Person({})", self.pseudonym)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_one_pseudonym_and_only_under_their_own_key() {
        let id = UserId::generate();
        let person = Person::new(id);
        let kept = Person::with_key(id, *person.key().expose());
        assert_eq!(person, kept);
        assert_ne!(Person::new(id).pseudonym(), person.pseudonym(), "the id alone says nothing");
        assert_ne!(
            Person::with_key(UserId::generate(), *person.key().expose()).pseudonym(),
            person.pseudonym()
        );
    }

    #[test]
    fn a_session_is_called_otherwise_than_its_person_and_every_other_session() {
        let person = Person::new(UserId::generate());
        let (one, other) = (SessionId::generate(), SessionId::generate());
        assert_eq!(person.session(one), person.session(one));
        assert_ne!(person.session(one), person.session(other));
        assert_ne!(person.session(one), Person::new(UserId::generate()).session(one));
    }

    #[test]
    fn debug_shows_no_key() {
        let person = Person::with_key(UserId::generate(), [0x5a; 32]);
        assert!(!format!("{person:?}").contains("5a5a5a5a"));
    }
}
