//! A server's sessions in this process's memory, for servers that give no tickets: so many at most, and so many bytes.

use crate::ossl::{cleanse, now, session_rules::SessionStore};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How large a cache becomes.
#[derive(Clone, Copy, Debug)]
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
    session: Vec<u8>,
    until: i64,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        cleanse(&mut self.session);
    }
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

    fn insert(&mut self, id: Vec<u8>, session: Vec<u8>, until: i64, now: i64) {
        self.remove(&id);
        let number = self.next;
        self.next += 1;
        self.bytes += size(&id, &session);
        self.in_order.insert(number, id.clone());
        self.by_id.insert(id, Entry { session, until, number });
        self.shrink(now);
    }
}

/// The cache.
pub struct SessionCache(Mutex<Contents>);

impl SessionCache {
    /// An empty one.
    pub fn new(limits: CacheLimits) -> SessionCache {
        SessionCache(Mutex::new(Contents {
            limits,
            by_id: HashMap::new(),
            in_order: BTreeMap::new(),
            bytes: 0,
            next: 0,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes it smaller, or lets it become larger.
    pub fn set_limits(&self, limits: CacheLimits) {
        let mut contents = self.lock();
        contents.limits = limits;
        contents.shrink(now());
    }
}

impl SessionStore for SessionCache {
    fn insert(&self, id: Vec<u8>, session: Vec<u8>, until: i64) {
        self.lock().insert(id, session, until, now());
    }

    fn find(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.lock().by_id.get(id).filter(|entry| now() < entry.until).map(|entry| entry.session.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> Vec<u8> {
        number.to_be_bytes().repeat(8)
    }

    fn contents(sessions: usize, bytes: usize) -> Contents {
        let cache = SessionCache::new(CacheLimits { sessions, bytes });
        cache.0.into_inner().unwrap()
    }

    #[test]
    fn there_are_so_many_sessions_at_most_and_the_oldest_go() {
        let mut cache = contents(100, usize::MAX);
        for number in 0..1000 {
            cache.insert(id(number), vec![1; 200], 50, 10);
        }
        assert_eq!((cache.by_id.len(), cache.in_order.len()), (100, 100));
        assert!(cache.by_id.contains_key(&id(900)) && !cache.by_id.contains_key(&id(899)));
    }

    #[test]
    fn there_are_so_many_bytes_at_most() {
        let mut cache = contents(usize::MAX, 100_000);
        for number in 0..1000 {
            cache.insert(id(number), vec![1; 1000], 50, 10);
            assert!(cache.bytes <= 100_000);
        }
        cache.insert(id(1), vec![1; 200_000], 50, 10);
        assert_eq!((cache.by_id.len(), cache.bytes), (0, 0));
    }

    #[test]
    fn sessions_whose_time_is_over_go_first() {
        let mut cache = contents(100, usize::MAX);
        (0..10).for_each(|number| cache.insert(id(number), vec![1; 10], 50, 10));
        cache.insert(id(11), vec![1; 10], 90, 50);
        assert_eq!(cache.by_id.len(), 1);
    }

    #[test]
    fn a_session_of_the_same_id_takes_the_place_of_the_other() {
        let mut cache = contents(100, usize::MAX);
        (0..10).for_each(|_| cache.insert(id(1), vec![1; 10], 50, 10));
        assert_eq!((cache.by_id.len(), cache.in_order.len()), (1, 1));
        assert_eq!(cache.bytes, size(&id(1), &[1; 10]));
    }
}
