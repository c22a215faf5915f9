//! Lingering: what is left to do for a connection that has been closed.
//!
//! A TCP socket that is closed while received bytes lie unread, or that receives more afterwards, resets the connection,
//! and the reset destroys what is still on its way to the peer. So closed connections are kept until the peer has ended
//! its half too, and what still comes is dropped. One thread does that for all; it starts with the first connection
//! and ends when it has had none for a moment. Each connection has a deadline and a number of bytes that it may send, and
//! there are so many of them at most, because each has a descriptor.
//!
//! The parent's connections are not the child's after fork(2). At the end of the process only those are waited for whose
//! last bytes the peer's system has not acknowledged yet.

use crate::{
    net::deadline::Deadline,
    posix::{self, Readiness, event::Events},
};
use std::{
    cell::RefCell,
    io, mem,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How many connections there are at most, if the process may have enough descriptors.
const MOST: usize = 256;

/// What a connection may take of the descriptors that the process may have.
const SHARE_OF_DESCRIPTORS: usize = 8;

/// How many bytes a peer may still send.
const BYTES: usize = 4 << 20;

/// How long the thread stays when there is nothing to do.
const IDLE: Duration = Duration::from_millis(20);

/// How long the thread waits for events at most: a new connection's deadline may be sooner than all that it knows.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// How often it looks where no event tells of the peer's end, or of its acknowledgement.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A connection that is closed as far as its user is concerned.
pub struct Lingering {
    /// Threads that still wait on it hold references too.
    fd: Arc<OwnedFd>,
    until: Instant,
    /// How many bytes more the peer may send.
    allowance: usize,
    /// Whether our reading half is shut down: then it is always readable, and only the system's state of the connection
    /// tells of the peer's end.
    blind: bool,
    /// Whether events tell of what comes. Otherwise the thread looks every now and then.
    watched: bool,
}

struct State {
    connections: Vec<(u64, Lingering)>,
    /// There while there are connections.
    events: Option<Arc<Events>>,
    next: u64,
    thread: Option<JoinHandle<()>>,
    /// Whether the thread looks after the connections.
    runs: bool,
    /// Whether the thread has begun.
    started: bool,
    /// Whether the process exits.
    exits: bool,
    /// Whether the process's exit and forks are known here.
    hooked: bool,
}

static STATE: Mutex<State> = Mutex::new(State {
    connections: Vec::new(),
    events: None,
    next: 0,
    thread: None,
    runs: false,
    started: false,
    exits: false,
    hooked: false,
});

/// Tells the thread of a change while it has nothing to do.
static CHANGED: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends `fd`'s connection once the peer has ended it, or `until` is over. Does not wait, unless there is no other way to
/// save what was written.
pub fn linger(fd: Arc<OwnedFd>, until: Instant, blind: bool) {
    let mut connection = Lingering { fd, until, allowance: BYTES, blind, watched: false };
    if connection.drain() {
        return connection.end();
    }
    if let Err(mut connection) = hand_over(connection) {
        connection.wait();
        connection.end();
    }
}

/// Ends the connections whose peers have acknowledged everything, because descriptors are needed. Returns false if
/// there are none.
pub fn end_acknowledged() -> bool {
    let mut state = lock();
    let before = state.connections.len();
    state.end_where(|connection| !connection.is_unacknowledged());
    state.connections.len() < before
}

fn hand_over(mut connection: Lingering) -> Result<(), Lingering> {
    let mut state = lock();
    if state.exits || state.set_up().is_err() {
        return Err(connection);
    }
    state.keep_below_maximum();
    let token = state.next;
    state.next = state.next.wrapping_add(1);
    connection.watched = !connection.blind && !connection.is_shared();
    let watched = match &state.events {
        Some(events) if connection.watched => events.watch(connection.fd.as_fd(), token),
        _ => Ok(()),
    };
    if watched.is_err() {
        state.end_where(|_| false);
        return Err(connection);
    }
    state.connections.push((token, connection));
    if state.runs {
        CHANGED.notify_all();
        return Ok(());
    }
    // One that has just ended; it holds the lock no more.
    drop(state.thread.take());
    // Neither the host's signal handlers nor its cancellations shall reach the thread.
    let spawned = posix::with_signals_blocked(|| thread::Builder::new().name("bglssl-closing".into()).spawn(run));
    match spawned {
        Ok(thread) => {
            state.thread = Some(thread);
            state.runs = true;
            state.started = false;
            // A library that is unloaded while its thread starts would make both wait for each other.
            drop(CHANGED.wait_timeout_while(state, LONGEST_WAIT, |state| !state.started));
            Ok(())
        }
        Err(_) => match state.take_last() {
            Some(connection) => Err(connection),
            None => Ok(()),
        },
    }
}

fn run() {
    posix::block_all_signals();
    // Something that is dropped at the thread's end: until then the C library does not unload this library.
    let _ = HELD.try_with(|_| ());
    let mut state = lock();
    state.started = true;
    CHANGED.notify_all();
    loop {
        let now = Instant::now();
        let exits = state.exits;
        state.end_where(|connection| {
            let over = connection.until <= now || ((!connection.watched || exits) && connection.drain());
            over || (exits && !connection.is_unacknowledged())
        });
        let Some(events) = state.events.clone() else {
            if exits {
                break;
            }
            let (after, waited) = CHANGED.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = after;
            if waited.timed_out() && state.connections.is_empty() {
                break;
            }
            continue;
        };
        let until = state.next_look(now);
        drop(state);
        let event = events.wait(Some(until));
        drop(events);
        state = lock();
        match event {
            Ok(Some(token)) => state.drain(token),
            Ok(None) => {}
            // Which cannot be; but this must not become a loop that never waits.
            Err(_) => thread::sleep(LOOK_AGAIN),
        }
    }
    state.runs = false;
}

impl State {
    fn set_up(&mut self) -> io::Result<()> {
        if !self.hooked {
            posix::at_fork(before_fork, after_fork_in_parent, after_fork_in_child)?;
            posix::at_exit(at_exit)?;
            self.hooked = true;
        }
        if self.events.is_none() {
            self.events = Some(Arc::new(Events::new()?));
        }
        Ok(())
    }

    fn keep_below_maximum(&mut self) {
        let maximum = MOST.min(posix::descriptor_limit() / SHARE_OF_DESCRIPTORS).max(1);
        while self.connections.len() >= maximum {
            let dispensable = self.connections.iter().position(|(_, connection)| !connection.is_unacknowledged());
            self.end(dispensable.unwrap_or(0));
        }
    }

    fn drain(&mut self, token: u64) {
        let Some(at) = self.connections.iter().position(|(its, _)| *its == token) else {
            return;
        };
        if self.connections.get_mut(at).is_some_and(|(_, connection)| connection.drain()) {
            self.end(at);
        }
    }

    fn end_where(&mut self, mut ends: impl FnMut(&mut Lingering) -> bool) {
        let mut at = 0;
        while let Some((_, connection)) = self.connections.get_mut(at) {
            if ends(connection) {
                self.end(at);
            } else {
                at += 1;
            }
        }
        if self.connections.is_empty() {
            self.connections = Vec::new();
            self.events = None;
        }
    }

    fn end(&mut self, at: usize) {
        let (_, connection) = self.connections.remove(at);
        self.forget(&connection);
        connection.end();
    }

    /// The user may have the same socket by another descriptor, so that closing ours does not end the events.
    fn forget(&self, connection: &Lingering) {
        if let Some(events) = self.events.as_ref().filter(|_| connection.watched) {
            let _ = events.forget(connection.fd.as_fd());
        }
    }

    fn take_last(&mut self) -> Option<Lingering> {
        let (_, connection) = self.connections.pop()?;
        self.forget(&connection);
        self.end_where(|_| false);
        Some(connection)
    }

    fn next_look(&self, now: Instant) -> Instant {
        let looks = self.exits || self.connections.iter().any(|(_, connection)| !connection.watched);
        let latest = now + if looks { LOOK_AGAIN } else { LONGEST_WAIT };
        self.connections.iter().map(|(_, connection)| connection.until).min().map_or(latest, |at| at.min(latest))
    }
}

impl Lingering {
    /// Takes and drops what has come. True once there is nothing more to wait for.
    ///
    /// While a thread waits for the descriptor, what comes is left to it: a thread that waits in recv(2) or poll(2) is
    /// woken only if the bytes are still there when it runs.
    fn drain(&mut self) -> bool {
        if self.is_shared() {
            return match posix::peek(self.fd.as_fd(), &mut [0]) {
                Ok(0) => self.has_ended(),
                Ok(_) => false,
                Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            };
        }
        let mut scratch = [0; 16384];
        loop {
            match posix::recv(self.fd.as_fd(), &mut scratch) {
                Ok(0) => return self.has_ended(),
                Ok(n) if n < self.allowance => self.allowance -= n,
                Ok(_) => return true,
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
    }

    /// Whether the peer has ended its half, where a receive says that there is nothing.
    fn has_ended(&self) -> bool {
        !self.blind || posix::peer_has_ended(self.fd.as_fd())
    }

    /// Whether threads of the program still wait for the descriptor.
    fn is_shared(&self) -> bool {
        Arc::strong_count(&self.fd) > 1
    }

    /// Whether the peer's system does not have everything yet.
    fn is_unacknowledged(&self) -> bool {
        posix::unacknowledged(self.fd.as_fd()) > 0
    }

    /// Lingers in the calling thread.
    fn wait(&mut self) {
        while !self.drain() && !Deadline(Some(self.until)).has_passed() {
            if self.blind || self.is_shared() {
                thread::sleep(LOOK_AGAIN);
            } else if posix::poll_one(self.fd.as_fd(), Readiness::READ, Some(self.until)).is_err() {
                return;
            }
        }
    }

    /// Ends the connection, and wakes the threads that still wait on it.
    fn end(self) {
        // Fails only if the connection is gone already.
        let _ = posix::shutdown(self.fd.as_fd(), true);
    }
}

/// Waits for the connections that need it.
extern "C" fn at_exit() {
    let thread = {
        let mut state = lock();
        state.exits = true;
        CHANGED.notify_all();
        state.thread.take()
    };
    if let Some(thread) = thread {
        // It cannot have panicked in a way that matters now.
        let _ = thread.join();
    }
}

thread_local! {
    /// The lock while this thread copies the process: the child gets the state as a whole, and can use it.
    static HELD: RefCell<Option<MutexGuard<'static, State>>> = const { RefCell::new(None) };
}

extern "C" fn before_fork() {
    let guard = lock();
    let _ = HELD.try_with(|held| held.replace(Some(guard)));
}

extern "C" fn after_fork_in_parent() {
    drop(take_held());
}

/// The connections are the parent's, and so is the thread.
extern "C" fn after_fork_in_child() {
    if let Some(mut state) = take_held() {
        state.connections = Vec::new();
        if let Some(events) = state.events.take() {
            Events::close_in_child(events);
        }
        state.runs = false;
        mem::forget(state.thread.take());
    }
}

fn take_held() -> Option<MutexGuard<'static, State>> {
    HELD.try_with(RefCell::take).ok().flatten()
}
