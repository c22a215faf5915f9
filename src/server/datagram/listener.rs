//! A server over datagrams: one socket takes the hellos of all clients; each client that has shown its address gets a
//! socket of its own beside it, connected to it, and does its handshake while others do theirs.
//!
//! The threads that accept do the work: any number of them wait on one epoll descriptor, each for one event at a time.

use crate::{
    error::{Code, Error, Phase, Result},
    net::{deadline::Deadline, listen, resolve::Family},
    posix::{
        self,
        event::{self, Events},
    },
    server::terms::Terms,
    socket::{
        Socket, Step,
        server::{counts::ServerCounts, monitor::PeerActivity},
    },
};
use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use super::{
    half_open::{HalfOpen, HalfOpenTable},
    hello::Hello,
    listening_socket::{HELLO_LENGTH, ListeningSocket, receive_early},
    peers::{Association, Ends, PeerLimits, Peers, RestartedPeer, host},
};

/// How many events one accept that may not wait looks at, and for how long: each event is a bounded amount of work, but
/// floods of datagrams make new ones as fast as they are looked at.
const EVENTS_WITHOUT_WAITING: usize = 256;
const WORK_WITHOUT_WAITING: Duration = Duration::from_millis(20);

const LISTENER: u64 = 0;
const TIMER: u64 = 1;
const WAKER: u64 = 2;
const FIRST_PEER: u64 = 3;

/// Marks the number of a connection that has been handed out.
const ESTABLISHED_FLAG: u64 = 1 << 63;

/// When to look again at a connection in which something has come that is for its reader.
const RECHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The server.
pub struct DatagramServer {
    socket: ListeningSocket,
    terms: RwLock<Terms>,
    counts: Arc<ServerCounts>,
    events: Arc<Events>,
    timer: OwnedFd,
    peers: Arc<Peers>,
    half_open: Mutex<HalfOpenTable>,
    closed: AtomicBool,
}

impl DatagramServer {
    /// Takes datagrams on `name` (None: every interface), on `port` (0: any that is free).
    pub fn listen(
        terms: Terms,
        counts: &Arc<ServerCounts>,
        name: Option<&str>,
        port: u16,
        family: Family,
    ) -> Result<DatagramServer> {
        let deadline = Deadline::after(terms.frozen.config.limits.connect);
        let fd = listen::listen_with(name, port, family, deadline, posix::listen_datagrams)?;
        DatagramServer::over(terms, counts, fd)
    }

    /// Takes datagrams on a bound socket that the program has made.
    pub fn given(terms: Terms, counts: &Arc<ServerCounts>, fd: OwnedFd) -> Result<DatagramServer> {
        posix::local_address(fd.as_fd())
            .and_then(|address| address.map_or(Ok(()), |address| posix::prepare_to_listen(fd.as_fd(), &address)))
            .map_err(|error| Error::io(&error))?;
        DatagramServer::over(terms, counts, fd)
    }

    fn over(terms: Terms, counts: &Arc<ServerCounts>, fd: OwnedFd) -> Result<DatagramServer> {
        let socket = ListeningSocket::new(fd)?;
        let ready = || -> io::Result<_> {
            let (events, timer) = (Arc::new(Events::new()?), event::timer()?);
            events.watch(socket.as_fd(), LISTENER)?;
            events.watch(timer.as_fd(), TIMER)?;
            Ok((events, timer))
        };
        let (events, timer) = ready().map_err(|error| Error::io(&error))?;
        let settings = &terms.frozen.config.datagrams;
        let limits = PeerLimits::new(settings.max_peers, settings.max_peers_per_host, posix::descriptor_limit());
        let peers = Peers::new(limits, events.clone())?;
        events.watch(peers.waker(), WAKER).map_err(|error| Error::io(&error))?;
        Ok(DatagramServer {
            socket,
            counts: counts.clone(),
            terms: RwLock::new(terms),
            events,
            timer,
            peers,
            half_open: Mutex::new(HalfOpenTable::new(FIRST_PEER)),
            closed: AtomicBool::new(false),
        })
    }

    fn terms(&self) -> Terms {
        self.terms.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces how clients are served, for later handshakes. How many peers there may be stays as it is.
    pub fn set_terms(&self, terms: Terms) {
        *self.terms.write().unwrap_or_else(PoisonError::into_inner) = terms;
    }

    /// For poll(2): readable when accept has something to do.
    pub fn raw_fd(&self) -> i32 {
        self.events.raw_fd()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.socket.address()
    }

    /// Ends it, and wakes the threads that wait.
    pub fn close(&self) {
        self.closed.store(true, SeqCst);
        self.peers.close();
        let entries = self.peers.lock_at_end(&self.half_open).map(|mut table| table.take_all());
        drop(entries);
    }

    /// The next client whose handshake is done, or whose address is verified if the config leaves the handshake to
    /// the socket's first use; None if there was none in time. The failure of one client's handshake fails this, too.
    pub fn accept(&self, deadline: Deadline) -> Result<Option<Socket>> {
        let began = Instant::now();
        for looked in 0.. {
            if self.closed.load(SeqCst) {
                return Err(Error::new(Code::State, "the server is closed"));
            }
            let worked_enough = looked >= EVENTS_WITHOUT_WAITING || began.elapsed() >= WORK_WITHOUT_WAITING;
            if looked > 0 && worked_enough && deadline.has_passed() {
                return Ok(None);
            }
            let event = self.events.wait(deadline.0).map_err(|error| self.failure(&error))?;
            let accepted = match event {
                None => return Ok(None),
                Some(LISTENER) => self.receive_datagram()?,
                Some(TIMER) => self.handle_timer()?,
                Some(WAKER) => self.accept_restarted_peer()?,
                Some(token) if token & ESTABLISHED_FLAG != 0 => {
                    self.service_connection(token)?;
                    None
                }
                Some(token) => self.continue_handshake(token)?,
            };
            if accepted.is_some() {
                return Ok(accepted);
            }
        }
        Ok(None)
    }

    fn failure(&self, error: &io::Error) -> Error {
        Error::io(error).during(Phase::Accept, "accept a connection")
    }

    /// Receives one datagram on the listening socket.
    fn receive_datagram(&self) -> Result<Option<Socket>> {
        let mut buffer = [0u8; HELLO_LENGTH];
        let Some((datagram, ends)) = self.socket.receive(&mut buffer).map_err(|error| self.failure(&error))? else {
            return Ok(None);
        };
        let mut early = VecDeque::new();
        let mut accepted = self.handle_datagram(datagram, ends, &mut early)?;
        // Each may bring a connection of its own only where handshakes are left to later, and one is returned at a time:
        // the clients of the others ask again.
        while let Some((datagram, ends)) = early.pop_front().filter(|_| accepted.is_none()) {
            accepted = self.handle_datagram(&datagram, ends, &mut early)?;
        }
        Ok(accepted)
    }

    /// Handles a datagram that does not belong to any connection. Adds to `early` what else reached the socket of a new
    /// connection before that was connected, unless there is much already.
    fn handle_datagram(
        &self,
        datagram: &[u8],
        ends: Ends,
        early: &mut VecDeque<(Vec<u8>, Ends)>,
    ) -> Result<Option<Socket>> {
        let Some(hello) = Hello::parse(datagram) else {
            return if Hello::is_continued_by(datagram) {
                self.handle_hello_fragment(datagram, &ends)
            } else {
                Ok(None)
            };
        };
        if ends.local.ip().is_multicast() || ends.peer.port() == 0 {
            return Ok(None);
        }
        if let Some(challenge) = self.peers.challenge(&hello, &ends)? {
            // Lost, if it cannot be sent at once: the client asks again.
            let _ = self.socket.send(&challenge, &ends);
            return Ok(None);
        }
        // What a connected peer still has here is the hello that it began with; a new one reaches its own socket.
        if !self.has_space_for(&ends) {
            return Ok(None);
        }
        self.peers.evict_idle_for(&ends.peer);
        let Some(association) = self.peers.admit(ends, &hello) else {
            return Ok(None);
        };
        let fd = self.connect_beside(&ends).map_err(|error| {
            self.peers.forget(&hello);
            self.failure(&error)
        })?;
        receive_early(&fd, ends.local, early);
        self.begin(fd, ends, association, datagram)
    }

    /// A socket for one client. If the process or the system has no descriptor left, the oldest handshake gives up its own.
    fn connect_beside(&self, ends: &Ends) -> io::Result<OwnedFd> {
        self.socket.connect_beside(ends).or_else(|error| {
            if !matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) {
                return Err(error);
            }
            let mut table = self.half_open();
            let given_up = table.oldest(Instant::now()).and_then(|token| table.remove(token));
            drop(table);
            drop(given_up);
            self.socket.connect_beside(ends)
        })
    }

    /// Whether the table can take one more handshake. If it is full, evicts the oldest handshake that has made no
    /// progress.
    fn has_space_for(&self, ends: &Ends) -> bool {
        let mut table = self.half_open();
        if table.has_space_for(host(&ends.peer)) {
            return true;
        }
        let given_up =
            table.eviction_candidate(host(&ends.peer), Instant::now()).and_then(|token| table.remove(token));
        drop(table);
        given_up.is_some()
    }

    /// Begins a handshake.
    fn begin(&self, fd: OwnedFd, ends: Ends, association: Association, hello: &[u8]) -> Result<Option<Socket>> {
        let Terms { frozen, sessions } = self.terms();
        let (counts, association) = (&self.counts, Box::new(association));
        let Some(socket) = Socket::registered(&frozen, &sessions, counts, fd, &ends.peer, association, hello)?
        else {
            return Ok(None);
        };
        if frozen.config.lazy_handshake {
            self.hand_out(&socket, Events::watch_once);
            return Ok(Some(socket));
        }
        socket.set_nonblocking(true);
        let half_open =
            Arc::new(HalfOpen::new(ends, Deadline::after(frozen.config.handshake_limit()), Instant::now()));
        let token = self.half_open().insert(half_open.clone());
        let watched =
            socket.with_fd(|fd| self.events.watch_once(fd, token)).unwrap_or_else(|| Err(posix::bad_descriptor()));
        if let Err(error) = watched {
            self.half_open().remove(token);
            return Err(self.failure(&error));
        }
        self.step_handshake(token, &half_open, socket)
    }

    /// Hands a later fragment of a hello to the handshake that the first one has begun.
    fn handle_hello_fragment(&self, fragment: &[u8], ends: &Ends) -> Result<Option<Socket>> {
        let Some((token, half_open)) = self.half_open().find(ends) else {
            return Ok(None);
        };
        half_open.feed(fragment);
        self.continue_handshake(token)
    }

    /// A peer has restarted: begins its new connection on the descriptor of the former one.
    fn accept_restarted_peer(&self) -> Result<Option<Socket>> {
        let Some(RestartedPeer { fd, ends, hello: datagram }) = self.peers.take_restarted() else {
            return Ok(None);
        };
        let Some(hello) = Hello::parse(&datagram) else {
            return Ok(None);
        };
        if !self.has_space_for(&ends) {
            return Ok(None);
        }
        let association = self.peers.readmit(ends, &hello);
        self.begin(fd, ends, association, &datagram)
    }

    /// From now on services a connection that the program may not be reading.
    fn hand_out(&self, socket: &Socket, watch: impl Fn(&Events, BorrowedFd<'_>, u64) -> io::Result<()>) {
        if let Some((number, monitor)) = socket.monitor() {
            self.peers.hand_out(number, monitor);
            // Without this only its reader sees that the peer has restarted.
            let _ = socket.with_fd(|fd| watch(&self.events, fd, ESTABLISHED_FLAG | number));
        }
    }

    /// Something has come over a connection that has been handed out. What is for its reader stays there, so it must
    /// not be looked at over and over.
    fn service_connection(&self, token: u64) -> Result<()> {
        match self.peers.monitor(token & !ESTABLISHED_FLAG).map(|monitor| monitor.service()) {
            Some(PeerActivity::Progress) => self.watch_established(token),
            Some(PeerActivity::None) => {
                let mut table = self.half_open();
                table.schedule_other(token, Instant::now() + RECHECK_INTERVAL);
                self.set_timer(&table)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn watch_established(&self, token: u64) {
        if let Some(monitor) = self.peers.monitor(token & !ESTABLISHED_FLAG) {
            let _ = monitor.with_fd(|fd| self.events.watch_again(fd, token));
        }
    }

    /// Continues what is due, if its time has come.
    fn handle_timer(&self) -> Result<Option<Socket>> {
        let mut table = self.half_open();
        let due = table.take_due(Instant::now());
        // Setting it makes it unreadable. Where that fails it stays readable, and the next call tries again.
        let set = self.set_timer(&table);
        drop(table);
        match due {
            Some(token) if token & ESTABLISHED_FLAG != 0 => {
                self.watch_established(token);
                set.map(|()| None)
            }
            Some(token) => self.continue_handshake(token),
            None => set.map(|()| None),
        }
    }

    /// Continues a handshake as far as it goes, unless another thread is about it.
    fn continue_handshake(&self, token: u64) -> Result<Option<Socket>> {
        let Some(half_open) = self.half_open().get(token) else {
            return Ok(None);
        };
        match half_open.take() {
            Some(socket) => self.step_handshake(token, &half_open, socket),
            None => Ok(None),
        }
    }

    /// Makes a step of a handshake. It may call functions of the program: no lock is held.
    fn step_handshake(&self, token: u64, half_open: &HalfOpen, socket: Socket) -> Result<Option<Socket>> {
        let step = match socket.handshake() {
            Ok(Step::Done(())) => Ok(true),
            Ok(_) if half_open.deadline.has_passed() => Err(socket.handshake_timed_out()),
            Ok(_) => Ok(false),
            Err(error) => Err(error),
        };
        if matches!(step, Ok(false)) {
            return self.wait_for_next_step(token, half_open, socket).map(|()| None);
        }
        {
            let mut table = self.half_open();
            table.remove(token);
            // A connection is not lost for it: the earlier setting ends a wait too soon, but not too late.
            let _ = self.set_timer(&table);
        }
        if let Err(error) = step {
            socket.count_failure(&error);
            return Err(error);
        }
        socket.set_nonblocking(false);
        self.hand_out(&socket, Events::watch_again);
        Ok(Some(socket))
    }

    /// Gives the socket back. Whatever fails here, all else is done that lets the handshake go on.
    fn wait_for_next_step(&self, token: u64, half_open: &HalfOpen, socket: Socket) -> Result<()> {
        let watched = socket.with_fd(|fd| self.events.watch_again(fd, token)).unwrap_or(Ok(()));
        let due = half_open.deadline.or_sooner(Deadline::after(socket.time_to_timer()));
        let mut set = self.schedule(token, due);
        // From here on another thread may have it.
        if half_open.put_back(socket) {
            set = self.schedule(token, Deadline(Some(Instant::now())));
        }
        watched.map_err(|error| self.failure(&error)).and(set)
    }

    fn schedule(&self, token: u64, due: Deadline) -> Result<()> {
        let mut table = self.half_open();
        table.schedule(token, due.0);
        self.set_timer(&table)
    }

    fn set_timer(&self, table: &HalfOpenTable) -> Result<()> {
        event::set_timer(self.timer.as_fd(), table.next_due()).map_err(|error| self.failure(&error))
    }

    fn half_open(&self) -> MutexGuard<'_, HalfOpenTable> {
        self.half_open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
