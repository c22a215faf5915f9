//! TLS over a connected socket, of a stream or of datagrams: handshake, read, write, close. Any number of threads may
//! use one.
//!
//! Waiting happens in two places, `wait` and `receive`, and never under the lock on the TLS state, so one thread can read
//! while another writes and a third closes.

use crate::{
    config::{Frozen, ServerName, Verify},
    error::{Code, Error, Phase, Result},
    hostname::Hostname,
    net::{
        connect::{self, host_port},
        deadline::Deadline,
        resolve::Family,
    },
    ossl,
    ossl::ssl::{ClientAuth, Medium, Role, Ssl},
    posix,
    session::{Scope, Session},
    turn::OpLock,
    verify::peer_policy,
};
use limits::{LiveLimits, micros};
use state::{Lifecycle, SocketState, closed};
use std::{
    ffi::{CStr, CString},
    fmt,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64},
    },
};

pub use crate::ossl::ssl::Step;
pub use datagram::ConnectionMonitor;
pub use limits::LimitKind;

mod close;
mod datagram;
mod drive;
mod handshake;
mod info;
mod io;
mod keying_material;
mod limits;
mod state;
mod timeouts;
mod unreported_writes;

/// What a socket has in common with the server that looks after it.
struct Core {
    tls: Mutex<SocketState>,
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
    handshake_lock: OpLock,
    read_lock: OpLock,
    write_lock: OpLock,
    handshaken: AtomicBool,
    /// Whether the reading half has been shut down.
    read_shut: AtomicBool,
    nonblocking: AtomicBool,
    limits: LiveLimits,
    peer: Peer,
    hostname: Option<Hostname>,
    /// The process that made it.
    made_by: u32,
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
        if frozen.medium() == Medium::Datagrams {
            return Socket::connect_datagrams(frozen, host, port, family, &hostname, session);
        }
        let fd = connect::connect(host, port, family, deadline)?;
        // Worth having, but no reason to fail.
        let _ = posix::set_no_delay(fd.as_fd());
        let socket =
            Socket::new_over_fd(frozen, fd, Role::Client, Some(hostname), Peer::Named(host_port(host, port)))?;
        if let Some(session) = session {
            socket.offer(session)?;
        }
        socket.handshake_unless_lazy(deadline)
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
        Socket::new_over_fd(frozen, fd, Role::Client, hostname, peer)?.handshake_unless_lazy(Deadline::NEVER)
    }

    /// Begins TLS as the server on a duplicate of an open descriptor.
    pub fn upgrade_server(frozen: &Arc<Frozen>, fd: i32) -> Result<Socket> {
        let (fd, peer) = duplicate(fd, frozen.medium())?;
        Socket::new_over_fd(frozen, fd, Role::Server, None, peer)?.handshake_unless_lazy(Deadline::NEVER)
    }

    /// Begins TLS as the server on an accepted connection.
    pub fn accepted(frozen: &Arc<Frozen>, fd: OwnedFd, peer: Option<SocketAddr>) -> Result<Socket> {
        let _ = posix::set_no_delay(fd.as_fd());
        let in_handshake =
            |error: Error| error.during(Phase::Handshake, format_args!("TLS handshake with {}", Peer::from(peer)));
        Socket::new_over_fd(frozen, fd, Role::Server, None, peer.into())
            .map_err(in_handshake)?
            .handshake_unless_lazy(Deadline::NEVER)
    }

    fn new_over_fd(
        frozen: &Arc<Frozen>,
        fd: OwnedFd,
        role: Role,
        hostname: Option<Hostname>,
        peer: Peer,
    ) -> Result<Socket> {
        let config = &frozen.config;
        let policy = peer_policy(config, role);
        let verifies = policy.chain && (role == Role::Client || policy.ask != ClientAuth::No);
        let store = if verifies { frozen.context.system_store()? } else { None };
        let medium = frozen.medium();
        let mut ssl = Ssl::new(frozen.context.ctx(), fd.as_raw_fd(), medium, role, policy, config.alpn.clone())?;
        if let Some(store) = store {
            ssl.verify_with(store)?;
        }
        let mut sent_name = None;
        if role == Role::Client {
            sent_name = server_name(&config.server_name, hostname.as_ref());
            ssl.set_session_id_context(client_scope(frozen, hostname.as_ref(), sent_name.as_deref())?.as_bytes())?;
            if let Some(name) = &sent_name {
                ssl.send_server_name(name)?;
            }
            if config.verify == Verify::ChainAndName {
                require_hostname(&mut ssl, hostname.as_ref())?;
            }
        }
        let datagrams = datagram::State::new(&mut ssl, config);
        let mut tls = SocketState {
            ssl,
            lifecycle: Lifecycle::Open,
            unreported: Default::default(),
            waiting: Default::default(),
            has_unsent_data: false,
            failure: None,
            write_closed: false,
            is_first_read_after_write: true,
            last_read_was_small: true,
            consecutive_reads: 0,
            error_grace_until: None,
            datagrams,
        };
        tls.set_up_datagrams(config)?;
        let limits = &config.limits;
        Ok(Socket {
            core: Arc::new(Core { tls: Mutex::new(tls), fd: Mutex::new(Some(Arc::new(fd))) }),
            handshake_lock: OpLock::default(),
            read_lock: OpLock::default(),
            write_lock: OpLock::default(),
            handshaken: AtomicBool::new(false),
            read_shut: AtomicBool::new(false),
            nonblocking: AtomicBool::new(false),
            limits: LiveLimits {
                handshake: AtomicU64::new(micros(config.handshake_limit())),
                read: AtomicU64::new(micros(limits.read)),
                write: AtomicU64::new(micros(limits.write)),
                close: AtomicU64::new(micros(Some(limits.close))),
            },
            peer,
            hostname,
            made_by: posix::pid(),
            sent_name,
            frozen: frozen.clone(),
        })
    }

    /// Offers a session to the server, if a full handshake would accept the same peer: it was made in the same scope, and
    /// no certificate of its chain has expired since. Otherwise the handshake will be a full one.
    fn offer(&self, session: &Session) -> Result<()> {
        let expired = session.chain_expires.is_some_and(|end| ossl::now() > end);
        let scope = client_scope(&self.frozen, self.hostname.as_ref(), self.sent_name.as_deref())?;
        if !expired && session.session.id_context() == scope.as_bytes() {
            self.lock().ssl.resume(&session.session, session.chain_expires)?;
        }
        Ok(())
    }

    /// The eager handshake of a new socket.
    fn handshake_unless_lazy(self, deadline: Deadline) -> Result<Socket> {
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

    fn medium(&self) -> Medium {
        self.frozen.medium()
    }

    fn lock(&self) -> MutexGuard<'_, SocketState> {
        self.core.lock()
    }

    fn fd(&self) -> Option<Arc<OwnedFd>> {
        self.core.fd()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.abandon_freed();
    }
}

impl Core {
    fn lock(&self) -> MutexGuard<'_, SocketState> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fd(&self) -> Option<Arc<OwnedFd>> {
        self.fd.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn server_name(choice: &ServerName, hostname: Option<&Hostname>) -> Option<CString> {
    match (choice, hostname) {
        (ServerName::Given(name), _) => Some(name.clone()),
        (ServerName::Host, Some(Hostname::Name(name))) => Some(name.clone()),
        _ => None,
    }
}

fn require_hostname(ssl: &mut Ssl, hostname: Option<&Hostname>) -> Result<()> {
    match hostname {
        Some(Hostname::Name(name)) => ssl.expect_name(name),
        Some(Hostname::Ip(ip)) => ssl.expect_ip(*ip),
        None => {
            return Err(Error::new(
                Code::Config,
                "no host name is known to verify the peer's certificate against: give one, or verify the chain only",
            ));
        }
    }
    Ok(())
}

/// Where a client's sessions with a host may be resumed. The names count also where they are not verified: they name the
/// server that the session is of.
fn client_scope(frozen: &Frozen, hostname: Option<&Hostname>, sent_name: Option<&CStr>) -> Result<Scope> {
    frozen.context.scope().with("host", format!("{:?}", (hostname, sent_name)).as_bytes())
}

fn duplicate(fd: i32, medium: Medium) -> Result<(OwnedFd, Peer)> {
    let (copy, peer) = posix::duplicate_socket(fd, medium == Medium::Datagrams)
        // A socket that was never connected would look like one whose peer hung up.
        .and_then(|copy| posix::connected_peer(copy.as_fd()).map(|peer| (copy, peer)))
        .map_err(|error| match (error.raw_os_error(), medium) {
            (Some(libc::EPROTOTYPE), Medium::Datagrams) => Error::new(
                Code::Unsupported,
                format!("DTLS needs datagrams, and descriptor {fd} is no datagram socket"),
            ),
            _ => Error::io(&error).context(format_args!("TLS cannot use descriptor {fd}")),
        })?;
    Ok((copy, peer.into()))
}
