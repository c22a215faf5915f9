//! Who is connected to a server over datagrams: each peer once, and not too many. What a peer's socket shares with its
//! server, and the restart of a peer that begins a new connection.

use crate::{
    error::Result,
    net::deadline::Deadline,
    posix::{
        self,
        event::{self, Events},
    },
    socket::server::monitor::ConnectionMonitor,
    transport::channel::registration::{HelloVerdict, PeerRegistration},
};
use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    thread,
    time::{Duration, Instant},
};

use super::{
    cookie::{Cookies, UsedCookies},
    hello::{self, Hello},
};

/// How long a full server waits before it looks for idle peers again.
const RECHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How many restarted peers may wait for the server to accept.
const MAX_RESTARTED: usize = 1024;

/// However small the server's maximum is, one host may have this many peers.
const ALWAYS_PER_HOST: usize = 64;

/// How long another thread may have locked something, unless it is the parent's: no thread waits with a lock. And
/// how often it is tried.
const LONGEST_LOCK: Duration = Duration::from_millis(20);
const LOCK_AGAIN: Duration = Duration::from_millis(1);

/// How many peers a server has at most.
#[derive(Clone, Copy, Debug)]
pub struct PeerLimits {
    /// All together.
    pub total: usize,
    /// Those of one host.
    pub per_host: usize,
}

impl PeerLimits {
    /// The limits for at most `total` peers, each of which takes one of `descriptors`. Unless `per_host` says otherwise,
    /// one host may have a quarter of the maximum, so that it cannot exclude the others.
    pub fn new(total: usize, per_host: Option<usize>, descriptors: usize) -> PeerLimits {
        let maximum = total.min(descriptors);
        let share = (maximum / 4).max(ALWAYS_PER_HOST.min(maximum));
        PeerLimits { total, per_host: per_host.unwrap_or(share) }
    }
}

/// The host that an address belongs to: with IPv6 a host has a whole network of 64 bits.
pub fn host(peer: &SocketAddr) -> IpAddr {
    match peer.ip() {
        IpAddr::V6(v6) => {
            let network = u128::from(v6) >> 64 << 64;
            IpAddr::from(network.to_be_bytes())
        }
        v4 => v4,
    }
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// The client's.
    pub peer: SocketAddr,
    /// The address of this end.
    pub local: SocketAddr,
}

/// A peer that has restarted: its verified hello, and the socket that it came through.
pub struct RestartedPeer {
    /// A duplicate of the socket that its former connection had.
    pub fd: OwnedFd,
    /// Its connection.
    pub ends: Ends,
    /// The hello.
    pub hello: Vec<u8>,
}

/// All peers of one server.
pub struct Peers {
    cookies: Cookies,
    /// What the server waits for.
    events: Arc<Events>,
    /// Wakes the server for `restarted`, and at its end.
    waker: OwnedFd,
    limits: PeerLimits,
    /// The process whose server this is: one that is forked has the same waker.
    made_by: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of each peer's latest connection.
    connected: HashMap<Ends, u64>,
    /// How many peers each host has.
    per_host: HashMap<IpAddr, usize>,
    /// The connections that have been handed out, by their numbers.
    established: HashMap<u64, ConnectionMonitor>,
    next: u64,
    /// When peers were last looked for that are silent for too long.
    asked: Option<Instant>,
    used: UsedCookies,
    restarted: VecDeque<RestartedPeer>,
    closed: bool,
}

/// A peer's membership: it ends when this is dropped.
pub struct Association {
    peers: Arc<Peers>,
    ends: Ends,
    number: u64,
}

impl Peers {
    /// No peers yet, and never more than `limits` allow. Their sockets are watched by `events`.
    pub fn new(limits: PeerLimits, events: Arc<Events>) -> Result<Arc<Peers>> {
        let waker = event::waker().map_err(|error| crate::error::Error::io(&error))?;
        let (cookies, made_by) = (Cookies::new()?, posix::pid());
        Ok(Arc::new(Peers { cookies, events, waker, limits, made_by, state: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks what belongs to the server, at its end or a peer's. None in a forked process, if it stays locked: a thread of
    /// the parent's had locked it.
    pub fn lock_at_end<'a, T>(&self, mutex: &'a Mutex<T>) -> Option<MutexGuard<'a, T>> {
        if self.made_by == posix::pid() {
            return Some(mutex.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let deadline = Deadline::after(Some(LONGEST_LOCK));
        loop {
            match mutex.try_lock() {
                Ok(guard) => return Some(guard),
                Err(TryLockError::Poisoned(error)) => return Some(error.into_inner()),
                Err(TryLockError::WouldBlock) if deadline.has_passed() => return None,
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_AGAIN),
            }
        }
    }

    /// The descriptor that is readable while there is something for the server to look at.
    pub fn waker(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }

    /// The answer to a hello without a good cookie; None if it has one.
    pub fn challenge(&self, hello: &Hello, ends: &Ends) -> Result<Option<Vec<u8>>> {
        if self.cookies.verify(hello, &ends.peer, &ends.local)? {
            return Ok(None);
        }
        let cookie = self.cookies.make(hello, &ends.peer, &ends.local)?;
        Ok(Some(hello::verify_request(hello.sequence, &cookie)))
    }

    /// If there is no place for `newcomer`, makes one by ending connections whose peers are silent for too long. Nobody
    /// may be reading them and find out.
    pub fn evict_idle_for(&self, newcomer: &SocketAddr) {
        let established: Vec<ConnectionMonitor> = {
            let mut state = self.state();
            if state.has_space_for(newcomer, self.limits)
                || state.asked.is_some_and(|asked| asked.elapsed() < RECHECK_INTERVAL)
            {
                return;
            }
            state.asked = Some(Instant::now());
            state.established.values().cloned().collect()
        };
        for monitor in established {
            monitor.close_if_idle();
        }
    }

    /// Enters a peer whose verified hello may begin a connection: it is no duplicate, and the maximum is not reached.
    /// Of several threads that have one and the same hello in hand only one gets an association.
    pub fn admit(self: &Arc<Peers>, ends: Ends, hello: &Hello) -> Option<Association> {
        let mut state = self.state();
        let is_admitted = !state.closed
            && state.has_space_for(&ends.peer, self.limits)
            && !state.connected.contains_key(&ends)
            && !state.used.contains(hello.cookie);
        is_admitted.then(|| self.enter_into(&mut state, ends, hello))
    }

    /// Enters a peer in the place of its former self.
    pub fn readmit(self: &Arc<Peers>, ends: Ends, hello: &Hello) -> Association {
        self.enter_into(&mut self.state(), ends, hello)
    }

    /// Lets a hello count again that has come to nothing.
    pub fn forget(&self, hello: &Hello) {
        self.state().used.forget(hello.cookie);
    }

    fn enter_into(self: &Arc<Peers>, state: &mut State, ends: Ends, hello: &Hello) -> Association {
        let number = state.next;
        state.next += 1;
        if state.connected.insert(ends, number).is_none() {
            *state.per_host.entry(host(&ends.peer)).or_default() += 1;
        }
        state.used.insert(hello.cookie);
        Association { peers: self.clone(), ends, number }
    }

    /// The connection of this number has been handed out.
    pub fn hand_out(&self, number: u64, monitor: ConnectionMonitor) {
        self.state().established.insert(number, monitor);
    }

    /// The connection of this number, if it has been handed out and is there.
    pub fn monitor(&self, number: u64) -> Option<ConnectionMonitor> {
        self.state().established.get(&number).cloned()
    }

    /// A peer that has restarted.
    pub fn take_restarted(&self) -> Option<RestartedPeer> {
        let mut state = self.state();
        let restarted = state.restarted.pop_front();
        if state.restarted.is_empty() && !state.closed {
            event::settle(self.waker());
        }
        restarted
    }

    /// The server has ended: wakes the threads that wait for it, now and later.
    pub fn close(&self) {
        let Some(mut state) = self.lock_at_end(&self.state) else { return };
        state.closed = true;
        state.restarted.clear();
        if self.made_by == posix::pid() {
            event::wake(self.waker());
        }
    }
}

impl PeerRegistration for Association {
    fn id(&self) -> u64 {
        self.number
    }

    /// A hello begins a new connection if its cookie is good (RFC 6347, section 4.2.8).
    fn on_client_hello(&self, datagram: &[u8], fd: BorrowedFd<'_>) -> Result<HelloVerdict> {
        let Some(hello) = Hello::parse(datagram) else {
            return Ok(HelloVerdict::Ignored);
        };
        if let Some(challenge) = self.peers.challenge(&hello, &self.ends)? {
            // Lost, if it cannot be sent at once: the client asks again.
            let _ = posix::send(fd, &challenge);
            return Ok(HelloVerdict::Ignored);
        }
        let mut state = self.peers.state();
        let newest = state.connected.get(&self.ends) == Some(&self.number);
        // Most hellos with a good cookie are the one that this connection began with, once more.
        if state.closed || !newest || state.used.contains(hello.cookie) || state.restarted.len() >= MAX_RESTARTED {
            return Ok(HelloVerdict::Ignored);
        }
        let Ok(duplicate) = fd.try_clone_to_owned() else {
            return Ok(HelloVerdict::Ignored);
        };
        // From now on the duplicate is watched in its place.
        let _ = self.peers.events.forget(fd);
        state.restarted.push_back(RestartedPeer { fd: duplicate, ends: self.ends, hello: datagram.to_vec() });
        event::wake(self.peers.waker());
        Ok(HelloVerdict::Superseded)
    }
}

impl Drop for Association {
    fn drop(&mut self) {
        let Some(mut state) = self.peers.lock_at_end(&self.peers.state) else { return };
        state.established.remove(&self.number);
        if state.connected.get(&self.ends) == Some(&self.number) {
            state.connected.remove(&self.ends);
            let host = host(&self.ends.peer);
            let left = state.per_host.get(&host).map_or(0, |peers| peers.saturating_sub(1));
            if left == 0 {
                state.per_host.remove(&host);
            } else {
                state.per_host.insert(host, left);
            }
        }
    }
}

impl State {
    fn has_space_for(&self, newcomer: &SocketAddr, limits: PeerLimits) -> bool {
        let of_host = self.per_host.get(&host(newcomer)).copied().unwrap_or(0);
        self.connected.len() < limits.total && of_host < limits.per_host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_gets_a_quarter_of_the_room_unless_there_is_little() {
        let share = |total, descriptors| PeerLimits::new(total, None, descriptors).per_host;
        assert_eq!(share(10_000, 1_000_000), 2_500);
        assert_eq!(share(10_000, 1_024), 256);
        assert_eq!(share(100, 1_024), 64);
        assert_eq!(share(1, 1_024), 1);
        assert_eq!(PeerLimits::new(10, Some(7), 1_024).per_host, 7);
    }

    #[test]
    fn an_ipv6_host_is_a_network_of_64_bits() {
        let of = |text: &str| host(&SocketAddr::new(text.parse().unwrap(), 1));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::2"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
