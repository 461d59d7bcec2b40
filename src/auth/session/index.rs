//! Who has which sessions, oldest first: what the limits are judged by.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::ids::{SessionId, UserId};

/// Sessions in the order in which they began. A counter, not the clock, says which is older.
#[derive(Default)]
pub(super) struct Index {
    by_age: BTreeMap<u64, (SessionId, UserId)>,
    by_user: HashMap<UserId, BTreeMap<u64, SessionId>>,
    age_of: HashMap<SessionId, (u64, UserId)>,
    /// Will end as soon as the session that they give way to is on disk.
    giving_way: HashSet<SessionId>,
    next: u64,
}

/// What a new session's admission costs others.
pub(super) struct Place {
    pub(super) gave_way: Vec<SessionId>,
}

impl Index {
    /// Adds a session as the youngest, whatever the limits.
    pub(super) fn append(&mut self, id: SessionId, user: UserId) {
        let age = self.next;
        self.next += 1;
        self.by_age.insert(age, (id, user));
        self.by_user.entry(user).or_default().insert(age, id);
        self.age_of.insert(id, (age, user));
    }

    /// Adds a session as the youngest and marks the oldest past the limits, of this user and of all, as giving way.
    pub(super) fn admit(
        &mut self,
        id: SessionId,
        user: UserId,
        per_user_max: usize,
        sessions_max: usize,
    ) -> Place {
        self.append(id, user);
        let mut gave_way = Vec::new();
        let own = self.by_user.get(&user).into_iter().flat_map(BTreeMap::values);
        let staying: Vec<SessionId> = own.filter(|id| !self.giving_way.contains(id)).copied().collect();
        let too_many = staying.len().saturating_sub(per_user_max.max(1));
        gave_way.extend(&staying[..too_many]);
        self.giving_way.extend(&gave_way);

        let too_many = (self.by_age.len() - self.giving_way.len()).saturating_sub(sessions_max.max(1));
        let staying = self.by_age.values().map(|(id, _)| *id).filter(|id| !self.giving_way.contains(id));
        let oldest: Vec<SessionId> = staying.take(too_many).collect();
        self.giving_way.extend(&oldest);
        gave_way.extend(oldest);
        Place { gave_way }
    }

    /// Takes a session out; whether it was in.
    pub(super) fn remove(&mut self, id: SessionId) -> bool {
        self.giving_way.remove(&id);
        let Some((age, user)) = self.age_of.remove(&id) else { return false };
        self.by_age.remove(&age);
        if let Some(own) = self.by_user.get_mut(&user) {
            own.remove(&age);
            if own.is_empty() {
                self.by_user.remove(&user);
            }
        }
        true
    }

    /// What was giving way stays after all.
    pub(super) fn release(&mut self, ids: &[SessionId]) {
        for id in ids {
            self.giving_way.remove(id);
        }
    }

    pub(super) fn has(&self, id: SessionId) -> bool {
        self.age_of.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.by_age.len()
    }

    pub(super) fn of(&self, user: UserId) -> Vec<SessionId> {
        self.by_user.get(&user).into_iter().flat_map(BTreeMap::values).copied().collect()
    }

    pub(super) fn all(&self) -> Vec<SessionId> {
        self.by_age.values().map(|(id, _)| *id).collect()
    }

    pub(super) fn newest(&self, user: Option<UserId>, most: usize) -> Vec<SessionId> {
        match user {
            Some(user) => {
                let own = self.by_user.get(&user);
                own.into_iter().flat_map(|own| own.values().rev()).take(most).copied().collect()
            }
            None => self.by_age.values().rev().take(most).map(|(id, _)| *id).collect(),
        }
    }
}
