//! TLS over a connected socket, of a stream or of datagrams: handshake, read, write, close. Any number of threads may use
//! one.
//!
//! `state` is what the lock guards: a state machine that never waits. `driver` runs its steps, and waits between them outside
//! the lock, so one thread can read while another writes and a third closes. `handshake`, `io` and `close` run operations on
//! the driver; this file puts them together.

use crate::{
    config::Frozen,
    error::{Error, Phase, Result},
    net::deadline::{Deadline, Limit},
    posix,
    session::ServerSessions,
    trace::Trace,
    transport::{channel::registration::PeerRegistration, dial},
};
use open::Parts;
use server::counts::{ServerCounts, Tally};
use server::monitor::ConnectionMonitor;
use state::{Lifecycle, closed};
use std::{
    any::Any,
    net::SocketAddr,
    os::fd::{BorrowedFd, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

pub use crate::types::Step;
pub use peer::Peer;
pub use timeouts::LimitKind;

mod callback_state;
pub mod client;
mod close;
mod closing;
mod counts;
mod driver;
pub mod facts;
mod handshake;
mod info;
mod intake;
mod io;
mod keying_material;
mod nested;
mod op_lock;
mod open;
mod peer;
mod pump;
mod queries;
mod read_now;
pub mod server;
mod state;
mod timeouts;
mod upgrade;
mod verification;
mod verify_peer;

/// A TLS socket.
pub struct Socket(Parts);

impl Drop for Socket {
    fn drop(&mut self) {
        // In a child process the connection belongs to the parent.
        if self.0.made_by == Some(posix::pid()) {
            close::abandon_freed(&self.0.driver);
        }
    }
}

// ---- making ----

impl Socket {
    /// Begins TLS as the client on a duplicate of an open descriptor.
    pub fn upgrade_client(frozen: &Arc<Frozen>, fd: i32, host: Option<&str>) -> Result<Socket> {
        let hostname = frozen.config.known_hostname(host)?;
        let (fd, address) = dial::duplicate(frozen.medium(), fd)?;
        let peer = host.map_or(address.into(), |host| Peer::Named(host.to_string()));
        let socket = Socket(open::client(frozen, fd, hostname, peer)?);
        let socket = match address {
            Some(at) => socket.resuming((host.unwrap_or(&at.ip().to_string()), at.port()), None)?,
            None => socket,
        };
        socket.handshake_unless_lazy(Deadline::NEVER)
    }

    /// Begins TLS as the server on a duplicate of an open descriptor. `unnamed` is what to call a peer without an address.
    pub fn upgrade_server(
        frozen: &Arc<Frozen>,
        sessions: &ServerSessions,
        counts: Option<&Arc<ServerCounts>>,
        fd: i32,
        unnamed: impl FnOnce() -> Peer,
    ) -> Result<Socket> {
        let (fd, address) = dial::duplicate(frozen.medium(), fd)?;
        let tally = counts.map(Tally::new);
        let parts = open::server(frozen, sessions, tally, fd, address.map_or_else(unnamed, Peer::At))?;
        Socket(parts).handshake_unless_lazy(Deadline::NEVER)
    }

    /// Begins TLS as the server on an accepted connection.
    pub fn accepted(
        frozen: &Arc<Frozen>,
        sessions: &ServerSessions,
        counts: &Arc<ServerCounts>,
        fd: OwnedFd,
        peer: Peer,
    ) -> Result<Socket> {
        dial::send_at_once(&fd);
        let tally = Some(Tally::new(counts));
        let parts = open::server(frozen, sessions, tally, fd, peer.clone());
        let parts = parts.map_err(|error| of_handshake(&peer, error))?;
        Socket(parts).handshake_unless_lazy(Deadline::NEVER)
    }

    /// The server's end of a connection with a peer whose hello has been verified, with the handshake still to do. None if
    /// OpenSSL cannot read the hello.
    pub fn registered(
        frozen: &Arc<Frozen>,
        sessions: &ServerSessions,
        counts: &Arc<ServerCounts>,
        fd: OwnedFd,
        peer: &SocketAddr,
        registration: Box<dyn PeerRegistration>,
        hello: &[u8],
    ) -> Result<Option<Socket>> {
        let tally = Some(Tally::new(counts));
        let peer = Peer::At(*peer);
        let parts = open::server(frozen, sessions, tally, fd, peer.clone());
        let socket = Socket(parts.map_err(|error| of_handshake(&peer, error))?);
        let has_begun = {
            let mut state = socket.0.driver.lock();
            let state = &mut *state;
            let opening = state.serving.as_mut().and_then(|serving| serving.opening());
            match (state.channel.dtls(), opening) {
                (Some(dtls), opening) => {
                    dtls.register(registration);
                    match opening {
                        Some(opening) => {
                            opening.begin_with(hello);
                            dtls.divert_hellos(&mut state.tls);
                            true
                        }
                        None => dtls
                            .begin_with_hello(&mut state.tls, &frozen.config, hello)
                            .map_err(|error| of_handshake(&peer, error))?,
                    }
                }
                (None, _) => false,
            }
        };
        Ok(has_begun.then_some(socket))
    }

    /// The eager handshake of a new socket.
    fn handshake_unless_lazy(self, deadline: Deadline) -> Result<Socket> {
        if self.0.frozen.config.lazy_handshake {
            return Ok(self);
        }
        let driver = &self.0.driver;
        let deadline = deadline.or_sooner(driver.timeouts.deadline(LimitKind::Handshake));
        match handshake::complete_until(driver, deadline) {
            Ok(_) => Ok(self),
            Err(error) => {
                close::abandon(driver, error.code, deadline);
                Err(error)
            }
        }
    }
}

/// The failure of a server's handshake before its first step.
fn of_handshake(peer: &Peer, error: Error) -> Error {
    error.during(Phase::Handshake, format_args!("TLS handshake with {peer}"))
}

// ---- using ----

impl Socket {
    /// Completes the handshake, if it is not complete.
    pub fn handshake(&self) -> Result<Step<()>> {
        let driver = self.own_driver()?;
        if driver.lock().lifecycle != Lifecycle::Open {
            return Err(handshake::failed(driver, closed()));
        }
        handshake::complete(driver)
    }

    /// The socket that the program's function decides about: see `VerifyCallback`.
    pub fn in_callback(connection: Box<dyn Any>) -> Option<Socket> {
        connection.downcast::<Parts>().ok().map(|parts| Socket(*parts))
    }

    /// Sets the function that is called for each message from now on.
    pub fn set_trace(&self, trace: Option<Trace>) {
        self.0.driver.set_trace(trace);
    }

    /// Reads at least one byte, unless the stream is at its end.
    pub fn read(&self, buffer: &mut [u8]) -> Result<Step<usize>> {
        let driver = self.own_driver()?;
        handshake::complete(driver)?.and_then(|()| match buffer {
            [] => io::read_nothing(driver),
            buffer => io::read(driver, buffer),
        })
    }

    /// Reads without waiting, and says whether there is more to read. The handshake must be complete.
    pub fn read_now(&self, buffer: &mut [u8], more: &mut bool) -> Result<Step<usize>> {
        read_now::read_now(self.own_driver()?, buffer, more)
    }

    /// How long a caller that is about to wait should leave the descriptor alone, so that several small records are there.
    pub fn gather(&self) -> Result<Option<Duration>> {
        read_now::gather(self.own_driver()?)
    }

    /// Writes. Blocking: all of `data`, or a failure; `written` says how much has been taken in either case.
    /// Non-blocking: some of it, or WANT_WRITE, after which the same bytes must be given again.
    pub fn write(&self, data: &[u8], written: &mut usize) -> Result<Step<()>> {
        *written = 0;
        let driver = self.own_driver()?;
        if driver.is_handshaken() {
            return io::write(driver, data, written);
        }
        // A write of nothing sends nothing.
        let complete = if data.is_empty() { handshake::complete } else { handshake::complete_for_write };
        let result = complete(driver).and_then(|step| step.and_then(|()| io::write(driver, data, written)));
        // The peer must get what the handshake has left however the write has ended.
        driver.lock().flush_postponed();
        result
    }

    /// How many bytes a read would give without waiting.
    pub fn pending(&self) -> usize {
        self.own_driver().map_or(0, |driver| io::pending(driver))
    }

    /// Ends our half of the stream: flushes, sends close_notify and FIN. Reading goes on.
    pub fn shutdown(&self) -> Result<Step<()>> {
        let driver = self.own_driver()?;
        handshake::complete(driver)?.and_then(|()| io::shutdown_write(driver))
    }

    /// Ends the reading half, on this side only: reads return the end of the stream, also those in progress. Writing goes
    /// on.
    pub fn shutdown_read(&self) -> Result<()> {
        io::shutdown_read(self.own_driver()?)
    }

    /// Closes: flushes, sends close_notify and FIN, and gives the descriptor up. Waits no longer than the close limit.
    pub fn close(&self) -> Result<Step<()>> {
        close::close(&self.0.driver)
    }

    /// Whether reads and writes return WANT_READ and WANT_WRITE instead of waiting.
    pub fn set_nonblocking(&self, nonblocking: bool) {
        self.0.driver.set_nonblocking(nonblocking);
    }

    /// Sets a limit for calls that begin from now on.
    pub fn set_limit(&self, kind: LimitKind, limit: Limit) {
        self.0.driver.timeouts.set(kind, limit);
    }

    /// How long it is until `handle_timer` has something to do, or a call that could not be completed has run out of time;
    /// None if nothing will be due.
    pub fn time_to_timer(&self) -> Limit {
        let mut state = self.0.driver.lock();
        let now = Instant::now();
        let limit = Deadline(state.next_limit(&self.0.driver.timeouts).map(|(_, at)| at));
        limit.or_sooner(state.next_timeout(now)).remaining_at(now)
    }

    /// Does what is due by now: sends again what may have been lost, ends a connection whose peer was silent for
    /// too long, and reports if a call that could not be completed has run out of time.
    pub fn handle_timer(&self) -> Result<()> {
        let driver = &self.0.driver;
        handshake::end_connect_in_time(driver)?;
        let mut state = driver.lock();
        let now = Instant::now();
        match state.next_limit(&driver.timeouts) {
            Some((kind, at)) if Deadline(Some(at)).has_passed_at(now) => Err(driver.timed_out(kind)),
            _ => state
                .handle_timeout(now)
                .map_err(|error| error.during(Phase::None, format_args!("the connection with {}", driver.peer))),
        }
    }
}

// ---- for the server ----

impl Socket {
    /// The number of a server's connection, and what watches it.
    pub fn monitor(&self) -> Option<(u64, ConnectionMonitor)> {
        let id = self.0.driver.lock().channel.dtls()?.id()?;
        Some((id, ConnectionMonitor::new(&self.0.driver)))
    }

    /// Gives OpenSSL a datagram of the peer that came another way.
    pub fn feed(&self, datagram: &[u8]) {
        let mut state = self.0.driver.lock();
        let state = &mut *state;
        if let Some(opening) = state.serving.as_mut().and_then(|serving| serving.opening()) {
            opening.add(datagram);
        } else if let Some(datagrams) = state.tls.transport().datagrams() {
            datagrams.read_first(datagram);
        }
    }

    /// Runs `body` on the descriptor; None once closed.
    pub fn with_fd<T>(&self, body: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        self.0.driver.with_fd(body)
    }

    /// The failure of a handshake that took too long.
    pub fn handshake_timed_out(&self) -> Error {
        self.0.driver.timed_out(LimitKind::Handshake)
    }

    /// The server has given the handshake up for this.
    pub fn count_failure(&self, error: &Error) {
        if let Some(serving) = &self.0.driver.lock().serving {
            serving.count(|tally| tally.failed(error));
        }
    }
}
