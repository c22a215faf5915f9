//! The handshakes that a server over datagrams has in progress: which there are, when each must be continued although nothing
//! came, and which are evicted when the table is full.

use crate::{net::deadline::Deadline, socket::Socket};
use std::{
    collections::{BTreeSet, HashMap},
    mem,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::peers::{Ends, host};

/// How many handshakes are in progress at once.
const MAX_HALF_OPEN: usize = 1024;

/// How many of them with one host: a quarter leaves places for others.
const MAX_PER_HOST: usize = 256;

/// How long a handshake may take before another may replace it in a full table.
const MIN_AGE_FOR_EVICTION: Duration = Duration::from_secs(3);

/// How many bytes of fragments wait for a step that is under way: those of any hello but the longest.
const MAX_WAITING: usize = 64 * 1024;

/// A peer in its handshake.
pub struct HalfOpen {
    slot: Mutex<Slot>,
    /// The two ends.
    pub ends: Ends,
    began: Instant,
    /// When the handshake has failed.
    pub deadline: Deadline,
}

/// A step of a handshake can call the program, which may take its time and may accept others. So the thread that makes one has
/// the socket for itself meanwhile, and no lock.
#[derive(Default)]
struct Slot {
    /// None during a step, and once the handshake is over.
    socket: Option<Socket>,
    /// What has come during the step that is for the socket.
    fragments: Vec<Vec<u8>>,
    /// Whether there was an event during the step.
    had_event: bool,
}

impl HalfOpen {
    /// A handshake that begins now with a step: the caller has its socket.
    pub fn new(ends: Ends, deadline: Deadline, now: Instant) -> HalfOpen {
        HalfOpen { slot: Mutex::default(), ends, began: now, deadline }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The socket, for a step. None while another thread makes one: that one handles the event.
    pub fn take(&self) -> Option<Socket> {
        let mut slot = self.slot();
        slot.had_event = slot.socket.is_none();
        slot.socket.take()
    }

    /// Ends a step. True if there was an event meanwhile, and so something for another step to do.
    pub fn put_back(&self, socket: Socket) -> bool {
        let mut slot = self.slot();
        for fragment in mem::take(&mut slot.fragments) {
            socket.feed(&fragment);
        }
        slot.socket = Some(socket);
        mem::take(&mut slot.had_event)
    }

    /// Gives the socket a fragment of its hello, now or after the step.
    pub fn feed(&self, fragment: &[u8]) {
        let mut slot = self.slot();
        if let Some(socket) = &slot.socket {
            socket.feed(fragment);
        } else if slot.fragments.iter().map(Vec::len).sum::<usize>() + fragment.len() <= MAX_WAITING {
            slot.fragments.push(fragment.to_vec());
        }
    }

    fn may_be_evicted(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) >= MIN_AGE_FOR_EVICTION
    }
}

struct Entry {
    half_open: Arc<HalfOpen>,
    /// When it is due, as in `HalfOpenTable::due`.
    due: Option<Instant>,
}

/// All handshakes in progress, by tokens that grow.
pub struct HalfOpenTable {
    entries: HashMap<u64, Entry>,
    per_host: HashMap<IpAddr, usize>,
    /// When which must be continued although nothing came from it. Also has the tokens of established connections.
    due: BTreeSet<(Instant, u64)>,
    next: u64,
}

impl HalfOpenTable {
    /// No handshakes; the first one will get this token.
    pub fn new(first: u64) -> HalfOpenTable {
        HalfOpenTable { entries: HashMap::new(), per_host: HashMap::new(), due: BTreeSet::new(), next: first }
    }

    /// Whether the table can take one more handshake with a host.
    pub fn has_space_for(&self, host: IpAddr) -> bool {
        self.entries.len() < MAX_HALF_OPEN && self.per_host.get(&host).is_none_or(|n| *n < MAX_PER_HOST)
    }

    /// The oldest handshake that may be evicted.
    pub fn oldest(&self, now: Instant) -> Option<u64> {
        self.oldest_where(now, |_| true)
    }

    /// If the table cannot take a handshake with this host: the oldest one that has made no progress for long enough, and
    /// whose place is the one that is missing.
    pub fn eviction_candidate(&self, newcomer: IpAddr, now: Instant) -> Option<u64> {
        let only_host_is_full = self.entries.len() < MAX_HALF_OPEN;
        self.oldest_where(now, |half_open| !only_host_is_full || host(&half_open.ends.peer) == newcomer)
    }

    fn oldest_where(&self, now: Instant, is_candidate: impl Fn(&HalfOpen) -> bool) -> Option<u64> {
        let may_be_evicted = |entry: &Entry| entry.half_open.may_be_evicted(now) && is_candidate(&entry.half_open);
        self.entries.iter().filter(|(_, entry)| may_be_evicted(entry)).map(|(token, _)| *token).min()
    }

    /// Adds a handshake, and returns its token.
    pub fn insert(&mut self, half_open: Arc<HalfOpen>) -> u64 {
        let token = self.next;
        self.next += 1;
        *self.per_host.entry(host(&half_open.ends.peer)).or_default() += 1;
        self.entries.insert(token, Entry { half_open, due: None });
        token
    }

    /// The handshake between these ends.
    pub fn find(&self, ends: &Ends) -> Option<(u64, Arc<HalfOpen>)> {
        let (token, entry) = self.entries.iter().find(|(_, entry)| entry.half_open.ends == *ends)?;
        Some((*token, entry.half_open.clone()))
    }

    /// The handshake of this token.
    pub fn get(&self, token: u64) -> Option<Arc<HalfOpen>> {
        self.entries.get(&token).map(|entry| entry.half_open.clone())
    }

    /// Removes a handshake.
    pub fn remove(&mut self, token: u64) -> Option<Arc<HalfOpen>> {
        self.schedule(token, None);
        let Entry { half_open, .. } = self.entries.remove(&token)?;
        let host = host(&half_open.ends.peer);
        if let Some(n) = self.per_host.get_mut(&host) {
            *n -= 1;
            if *n == 0 {
                self.per_host.remove(&host);
            }
        }
        Some(half_open)
    }

    /// Removes all.
    pub fn take_all(&mut self) -> Vec<Arc<HalfOpen>> {
        self.per_host.clear();
        self.entries.drain().map(|(_, entry)| entry.half_open).collect()
    }

    /// Sets when a handshake is due, or that it is not.
    pub fn schedule(&mut self, token: u64, at: Option<Instant>) {
        let Some(entry) = self.entries.get_mut(&token) else {
            return;
        };
        if let Some(before) = mem::replace(&mut entry.due, at) {
            self.due.remove(&(before, token));
        }
        if let Some(at) = at {
            self.due.insert((at, token));
        }
    }

    /// Sets when something else is due, once.
    pub fn schedule_other(&mut self, token: u64, at: Instant) {
        self.due.insert((at, token));
    }

    /// When the first is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The first that is due now; afterwards it is not.
    pub fn take_due(&mut self, now: Instant) -> Option<u64> {
        let (at, token) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.pop_first();
        if let Some(entry) = self.entries.get_mut(&token) {
            entry.due = None;
        }
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn half_open(host: u8, port: u16, now: Instant) -> Arc<HalfOpen> {
        let ends = Ends {
            peer: SocketAddr::from(([192, 0, 2, host], port)),
            local: SocketAddr::from(([192, 0, 2, 254], 1)),
        };
        Arc::new(HalfOpen::new(ends, Deadline::NEVER, now))
    }

    fn address(host: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, host])
    }

    #[test]
    fn a_host_that_fills_its_share_evicts_only_its_own() {
        let now = Instant::now();
        let mut table = HalfOpenTable::new(3);
        let other = table.insert(half_open(2, 1, now));
        for port in 0..MAX_PER_HOST {
            assert!(table.has_space_for(address(1)));
            table.insert(half_open(1, port as u16, now));
        }
        assert!(!table.has_space_for(address(1)) && table.has_space_for(address(2)));
        assert_eq!(table.eviction_candidate(address(1), now), None);
        assert_eq!(table.eviction_candidate(address(1), now + MIN_AGE_FOR_EVICTION), Some(other + 1));
        table.remove(other + 1);
        assert!(table.has_space_for(address(1)));
    }

    #[test]
    fn a_full_table_evicts_the_oldest() {
        let now = Instant::now();
        let mut table = HalfOpenTable::new(3);
        for n in 0..MAX_HALF_OPEN {
            table.insert(half_open((n % 5) as u8, n as u16, now));
        }
        assert!(!table.has_space_for(address(200)));
        assert_eq!(table.eviction_candidate(address(200), now + MIN_AGE_FOR_EVICTION), Some(3));
        assert_eq!(table.oldest(now), None);
        assert_eq!(table.oldest(now + MIN_AGE_FOR_EVICTION), Some(3));
    }

    #[test]
    fn what_is_due_comes_in_order_and_once() {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let mut table = HalfOpenTable::new(3);
        let (first, second) = (table.insert(half_open(1, 1, now)), table.insert(half_open(1, 2, now)));
        table.schedule(first, Some(after(9)));
        table.schedule(second, Some(after(5)));
        table.schedule(first, Some(after(2)));
        table.schedule_other(1 << 63, after(3));
        assert_eq!(table.next_due(), Some(after(2)));
        assert_eq!(table.take_due(after(1)), None);
        assert_eq!(table.take_due(after(4)), Some(first));
        assert_eq!(table.take_due(after(4)), Some(1 << 63));
        assert_eq!(table.take_due(after(4)), None);
        table.remove(second);
        assert_eq!(table.next_due(), None);
    }
}
