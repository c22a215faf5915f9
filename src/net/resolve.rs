//! Host names to addresses. getaddrinfo(3) can neither be interrupted nor given a time limit, so it runs in a thread of its
//! own, which is left alone if it takes too long. There are so many of these threads at most; later lookups wait for one.

use crate::{
    error::{Code, Error, Phase, Result},
    hostname,
    net::{deadline::Deadline, waits::Waits},
    posix::{self, Readiness, event},
};
use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// How many names are looked up at once.
const MOST_THREADS: u32 = 64;

/// How often a lookup that waits for a thread looks whether there is one.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
    /// Whatever the name has.
    Unspec,
}

impl Family {
    /// The family of AF_INET, AF_INET6 or AF_UNSPEC.
    pub fn from_number(number: i32) -> Result<Family> {
        match number {
            libc::AF_INET => Ok(Family::Inet),
            libc::AF_INET6 => Ok(Family::Inet6),
            libc::AF_UNSPEC => Ok(Family::Unspec),
            _ => Err(Error::argument(format!("the address family {number} is not AF_INET, AF_INET6 or AF_UNSPEC"))),
        }
    }

    /// Whether an address is one of these.
    pub fn includes(self, address: &SocketAddr) -> bool {
        match self {
            Family::Inet => address.is_ipv4(),
            Family::Inet6 => address.is_ipv6(),
            Family::Unspec => true,
        }
    }
}

/// The addresses of `host` in the order in which they should be tried; at least one.
pub fn resolve(host: &str, port: u16, family: Family, deadline: Deadline) -> Result<Vec<SocketAddr>> {
    let mut lookup = Lookup::new(host, port, family);
    loop {
        if let Some(found) = lookup.step()? {
            return Ok(found);
        }
        if deadline.has_passed() {
            return Err(lookup.timed_out());
        }
        lookup.waits().wait(deadline).map_err(|error| Error::io(&error))?;
    }
}

/// A name being looked up.
pub struct Lookup {
    host: String,
    port: u16,
    family: Family,
    state: State,
}

enum State {
    /// It is a number.
    Known(IpAddr),
    /// No thread is free yet; when to look again.
    Queued(Deadline),
    Running(Arc<Answer>),
}

struct Answer {
    /// Readable once there is an answer.
    done: OwnedFd,
    found: OnceLock<io::Result<Vec<SocketAddr>>>,
}

impl Lookup {
    /// Begins to look a name up.
    pub fn new(host: &str, port: u16, family: Family) -> Lookup {
        let host = hostname::strip_brackets(host);
        let state = match host.parse() {
            Ok(ip) => State::Known(ip),
            Err(_) => State::Queued(Deadline::NEVER),
        };
        Lookup { host: host.to_string(), port, family, state }
    }

    /// The addresses in the order in which they should be tried, at least one; None while they are not known.
    pub fn step(&mut self) -> Result<Option<Vec<SocketAddr>>> {
        self.try_step().map_err(|error| error.during(Phase::Resolve, format_args!("look up \"{}\"", self.host)))
    }

    fn try_step(&mut self) -> Result<Option<Vec<SocketAddr>>> {
        if let State::Queued(_) = self.state {
            self.state = match start(&self.host, self.port)? {
                Some(answer) => State::Running(answer),
                None => State::Queued(Deadline::after(Some(LOOK_AGAIN))),
            };
        }
        match &self.state {
            State::Known(ip) => self.wanted(vec![SocketAddr::new(*ip, self.port)]).map(Some),
            State::Queued(_) => Ok(None),
            State::Running(answer) => match answer.found.get() {
                Some(Ok(found)) => self.wanted(found.clone()).map(Some),
                Some(Err(error)) => Err(failure(error)),
                None => Ok(None),
            },
        }
    }

    /// What the next step waits for.
    pub fn waits(&self) -> Waits<'_> {
        match &self.state {
            State::Known(_) => Waits::until(Deadline::after(Some(Duration::ZERO))),
            State::Queued(again) => Waits::until(*again),
            State::Running(answer) => Waits::on(answer.done.as_fd(), Readiness::READ),
        }
    }

    /// The failure of one that took too long.
    pub fn timed_out(&self) -> Error {
        Error::timeout().during(Phase::Resolve, format_args!("look up \"{}\"", self.host))
    }

    fn wanted(&self, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>> {
        let wanted: Vec<SocketAddr> = found.into_iter().filter(|address| self.family.includes(address)).collect();
        if wanted.is_empty() {
            let kind = if self.family == Family::Inet { "IPv4" } else { "IPv6" };
            return Err(Error::new(Code::Resolve, format!("it has no {kind} address")));
        }
        Ok(wanted)
    }
}

fn failure(error: &io::Error) -> Error {
    let text = error.to_string();
    let reason = text.rsplit_once("information: ").map_or(text.as_str(), |(_, reason)| reason);
    Error::new(Code::Resolve, reason)
}

/// Starts a thread; None if there are too many.
fn start(host: &str, port: u16) -> Result<Option<Arc<Answer>>> {
    let Some(slot) = ThreadSlot::take() else { return Ok(None) };
    let done = event::waker().map_err(|error| Error::io(&error))?;
    let answer = Arc::new(Answer { done, found: OnceLock::new() });
    let (host, shared) = (host.to_string(), answer.clone());
    let look_up = move || {
        posix::block_all_signals();
        let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // The waiter may start another one at once.
        drop(slot);
        // There is no other answer.
        let _ = shared.found.set(found);
        event::wake(shared.done.as_fd());
    };
    // The host's signal handlers must not run on this thread: a garbage collector's would not know it.
    let spawned =
        posix::with_signals_blocked(|| thread::Builder::new().name("bglssl-resolver".into()).spawn(look_up));
    spawned.map_err(|error| Error::io(&error))?;
    Ok(Some(answer))
}

/// The process, and how many threads it has: those of the parent do not run in a child of fork(2).
static THREADS: AtomicU64 = AtomicU64::new(0);

/// One of the threads.
struct ThreadSlot;

impl ThreadSlot {
    fn take() -> Option<ThreadSlot> {
        let pid = u64::from(posix::pid());
        let more = |before: u64| {
            let count = if before >> 32 == pid { before as u32 } else { 0 };
            (count < MOST_THREADS).then_some(pid << 32 | u64::from(count + 1))
        };
        THREADS.fetch_update(SeqCst, SeqCst, more).ok().map(|_| ThreadSlot)
    }
}

impl Drop for ThreadSlot {
    fn drop(&mut self) {
        THREADS.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_threads_at_most() {
        let mut slots: Vec<ThreadSlot> = std::iter::from_fn(ThreadSlot::take).collect();
        assert!(slots.len() <= MOST_THREADS as usize);
        assert!(ThreadSlot::take().is_none());
        // The lookup waits for one.
        let mut lookup = Lookup::new("localhost", 1, Family::Unspec);
        assert!(lookup.step().unwrap().is_none());
        slots.pop();
        let found = loop {
            if let Some(found) = lookup.step().unwrap() {
                break found;
            }
            lookup.waits().wait(Deadline::after(Some(Duration::from_secs(20)))).unwrap();
        };
        assert!(!found.is_empty());
    }
}
