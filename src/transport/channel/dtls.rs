//! What a connection over datagrams (DTLS, RFC 6347) has beside its TLS state: retransmission, whole records, the MTU, peers
//! that restart, failures of the network that are not fatal, and silence.

use crate::{
    config::Config,
    error::{Code, Error, Result},
    net::deadline::Deadline,
    ossl::ssl::dtls::MAX_RECORD,
    types::{Role, Step},
};
use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    idle_timer::IdleTimer,
    read_strategy::ReadStrategy,
    registration::{HelloVerdict, PeerActivity, PeerRegistration},
};
use crate::transport::Tls;

/// How many sends and receives may fail in a row before a handshake fails: a single ICMP message may be forged, or come from
/// a server that is about to start.
const MAX_NETWORK_ERRORS: u32 = 2;

/// The state beside the TLS state.
pub struct Dtls {
    /// On a server.
    registration: Option<Box<dyn PeerRegistration>>,
    /// The policy for reads.
    reads: ReadStrategy,
    idle: IdleTimer,
    /// How many failures in a row end a handshake.
    max_network_errors: u32,
    /// Whether the user has set the MTU.
    is_mtu_fixed: bool,
    /// Whether the handshake was seen to be complete.
    is_established: bool,
    /// Whether the peer has shown that its handshake is complete: its messages came last, or it has sent data.
    is_peer_established: bool,
    /// Whether a new connection of the peer has taken over the descriptor.
    is_superseded: bool,
    /// Whether the peer was silent for too long.
    has_timed_out: bool,
}

impl Dtls {
    /// The state of a new connection.
    pub fn new(tls: &mut Tls, config: &Config, now: Instant) -> Dtls {
        let mut this = Dtls {
            registration: None,
            reads: ReadStrategy::default(),
            idle: IdleTimer::new(config.datagrams.idle.filter(|_| tls.role() == Role::Server), now),
            max_network_errors: MAX_NETWORK_ERRORS,
            is_mtu_fixed: false,
            is_established: false,
            is_peer_established: false,
            is_superseded: false,
            has_timed_out: false,
        };
        this.set_up(tls, config);
        this
    }

    /// Passes the settings to OpenSSL.
    fn set_up(&mut self, tls: &mut Tls, config: &Config) {
        tls.set_first_timer(config.datagrams.retransmission);
        tls.tolerate_forged_records();
        tls.expect_short_messages();
        self.set_mtu(tls, config.datagrams.mtu);
    }

    /// Passes the settings to another TLS state that takes the place of the first, with the MTU that the user has set.
    pub fn set_up_again(&mut self, tls: &mut Tls, config: &Config, mtu: Option<usize>) {
        self.set_up(tls, config);
        if mtu.is_some() {
            self.set_mtu(tls, mtu);
        }
    }

    /// The MTU, if the user has set it.
    pub fn fixed_mtu(&self, tls: &mut Tls) -> Option<usize> {
        self.is_mtu_fixed.then(|| self.mtu(tls))
    }

    /// The connection is one of a server's.
    pub fn register(&mut self, registration: Box<dyn PeerRegistration>) {
        self.registration = Some(registration);
    }

    /// From now on a client hello begins another connection.
    pub fn divert_hellos(&self, tls: &mut Tls) {
        if let Some(datagrams) = tls.transport().datagrams() {
            datagrams.divert_hellos();
        }
    }

    /// Begins the server's side with a client hello whose cookie has been verified. False if OpenSSL cannot read it.
    pub fn begin_with_hello(&mut self, tls: &mut Tls, config: &Config, hello: &[u8]) -> Result<bool> {
        if let Some(datagrams) = tls.transport().datagrams() {
            datagrams.read_first(hello);
        }
        if !tls.begin_with_verified_hello()? {
            return Ok(false);
        }
        // OpenSSL has forgotten the settings.
        self.set_up(tls, config);
        self.divert_hellos(tls);
        Ok(true)
    }

    /// The number of the connection at its server.
    pub fn id(&self) -> Option<u64> {
        self.registration.as_ref().map(|registration| registration.id())
    }

    /// Ends the membership of a server's peer. True if the descriptor stays in use, by the peer's next connection.
    pub fn end_registration(&mut self) -> bool {
        self.registration = None;
        self.is_superseded
    }

    /// Whether the connection has ended without a TLS failure.
    pub fn is_over(&self) -> bool {
        self.is_superseded || self.has_timed_out
    }

    /// The policy for reads.
    pub fn reads(&self) -> &ReadStrategy {
        &self.reads
    }

    /// Other addresses of the host are still to be tried: the first failure of the network ends a handshake.
    pub fn fail_at_first_network_error(&mut self) {
        self.max_network_errors = 1;
    }

    /// Whether the peer has completed the handshake, as far as is known: its messages came last, or it has sent data. A peer
    /// that has not needs our last messages again if they were lost.
    pub fn is_peer_established(&self, tls: &Tls) -> bool {
        let last_was_ours = (tls.role() == Role::Server) != tls.session_reused();
        self.is_peer_established || !last_was_ours
    }

    // ---- around each step ----

    /// What is due before a step.
    pub fn before_step(&mut self, tls: &mut Tls) -> Result<()> {
        // The latest step was ended for this, and the lock was free since.
        if tls.status().read_budget_exhausted {
            forget_receives(tls);
        }
        tls.retransmit()
    }

    /// What a step brought to light.
    pub fn after_step<T>(&mut self, tls: &mut Tls, outcome: Result<Step<T>>, now: Instant) -> Result<Step<T>> {
        self.handle_diverted_hello(tls)?;
        let outcome = outcome?;
        self.record_handshake(tls, now);
        self.apply_path_mtu(tls);
        match outcome {
            Step::Done(_) | Step::Eof => forget_receives(tls),
            Step::WantRead | Step::WantWrite => {
                self.check_network_error(tls)?;
                self.fail_if_idle(tls, now)?;
            }
        }
        Ok(outcome)
    }

    fn handle_diverted_hello(&mut self, tls: &mut Tls) -> Result<bool> {
        let Some(datagrams) = tls.transport().datagrams() else { return Ok(false) };
        let Some(hello) = datagrams.take_hello() else { return Ok(false) };
        let (Some(registration), Some(fd)) = (&self.registration, datagrams.descriptor()) else {
            return Ok(true);
        };
        if registration.on_client_hello(&hello, fd)? == HelloVerdict::Ignored {
            return Ok(true);
        }
        self.is_superseded = true;
        let reset = Error::io(&io::Error::from_raw_os_error(libc::ECONNRESET));
        Err(reset.context("the peer has begun a new connection from the same address and port"))
    }

    /// Fails, once, if the network has refused datagrams; the connection continues. A handshake tolerates some.
    fn check_network_error(&mut self, tls: &mut Tls) -> Result<()> {
        let threshold = if tls.is_handshaken() { 1 } else { self.max_network_errors };
        match tls.transport().datagrams().map_or(0, |datagrams| datagrams.take_network_error(threshold)) {
            0 => Ok(()),
            errno => Err(Error::io(&io::Error::from_raw_os_error(errno))),
        }
    }

    /// Whether the network says that the peer is not there.
    pub fn is_unreachable(&mut self, tls: &mut Tls) -> bool {
        tls.transport().datagrams().is_some_and(|datagrams| datagrams.take_network_error(1) != 0)
    }

    // ---- time ----

    /// When the connection has something to do although nothing comes.
    pub fn next_timeout(&self, tls: &Tls, now: Instant) -> Deadline {
        let idle_end = if tls.is_handshaken() { self.idle.end() } else { Deadline::NEVER };
        match tls.retransmission() {
            Some(left) => Deadline::starting(now, Some(left)).or_sooner(idle_end),
            None => idle_end,
        }
    }

    /// Does what is due: sends again what may have been lost, and fails if the peer was silent for too long.
    pub fn handle_timeout(&mut self, tls: &mut Tls, now: Instant) -> Result<()> {
        tls.retransmit()?;
        self.fail_if_idle(tls, now)
    }

    /// How long the peer has been silent, if that is for longer than it may. A handshake has a limit of its own.
    pub fn idle_timeout_exceeded(&self, tls: &Tls, now: Instant) -> Option<Duration> {
        self.idle.exceeded(now).filter(|_| tls.is_handshaken())
    }

    /// Fails for good if the peer has been silent for longer than it may.
    fn fail_if_idle(&mut self, tls: &Tls, now: Instant) -> Result<()> {
        let Some(silence) = self.idle_timeout_exceeded(tls, now) else {
            return Ok(());
        };
        self.has_timed_out = true;
        let message = format!("no datagram received from the peer for {} s; connection closed", silence.as_secs());
        Err(Error::new(Code::Timeout, message))
    }

    /// The end of the handshake is verified, too.
    fn record_handshake(&mut self, tls: &mut Tls, now: Instant) {
        if !self.is_established && tls.is_handshaken() {
            self.is_established = true;
            self.idle.restart(now);
            if let Some(datagrams) = tls.transport().datagrams() {
                datagrams.end_handshake();
            }
            self.limit_datagrams(tls);
        }
    }

    // ---- the MTU ----

    /// The largest IP packet that the path takes, as far as is known.
    pub fn mtu(&self, tls: &mut Tls) -> usize {
        tls.transport().datagrams().map_or(0, |datagrams| datagrams.mtu())
    }

    /// Sets it; None for what the system finds out.
    pub fn set_mtu(&mut self, tls: &mut Tls, mtu: Option<usize>) {
        self.is_mtu_fixed = mtu.is_some();
        if let Some(datagrams) = tls.transport().datagrams() {
            datagrams.fix_mtu(mtu);
        }
        self.limit_datagrams(tls);
    }

    fn limit_datagrams(&self, tls: &mut Tls) {
        let payload = tls.transport().datagrams().map_or(0, |datagrams| datagrams.path_payload());
        tls.limit_datagrams(payload, self.is_mtu_fixed);
    }

    /// The most that one record can carry, given what is now known of the path.
    pub fn record_limit(&self, tls: &mut Tls) -> usize {
        self.limit_datagrams(tls);
        tls.record_limit()
    }

    /// If a datagram was larger than the path takes, the next ones must not be.
    fn apply_path_mtu(&self, tls: &mut Tls) {
        if tls.transport().datagrams().is_some_and(|datagrams| datagrams.take_narrower_path()) {
            self.limit_datagrams(tls);
        }
    }

    // ---- records ----

    /// Reads one record, or fails and leaves it there if the buffer is too small for it.
    pub fn read(&mut self, tls: &mut Tls, buffer: &mut [u8], now: Instant) -> Result<Step<usize>> {
        let step = tls.read_record(buffer)?;
        if let Step::Done(len) = step {
            if len > buffer.len() {
                return Err(too_small(len, buffer.len()));
            }
            self.reads.on_read(len);
            self.is_peer_established = true;
            self.idle.restart(now);
        }
        Ok(step)
    }

    /// Sends `data` as one record, or fails and sends nothing if it is too large for one.
    pub fn write(&mut self, tls: &mut Tls, data: &[u8], written: &mut usize) -> Result<Step<()>> {
        self.reads.on_write();
        self.check_network_error(tls)?;
        if !self.is_peer_established {
            self.read_handshakes(tls)?;
        }
        // What the network has said of earlier datagrams is not about this one.
        self.apply_path_mtu(tls);
        if data.len() > tls.record_limit() {
            let limit = self.record_limit(tls);
            if data.len() > limit {
                return Err(self.too_large(tls, data.len(), limit));
            }
        }
        if data.is_empty() {
            return Ok(Step::Done(()));
        }
        match tls.write(data)? {
            Step::Done(n) => {
                if take_too_large(tls) {
                    let limit = self.record_limit(tls);
                    return Err(self.too_large(tls, data.len(), limit));
                }
                *written = n;
                Ok(Step::Done(()))
            }
            Step::WantRead => Ok(Step::WantRead),
            Step::WantWrite => Ok(Step::WantWrite),
            Step::Eof => Err(Error::new(Code::State, "the connection has been closed")),
        }
    }

    fn too_large(&self, tls: &mut Tls, len: usize, limit: usize) -> Error {
        let mtu = self.mtu(tls);
        let message = format!(
            "{len} bytes are too many for one datagram: the limit is {limit} bytes, where the path's MTU is {mtu}"
        );
        Error { sys_errno: libc::EMSGSIZE, ..Error::argument(message) }
    }

    // ---- for the server ----

    /// Services a connection that the program may not be reading: answers a peer that repeats its handshake, and notices
    /// one that restarts. `has_failed`: nothing is read any more.
    pub fn service(&mut self, tls: &mut Tls, has_failed: bool, now: Instant) -> Result<PeerActivity> {
        if self.is_superseded {
            return Ok(PeerActivity::Over);
        }
        if !tls.is_handshaken() && !has_failed {
            return Ok(PeerActivity::None);
        }
        let sent_before = sent(tls);
        let result = if has_failed || tls.received_close_notify() {
            discard_after_close(tls);
            Ok(())
        } else {
            self.read_handshakes(tls)
        };
        // What OpenSSL answers here are verified records.
        let has_answered = sent(tls) != sent_before;
        if has_answered {
            self.idle.restart(now);
        }
        let has_hello = self.handle_diverted_hello(tls)?;
        result?;
        Ok(if has_answered || has_hello { PeerActivity::Progress } else { PeerActivity::None })
    }

    /// Fails if the peer was silent for longer than it may, unless datagrams wait for the program to read them.
    pub fn check_idle(&mut self, tls: &mut Tls, now: Instant) -> Result<()> {
        if self.idle_timeout_exceeded(tls, now).is_none() {
            return Ok(());
        }
        let has_unread = tls.transport().datagrams().is_some_and(|datagrams| datagrams.has_unread());
        if has_unread && self.idle.excuses_unread(now) {
            return Ok(());
        }
        self.fail_if_idle(tls, now)
    }

    /// Reads messages of the handshake only. If the last message of our handshake was lost, the peer repeats its own, and
    /// waits for ours: OpenSSL sees that only while it reads, which some programs rarely do. The peer's data stay in the
    /// kernel, where poll and the reader find them.
    fn read_handshakes(&mut self, tls: &mut Tls) -> Result<()> {
        self.is_peer_established = self.is_peer_established(tls);
        if tls.received_close_notify() {
            discard_after_close(tls);
            return Ok(());
        }
        set_handshakes_only(tls, true);
        let step = tls.peek(&mut [0]);
        set_handshakes_only(tls, false);
        if let Step::Done(_) = step? {
            self.is_peer_established = true;
        }
        Ok(())
    }
}

/// What was received so far had a result.
fn forget_receives(tls: &mut Tls) {
    if let Some(datagrams) = tls.transport().datagrams() {
        datagrams.forget_receives();
    }
}

fn take_too_large(tls: &mut Tls) -> bool {
    tls.transport().datagrams().is_some_and(|datagrams| datagrams.take_too_large())
}

fn sent(tls: &mut Tls) -> u64 {
    tls.transport().datagrams().map_or(0, |datagrams| datagrams.sent())
}

fn set_handshakes_only(tls: &mut Tls, only: bool) {
    if let Some(datagrams) = tls.transport().datagrams() {
        datagrams.handshakes_only(only);
    }
}

/// OpenSSL reads nothing more after close_notify or a failure, but the peer may restart.
fn discard_after_close(tls: &mut Tls) {
    let Some(datagrams) = tls.transport().datagrams() else {
        return;
    };
    let mut scratch = [0; MAX_RECORD];
    datagrams.reset_read_budget();
    while datagrams.recv(&mut scratch).is_ok() {}
}

fn too_small(len: usize, size: usize) -> Error {
    Error::argument(format!(
        "the next datagram has {len} bytes, and the buffer only {size}: it is still to be read"
    ))
}
