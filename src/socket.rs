//! TLS over a connected socket, of a stream or of datagrams: handshake, read, write, close. Any number of threads may
//! use one.
//!
//! Waiting happens in two places, `wait` and `receive`, and never under the lock on the TLS state, so one thread can read
//! while another writes and a third closes.

use crate::{
    certificate::Certificate,
    config::{Frozen, ServerName, Verify},
    error::{Code, Error, Phase, Result},
    hostname::Hostname,
    net::{
        connect::{self, host_port},
        deadline::{Deadline, Limit},
        resolve::Family,
    },
    ossl::ssl::{Ask, Medium, Role, Ssl},
    posix::{self, Readiness},
    session::Session,
    turn::{Turn, Wait},
};
use std::{
    ffi::{CStr, CString},
    fmt, io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

pub use crate::ossl::ssl::Step;
pub use datagram::Ward;

mod datagram;

/// How far a socket has come on its way out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    /// Sending what is left and close_notify.
    Flushing(Deadline),
    /// Waiting for the peer to have no more.
    Draining(Deadline),
    Closed,
}

/// What the lock guards.
struct Tls {
    ssl: Ssl,
    life: Life,
    /// Bytes of a non-blocking write that are on their way but not yet reported as written.
    taken: usize,
    /// Whether bytes of the user's are still to be handed to the kernel.
    unsent: bool,
    /// The first failure, which every later call repeats.
    failure: Option<Error>,
    /// Whether the writing half has been shut down.
    write_closed: bool,
    /// Whether nothing was read since the last write: then the next read is for the peer's answer.
    answer_due: bool,
    /// Whether the latest read gave little: then the next one probably does, too.
    little: bool,
    /// How many reads in a row, with no write between them, found something there.
    run: u32,
    /// Until when a write that has failed waits for the reader.
    reader_due: Option<Deadline>,
    /// What a connection over datagrams has beside that.
    datagrams: Option<datagram::State>,
}

/// What a small read gives at most.
const SMALL: usize = 4096;

/// From how many reads in a row on OpenSSL keeps its buffer for the next one.
const RUN: u32 = 2;

/// How long a write that has failed waits for a thread that receives, and may be about to learn why.
const READER_PATIENCE: Duration = Duration::from_millis(50);

/// A read that has no more time than this looks before it waits.
const HARDLY_ANY_TIME: Duration = Duration::from_millis(1);

/// Room for bytes that nobody wants. Mostly there are none, or few: much room would only cost the processor's cache.
const SCRATCH: usize = 1024;

/// How long to wait before looking anew, where the descriptor does not tell that the peer has sent something: its reading
/// half is shut down, or another thread receives.
const BLIND_WAIT: Duration = Duration::from_millis(5);

/// How long a flooded reader, say, lets the other threads have the lock. Just to let it go is not enough: they would
/// have to be faster than the next bytes.
const RESPITE: Duration = Duration::from_millis(1);

/// What a step that cannot go on waits for.
struct Pause {
    /// Whether nothing but the peer's next bytes can end it: then to wait for them and to receive them is one.
    receives: bool,
    want: Readiness,
    /// When the connection has something to do by itself.
    timer: Deadline,
    /// Whether the other threads get the lock for a while first.
    respite: bool,
}

/// Who waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiter {
    /// The only thread that reads.
    Reader,
    /// Another: what it waits for may be read by the reader.
    Other,
}

/// The limits that can change while the socket is in use, in microseconds; 0 is none.
struct LiveLimits {
    handshake: AtomicU64,
    read: AtomicU64,
    write: AtomicU64,
    close: AtomicU64,
}

/// Which limit.
#[derive(Clone, Copy)]
pub enum LimitKind {
    /// For a handshake.
    Handshake,
    /// For a read.
    Read,
    /// For a write.
    Write,
    /// For a close, where 0 means not to wait.
    Close,
}

/// What a socket has in common with the server that looks after it.
struct Core {
    tls: Mutex<Tls>,
    /// None once closed. Whoever waits holds a reference, so the number is not reused under it.
    fd: Mutex<Option<Arc<OwnedFd>>>,
}

/// What to call the peer. Addresses are put into words only when a message needs them.
enum Peer {
    Named(String),
    At(SocketAddr),
    Unknown,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Named(name) => f.write_str(name),
            Peer::At(address) => address.fmt(f),
            Peer::Unknown => f.write_str("the peer"),
        }
    }
}

impl From<Option<SocketAddr>> for Peer {
    fn from(address: Option<SocketAddr>) -> Peer {
        address.map_or(Peer::Unknown, Peer::At)
    }
}

/// A TLS socket.
pub struct Socket {
    core: Arc<Core>,
    handshaking: Turn,
    reading: Turn,
    writing: Turn,
    handshaken: AtomicBool,
    /// Whether the reading half has been shut down.
    read_closed: AtomicBool,
    nonblocking: AtomicBool,
    limits: LiveLimits,
    peer: Peer,
    hostname: Option<Hostname>,
    /// The SNI that a client sends.
    sent_name: Option<CString>,
    frozen: Arc<Frozen>,
}

impl Socket {
    /// Connects to `host` and, unless the config says otherwise, does the handshake.
    pub fn connect(
        frozen: &Arc<Frozen>,
        host: &str,
        port: u16,
        family: Family,
        session: Option<&Session>,
    ) -> Result<Socket> {
        let config = &frozen.config;
        let deadline = Deadline::after(config.limits.connect);
        let hostname = match &config.hostname {
            Some(given) => given.clone(),
            None => Hostname::parse(host)?,
        };
        if session.is_some_and(|session| !session.is_for(&frozen.context, Some(&hostname))) {
            return Err(Error::argument("the session is from another config or for another host"));
        }
        if frozen.medium() == Medium::Datagrams {
            return Socket::connect_datagrams(frozen, host, port, family, &hostname, session);
        }
        let fd = connect::connect(host, port, family, deadline)?;
        // Worth having, but no reason to fail.
        let _ = posix::set_no_delay(fd.as_fd());
        let socket = Socket::over(frozen, fd, Role::Client, Some(hostname), Peer::Named(host_port(host, port)))?;
        if let Some(session) = session {
            socket.lock().ssl.resume(&session.session)?;
        }
        socket.start(deadline)
    }

    /// Begins TLS as the client on a duplicate of an open descriptor.
    pub fn upgrade_client(frozen: &Arc<Frozen>, fd: i32, host: Option<&str>) -> Result<Socket> {
        let hostname = match (&frozen.config.hostname, host) {
            (Some(given), _) => Some(given.clone()),
            (None, Some(host)) => Some(Hostname::parse(host)?),
            (None, None) => None,
        };
        let (fd, peer) = duplicate(fd, frozen.medium())?;
        let peer = host.map_or(peer, |host| Peer::Named(host.to_string()));
        Socket::over(frozen, fd, Role::Client, hostname, peer)?.start(Deadline::NEVER)
    }

    /// Begins TLS as the server on a duplicate of an open descriptor.
    pub fn upgrade_server(frozen: &Arc<Frozen>, fd: i32) -> Result<Socket> {
        let (fd, peer) = duplicate(fd, frozen.medium())?;
        Socket::over(frozen, fd, Role::Server, None, peer)?.start(Deadline::NEVER)
    }

    /// Begins TLS as the server on an accepted connection.
    pub fn accepted(frozen: &Arc<Frozen>, fd: OwnedFd, peer: Option<SocketAddr>) -> Result<Socket> {
        let _ = posix::set_no_delay(fd.as_fd());
        let in_handshake =
            |error: Error| error.during(Phase::Handshake, format_args!("TLS handshake with {}", Peer::from(peer)));
        Socket::over(frozen, fd, Role::Server, None, peer.into()).map_err(in_handshake)?.start(Deadline::NEVER)
    }

    fn over(
        frozen: &Arc<Frozen>,
        fd: OwnedFd,
        role: Role,
        hostname: Option<Hostname>,
        peer: Peer,
    ) -> Result<Socket> {
        let config = &frozen.config;
        if role == Role::Server && config.identity.is_none() {
            return Err(Error::new(Code::Config, "a server needs a certificate and its private key, and has none"));
        }
        let policy = config.peer_policy(role);
        if role == Role::Client || policy.ask != Ask::No {
            frozen.context.prepare_to_verify()?;
        }
        let medium = frozen.medium();
        let mut ssl = Ssl::new(frozen.context.ctx(), fd.as_raw_fd(), medium, role, policy, config.alpn.clone())?;
        let mut sent_name = None;
        if role == Role::Client {
            sent_name = server_name(&config.server_name, hostname.as_ref());
            if let Some(name) = &sent_name {
                ssl.send_server_name(name)?;
            }
            if config.verify == Verify::ChainAndName {
                expect(&mut ssl, hostname.as_ref())?;
            }
        }
        let datagrams = datagram::State::new(&mut ssl, config);
        let mut tls = Tls {
            ssl,
            life: Life::Open,
            taken: 0,
            unsent: false,
            failure: None,
            write_closed: false,
            answer_due: true,
            little: true,
            run: 0,
            reader_due: None,
            datagrams,
        };
        tls.set_up_datagrams(config)?;
        let limits = &config.limits;
        Ok(Socket {
            core: Arc::new(Core { tls: Mutex::new(tls), fd: Mutex::new(Some(Arc::new(fd))) }),
            handshaking: Turn::default(),
            reading: Turn::default(),
            writing: Turn::default(),
            handshaken: AtomicBool::new(false),
            read_closed: AtomicBool::new(false),
            nonblocking: AtomicBool::new(false),
            limits: LiveLimits {
                handshake: AtomicU64::new(micros(config.handshake_limit())),
                read: AtomicU64::new(micros(limits.read)),
                write: AtomicU64::new(micros(limits.write)),
                close: AtomicU64::new(micros(Some(limits.close))),
            },
            peer,
            hostname,
            sent_name,
            frozen: frozen.clone(),
        })
    }

    /// The eager handshake of a new socket.
    fn start(self, deadline: Deadline) -> Result<Socket> {
        if self.frozen.config.lazy_handshake {
            return Ok(self);
        }
        let deadline = deadline.or_sooner(self.deadline(LimitKind::Handshake));
        match self.handshake_until(deadline) {
            Ok(_) => Ok(self),
            Err(error) => {
                self.abandon(error.code, deadline);
                Err(error)
            }
        }
    }

    /// Ends a connection whose handshake failed. Where that was our own verdict, the peer shall learn it from the alert
    /// and not from a reset; but the deadline holds for this, too.
    fn abandon(&self, code: Code, deadline: Deadline) {
        if !matches!(code, Code::Verify | Code::Name | Code::Protocol) || self.medium() == Medium::Datagrams {
            return self.finish_closing();
        }
        if let Some(left) = deadline.remaining() {
            let close = Duration::from_micros(self.limits.close.load(SeqCst)).min(left);
            self.set_limit(LimitKind::Close, Some(close));
        }
        // How this goes does not matter any more.
        let _ = self.close();
    }

    /// Completes the handshake, if it is not complete.
    pub fn handshake(&self) -> Result<Step<()>> {
        let open = if self.lock().life == Life::Open { Ok(()) } else { Err(closed()) };
        open.map_err(|error| self.in_handshake(error))?;
        self.handshake_first()
    }

    /// The same, for what comes after it, which finds out by itself whether the socket is closed.
    fn handshake_first(&self) -> Result<Step<()>> {
        if self.handshaken.load(SeqCst) {
            return Ok(Step::Done(()));
        }
        self.handshake_until(self.deadline(LimitKind::Handshake))
    }

    fn in_handshake(&self, error: Error) -> Error {
        error.during(Phase::Handshake, format_args!("TLS handshake with {}", self.peer))
    }

    fn handshake_until(&self, deadline: Deadline) -> Result<Step<()>> {
        if self.handshaken.load(SeqCst) {
            return Ok(Step::Done(()));
        }
        self.do_handshake(deadline).map_err(|error| self.in_handshake(error))
    }

    fn do_handshake(&self, deadline: Deadline) -> Result<Step<()>> {
        let wait = self.waits(deadline);
        // Somebody else is at it and will get on: to wait for a message could be in vain.
        let Some(_turn) = self.handshaking.take(wait)? else { return Ok(Step::WantWrite) };
        let handshake = |tls: &mut Tls| {
            let step = tls.ssl.handshake()?;
            // A send that failed is told by the next write, or by why there is nothing more to read.
            let flushed = tls.flush().unwrap_or(true);
            match step {
                // The peer waits for the rest of what we have to say, and says nothing before.
                Step::Done(()) | Step::WantRead if !flushed => Ok(Step::WantWrite),
                Step::Eof => Err(Error::new(Code::Truncated, "the peer closed the connection")),
                step => Ok(step),
            }
        };
        let step = self.drive(wait, Waiter::Reader, handshake)?;
        if step == Step::Done(()) {
            self.handshaken.store(true, SeqCst);
        }
        Ok(step)
    }

    /// Reads at least one byte, unless the stream is at its end.
    pub fn read(&self, buffer: &mut [u8]) -> Result<Step<usize>> {
        match self.handshake_first()? {
            Step::Done(()) => {}
            Step::WantRead => return Ok(Step::WantRead),
            Step::WantWrite => return Ok(Step::WantWrite),
            Step::Eof => return Ok(Step::Eof),
        }
        if buffer.is_empty() {
            return Ok(Step::Done(0));
        }
        self.do_read(buffer).map_err(|error| error.during(Phase::Read, format_args!("read from {}", self.peer)))
    }

    fn do_read(&self, buffer: &mut [u8]) -> Result<Step<usize>> {
        let deadline = self.deadline(LimitKind::Read);
        let wait = self.waits(deadline);
        let Some(_turn) = self.reading.take(wait)? else { return Ok(Step::WantRead) };
        let mut looks_first = matches!(wait, Wait::No);
        self.drive(wait, Waiter::Reader, |tls| {
            // The kernel's end of file is not the peer's, and must not reach OpenSSL.
            if self.read_closed.load(SeqCst) {
                return Ok(Step::Eof);
            }
            if !std::mem::replace(&mut looks_first, true) && tls.expects_to_wait(deadline) {
                return Ok(Step::WantRead);
            }
            let step = match self.medium() {
                Medium::Stream => tls.read(buffer, matches!(wait, Wait::Until(_))),
                Medium::Datagrams => tls.read_record(buffer),
            };
            if let Ok(Step::Done(n)) = step {
                tls.answer_due = false;
                tls.little = n <= SMALL;
            }
            step
        })
    }

    /// Writes. Blocking: all of `data`, or a failure; `written` says how much has been taken in either case.
    /// Non-blocking: some of it, or WANT_WRITE, after which the same bytes must be given again.
    pub fn write(&self, data: &[u8], written: &mut usize) -> Result<Step<()>> {
        *written = 0;
        match self.handshake_first()? {
            Step::Done(()) => {}
            step => return Ok(step),
        }
        self.do_write(data, written)
            .map_err(|error| error.during(Phase::Write, format_args!("write to {}", self.peer)))
    }

    fn do_write(&self, data: &[u8], written: &mut usize) -> Result<Step<()>> {
        let deadline = self.deadline(LimitKind::Write);
        let wait = self.waits(deadline);
        let all = matches!(wait, Wait::Until(_));
        let Some(_turn) = self.writing.take(wait)? else { return Ok(Step::WantWrite) };
        self.drive(wait, Waiter::Other, |tls| {
            tls.answer_due = true;
            tls.end_run();
            if self.medium() == Medium::Datagrams {
                return tls.write_record(data, written);
            }
            let step = tls.write(data, written, all, deadline)?;
            if all {
                // What was taken will go out, whatever this call reports.
                *written += std::mem::take(&mut tls.taken);
            }
            Ok(step)
        })
    }

    /// How many bytes a read would give without waiting.
    pub fn pending(&self) -> usize {
        // Looking may take bytes out of the kernel: from under a reader who waits for them it would be for ever.
        let turn = self.reading.take(Wait::No);
        let mut tls = self.lock();
        if tls.life != Life::Open
            || tls.failure.is_some()
            || !self.handshaken.load(SeqCst)
            || self.read_closed.load(SeqCst)
        {
            return 0;
        }
        let pending = match (turn, self.medium()) {
            (Ok(Some(_)), Medium::Stream) => tls.ssl.pending(),
            (Ok(Some(_)), Medium::Datagrams) => tls.ssl.pending_record(),
            _ => tls.ssl.decrypted(),
        };
        if pending == 0 {
            tls.end_run();
        }
        pending
    }

    /// Ends our half of the stream: flushes, sends close_notify and FIN. Reading goes on.
    pub fn shutdown(&self) -> Result<Step<()>> {
        match self.handshake_first()? {
            Step::Done(()) => {}
            step => return Ok(step),
        }
        self.do_shutdown()
            .map_err(|error| error.during(Phase::Write, format_args!("end the writing to {}", self.peer)))
    }

    fn do_shutdown(&self) -> Result<Step<()>> {
        let wait = self.waits(self.deadline(LimitKind::Write));
        let Some(_turn) = self.writing.take(wait)? else { return Ok(Step::WantWrite) };
        let step = self.drive(wait, Waiter::Other, |tls| {
            tls.ssl.close_notify()?;
            tls.write_closed = true;
            Ok(if tls.flush()? { Step::Done(()) } else { Step::WantWrite })
        })?;
        if step == Step::Done(()) {
            self.send_fin();
        }
        Ok(step)
    }

    /// Ends the reading half, on this side only: reads return the end of the stream, also those under way. Writing goes
    /// on.
    pub fn shutdown_read(&self) -> Result<()> {
        let fd = self.fd().ok_or_else(closed)?;
        self.read_closed.store(true, SeqCst);
        self.lock().ssl.io().shut_reading();
        // Wakes who waits. Fails only if the connection is gone already, which wakes too.
        let _ = posix::shutdown_read(fd.as_fd());
        Ok(())
    }

    fn medium(&self) -> Medium {
        self.frozen.medium()
    }

    /// Once our reading half is shut down, a FIN would turn the peer's next bytes into a reset, which destroys what is
    /// still on its way to the peer: then close_notify must do until the descriptor is closed.
    fn send_fin(&self) {
        if self.read_closed.load(SeqCst) {
            return;
        }
        if self.medium() == Medium::Datagrams {
            return;
        }
        if let Some(fd) = self.fd() {
            // Fails only if the connection is gone already.
            let _ = posix::shutdown(fd.as_fd(), false);
        }
    }

    /// Runs `step` on the TLS state until it is done, waiting in between, outside the lock, for what it wants.
    fn drive<T>(
        &self,
        wait: Wait,
        waiter: Waiter,
        mut step: impl FnMut(&mut Tls) -> Result<Step<T>>,
    ) -> Result<Step<T>> {
        loop {
            let (pause, deadline) = {
                let mut tls = self.lock();
                tls.check_usable()?;
                let outcome = match self.medium() {
                    Medium::Stream => step(&mut tls),
                    Medium::Datagrams => self.step_datagrams(&mut tls, &mut step),
                };
                let outcome = outcome.map_err(|error| tls.fail(error))?;
                // Reading may have left something to send: a key update, an alert.
                let flushed = tls.flush().unwrap_or(true);
                let want = match outcome {
                    Step::WantRead => Readiness { writable: !flushed, ..Readiness::READ },
                    Step::WantWrite => Readiness::WRITE,
                    done => return Ok(done),
                };
                let Wait::Until(deadline) = wait else { return Ok(outcome) };
                (tls.pause(want, waiter, deadline), deadline)
            };
            self.pause(&pause, deadline)?;
        }
    }

    fn pause(&self, pause: &Pause, deadline: Deadline) -> Result<()> {
        // The peer may well send without end what is of no use.
        if deadline.has_passed() {
            return Err(Error::timeout());
        }
        if pause.respite {
            thread::sleep(RESPITE);
        }
        if pause.receives && self.receive() {
            return Ok(());
        }
        self.wait_or_timer(pause.want, deadline, pause.timer)
    }

    /// Waits for the peer's next bytes, however long that takes, and receives them, which is one system call instead of
    /// two. Ends also when the socket is closed, or its reading half shut down. False where the descriptor is not one to
    /// wait on.
    fn receive(&self) -> bool {
        let mut bytes = [0; SMALL];
        let received = match self.fd() {
            Some(fd) => posix::recv_waiting(fd.as_fd(), &mut bytes),
            None => Err(posix::bad_descriptor()),
        };
        let received = self.lock().ssl.io().end_receiving(received, &bytes);
        !received.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Waits, and no longer than until the connection has something to do by itself.
    fn wait_or_timer(&self, want: Readiness, deadline: Deadline, timer: Deadline) -> Result<()> {
        match self.wait(want, deadline.or_sooner(timer)) {
            Err(error) if error.code == Code::Timeout && !deadline.has_passed() => Ok(()),
            waited => waited,
        }
    }

    /// Waits for the descriptor to be ready, or until the deadline.
    fn wait(&self, mut want: Readiness, deadline: Deadline) -> Result<()> {
        let fd = self.fd().ok_or_else(closed)?;
        let mut until = deadline;
        // The kernel calls such a socket readable always: look again every now and then.
        if want.readable && self.read_closed.load(SeqCst) {
            want.readable = false;
            until = look_again(deadline);
        }
        let ready = posix::poll_one(fd.as_fd(), want, until.0).map_err(|error| Error::io(&error))?;
        if ready == Readiness::default() && deadline.has_passed() { Err(Error::timeout()) } else { Ok(()) }
    }

    /// Closes: flushes, sends close_notify and FIN, takes what the peer still sends until it ends too, and closes the
    /// descriptor; never longer than the close limit.
    pub fn close(&self) -> Result<Step<()>> {
        self.do_close()
            .map_err(|error| error.during(Phase::Close, format_args!("close the connection to {}", self.peer)))
    }

    fn do_close(&self) -> Result<Step<()>> {
        let nonblocking = self.nonblocking.load(SeqCst);
        let mut lost = None;
        loop {
            let (want, deadline) = {
                let mut tls = self.lock();
                let close_limit = Duration::from_micros(self.limits.close.load(SeqCst));
                match tls.close_step(close_limit, self.handshaken.load(SeqCst)) {
                    Closing::Wait(want, deadline) if !deadline.has_passed() => {
                        // What the peer sends goes to the reader that waits for it.
                        (want, if tls.ssl.io().is_receiving() { look_again(deadline) } else { deadline })
                    }
                    Closing::Fin => {
                        drop(tls);
                        self.send_fin();
                        continue;
                    }
                    Closing::Finished => break,
                    Closing::Failed(error) => {
                        lost = Some(error);
                        break;
                    }
                    Closing::Wait(want, _) => {
                        // An unfinished drain loses nothing that was written; an unfinished flush does.
                        lost = want.writable.then(Error::timeout);
                        break;
                    }
                }
            };
            if nonblocking {
                return Ok(if want.writable { Step::WantWrite } else { Step::WantRead });
            }
            match self.wait(want, deadline) {
                Ok(()) => {}
                Err(error) if error.code == Code::Timeout => {}
                Err(_) => break,
            }
        }
        self.finish_closing();
        match lost {
            None => Ok(Step::Done(())),
            Some(error) => Err(error),
        }
    }

    /// Lets go of the descriptor, and wakes whoever waits on it.
    fn finish_closing(&self) {
        let mut tls = self.lock();
        tls.life = Life::Closed;
        tls.ssl.io().detach();
        let shared = tls.leave();
        drop(tls);
        let fd = self.core.fd.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(fd) = fd.filter(|_| !shared) {
            // Fails only if the connection is gone already.
            let _ = posix::shutdown(fd.as_fd(), true);
        }
    }

    /// Whether reads and writes return WANT_READ and WANT_WRITE instead of waiting.
    pub fn set_nonblocking(&self, nonblocking: bool) {
        self.nonblocking.store(nonblocking, SeqCst);
    }

    /// Sets a limit for calls that begin from now on.
    pub fn set_limit(&self, kind: LimitKind, limit: Limit) {
        self.live_limit(kind).store(micros(limit), SeqCst);
    }

    fn live_limit(&self, kind: LimitKind) -> &AtomicU64 {
        match kind {
            LimitKind::Handshake => &self.limits.handshake,
            LimitKind::Read => &self.limits.read,
            LimitKind::Write => &self.limits.write,
            LimitKind::Close => &self.limits.close,
        }
    }

    fn waits(&self, deadline: Deadline) -> Wait {
        if self.nonblocking.load(SeqCst) { Wait::No } else { Wait::Until(deadline) }
    }

    fn deadline(&self, kind: LimitKind) -> Deadline {
        match self.live_limit(kind).load(SeqCst) {
            0 => Deadline::NEVER,
            micros => Deadline::after(Some(Duration::from_micros(micros))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tls> {
        self.core.lock()
    }

    fn fd(&self) -> Option<Arc<OwnedFd>> {
        self.core.fd()
    }

    /// The descriptor's number, for poll(2). None once closed.
    pub fn raw_fd(&self) -> Option<i32> {
        self.fd().map(|fd| fd.as_raw_fd())
    }

    /// Our own address; None where the socket is not of the internet.
    pub fn local_address(&self) -> Result<Option<SocketAddr>> {
        let fd = self.fd().ok_or_else(closed)?;
        posix::local_address(fd.as_fd()).map_err(|error| Error::io(&error))
    }

    /// The peer's address; None where the socket is not of the internet.
    pub fn peer_address(&self) -> Result<Option<SocketAddr>> {
        let fd = self.fd().ok_or_else(closed)?;
        posix::peer_address(fd.as_fd()).map_err(|error| Error::io(&error))
    }

    /// The protocol's name once it is settled.
    pub fn protocol(&self) -> Option<&'static CStr> {
        if self.handshaken.load(SeqCst) { self.lock().ssl.protocol() } else { None }
    }

    /// The cipher's name once it is settled.
    pub fn cipher(&self) -> Option<&'static CStr> {
        if self.handshaken.load(SeqCst) { self.lock().ssl.cipher() } else { None }
    }

    /// The protocol chosen by ALPN; empty if none was.
    pub fn alpn(&self) -> Vec<u8> {
        self.lock().ssl.alpn()
    }

    /// The SNI sent or received.
    pub fn server_name(&self) -> Option<CString> {
        let tls = self.lock();
        match tls.ssl.role() {
            Role::Client => self.sent_name.clone(),
            Role::Server => tls.ssl.server_name(),
        }
    }

    /// What the check of the peer's chain found; None if the peer has shown no certificate.
    pub fn verify_result(&self) -> Option<i32> {
        let tls = self.lock();
        tls.ssl.peer_certificate().map(|_| tls.ssl.verify_result())
    }

    /// The peer's certificate.
    pub fn peer_certificate(&self) -> Option<Certificate> {
        self.lock().ssl.peer_certificate().map(Certificate::new)
    }

    /// The certificates that the peer sent, its own first.
    pub fn peer_chain(&self) -> Vec<Certificate> {
        self.lock().ssl.peer_chain().into_iter().map(Certificate::new).collect()
    }

    /// The session, if it can be resumed. With TLS 1.3 it comes with the first bytes that are read.
    pub fn session(&self) -> Result<Session> {
        let session = self.lock().ssl.session().filter(|session| session.is_resumable());
        let session = session.ok_or_else(|| {
            Error::new(Code::State, "the server has sent no session to resume yet (TLS 1.3: read something first)")
        })?;
        Ok(Session { session, context: self.frozen.context.clone(), hostname: self.hostname.clone() })
    }

    /// Whether this connection resumed a session.
    pub fn session_reused(&self) -> bool {
        self.lock().ssl.session_reused()
    }
}

impl Core {
    fn lock(&self) -> MutexGuard<'_, Tls> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fd(&self) -> Option<Arc<OwnedFd>> {
        self.fd.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a step of closing asks for.
enum Closing {
    Wait(Readiness, Deadline),
    /// Everything is sent: end the stream.
    Fin,
    Finished,
    Failed(Error),
}

impl Tls {
    fn check_usable(&self) -> Result<()> {
        if self.life != Life::Open {
            return Err(closed());
        }
        match &self.failure {
            None => Ok(()),
            Some(failure) => Err(failure.clone()),
        }
    }

    /// Whether a read had better wait for the peer before it looks, which would cost a system call and OpenSSL's work
    /// for nothing: only where nothing else can be its answer.
    fn expects_to_wait(&mut self, deadline: Deadline) -> bool {
        self.answer_due
            && deadline.remaining().is_none_or(|left| left > HARDLY_ANY_TIME)
            && !self.ssl.may_have_answer()
            && self.ssl.io().is_quiet()
            && self.too_long_silence().is_none()
    }

    fn pause(&mut self, want: Readiness, waiter: Waiter, deadline: Deadline) -> Pause {
        let beside = waiter == Waiter::Other && want.readable;
        let respite = self.ssl.io().is_exhausted() || (beside && self.ssl.io().send_errno() != 0);
        let timer = if beside { look_again(self.timer()) } else { self.timer() };
        // What is received outside is copied once more, which is dear where it is much.
        let may_receive =
            !beside && !respite && want == Readiness::READ && deadline == Deadline::NEVER && self.little;
        Pause { receives: may_receive && self.ssl.io().begin_receiving(), want, timer, respite }
    }

    /// Reads decrypted bytes of a stream.
    ///
    /// Of an answer it takes all that has come, and of what follows one record at a time. To take all is fewer system
    /// calls, but makes the reader faster than its peer: then it sleeps once a record and has to be woken, and the peer's
    /// kernel sends every record by itself, which can halve the throughput (bench/README.md).
    ///
    /// In a run of reads that block OpenSSL keeps its buffer: the run ends with one that waits. An event loop may well
    /// end without.
    fn read(&mut self, buffer: &mut [u8], blocks: bool) -> Result<Step<usize>> {
        // What OpenSSL has taken ahead it might not find again without: it does not count what came behind a key update.
        self.ssl.set_read_ahead(self.answer_due || self.ssl.has_read_ahead());
        self.ssl.keep_buffers(blocks && self.run >= RUN);
        let step = self.ssl.read(buffer);
        match step {
            Ok(Step::Done(_)) => self.run = self.run.saturating_add(1),
            _ => self.end_run(),
        }
        step
    }

    /// Idle connections hold no buffers.
    fn end_run(&mut self) {
        self.run = 0;
        self.ssl.keep_buffers(false);
    }

    /// Keeps a failure that ended the connection for later calls.
    fn fail(&mut self, error: Error) -> Error {
        let ended = self.ssl.has_failed() || self.ssl.io().recv_errno() != 0;
        // What a failed write has found out about the other direction, the next read shall tell.
        if ended && !self.ssl.has_untold_failure() {
            // The alert, if there is one, is the last thing that can be sent.
            let _ = self.flush();
            self.failure = Some(error.clone());
        }
        error
    }

    fn flush(&mut self) -> Result<bool> {
        let flushed = self.ssl.io().flush().map_err(|error| Error::io(&error))?;
        self.unsent &= !flushed;
        Ok(flushed)
    }

    /// Writes record after record until the kernel takes no more; or one record if not `all`, because whoever is told
    /// of a part may well go on with something else than the rest. Counts what the kernel has in `written`; what is
    /// still on its way is in `taken`.
    fn write(&mut self, data: &[u8], written: &mut usize, all: bool, deadline: Deadline) -> Result<Step<()>> {
        if self.write_closed {
            return Err(Error::new(Code::State, "the writing half has been shut down"));
        }
        loop {
            match self.flush() {
                Ok(true) => {}
                Ok(false) => return Ok(Step::WantWrite),
                Err(_) if all && self.awaits_reader(deadline) => {
                    // Nobody will have it.
                    self.taken = 0;
                    return Ok(Step::WantRead);
                }
                // Why the peer has gone says more than that it has.
                Err(error) => return Err(self.ssl.peer_alert().unwrap_or(error)),
            }
            if self.taken > data.len().saturating_sub(*written) {
                return Err(Error::argument("a write that returned WANT_WRITE was repeated with fewer bytes"));
            }
            *written += std::mem::take(&mut self.taken);
            let rest = data.get(*written..).unwrap_or_default();
            if rest.is_empty() || (*written > 0 && !all) {
                return Ok(Step::Done(()));
            }
            match self.ssl.write(rest)? {
                Step::Done(n) => {
                    self.taken = n;
                    self.unsent = true;
                }
                Step::WantRead => return Ok(Step::WantRead),
                Step::WantWrite => return Ok(Step::WantWrite),
                Step::Eof => return Err(Error::new(Code::State, "the connection has been closed")),
            }
        }
    }

    /// Whether a thread that receives may yet bring the peer's last words, well before the deadline.
    fn awaits_reader(&mut self, deadline: Deadline) -> bool {
        let patience = || Deadline::after(Some(READER_PATIENCE));
        self.ssl.io().is_receiving()
            && deadline.remaining().is_none_or(|left| left > READER_PATIENCE)
            && !self.reader_due.get_or_insert_with(patience).has_passed()
    }

    fn close_step(&mut self, limit: Duration, handshaken: bool) -> Closing {
        match self.life {
            Life::Open => {
                if handshaken && self.failure.is_none() {
                    // Without it the peer sees a truncation, which is then what happened.
                    let _ = self.ssl.close_notify();
                }
                self.life = Life::Flushing(Deadline::after(Some(limit)));
                self.close_step(limit, handshaken)
            }
            Life::Flushing(deadline) => match self.flush() {
                Ok(true) => {
                    self.life = Life::Draining(deadline);
                    Closing::Fin
                }
                Ok(false) => Closing::Wait(Readiness::WRITE, deadline),
                Err(error) if self.unsent => Closing::Failed(error),
                Err(_) => Closing::Finished,
            },
            Life::Draining(deadline) => {
                if self.drain() {
                    Closing::Wait(Readiness::READ, deadline)
                } else {
                    Closing::Finished
                }
            }
            Life::Closed => Closing::Finished,
        }
    }

    /// Takes and drops what the peer has sent. False once it will send no more.
    fn drain(&mut self) -> bool {
        if self.datagrams.is_some() && (self.failure.is_some() || !self.ssl.is_handshaken() || self.is_refused()) {
            return false;
        }
        let mut scratch = [0; SCRATCH];
        // Bounded, so that a peer that never stops cannot keep us in here; the deadline ends the rest.
        for _ in 0..1024 {
            if self.ssl.io().eof() || self.ssl.received_close_notify() || self.ssl.io().recv_errno() != 0 {
                return false;
            }
            let more = if self.ssl.has_failed() || !self.ssl.is_handshaken() {
                match self.ssl.io().recv(&mut scratch) {
                    Ok(_) => continue,
                    Err(error) => error.kind() == io::ErrorKind::WouldBlock,
                }
            } else {
                match self.ssl.read(&mut scratch) {
                    Ok(Step::Done(_)) => continue,
                    Ok(Step::WantRead | Step::WantWrite) => true,
                    Ok(Step::Eof) => false,
                    // No TLS any more, but there may be bytes.
                    Err(_) => continue,
                }
            };
            return more;
        }
        true
    }
}

/// The deadline of a wait that the descriptor may not end.
fn look_again(deadline: Deadline) -> Deadline {
    deadline.or_sooner(Deadline::after(Some(BLIND_WAIT)))
}

fn closed() -> Error {
    Error::new(Code::State, "the socket is closed")
}

fn micros(limit: Limit) -> u64 {
    limit.map_or(0, |limit| u64::try_from(limit.as_micros()).unwrap_or(u64::MAX))
}

fn server_name(choice: &ServerName, hostname: Option<&Hostname>) -> Option<CString> {
    match (choice, hostname) {
        (ServerName::Given(name), _) => Some(name.clone()),
        (ServerName::Host, Some(Hostname::Name(name))) => Some(name.clone()),
        _ => None,
    }
}

fn expect(ssl: &mut Ssl, hostname: Option<&Hostname>) -> Result<()> {
    match hostname {
        Some(Hostname::Name(name)) => ssl.expect_name(name),
        Some(Hostname::Ip(ip)) => ssl.expect_ip(*ip),
        None => Err(Error::new(
            Code::Config,
            "no host name is known to verify the peer's certificate against: give one, or verify the chain only",
        )),
    }
}

fn duplicate(fd: i32, medium: Medium) -> Result<(OwnedFd, Peer)> {
    let copy = posix::duplicate_socket(fd, medium == Medium::Datagrams)
        // A socket that was never connected would look like one whose peer hung up.
        .and_then(|copy| posix::check_connected(copy.as_fd()).map(|()| copy))
        .map_err(|error| match (error.raw_os_error(), medium) {
            (Some(libc::EPROTOTYPE), Medium::Datagrams) => Error::new(
                Code::Unsupported,
                format!("DTLS needs datagrams, and descriptor {fd} is no datagram socket"),
            ),
            _ => Error::io(&error).context(format_args!("TLS cannot use descriptor {fd}")),
        })?;
    let peer = posix::peer_address(copy.as_fd()).unwrap_or(None).into();
    Ok((copy, peer))
}
