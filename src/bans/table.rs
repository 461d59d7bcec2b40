//! All bans, in memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use ipnet::IpNet;
use parking_lot::RwLock;

use super::ban::{Ban, BanError, Target};
use super::durable::{BanLog, Unavailable, Written};
use super::lockdown::Lockdown;
use super::networks::Networks;
use crate::base::address::canonical;
use crate::config;

/// Of every ten places one is kept for the operator: rules that are made to ban cannot fill them all.
const RULES_TENTHS: usize = 9;

/// How often it is told that there is no room, in milliseconds.
const TELL_EVERY_MS: i64 = 60_000;

/// Who is kept out. One for the whole process.
pub struct Bans {
    /// Incident mode.
    pub lockdown: Lockdown,
    /// How many networks and users stand below: all that a request asks while there are none.
    networks: AtomicUsize,
    users: AtomicUsize,
    table: RwLock<Table>,
    terms: RwLock<Terms>,
    log: Arc<dyn BanLog>,
    told_full_ms: AtomicI64,
}

#[derive(Default)]
struct Table {
    networks: Networks,
    users: HashMap<Arc<str>, Ban>,
}

/// What the configuration says.
struct Terms {
    never: Vec<IpNet>,
    max: usize,
}

impl Bans {
    /// Nobody is banned yet.
    pub fn new(log: Arc<dyn BanLog>, config: &config::Bans) -> Self {
        Self {
            lockdown: Lockdown::new(Arc::clone(&log)),
            networks: AtomicUsize::new(0),
            users: AtomicUsize::new(0),
            table: RwLock::default(),
            terms: RwLock::new(Terms { never: config.never.clone(), max: config.max }),
            log,
            told_full_ms: AtomicI64::new(0),
        }
    }

    /// Takes over an edit. Bans that stand stay, also where they are more than there may be.
    pub fn configure(&self, config: &config::Bans) {
        *self.terms.write() = Terms { never: config.never.clone(), max: config.max };
    }

    /// Puts back what was saved, before anything goes live.
    pub fn load(&self, bans: impl IntoIterator<Item = Ban>) {
        let mut table = self.table.write();
        for ban in bans {
            table.insert(ban);
        }
        self.count(&table);
    }

    /// Whether an address is kept out.
    pub fn is_address_banned(&self, address: IpAddr, now_ms: i64) -> bool {
        if self.networks.load(Ordering::Acquire) == 0 {
            return false;
        }
        self.table.read().networks.find(address, now_ms).is_some() && !self.is_never(address)
    }

    /// Whether an account is kept out, by its opaque id.
    pub fn is_user_banned(&self, id: &str, now_ms: i64) -> bool {
        if self.users.load(Ordering::Acquire) == 0 {
            return false;
        }
        self.table.read().users.get(id).is_some_and(|ban| ban.holds(now_ms))
    }

    /// Whether any account is kept out: where none is, nobody's id need be spelled.
    pub fn bans_users(&self) -> bool {
        self.users.load(Ordering::Acquire) > 0
    }

    /// The ban that keeps an address out.
    pub fn of_address(&self, address: IpAddr, now_ms: i64) -> Option<Ban> {
        let found = self.table.read().networks.find(address, now_ms).cloned();
        found.filter(|_| !self.is_never(address))
    }

    /// The ban of exactly that target.
    pub fn get(&self, target: &Target, now_ms: i64) -> Option<Ban> {
        self.table.read().get(target).filter(|ban| ban.holds(now_ms)).cloned()
    }

    /// Every ban that holds, the newest first.
    pub fn list(&self, now_ms: i64) -> Vec<Ban> {
        let table = self.table.read();
        let all = table.networks.values().chain(table.users.values());
        let mut bans: Vec<_> = all.filter(|ban| ban.holds(now_ms)).cloned().collect();
        drop(table);
        bans.sort_unstable_by(|a, b| (b.created_ms, &a.target).cmp(&(a.created_ms, &b.target)));
        bans
    }

    /// How many networks and how many users are banned.
    pub fn counts(&self, now_ms: i64) -> (usize, usize) {
        let table = self.table.read();
        let holds = |ban: &&Ban| ban.holds(now_ms);
        (table.networks.values().filter(holds).count(), table.users.values().filter(holds).count())
    }

    /// Whether somebody may be banned at all.
    ///
    /// # Errors
    /// The operator said that these can never be.
    pub fn allows(&self, target: &Target) -> Result<(), BanError> {
        match target {
            Target::Network(net) if self.terms.read().never.iter().any(|never| never.contains(net)) => {
                Err(BanError::Never)
            }
            _ => Ok(()),
        }
    }

    /// Keeps somebody out, from now on; the write is under way. A ban of the same target gives way.
    ///
    /// # Errors
    /// The operator said that these can never be banned, or there is no room.
    pub fn add(&self, ban: Ban, now_ms: i64) -> Result<Written, BanError> {
        self.allows(&ban.target)?;
        self.put(&mut self.table.write(), ban, now_ms)
    }

    fn put(&self, table: &mut Table, ban: Ban, now_ms: i64) -> Result<Written, BanError> {
        let max = self.room(&ban);
        if table.get(&ban.target).is_none() && table.len() >= max {
            table.drop_ended(now_ms);
            if table.len() >= max {
                self.count(table);
                return Err(BanError::Full);
            }
        }
        // Under the lock, so that the disk sees changes in the order in which they come into force.
        let written = self.log.save(&ban);
        table.insert(ban);
        self.count(table);
        Ok(written)
    }

    /// Keeps somebody out for a rule: a ban that stands and holds as long is left as it is, and so is one that somebody else
    /// made, for how it ends is theirs to say. The write is under way, if there is one.
    ///
    /// # Errors
    /// As [`Bans::add`].
    pub fn lengthen(&self, ban: Ban, now_ms: i64) -> Result<Option<Written>, BanError> {
        let end = |ban: &Ban| ban.expires_ms.unwrap_or(i64::MAX);
        let stays = |standing: &Ban| standing.made_by != ban.made_by || end(standing) >= end(&ban);
        self.allows(&ban.target)?;
        // Looked at and written under one lock: nobody's ban comes in between.
        let mut table = self.table.write();
        if table.get(&ban.target).filter(|standing| standing.holds(now_ms)).is_some_and(stays) {
            return Ok(None);
        }
        self.put(&mut table, ban, now_ms).map(Some)
    }

    /// Whether it is time again to tell that there is no room: a flood of bans is no flood of lines.
    pub fn tells_that_it_is_full(&self, now_ms: i64) -> bool {
        let last = self.told_full_ms.load(Ordering::Relaxed);
        let due = now_ms.saturating_sub(last) >= TELL_EVERY_MS;
        due && self.told_full_ms.compare_exchange(last, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Lets somebody in again; whether the ban was there. It ends when the disk has taken that.
    ///
    /// # Errors
    /// The disk did not take it: the ban stays.
    pub async fn revoke(&self, target: &Target, now_ms: i64) -> Result<bool, Unavailable> {
        let Some(ban) = self.get(target, now_ms) else { return Ok(false) };
        self.end(vec![ban]).await?;
        Ok(true)
    }

    /// Lets everybody in again; how many bans there were.
    ///
    /// # Errors
    /// The disk did not take it: all bans stay.
    pub async fn revoke_all(&self, now_ms: i64) -> Result<usize, Unavailable> {
        let bans = self.list(now_ms);
        let count = bans.len();
        self.end(bans).await?;
        Ok(count)
    }

    /// Ends a ban at once, in the order of the calls; the write is under way.
    pub fn remove(&self, target: &Target) -> Option<Written> {
        self.remove_if(target, |_| true)
    }

    /// Ends a ban of that maker, as [`Bans::remove`]. For rules, which end only what they began.
    pub fn remove_own(&self, target: &Target, made_by: &str) -> Option<Written> {
        self.remove_if(target, |ban| &*ban.made_by == made_by)
    }

    fn remove_if(&self, target: &Target, goes: impl FnOnce(&Ban) -> bool) -> Option<Written> {
        let mut table = self.table.write();
        table.get(target).filter(|ban| goes(ban))?;
        table.remove(target)?;
        let written = self.log.remove(std::slice::from_ref(target));
        self.count(&table);
        Some(written)
    }

    /// Removes what has ended from memory.
    pub fn tidy(&self, now_ms: i64) {
        let mut table = self.table.write();
        table.drop_ended(now_ms);
        self.count(&table);
    }

    async fn end(&self, bans: Vec<Ban>) -> Result<(), Unavailable> {
        let targets: Vec<_> = bans.iter().map(|ban| ban.target.clone()).collect();
        let written = {
            let _order = self.table.read();
            self.log.remove(&targets)
        };
        written.await?;
        let mut table = self.table.write();
        for ban in bans {
            // One that was made anew meanwhile stands, here as on disk.
            if table.get(&ban.target) == Some(&ban) {
                table.remove(&ban.target);
            }
        }
        self.count(&table);
        Ok(())
    }

    fn is_never(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        self.terms.read().never.iter().any(|net| net.contains(&address))
    }

    fn room(&self, ban: &Ban) -> usize {
        let max = self.terms.read().max;
        if ban.made_by.starts_with("rule:") { (max * RULES_TENTHS / 10).max(1) } else { max }
    }

    fn count(&self, table: &Table) {
        self.networks.store(table.networks.len(), Ordering::Release);
        self.users.store(table.users.len(), Ordering::Release);
    }
}

impl Table {
    fn len(&self) -> usize {
        self.networks.len() + self.users.len()
    }

    fn get(&self, target: &Target) -> Option<&Ban> {
        match target {
            Target::Network(net) => self.networks.get(net),
            Target::User(id) => self.users.get(id),
        }
    }

    fn insert(&mut self, ban: Ban) {
        match ban.target.clone() {
            Target::Network(net) => drop(self.networks.insert(net, ban)),
            Target::User(id) => drop(self.users.insert(id, ban)),
        }
    }

    fn remove(&mut self, target: &Target) -> Option<Ban> {
        match target {
            Target::Network(net) => self.networks.remove(net),
            Target::User(id) => self.users.remove(id),
        }
    }

    fn drop_ended(&mut self, now_ms: i64) {
        let ended = |ban: &&Ban| !ban.holds(now_ms);
        let all = self.networks.values().chain(self.users.values());
        let targets: Vec<_> = all.filter(ended).map(|ban| ban.target.clone()).collect();
        for target in &targets {
            self.remove(target);
        }
    }
}
