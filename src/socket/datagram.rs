//! What a connection over datagrams (DTLS, RFC 6347) does otherwise than one over a stream: retransmission, whole
//! records, the MTU, peers that begin anew, refusals that are not fatal, and silence.

use crate::{
    config::{Config, Frozen},
    dtls::peers::{Association, Verdict},
    error::{Code, Error, Phase, Result},
    hostname::Hostname,
    net::{
        connect::{self, host_port},
        deadline::{Deadline, Limit},
        resolve::Family,
    },
    ossl::ssl::{Role, Ssl, dtls::MAX_RECORD},
    posix,
    session::Session,
};
use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Weak, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

use super::{Core, Lifecycle, LimitKind, Peer, Socket, SocketState, Step, closed};

/// How many sends and receives may fail in a row before a handshake gives up: a single refusal may be forged, or come
/// from a server that is about to start.
const MAX_NETWORK_ERRORS: u32 = 2;

/// What the lock of a socket guards beside the TLS state.
pub struct State {
    /// On a server: the peer's membership.
    association: Option<Association>,
    /// How long the peer may be silent.
    idle: Limit,
    /// How many failures in a row end a handshake.
    max_network_errors: u32,
    /// When the peer last sent something that was verified. What cannot be verified may be anybody's, so it must not
    /// keep a connection alive.
    last_verified: Instant,
    /// Since when datagrams are known to be there that nobody reads.
    unread_since: Option<Instant>,
    /// Whether the user has set the MTU.
    mtu_fixed: bool,
    /// Whether the handshake was seen to be complete.
    is_established: bool,
    /// Whether the peer has shown that its handshake is complete: its messages came last, or it has sent data.
    peer_is_done: bool,
    /// Whether a new connection of the peer's has taken the descriptor over.
    superseded: bool,
}

impl State {
    /// The state of a new connection; None over a stream.
    pub fn new(ssl: &mut Ssl, config: &Config) -> Option<State> {
        ssl.datagrams()?;
        let settings = &config.datagrams;
        let state = State {
            association: None,
            idle: if ssl.role() == Role::Server { settings.idle } else { None },
            max_network_errors: MAX_NETWORK_ERRORS,
            last_verified: Instant::now(),
            unread_since: None,
            mtu_fixed: false,
            is_established: false,
            peer_is_done: false,
            superseded: false,
        };
        Some(state)
    }
}

/// A server's way to a connection that it has handed out, for as long as that is there.
#[derive(Clone)]
pub struct ConnectionMonitor(Weak<Core>);

impl ConnectionMonitor {
    /// Does what a connection's peer needs although nobody may read: see `SocketState::service_peer`. Whether the peer had something
    /// to attend to; None if the connection is over.
    pub fn service(&self) -> Option<bool> {
        let core = self.0.upgrade()?;
        let mut tls = core.lock();
        if tls.lifecycle != Lifecycle::Open || tls.datagrams.as_ref()?.superseded {
            return None;
        }
        if !tls.ssl.is_handshaken() && tls.failure.is_none() {
            return Some(false);
        }
        let sent_before = tls.ssl.datagrams()?.sent();
        let attended = tls.service_peer();
        // OpenSSL answers nothing here but verified records.
        let answered = tls.ssl.datagrams()?.sent() != sent_before;
        if answered {
            tls.record_verified_activity();
        }
        let hello = tls.ssl.datagrams()?.take_hello();
        let progress = answered || hello.is_some();
        if let Some(hello) = hello {
            core.handle_client_hello(&mut tls, &hello).ok()?;
        }
        // How it failed is for the user's next call.
        attended.map_err(|error| tls.fail(error)).ok()?;
        Some(progress)
    }

    /// Ends the connection, and the peer's membership, if the peer is silent for longer than it may.
    pub fn close_if_idle(&self) {
        let Some(core) = self.0.upgrade() else {
            return;
        };
        let mut tls = core.lock();
        if tls.lifecycle != Lifecycle::Open || tls.idle_timeout_exceeded().is_none() {
            return;
        }
        let has_unread = core.fd().is_some_and(|fd| posix::peek(fd.as_fd(), &mut [0]).is_ok());
        if !(has_unread && tls.is_given_time_to_read()) && tls.fail_if_idle().is_err() {
            tls.end_registration();
        }
    }

    /// Runs `body` on the descriptor; None once closed.
    pub fn with_fd<T>(&self, body: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        self.0.upgrade()?.fd().map(|fd| body(fd.as_fd()))
    }
}

impl Core {
    fn handle_client_hello(&self, tls: &mut SocketState, hello: &[u8]) -> Result<()> {
        let fd = self.fd().ok_or_else(closed)?;
        let Some(State { association: Some(association), superseded, .. }) = &mut tls.datagrams else {
            return Ok(());
        };
        if association.hello(hello, fd.as_fd())? == Verdict::Nothing {
            return Ok(());
        }
        *superseded = true;
        let reset = Error::io(&io::Error::from_raw_os_error(libc::ECONNRESET));
        let failure = reset.context("the peer has begun a new connection from the same address and port");
        Err(tls.failure.get_or_insert(failure).clone())
    }
}

impl Socket {
    /// For the server: the number of the peer's membership, and the way back to this connection.
    pub fn monitor(&self) -> Option<(u64, ConnectionMonitor)> {
        let tls = self.lock();
        let association = tls.datagrams.as_ref()?.association.as_ref()?;
        Some((association.number(), ConnectionMonitor(Arc::downgrade(&self.core))))
    }

    /// Gives OpenSSL a datagram of the peer's that came another way.
    pub fn feed(&self, datagram: &[u8]) {
        if let Some(datagrams) = self.lock().ssl.datagrams() {
            datagrams.read_first(datagram);
        }
    }

    /// Connects to the first address of `host` that answers. Datagrams do not tell whether anybody listens, so all but
    /// the last address get a share of the time and no patience.
    pub(super) fn connect_datagrams(
        frozen: &Arc<Frozen>,
        host: &str,
        port: u16,
        family: Family,
        hostname: &Hostname,
        session: Option<&Session>,
    ) -> Result<Socket> {
        let deadline = Deadline::after(frozen.config.limits.connect);
        let peer = host_port(host, port);
        let addresses = connect::candidates(host, port, family, deadline)?;
        let mut first_failure = None;
        for (tried, address) in addresses.iter().enumerate() {
            let others = addresses.len() - tried - 1;
            let result = posix::connect_datagrams(address)
                .map_err(|error| Error::io(&error).during(Phase::Connect, format_args!("connect to {peer}")))
                .and_then(|fd| {
                    Socket::new_over_fd(frozen, fd, Role::Client, Some(hostname.clone()), Peer::Named(peer.clone()))
                })
                .and_then(|socket| socket.begin_datagrams(session, others, deadline));
            match result {
                Err(error) if others > 0 && matches!(error.code, Code::Io | Code::Timeout) => {
                    first_failure.get_or_insert(error);
                }
                Err(error) if matches!(error.code, Code::Io | Code::Timeout) => {
                    return Err(first_failure.unwrap_or(error));
                }
                done => return done,
            }
        }
        Err(Error::new(Code::Resolve, "no address"))
    }

    fn begin_datagrams(self, session: Option<&Session>, others: usize, deadline: Deadline) -> Result<Socket> {
        {
            if let Some(session) = session {
                self.offer(session)?;
            }
            let mut tls = self.lock();
            if let Some(datagrams) = tls.datagrams.as_mut().filter(|_| others > 0) {
                datagrams.max_network_errors = 1;
            }
        }
        let limit = self.deadline(LimitKind::Handshake).or_sooner(deadline);
        let share = limit.remaining().filter(|_| others > 0).map(|left| left / (others as u32 + 1));
        self.handshake_unless_lazy(deadline.or_sooner(Deadline::after(share)))
    }

    /// The server's end of a connection with a peer whose hello has been verified, with the handshake still to do.
    /// None if OpenSSL cannot read the hello.
    pub fn associated(
        frozen: &Arc<Frozen>,
        fd: OwnedFd,
        peer: &SocketAddr,
        association: Association,
        hello: &[u8],
    ) -> Result<Option<Socket>> {
        let socket = Socket::new_over_fd(frozen, fd, Role::Server, None, Peer::At(*peer))?;
        {
            let mut tls = socket.lock();
            if !tls.ssl.begin_with_hello(hello)? {
                return Ok(None);
            }
            // OpenSSL has forgotten them.
            tls.set_up_datagrams(&frozen.config)?;
            if let Some(datagrams) = &mut tls.datagrams {
                datagrams.association = Some(association);
            }
            if let Some(datagrams) = tls.ssl.datagrams() {
                datagrams.divert_hellos();
            }
        }
        Ok(Some(socket))
    }

    /// Runs `body` on the descriptor; None once closed.
    pub fn with_fd<T>(&self, body: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        self.fd().map(|fd| body(fd.as_fd()))
    }

    /// The failure of a handshake that took too long.
    pub fn handshake_timed_out(&self) -> Error {
        self.timed_out(LimitKind::Handshake)
    }

    fn timed_out(&self, kind: LimitKind) -> Error {
        let peer = &self.peer;
        match kind {
            LimitKind::Handshake => {
                Error::timeout().during(Phase::Handshake, format_args!("TLS handshake with {peer}"))
            }
            LimitKind::Read => Error::timeout().during(Phase::Read, format_args!("read from {peer}")),
            LimitKind::Write => Error::timeout().during(Phase::Write, format_args!("write to {peer}")),
            LimitKind::Close => {
                Error::timeout().during(Phase::Close, format_args!("close the connection to {peer}"))
            }
        }
    }

    /// One step over datagrams: what is due before it, and what it brought to light.
    pub(super) fn step_datagrams<T>(
        &self,
        tls: &mut SocketState,
        step: &mut impl FnMut(&mut SocketState) -> Result<Step<T>>,
    ) -> Result<Step<T>> {
        // The latest step said so, and the lock was free since.
        if tls.ssl.io().read_budget_exhausted() {
            tls.forget_receives();
        }
        tls.ssl.retransmit()?;
        let outcome = step(tls);
        if let Some(hello) = tls.ssl.datagrams().and_then(|datagrams| datagrams.take_hello()) {
            self.core.handle_client_hello(tls, &hello)?;
        }
        let outcome = outcome?;
        tls.record_handshake();
        tls.apply_path_mtu();
        if matches!(outcome, Step::Done(_) | Step::Eof) {
            tls.forget_receives();
        }
        if matches!(outcome, Step::WantRead | Step::WantWrite) {
            tls.check_network_error()?;
            tls.fail_if_idle()?;
        }
        Ok(outcome)
    }

    /// How long it is until `handle_timer` has something to do, or a call that could not be completed has run out of
    /// time; None if nothing is due ever.
    pub fn time_to_timer(&self) -> Limit {
        let mut tls = self.lock();
        let limit = Deadline(self.next_limit(&mut tls).map(|(_, at)| at));
        let timer = if tls.check_usable().is_err() { Deadline::NEVER } else { tls.timer() };
        limit.or_sooner(timer).remaining()
    }

    /// Does what is due by now: sends again what may have been lost, ends a connection whose peer was silent for too
    /// long, and tells if a call that could not be completed has run out of time.
    pub fn handle_timer(&self) -> Result<()> {
        let mut tls = self.lock();
        if let Some((kind, _)) = self.next_limit(&mut tls).filter(|(_, at)| Deadline(Some(*at)).has_passed()) {
            return Err(self.timed_out(kind));
        }
        if matches!(tls.lifecycle, Lifecycle::Flushing(_) | Lifecycle::Draining(_)) {
            return Ok(());
        }
        tls.check_usable()?;
        let result = tls.ssl.retransmit().and_then(|()| tls.fail_if_idle());
        result
            .map_err(|error| tls.fail(error).during(Phase::None, format_args!("the connection with {}", self.peer)))
    }

    /// The largest IP packet that the path takes, as far as is known; None over a stream.
    pub fn mtu(&self) -> Option<usize> {
        self.lock().ssl.datagrams().map(|datagrams| datagrams.mtu())
    }

    /// Sets it; None for what the system finds out.
    pub fn set_mtu(&self, mtu: Option<usize>) -> Result<()> {
        self.lock().set_mtu(mtu)
    }

    /// The most that one write can carry; None over a stream, 0 before the handshake.
    pub fn record_limit(&self) -> Option<usize> {
        let mut tls = self.lock();
        tls.ssl.datagrams()?;
        Some(if self.handshaken.load(SeqCst) { tls.current_limit() } else { 0 })
    }
}

impl SocketState {
    /// Tells OpenSSL the settings for datagrams.
    pub(super) fn set_up_datagrams(&mut self, config: &Config) -> Result<()> {
        if self.datagrams.is_none() {
            return Ok(());
        }
        self.ssl.set_first_timer(config.datagrams.retransmission);
        self.ssl.tolerate_forged_records();
        self.ssl.expect_short_messages();
        self.set_mtu(config.datagrams.mtu)
    }

    fn set_mtu(&mut self, mtu: Option<usize>) -> Result<()> {
        let (Some(datagrams), Some(state)) = (self.ssl.datagrams(), &mut self.datagrams) else {
            return Err(Error::new(Code::State, "a stream has no MTU to set"));
        };
        datagrams.fix_mtu(mtu);
        state.mtu_fixed = mtu.is_some();
        self.ssl.apply_mtu(mtu.is_some());
        Ok(())
    }

    /// When a connection over datagrams has something to do by itself.
    pub(super) fn timer(&mut self) -> Deadline {
        if self.datagrams.is_none() {
            return Deadline::NEVER;
        }
        let idle = self.idle_limit();
        let verified = self.datagrams.as_ref().map(|datagrams| datagrams.last_verified);
        let silence = Deadline(idle.and_then(|idle| verified.and_then(|verified| verified.checked_add(idle))));
        match self.ssl.retransmission() {
            Some(left) => Deadline::after(Some(left)).or_sooner(silence),
            None => silence,
        }
    }

    /// The most that one record can carry, now that the path's MTU may be another than it was.
    fn current_limit(&mut self) -> usize {
        let fixed = self.datagrams.as_ref().is_some_and(|datagrams| datagrams.mtu_fixed);
        self.ssl.apply_mtu(fixed);
        self.ssl.record_limit()
    }

    /// If a datagram was larger than the path takes, the next ones shall not be.
    fn apply_path_mtu(&mut self) {
        let fixed = self.datagrams.as_ref().is_some_and(|datagrams| datagrams.mtu_fixed);
        if self.ssl.datagrams().is_some_and(|datagrams| datagrams.take_too_large()) {
            self.ssl.apply_mtu(fixed);
        }
    }

    /// Fails, once, if the network has refused datagrams; the connection lives on. A handshake has some patience.
    fn check_network_error(&mut self) -> Result<()> {
        let handshake = !self.ssl.is_handshaken();
        let max_network_errors =
            self.datagrams.as_ref().map_or(1, |state| if handshake { state.max_network_errors } else { 1 });
        match self.ssl.datagrams().map_or(0, |datagrams| datagrams.take_network_error(max_network_errors)) {
            0 => Ok(()),
            errno => Err(Error::io(&io::Error::from_raw_os_error(errno))),
        }
    }

    /// How long the peer may be silent; a handshake has a limit of its own.
    fn idle_limit(&self) -> Limit {
        self.datagrams.as_ref().and_then(|datagrams| datagrams.idle).filter(|_| self.ssl.is_handshaken())
    }

    /// How long the peer has been silent, if that is for longer than it may.
    pub(super) fn idle_timeout_exceeded(&mut self) -> Option<Duration> {
        let idle = self.idle_limit()?;
        let silence = self.datagrams.as_ref()?.last_verified.elapsed();
        (silence >= idle).then_some(silence)
    }

    /// The peer has sent something that was verified.
    fn record_verified_activity(&mut self) {
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.last_verified = Instant::now();
            datagrams.unread_since = None;
        }
    }

    /// The end of the handshake is verified, too.
    fn record_handshake(&mut self) {
        let done = self.ssl.is_handshaken();
        if let Some(datagrams) = self.datagrams.as_mut().filter(|datagrams| !datagrams.is_established && done) {
            datagrams.is_established = true;
            self.record_verified_activity();
        }
    }

    /// Whether the program, for which datagrams are there, has still time to read them. Whether they are the peer's is
    /// found out only then, so they count for one further limit and no longer.
    fn is_given_time_to_read(&mut self) -> bool {
        let idle = self.idle_limit();
        let since = self.datagrams.as_mut().map(|state| *state.unread_since.get_or_insert_with(Instant::now));
        since.zip(idle).is_some_and(|(since, idle)| since.elapsed() < idle)
    }

    /// What was received so far came to something.
    fn forget_receives(&mut self) {
        if let Some(datagrams) = self.ssl.datagrams() {
            datagrams.forget_receives();
        }
    }

    /// Fails for good if the peer has been silent for longer than it may.
    fn fail_if_idle(&mut self) -> Result<()> {
        let Some(silence) = self.idle_timeout_exceeded() else {
            return Ok(());
        };
        let message =
            format!("nothing has come from the peer for {} s, which ends the connection", silence.as_secs());
        Err(self.failure.get_or_insert(Error::new(Code::Timeout, message)).clone())
    }

    /// Whether the network says that the peer is not there.
    pub(super) fn is_unreachable(&mut self) -> bool {
        self.ssl.datagrams().is_some_and(|datagrams| datagrams.take_network_error(1) != 0)
    }

    /// Reads one record, or fails and leaves it there if the buffer is too small for it.
    pub(super) fn read_record(&mut self, buffer: &mut [u8]) -> Result<Step<usize>> {
        let step = self.ssl.read_record(buffer)?;
        if let Step::Done(len) = step {
            if len > buffer.len() {
                return Err(too_small(len, buffer.len()));
            }
        }
        if let (Step::Done(_), Some(datagrams)) = (&step, &mut self.datagrams) {
            datagrams.peer_is_done = true;
            self.record_verified_activity();
        }
        Ok(step)
    }

    /// Sends `data` as one record, or fails and sends nothing if it is too large for one.
    pub(super) fn write_record(&mut self, data: &[u8], written: &mut usize) -> Result<Step<()>> {
        if self.write_closed {
            return Err(Error::new(Code::State, "the writing half has been shut down"));
        }
        self.check_network_error()?;
        if self.datagrams.as_ref().is_some_and(|datagrams| !datagrams.peer_is_done) {
            self.service_peer()?;
        }
        if data.len() > self.ssl.record_limit() {
            let limit = self.current_limit();
            if data.len() > limit {
                return Err(self.too_large(data.len(), limit));
            }
        }
        if data.is_empty() {
            return Ok(Step::Done(()));
        }
        match self.ssl.write(data)? {
            Step::Done(n) => {
                if self.ssl.datagrams().is_some_and(|datagrams| datagrams.take_too_large()) {
                    let limit = self.current_limit();
                    return Err(self.too_large(data.len(), limit));
                }
                *written = n;
                Ok(Step::Done(()))
            }
            Step::WantRead => Ok(Step::WantRead),
            Step::WantWrite => Ok(Step::WantWrite),
            Step::Eof => Err(Error::new(Code::State, "the connection has been closed")),
        }
    }

    /// Looks whether the peer repeats its handshake, or begins anew. If the last message of our handshake was lost,
    /// the peer repeats its own, and waits for ours: OpenSSL sees that only while it reads, which some programs hardly
    /// ever do. The peer's data stay where poll and whoever reads will find them.
    fn service_peer(&mut self) -> Result<()> {
        let last_was_ours = (self.ssl.role() == Role::Server) != self.ssl.session_reused();
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.peer_is_done |= !last_was_ours;
        }
        if self.ssl.received_close_notify() || self.failure.is_some() {
            self.discard_after_close();
            return Ok(());
        }
        self.only_handshakes(true);
        let step = self.ssl.peek(&mut [0]);
        self.only_handshakes(false);
        if let (Step::Done(_), Some(datagrams)) = (step?, &mut self.datagrams) {
            datagrams.peer_is_done = true;
        }
        Ok(())
    }

    /// OpenSSL reads nothing more after close_notify or a failure, but the peer may begin anew.
    fn discard_after_close(&mut self) {
        let Some(datagrams) = self.ssl.datagrams() else {
            return;
        };
        let mut scratch = [0; MAX_RECORD];
        datagrams.reset_read_budget();
        while datagrams.recv(&mut scratch).is_ok() {}
    }

    fn only_handshakes(&mut self, only: bool) {
        if let Some(datagrams) = self.ssl.datagrams() {
            datagrams.handshakes_only(only);
        }
    }

    fn too_large(&mut self, len: usize, limit: usize) -> Error {
        let mtu = self.ssl.datagrams().map_or(0, |datagrams| datagrams.mtu());
        let message = format!(
            "{len} bytes are too many for one datagram: the limit is {limit} bytes, where the path's MTU is {mtu}"
        );
        Error { sys_errno: libc::EMSGSIZE, ..Error::argument(message) }
    }

    /// Ends the membership of a server's peer. True if the descriptor lives on, as another connection's.
    pub(super) fn end_registration(&mut self) -> bool {
        let Some(datagrams) = &mut self.datagrams else {
            return false;
        };
        datagrams.association = None;
        datagrams.superseded
    }
}

fn too_small(len: usize, room: usize) -> Error {
    Error::argument(format!(
        "the next datagram has {len} bytes, and the buffer only {room}: it is still to be read"
    ))
}
