//! TCP connections by name: every address is tried, IPv6 and IPv4 in turn, without waiting long for one that does
//! not answer (Happy Eyeballs, RFC 8305).

use crate::{
    error::{Code, Error, Phase, Result},
    net::{
        deadline::Deadline,
        resolve::{self, Family, Lookup},
        waits::Waits,
    },
    posix::{self, Readiness},
};
use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
    vec,
};

/// How long one attempt has before the next one begins beside it (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// A connection in the making.
pub struct Dial {
    host: String,
    port: u16,
    stage: Stage,
    /// Until when a step may wait for the only address that is left to try.
    waits_until: Option<Deadline>,
}

enum Stage {
    LookUp(Lookup),
    Race(Race),
}

impl Dial {
    /// Begins to connect to the first address of `host` that answers.
    pub fn new(host: &str, port: u16, family: Family) -> Dial {
        Dial {
            host: host.to_string(),
            port,
            stage: Stage::LookUp(Lookup::new(host, port, family)),
            waits_until: None,
        }
    }

    /// Has a step wait, but not beyond the deadline, where there is but one address to try: the caller would do nothing else,
    /// and waiting in connect(2) saves system calls.
    pub fn wait_until(&mut self, deadline: Deadline) {
        self.waits_until = Some(deadline);
    }

    /// The connection; None while there is none.
    pub fn step(&mut self, now: Instant) -> Result<Option<OwnedFd>> {
        loop {
            match &mut self.stage {
                Stage::LookUp(lookup) => match lookup.step()? {
                    Some(addresses) => self.stage = Stage::Race(Race::new(interleave(addresses))),
                    None => return Ok(None),
                },
                Stage::Race(race) => {
                    return race.step(now, self.waits_until).map_err(|error| self.while_connecting(error));
                }
            }
        }
    }

    /// What the next step waits for.
    pub fn waits(&self) -> Waits<'_> {
        match &self.stage {
            Stage::LookUp(lookup) => lookup.waits(),
            Stage::Race(race) => race.waits(),
        }
    }

    /// The failure of one that took too long.
    pub fn timed_out(&self) -> Error {
        match &self.stage {
            Stage::LookUp(lookup) => lookup.timed_out(),
            Stage::Race(_) => self.while_connecting(Error::timeout()),
        }
    }

    fn while_connecting(&self, error: Error) -> Error {
        error.during(Phase::Connect, format_args!("connect to {}", host_port(&self.host, self.port)))
    }
}

/// The addresses of `host` in the order in which to try them; at least one.
pub fn candidates(host: &str, port: u16, family: Family, deadline: Deadline) -> Result<Vec<SocketAddr>> {
    resolve::resolve(host, port, family, deadline).map(interleave)
}

/// "example.org:443", "[::1]:443".
pub fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// IPv6 and IPv4 in turn, beginning with the system's first choice, each in the system's order.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_ipv6);
    let longer = first.len().max(second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    (0..longer).flat_map(|_| [first.next(), second.next()]).flatten().collect()
}

/// An attempt in progress.
struct Attempt {
    fd: OwnedFd,
    address: SocketAddr,
}

/// Attempts to connect to several addresses, of which one is enough.
struct Race {
    /// Those that are still to be tried.
    waiting: vec::IntoIter<SocketAddr>,
    attempts: Vec<Attempt>,
    failure: Option<Error>,
    /// When the next attempt begins.
    next: Instant,
}

impl Race {
    fn new(addresses: Vec<SocketAddr>) -> Race {
        Race { waiting: addresses.into_iter(), attempts: Vec::new(), failure: None, next: Instant::now() }
    }

    /// With `waits_until` it waits for the only address that is left.
    fn step(&mut self, now: Instant, waits_until: Option<Deadline>) -> Result<Option<OwnedFd>> {
        if let Some(winner) = self.first_connected(now)? {
            return Ok(Some(winner));
        }
        while self.attempts.is_empty() || now >= self.next {
            let Some(address) = self.waiting.next() else { break };
            match self.start(&address, now, waits_until) {
                Ok((fd, true)) => return Ok(Some(fd)),
                Ok((fd, false)) => {
                    self.attempts.push(Attempt { fd, address });
                    self.next = now + ATTEMPT_DELAY;
                }
                // The others need no time to show that they are better.
                Err(error) => keep_first(&mut self.failure, &address, &error),
            }
        }
        if self.attempts.is_empty() {
            return Err(self.failure.take().unwrap_or_else(|| Error::new(Code::Resolve, "no address")));
        }
        Ok(None)
    }

    /// A connection, or one in the making, and which of the two it is.
    fn start(
        &self,
        address: &SocketAddr,
        now: Instant,
        waits_until: Option<Deadline>,
    ) -> io::Result<(OwnedFd, bool)> {
        let is_alone = self.attempts.is_empty() && self.waiting.len() == 0;
        match waits_until {
            Some(deadline) if is_alone && !deadline.has_passed_at(now) => {
                posix::connect_waiting(address, deadline.remaining_at(now))
            }
            _ => posix::start_connect(address).map(|fd| (fd, false)),
        }
    }

    fn waits(&self) -> Waits<'_> {
        let fds = self.attempts.iter().map(|attempt| (attempt.fd.as_fd(), Readiness::WRITE)).collect();
        let timer = if self.waiting.len() > 0 { Deadline(Some(self.next)) } else { Deadline::NEVER };
        Waits { fds, timer }
    }

    /// The attempt that has succeeded. Those that have failed are over, and the next one begins at once.
    fn first_connected(&mut self, now: Instant) -> Result<Option<OwnedFd>> {
        if self.attempts.is_empty() {
            return Ok(None);
        }
        let ready = posix::poll(&self.waits().fds, Some(now)).map_err(|error| Error::io(&error))?;
        let mut winner = None;
        for (attempt, ready) in std::mem::take(&mut self.attempts).into_iter().zip(ready) {
            if !ready.writable || winner.is_some() {
                self.attempts.push(attempt);
                continue;
            }
            match posix::connect_result(attempt.fd.as_fd()) {
                Ok(()) => {
                    // Connecting was not to wait; what comes after it may.
                    let _ = posix::set_nonblocking(attempt.fd.as_fd(), false);
                    winner = Some(attempt.fd);
                }
                Err(error) => {
                    keep_first(&mut self.failure, &attempt.address, &error);
                    self.next = now;
                }
            }
        }
        Ok(winner)
    }
}

/// The first failure is reported: later ones are mostly those of addresses that were worth less.
fn keep_first(failure: &mut Option<Error>, address: &SocketAddr, error: &io::Error) {
    failure.get_or_insert_with(|| Error::io(error).context(address.ip()));
}
