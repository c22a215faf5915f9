//! TCP connections by name: every address is tried, IPv6 and IPv4 in turn, without waiting long for one that does
//! not answer (Happy Eyeballs, RFC 8305).

use crate::{
    error::{Code, Error, Phase, Result},
    net::{
        deadline::Deadline,
        resolve::{self, Family},
    },
    posix::{self, Readiness},
};
use std::{
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

/// How long one attempt has before the next one begins beside it (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to the first address of `host` that answers.
pub fn connect(host: &str, port: u16, family: Family, deadline: Deadline) -> Result<OwnedFd> {
    let addresses = candidates(host, port, family, deadline)?;
    race(&addresses, deadline)
        .map_err(|error| error.during(Phase::Connect, format!("connect to {}", host_port(host, port))))
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

fn race(addresses: &[SocketAddr], deadline: Deadline) -> Result<OwnedFd> {
    let mut waiting = addresses.iter();
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut failure = None;
    loop {
        if let Some(address) = waiting.next() {
            match posix::start_connect(address) {
                Ok(fd) => attempts.push(Attempt { fd, address: *address }),
                Err(error) => {
                    // The others need no time to show that they are better.
                    keep_first(&mut failure, address, &error);
                    continue;
                }
            }
        }
        if attempts.is_empty() {
            return Err(failure.unwrap_or_else(|| Error::new(Code::Resolve, "no address")));
        }
        let turn =
            if waiting.len() > 0 { Deadline::after(Some(ATTEMPT_DELAY)).or_sooner(deadline) } else { deadline };
        if let Some(winner) = first_connected(&mut attempts, &mut failure, turn)? {
            return Ok(winner);
        }
        if deadline.has_passed() {
            return Err(Error::timeout());
        }
    }
}

/// Waits until an attempt succeeds (which it returns), one fails, or `turn` is over.
fn first_connected(
    attempts: &mut Vec<Attempt>,
    failure: &mut Option<Error>,
    turn: Deadline,
) -> Result<Option<OwnedFd>> {
    let wanted: Vec<_> = attempts.iter().map(|attempt| (attempt.fd.as_fd(), Readiness::WRITE)).collect();
    let ready = posix::poll(&wanted, turn.0).map_err(|error| Error::io(&error))?;
    let mut winner = None;
    let running = std::mem::take(attempts);
    for (attempt, ready) in running.into_iter().zip(ready) {
        if !ready.writable || winner.is_some() {
            attempts.push(attempt);
            continue;
        }
        match posix::connect_result(attempt.fd.as_fd()) {
            Ok(()) => {
                // Connecting was not to wait; what comes after it may.
                let _ = posix::set_nonblocking(attempt.fd.as_fd(), false);
                winner = Some(attempt.fd);
            }
            Err(error) => keep_first(failure, &attempt.address, &error),
        }
    }
    Ok(winner)
}

/// The first failure is told: later ones are mostly those of addresses that were worth less.
fn keep_first(failure: &mut Option<Error>, address: &SocketAddr, error: &std::io::Error) {
    failure.get_or_insert_with(|| Error::io(error).context(address.ip()));
}
