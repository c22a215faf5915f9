//! Lingering: what is left to do for a connection that has been closed.
//!
//! A TCP socket that is closed while received bytes lie unread, or that receives more afterwards, resets the connection,
//! and the reset destroys what is still on its way to the peer. So closed connections are kept until the peer has ended
//! its half too, and what still comes is dropped. One thread does that for all; it starts with the first connection
//! and ends when it has had none for a moment. It looks at all of them every few milliseconds: to be woken for each would
//! cost a busy server a twentieth of its processor time. Each connection has a deadline and a number of bytes that it may
//! send, and there are so many of them at most, because each has a descriptor.
//!
//! The parent's connections are not the child's after fork(2). At the end of the process only those are waited for whose
//! last bytes the peer's system has not acknowledged yet.

use crate::{
    net::deadline::Deadline,
    posix::{self, Readiness},
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

/// So few are kept without asking how many descriptors the process may have.
const FEW: usize = 8;

/// So many of them are looked at for one that makes room for another: the thread looks at all of them soon.
const EXAMINED: usize = 16;

/// What a connection may take of the descriptors that the process may have.
const SHARE_OF_DESCRIPTORS: usize = 8;

/// How many bytes a peer may still send.
const BYTES: usize = 4 << 20;

/// How long the thread stays when there is nothing to do.
const IDLE: Duration = Duration::from_millis(20);

/// How often the thread looks at its connections while they change.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// How often it does where nothing happens, to which it comes step by step.
const LONGEST_WAIT: Duration = Duration::from_millis(40);

/// How long the one who starts the thread waits for it to begin.
const START: Duration = Duration::from_millis(100);

/// A connection that is closed as far as its user is concerned.
pub struct Lingering {
    /// Threads that still wait on it hold references too.
    fd: Arc<OwnedFd>,
    until: Instant,
    /// How many bytes more the peer may send.
    allowance: usize,
    /// Whether our reading half is shut down: then it is always readable, and only the system's state of the connection
    /// reports the peer's end.
    blind: bool,
    /// Whether both halves have ended.
    over: bool,
}

struct State {
    connections: Vec<Lingering>,
    /// Whether there is one that the thread has not looked at yet.
    has_new: bool,
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
    has_new: false,
    thread: None,
    runs: false,
    started: false,
    exits: false,
    hooked: false,
});

/// Wakes the thread for a change while it has nothing to do.
static CHANGED: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends `fd`'s connection, from which nothing could be received just now, once the peer has ended it, or `until` is over.
/// Does not wait, unless there is no other way to save what was written: the process exits, or it may, and there can be no
/// thread for it.
pub fn linger(fd: Arc<OwnedFd>, until: Instant, blind: bool, may_wait: bool) {
    let mut connection = Lingering { fd, until, allowance: BYTES, blind, over: false };
    // A reading half that is shut down cannot be asked by receiving.
    if blind && connection.drain() {
        return connection.end();
    }
    if let Err(mut connection) = hand_over(connection) {
        if may_wait || lock().exits {
            connection.wait();
        }
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

fn hand_over(connection: Lingering) -> Result<(), Lingering> {
    let mut state = lock();
    if state.exits || state.set_up().is_err() {
        return Err(connection);
    }
    state.keep_below_maximum();
    state.connections.push(connection);
    state.has_new = true;
    // It looks soon enough by itself.
    if state.runs {
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
            drop(CHANGED.wait_timeout_while(state, START, |state| !state.started));
            Ok(())
        }
        Err(_) => match state.connections.pop() {
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
    let mut wait = LOOK_AGAIN;
    loop {
        let now = Instant::now();
        let changes = mem::take(&mut state.has_new) | state.look(now) | state.exits;
        if state.connections.is_empty() {
            state.connections = Vec::new();
            if state.exits {
                break;
            }
            let (after, waited) = CHANGED.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = after;
            if waited.timed_out() && state.connections.is_empty() {
                break;
            }
            continue;
        }
        wait = if changes { LOOK_AGAIN } else { (wait * 2).min(LONGEST_WAIT) };
        let wait = state.next_end(now).map_or(wait, |left| left.min(wait));
        state = CHANGED.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
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
        Ok(())
    }

    fn keep_below_maximum(&mut self) {
        if self.connections.len() < FEW {
            return;
        }
        let maximum = MOST.min(posix::descriptor_limit() / SHARE_OF_DESCRIPTORS).max(FEW);
        while self.connections.len() >= maximum {
            let oldest = self.connections.iter_mut().take(EXAMINED);
            let over = oldest.enumerate().find_map(|(at, connection)| connection.drain().then_some(at));
            let mut oldest = self.connections.iter().take(EXAMINED);
            let dispensable = over.or_else(|| oldest.position(|connection| !connection.is_unacknowledged()));
            self.connections.remove(dispensable.unwrap_or(0)).end();
        }
    }

    /// Looks at all connections. Whether something has happened to one of them.
    fn look(&mut self, now: Instant) -> bool {
        let exits = self.exits;
        let allowance = |state: &State| state.connections.iter().map(|its| its.allowance).sum::<usize>();
        let (before, allowed) = (self.connections.len(), allowance(self));
        self.end_where(|connection| {
            connection.until <= now || connection.drain() || (exits && !connection.is_unacknowledged())
        });
        self.connections.len() < before || allowance(self) < allowed
    }

    fn end_where(&mut self, mut ends: impl FnMut(&mut Lingering) -> bool) {
        let mut at = 0;
        while let Some(connection) = self.connections.get_mut(at) {
            if ends(connection) {
                self.connections.swap_remove(at).end();
            } else {
                at += 1;
            }
        }
    }

    /// How long it is until the first deadline.
    fn next_end(&self, now: Instant) -> Option<Duration> {
        let first = self.connections.iter().map(|connection| connection.until).min()?;
        Some(first.saturating_duration_since(now))
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
                Ok(0) => {
                    let ended = self.has_ended();
                    self.over = ended && !self.blind;
                    return ended;
                }
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
        if !self.over {
            // Fails only if the connection has ended already.
            let _ = posix::shutdown(self.fd.as_fd(), true);
        }
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
        state.runs = false;
        mem::forget(state.thread.take());
    }
}

fn take_held() -> Option<MutexGuard<'static, State>> {
    HELD.try_with(RefCell::take).ok().flatten()
}
