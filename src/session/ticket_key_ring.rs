//! Ticket keys that follow one another: made at random, each for one period, or given by the program. The newest encrypts;
//! the older ones decrypt for as long as tickets of theirs may live.

use crate::{
    error::Result,
    ossl::{rand, session::rules::TicketKey},
};
use std::collections::VecDeque;

/// How many keys that the program has given are kept.
const GIVEN: usize = 16;

struct Entry {
    key: TicketKey,
    /// Whether the program has given it: it decrypts for as long as it is here.
    is_given: bool,
    /// Since when the key encrypts, in seconds since 1970.
    since: i64,
    /// Until when; of the newest key that is not known.
    until: i64,
}

impl Entry {
    fn decrypts(&self, now: i64, lifetime: i64) -> bool {
        self.is_given || now < self.until.saturating_add(lifetime)
    }
}

/// The keys.
pub struct Ring {
    newest: Entry,
    /// The latest first.
    older: VecDeque<Entry>,
    /// For how many seconds a key made at random encrypts.
    period: i64,
    /// The longest lifetime of a ticket so far.
    longest: i64,
}

fn random() -> Result<TicketKey> {
    let mut key = TicketKey { name: [0; 16], mac: [0; 32], cipher: [0; 32], is_aes_128: false };
    rand::bytes(&mut key.name)?;
    rand::bytes(&mut key.mac)?;
    rand::bytes(&mut key.cipher)?;
    Ok(key)
}

impl Ring {
    /// One key, made at random.
    pub fn new(period: i64, now: i64) -> Result<Ring> {
        let newest = Entry { key: random()?, is_given: false, since: now, until: i64::MAX };
        Ok(Ring { newest, older: VecDeque::new(), period, longest: 0 })
    }

    fn replace(&mut self, key: TicketKey, is_given: bool, now: i64) {
        let newest = Entry { key, is_given, since: now, until: i64::MAX };
        let before = std::mem::replace(&mut self.newest, newest);
        self.older.push_front(Entry { until: now, ..before });
    }

    /// Adds a key of the program's, which encrypts from now on. One that is here already comes to the front.
    pub fn give(&mut self, key: TicketKey, now: i64) {
        let name = key.name;
        self.replace(key, true, now);
        self.older.retain(|entry| entry.key.name != name);
        let mut given = 1;
        self.older.retain(|entry| {
            given += usize::from(entry.is_given);
            !entry.is_given || given <= GIVEN
        });
    }

    fn newest_is_due(&self, now: i64) -> bool {
        let age = now.saturating_sub(self.newest.since);
        // A clock that was set back by more than a period starts a new one, too.
        !self.newest.is_given && age.saturating_abs() >= self.period
    }

    /// Whether time has brought something to do, for the sake of tickets that may live for so many seconds.
    pub fn is_due(&self, now: i64, lifetime: i64) -> bool {
        let longest = self.longest.max(lifetime);
        longest > self.longest
            || self.newest_is_due(now)
            || self.older.back().is_some_and(|oldest| !oldest.decrypts(now, longest))
    }

    /// Does it.
    pub fn advance(&mut self, now: i64, lifetime: i64) {
        self.longest = self.longest.max(lifetime);
        if self.newest_is_due(now) {
            if let Ok(key) = random() {
                self.replace(key, false, now);
            }
        }
        let longest = self.longest;
        self.older.retain(|entry| entry.decrypts(now, longest));
    }

    /// The key for a new ticket.
    pub fn newest(&self) -> TicketKey {
        self.newest.key.clone()
    }

    /// The key of this name, if it decrypts tickets that may live for so many seconds, and whether a newer one encrypts.
    pub fn find(&self, name: &[u8; 16], now: i64, lifetime: i64) -> Option<(TicketKey, bool)> {
        if self.newest.key.name == *name {
            return Some((self.newest.key.clone(), false));
        }
        let older = self.older.iter().find(|entry| entry.key.name == *name);
        older.filter(|entry| entry.decrypts(now, lifetime)).map(|entry| (entry.key.clone(), true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: i64 = 100;
    const LIFETIME: i64 = 250;

    fn given(name: u8) -> TicketKey {
        TicketKey { name: [name; 16], mac: [0; 32], cipher: [0; 32], is_aes_128: false }
    }

    fn name_at(ring: &mut Ring, now: i64) -> [u8; 16] {
        if ring.is_due(now, LIFETIME) {
            ring.advance(now, LIFETIME);
            assert!(!ring.is_due(now, LIFETIME));
        }
        ring.newest().name
    }

    #[test]
    fn each_period_has_a_key_which_decrypts_as_long_as_its_tickets_live() {
        let mut ring = Ring::new(PERIOD, 1000).unwrap();
        let first = name_at(&mut ring, 1000);
        assert_eq!(first, name_at(&mut ring, 1099));
        let second = name_at(&mut ring, 1100);
        assert_ne!(first, second);
        assert!(ring.find(&first, 1100 + LIFETIME - 1, LIFETIME).unwrap().1);
        assert!(ring.find(&first, 1100 + LIFETIME, LIFETIME).is_none());
    }

    #[test]
    fn a_shorter_lifetime_does_not_drop_the_keys_of_a_longer_one() {
        let mut ring = Ring::new(PERIOD, 1000).unwrap();
        let first = name_at(&mut ring, 1000);
        name_at(&mut ring, 1100);
        assert!(ring.find(&first, 1200, 10).is_none());
        assert!(ring.find(&first, 1200, LIFETIME).is_some());
    }

    #[test]
    fn keys_that_nobody_needs_are_dropped() {
        let mut ring = Ring::new(PERIOD, 1000).unwrap();
        for now in (1000..100_000).step_by(50) {
            name_at(&mut ring, now);
            assert!(ring.older.len() <= 4, "{}", ring.older.len());
        }
    }

    #[test]
    fn a_given_key_encrypts_and_stays() {
        let mut ring = Ring::new(PERIOD, 1000).unwrap();
        let first = name_at(&mut ring, 1000);
        ring.give(given(1), 1010);
        assert_eq!(name_at(&mut ring, 1_000_000), [1; 16]);
        assert!(ring.find(&first, 1_000_000, LIFETIME).is_none());
        assert!(ring.older.is_empty());
        ring.give(given(2), 2_000_000);
        assert!(ring.find(&[1; 16], 3_000_000, LIFETIME).unwrap().1);
        assert!(!ring.find(&[2; 16], 3_000_000, LIFETIME).unwrap().1);
    }

    #[test]
    fn of_given_keys_the_latest_sixteen_are_kept() {
        let mut ring = Ring::new(PERIOD, 1000).unwrap();
        (1..=20).for_each(|name| ring.give(given(name), 1000));
        assert!(ring.find(&[4; 16], 1000, LIFETIME).is_none());
        assert!(ring.find(&[5; 16], 1000, LIFETIME).is_some());
        ring.give(given(5), 1000);
        assert!(ring.find(&[6; 16], 1000, LIFETIME).is_some());
        assert!(!ring.find(&[5; 16], 1000, LIFETIME).unwrap().1);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_keep_a_key_for_ever() {
        let mut ring = Ring::new(PERIOD, 1_000_000).unwrap();
        let first = name_at(&mut ring, 1_000_000);
        assert_ne!(first, name_at(&mut ring, 1000));
    }
}
