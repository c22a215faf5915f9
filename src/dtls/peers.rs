//! Who is connected to a server over datagrams: each peer once, and not too many. What a peer's socket shares with its
//! server, and the way back for a peer that begins anew.

use crate::{
    dtls::{
        cookie::{Cookies, UsedCookies},
        hello::{self, Hello},
    },
    error::Result,
    posix::{self, event, event::Events},
    socket::Ward,
};
use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a server without room for more leaves the peers that it has alone.
const REST: Duration = Duration::from_secs(1);

/// How many peers that begin anew may wait for the server to accept.
const RETURNING: usize = 1024;

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// The client's.
    pub peer: SocketAddr,
    /// Ours.
    pub local: SocketAddr,
}

/// A peer that has begun anew: its verified hello, and the socket that it came through.
pub struct Returning {
    /// A duplicate of the socket that its former connection had.
    pub fd: OwnedFd,
    /// Who.
    pub ends: Ends,
    /// The hello.
    pub hello: Vec<u8>,
}

/// All peers of one server.
pub struct Peers {
    cookies: Cookies,
    /// What the server waits for.
    events: Arc<Events>,
    /// Wakes the server for `returning`, and at its end.
    waker: OwnedFd,
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of each peer's latest connection.
    connected: HashMap<Ends, u64>,
    /// The connections that have been handed out, by their numbers.
    wards: HashMap<u64, Ward>,
    next: u64,
    /// When peers were last looked for that are silent for too long.
    asked: Option<Instant>,
    used: UsedCookies,
    returning: VecDeque<Returning>,
    closed: bool,
}

/// A peer's membership: it ends when this is dropped.
pub struct Association {
    peers: Arc<Peers>,
    ends: Ends,
    number: u64,
}

/// What to make of a hello that came over a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Nothing,
    /// The peer has begun anew: this connection is over, and its socket another one's.
    Superseded,
}

impl Peers {
    /// At most `most`, whose sockets are watched by `events`.
    pub fn new(most: usize, events: Arc<Events>) -> Result<Arc<Peers>> {
        let waker = event::waker().map_err(|error| crate::error::Error::io(&error))?;
        Ok(Arc::new(Peers { cookies: Cookies::new()?, events, waker, most, state: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let cookie = self.cookies.bake(hello, &ends.peer, &ends.local)?;
        Ok(Some(hello::verify_request(hello.sequence, &cookie)))
    }

    /// Where there is no room for more, makes some by ending connections whose peers are silent for too long. Nobody may
    /// be reading them and find out.
    pub fn make_room(&self) {
        let wards: Vec<Ward> = {
            let mut state = self.state();
            if state.connected.len() < self.most || state.asked.is_some_and(|asked| asked.elapsed() < REST) {
                return;
            }
            state.asked = Some(Instant::now());
            state.wards.values().cloned().collect()
        };
        for ward in wards {
            ward.end_if_silent();
        }
    }

    /// Enters a peer whose verified hello may begin a connection: it is no duplicate, and there is room for the peer.
    /// Of several threads that have one and the same hello in hand only one gets an association.
    pub fn admit(self: &Arc<Peers>, ends: Ends, hello: &Hello) -> Option<Association> {
        let mut state = self.state();
        let has_room = !state.closed
            && state.connected.len() < self.most
            && !state.connected.contains_key(&ends)
            && !state.used.contains(hello.cookie);
        has_room.then(|| self.enter_into(&mut state, ends, hello))
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
        state.connected.insert(ends, number);
        state.used.insert(hello.cookie);
        Association { peers: self.clone(), ends, number }
    }

    /// The connection of this number has been handed out.
    pub fn hand_out(&self, number: u64, ward: Ward) {
        self.state().wards.insert(number, ward);
    }

    /// The connection of this number, if it has been handed out and is there.
    pub fn ward(&self, number: u64) -> Option<Ward> {
        self.state().wards.get(&number).cloned()
    }

    /// A peer that has begun anew.
    pub fn take_returning(&self) -> Option<Returning> {
        let mut state = self.state();
        let returning = state.returning.pop_front();
        if state.returning.is_empty() && !state.closed {
            event::settle(self.waker());
        }
        returning
    }

    /// The server has ended: wakes whoever waits for it, for good.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.returning.clear();
        event::wake(self.waker());
    }
}

impl Association {
    /// The number of this connection among all that the server has had.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Looks at a hello that came over this connection's socket `fd`: it begins a new connection if its cookie is
    /// good (RFC 6347, section 4.2.8).
    pub fn hello(&self, datagram: &[u8], fd: BorrowedFd<'_>) -> Result<Verdict> {
        let Some(hello) = Hello::parse(datagram) else {
            return Ok(Verdict::Nothing);
        };
        if let Some(challenge) = self.peers.challenge(&hello, &self.ends)? {
            // Lost, if it cannot be sent at once: the client asks again.
            let _ = posix::send(fd, &challenge);
            return Ok(Verdict::Nothing);
        }
        let mut state = self.peers.state();
        let newest = state.connected.get(&self.ends) == Some(&self.number);
        // Most hellos with a good cookie are the one that this connection began with, once more.
        if state.closed || !newest || state.used.contains(hello.cookie) || state.returning.len() >= RETURNING {
            return Ok(Verdict::Nothing);
        }
        let Ok(duplicate) = fd.try_clone_to_owned() else {
            return Ok(Verdict::Nothing);
        };
        // From now on the duplicate is watched in its place.
        let _ = self.peers.events.forget(fd);
        state.returning.push_back(Returning { fd: duplicate, ends: self.ends, hello: datagram.to_vec() });
        event::wake(self.peers.waker());
        Ok(Verdict::Superseded)
    }
}

impl Drop for Association {
    fn drop(&mut self) {
        let mut state = self.peers.state();
        state.wards.remove(&self.number);
        if state.connected.get(&self.ends) == Some(&self.number) {
            state.connected.remove(&self.ends);
        }
    }
}
