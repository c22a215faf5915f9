//! A server's sessions in this process's memory, for servers that give no tickets: so many at most, and so many bytes.

use crate::ossl::{now, secret::Secret, session::rules::SessionStore};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError, RwLock},
};

/// How large a cache becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// The number of sessions.
    pub sessions: usize,
    /// The bytes of all of them.
    pub bytes: usize,
}

impl Default for CacheLimits {
    fn default() -> CacheLimits {
        CacheLimits { sessions: 10_000, bytes: 16 << 20 }
    }
}

/// What an entry takes beside its id and its session: two tables' places.
const OVERHEAD: usize = 192;

struct Entry {
    session: Secret,
    until: i64,
    number: u64,
}

struct Contents {
    limits: CacheLimits,
    by_id: HashMap<Vec<u8>, Entry>,
    /// The oldest first.
    in_order: BTreeMap<u64, Vec<u8>>,
    bytes: usize,
    next: u64,
}

fn size(id: &[u8], session: &[u8]) -> usize {
    2 * id.len() + session.len() + OVERHEAD
}

impl Contents {
    fn new(limits: CacheLimits) -> Contents {
        Contents { limits, by_id: HashMap::new(), in_order: BTreeMap::new(), bytes: 0, next: 0 }
    }

    fn remove(&mut self, id: &[u8]) {
        if let Some(entry) = self.by_id.remove(id) {
            self.in_order.remove(&entry.number);
            self.bytes -= size(id, &entry.session);
        }
    }

    /// Drops the oldest until all fits, and those before them whose time is over.
    fn shrink(&mut self, now: i64) {
        while let Some(id) = self.in_order.values().next().cloned() {
            let is_over = self.by_id.get(&id).is_none_or(|entry| entry.until <= now);
            if !is_over && self.by_id.len() <= self.limits.sessions && self.bytes <= self.limits.bytes {
                return;
            }
            self.remove(&id);
        }
    }

    fn insert(&mut self, id: Vec<u8>, session: Secret, until: i64, now: i64) {
        self.remove(&id);
        // All others would go, and in the end it as well.
        if size(&id, &session) > self.limits.bytes {
            return;
        }
        let number = self.next;
        self.next += 1;
        self.bytes += size(&id, &session);
        self.in_order.insert(number, id.clone());
        self.by_id.insert(id, Entry { session, until, number });
        self.shrink(now);
    }
}

/// The cache: in parts, so that connections seldom wait for one another. Ids are random, so the parts fill alike.
pub struct SessionCache(RwLock<Parts>);

struct Parts {
    limits: CacheLimits,
    parts: Vec<Mutex<Contents>>,
}

/// A cache of so many sessions, or more, has another part, if each has so much memory: a session must fit into its part.
const SESSIONS_OF_A_PART: usize = 256;
const BYTES_OF_A_PART: usize = 64 << 10;
const MOST_PARTS: usize = 16;

impl Parts {
    fn new(limits: CacheLimits) -> Parts {
        let parts = (limits.sessions / SESSIONS_OF_A_PART).min(limits.bytes / BYTES_OF_A_PART);
        let count = parts.clamp(1, MOST_PARTS);
        let share = CacheLimits { sessions: limits.sessions / count, bytes: limits.bytes / count };
        Parts { limits, parts: (0..count).map(|_| Mutex::new(Contents::new(share))).collect() }
    }
}

impl SessionCache {
    /// An empty one.
    pub fn new(limits: CacheLimits) -> SessionCache {
        SessionCache(RwLock::new(Parts::new(limits)))
    }

    fn with<T>(&self, id: &[u8], body: impl FnOnce(&mut Contents) -> T) -> Option<T> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let parts = &all.parts;
        let part = parts.get(usize::from(*id.first()?) % parts.len().max(1))?;
        Some(body(&mut part.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Makes it smaller, or lets it become larger.
    pub fn set_limits(&self, limits: CacheLimits) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if current.limits == limits {
            return;
        }
        let before = std::mem::replace(&mut *current, Parts::new(limits));
        drop(current);
        for part in before.parts {
            let Contents { mut by_id, in_order, .. } = part.into_inner().unwrap_or_else(PoisonError::into_inner);
            for id in in_order.into_values() {
                if let Some(entry) = by_id.remove(&id) {
                    self.insert(id, entry.session, entry.until);
                }
            }
        }
    }
}

impl SessionStore for SessionCache {
    fn insert(&self, id: Vec<u8>, session: Secret, until: i64) {
        self.with(&id.clone(), |contents| contents.insert(id, session, until, now()));
    }

    fn find(&self, id: &[u8]) -> Option<Secret> {
        self.with(id, |contents| {
            contents.by_id.get(id).filter(|entry| now() < entry.until).map(|entry| entry.session.clone())
        })?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> Vec<u8> {
        number.to_be_bytes().repeat(8)
    }

    fn secret(len: usize) -> Secret {
        Secret::new(vec![1; len])
    }

    fn contents(sessions: usize, bytes: usize) -> Contents {
        Contents::new(CacheLimits { sessions, bytes })
    }

    #[test]
    fn there_are_so_many_sessions_at_most_and_the_oldest_go() {
        let mut cache = contents(100, usize::MAX);
        for number in 0..1000 {
            cache.insert(id(number), secret(200), 50, 10);
        }
        assert_eq!((cache.by_id.len(), cache.in_order.len()), (100, 100));
        assert!(cache.by_id.contains_key(&id(900)) && !cache.by_id.contains_key(&id(899)));
    }

    #[test]
    fn there_are_so_many_bytes_at_most() {
        let mut cache = contents(usize::MAX, 100_000);
        for number in 0..1000 {
            cache.insert(id(number), secret(1000), 50, 10);
            assert!(cache.bytes <= 100_000);
        }
    }

    #[test]
    fn a_session_that_never_fits_leaves_the_others_alone() {
        let mut cache = contents(usize::MAX, 100_000);
        (0..10).for_each(|number| cache.insert(id(number), secret(1000), 50, 10));
        cache.insert(id(1), secret(200_000), 50, 10);
        assert_eq!((cache.by_id.len(), cache.in_order.len()), (9, 9));
        assert!(!cache.by_id.contains_key(&id(1)));
    }

    #[test]
    fn sessions_whose_time_is_over_go_first() {
        let mut cache = contents(100, usize::MAX);
        (0..10).for_each(|number| cache.insert(id(number), secret(10), 50, 10));
        cache.insert(id(11), secret(10), 90, 50);
        assert_eq!(cache.by_id.len(), 1);
    }

    #[test]
    fn a_session_of_the_same_id_takes_the_place_of_the_other() {
        let mut cache = contents(100, usize::MAX);
        (0..10).for_each(|_| cache.insert(id(1), secret(10), 50, 10));
        assert_eq!((cache.by_id.len(), cache.in_order.len()), (1, 1));
        assert_eq!(cache.bytes, size(&id(1), &[1; 10]));
    }

    #[test]
    fn a_cache_of_little_memory_has_space_for_a_session_however_many_there_may_be() {
        let cache = SessionCache::new(CacheLimits { sessions: 10_000, bytes: 4096 });
        cache.insert(id(1), secret(2000), i64::MAX);
        assert!(cache.find(&id(1)).is_some());
    }

    #[test]
    fn a_large_cache_has_parts_and_keeps_its_sessions_when_its_limits_change() {
        let cache = SessionCache::new(CacheLimits { sessions: 4096, bytes: 16 << 20 });
        assert_eq!(cache.0.read().unwrap().parts.len(), 16);
        let until = now() + 1000;
        let ids: Vec<Vec<u8>> = (0..=255u8).map(|first| [vec![first], id(1)].concat()).collect();
        ids.iter().for_each(|id| cache.insert(id.clone(), secret(10), until));
        assert!(ids.iter().all(|id| cache.find(id).is_some()));
        cache.set_limits(CacheLimits { sessions: 300, bytes: 16 << 20 });
        assert!(ids.iter().all(|id| cache.find(id).is_some()));
        cache.set_limits(CacheLimits { sessions: 100, bytes: 16 << 20 });
        assert_eq!(ids.iter().filter(|id| cache.find(id).is_some()).count(), 100);
        assert!(cache.find(&[]).is_none());
    }
}
