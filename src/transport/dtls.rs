//! What a connection over datagrams (DTLS, RFC 6347) has beside its TLS state: retransmission, whole records, the MTU, peers
//! that restart, failures of the network that are not fatal, and silence.

use crate::{
    config::Config,
    error::{Code, Error, Result},
    net::deadline::{Deadline, Limit},
    ossl::ssl::dtls::MAX_RECORD,
    types::{Role, Step},
};
use std::{
    io,
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

use super::{Tls, read_strategy::ReadStrategy};

/// How many sends and receives may fail in a row before a handshake fails: a single ICMP message may be forged, or come from
/// a server that is about to start.
const MAX_NETWORK_ERRORS: u32 = 2;

/// How a server knows one of its connections. The connection's membership ends when this is dropped.
pub trait PeerRegistration: Send {
    /// The number of this connection among all that the server has had.
    fn id(&self) -> u64;
    /// Decides about a client hello that came over the connection's descriptor.
    fn on_client_hello(&self, hello: &[u8], fd: BorrowedFd<'_>) -> Result<HelloVerdict>;
}

/// The decision about a client hello on an established connection.
#[derive(Debug, PartialEq, Eq)]
pub enum HelloVerdict {
    /// It changes nothing.
    Ignored,
    /// The peer has restarted: this connection is over, and its descriptor belongs to the next one.
    Superseded,
}

/// What a server finds when it services a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerActivity {
    /// Nothing for the server.
    None,
    /// The peer repeated its handshake, or restarted.
    Progress,
    /// The connection is over.
    Over,
}

/// The state beside the TLS state.
pub struct Dtls {
    /// On a server.
    registration: Option<Box<dyn PeerRegistration>>,
    /// The policy for reads.
    reads: ReadStrategy,
    /// How long the peer may be silent.
    idle: Limit,
    /// How many failures in a row end a handshake.
    max_network_errors: u32,
    /// When the peer last sent something that was verified. What cannot be verified may come from anybody, so it must not
    /// keep a connection alive.
    last_verified: Instant,
    /// Since when datagrams are known to wait for the program to read them.
    unread_since: Option<Instant>,
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
    pub fn new(tls: &mut Tls, config: &Config, now: Instant) -> Result<Dtls> {
        let mut this = Dtls {
            registration: None,
            reads: ReadStrategy::default(),
            idle: if tls.role() == Role::Server { config.datagrams.idle } else { None },
            max_network_errors: MAX_NETWORK_ERRORS,
            last_verified: now,
            unread_since: None,
            is_mtu_fixed: false,
            is_established: false,
            is_peer_established: false,
            is_superseded: false,
            has_timed_out: false,
        };
        this.set_up(tls, config)?;
        Ok(this)
    }

    /// Passes the settings to OpenSSL.
    fn set_up(&mut self, tls: &mut Tls, config: &Config) -> Result<()> {
        tls.set_first_timer(config.datagrams.retransmission);
        tls.tolerate_forged_records();
        tls.expect_short_messages();
        self.set_mtu(tls, config.datagrams.mtu);
        Ok(())
    }

    /// Begins the server's side with a client hello whose cookie has been verified. False if OpenSSL cannot read it.
    pub fn begin_with_hello(
        &mut self,
        tls: &mut Tls,
        config: &Config,
        registration: Box<dyn PeerRegistration>,
        hello: &[u8],
    ) -> Result<bool> {
        self.registration = Some(registration);
        if let Some(datagrams) = tls.transport().datagrams() {
            datagrams.read_first(hello);
        }
        if !tls.begin_with_verified_hello()? {
            return Ok(false);
        }
        // OpenSSL has forgotten the settings.
        self.set_up(tls, config)?;
        if let Some(datagrams) = tls.transport().datagrams() {
            datagrams.divert_hellos();
        }
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
        let idle_end = self.idle_limit(tls).and_then(|idle| self.last_verified.checked_add(idle));
        match tls.retransmission() {
            Some(left) => Deadline::starting(now, Some(left)).or_sooner(Deadline(idle_end)),
            None => Deadline(idle_end),
        }
    }

    /// Does what is due: sends again what may have been lost, and fails if the peer was silent for too long.
    pub fn handle_timeout(&mut self, tls: &mut Tls, now: Instant) -> Result<()> {
        tls.retransmit()?;
        self.fail_if_idle(tls, now)
    }

    /// How long the peer may be silent; a handshake has a limit of its own.
    fn idle_limit(&self, tls: &Tls) -> Limit {
        self.idle.filter(|_| tls.is_handshaken())
    }

    /// How long the peer has been silent, if that is for longer than it may.
    pub fn idle_timeout_exceeded(&self, tls: &Tls, now: Instant) -> Option<Duration> {
        exceeded(self.last_verified, self.idle_limit(tls), now)
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

    /// The peer has sent something that was verified.
    fn record_verified_activity(&mut self, now: Instant) {
        self.last_verified = now;
        self.unread_since = None;
    }

    /// The end of the handshake is verified, too.
    fn record_handshake(&mut self, tls: &Tls, now: Instant) {
        if !self.is_established && tls.is_handshaken() {
            self.is_established = true;
            self.record_verified_activity(now);
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
        if take_too_large(tls) {
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
            self.record_verified_activity(now);
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
            self.record_verified_activity(now);
        }
        let has_hello = self.handle_diverted_hello(tls)?;
        result?;
        Ok(if has_answered || has_hello { PeerActivity::Progress } else { PeerActivity::None })
    }

    /// Fails if the peer was silent for longer than it may, unless datagrams wait for the program to read them. Whether
    /// these are the peer's is found out only then, so they count for one further limit and no longer.
    pub fn check_idle(&mut self, tls: &mut Tls, now: Instant) -> Result<()> {
        if self.idle_timeout_exceeded(tls, now).is_none() {
            return Ok(());
        }
        if tls.transport().datagrams().is_some_and(|datagrams| datagrams.has_unread()) {
            let since = *self.unread_since.get_or_insert(now);
            if exceeded(since, self.idle_limit(tls), now).is_none() {
                return Ok(());
            }
        }
        self.fail_if_idle(tls, now)
    }

    /// Reads messages of the handshake only. If the last message of our handshake was lost, the peer repeats its own, and
    /// waits for ours: OpenSSL sees that only while it reads, which some programs rarely do. The peer's data stay in the
    /// kernel, where poll and the reader find them.
    fn read_handshakes(&mut self, tls: &mut Tls) -> Result<()> {
        let last_was_ours = (tls.role() == Role::Server) != tls.session_reused();
        self.is_peer_established |= !last_was_ours;
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

/// How long ago `since` was, if that is more than the limit.
fn exceeded(since: Instant, limit: Limit, now: Instant) -> Option<Duration> {
    let age = now.saturating_duration_since(since);
    limit.is_some_and(|limit| age >= limit).then_some(age)
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

fn too_small(len: usize, room: usize) -> Error {
    Error::argument(format!(
        "the next datagram has {len} bytes, and the buffer only {room}: it is still to be read"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_measured_against_the_limit() {
        let since = Instant::now();
        let limit = Some(Duration::from_secs(10));
        assert_eq!(exceeded(since, limit, since + Duration::from_secs(9)), None);
        assert_eq!(exceeded(since, limit, since + Duration::from_secs(10)), Some(Duration::from_secs(10)));
        assert_eq!(exceeded(since, None, since + Duration::from_secs(1000)), None);
    }

    #[test]
    fn a_clock_reading_from_before_is_no_silence() {
        let since = Instant::now() + Duration::from_secs(5);
        assert_eq!(exceeded(since, Some(Duration::from_secs(1)), since - Duration::from_secs(3)), None);
    }
}
