//! Servers: a listening socket, and the config for what it accepts.

pub mod datagram;
mod terms;

use crate::{
    config::Frozen,
    error::{Code, Error, Phase, Result},
    net::{
        accept,
        deadline::Deadline,
        listen,
        resolve::Family,
        unix::{self, UnixAddress},
    },
    socket::{Peer, Socket, Step, server::counts::ServerCounts},
    transport::dial,
    types::Medium,
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use datagram::listener::DatagramServer;
use terms::Terms;

/// A listening socket. Any number of threads may accept on it.
pub struct Server {
    /// None once closed. Waiters hold a reference, so the descriptor number cannot be reused while they wait.
    listener: Mutex<Option<Listener>>,
    /// How later clients are served.
    terms: RwLock<Terms>,
    counts: Arc<ServerCounts>,
}

#[derive(Clone)]
enum Listener {
    Stream(Arc<accept::Listener>),
    Datagrams(Arc<DatagramServer>),
}

impl Listener {
    fn close(&self) {
        match self {
            Listener::Stream(listener) => listener.close(),
            Listener::Datagrams(server) => server.close(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let listener = self.listener.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        listener.iter().for_each(Listener::close);
    }
}

impl Server {
    /// Listens on `name` (None: every interface), on `port` (0: any that is free).
    pub fn listen(
        frozen: &Arc<Frozen>,
        name: Option<&str>,
        port: u16,
        backlog: i32,
        family: Family,
    ) -> Result<Server> {
        let terms = Terms::new(frozen)?;
        let counts = Arc::default();
        let listener = match frozen.medium() {
            Medium::Stream => {
                let deadline = Deadline::after(frozen.config.limits.connect);
                let fd = listen::listen(name, port, backlog, family, deadline)?;
                Listener::Stream(Arc::new(accept::Listener::new(fd)))
            }
            Medium::Datagrams => {
                Listener::Datagrams(Arc::new(DatagramServer::listen(terms.clone(), &counts, name, port, family)?))
            }
        };
        Ok(Server::of(terms, counts, listener))
    }

    /// Listens on a Unix socket, whose file gets the permissions `mode`; None for what the umask leaves.
    pub fn listen_unix(
        frozen: &Arc<Frozen>,
        address: &UnixAddress,
        backlog: i32,
        mode: Option<u32>,
    ) -> Result<Server> {
        if frozen.medium() == Medium::Datagrams {
            return Err(Error::new(Code::Unsupported, "DTLS does not run over Unix sockets"));
        }
        let terms = Terms::new(frozen)?;
        let (fd, file) = unix::listen(address, backlog, mode)?;
        let listener = Listener::Stream(Arc::new(accept::Listener::of_file(fd, file)));
        Ok(Server::of(terms, Arc::default(), listener))
    }

    /// Takes clients from a duplicate of a socket that listens already or, for datagrams, is bound.
    pub fn given(frozen: &Arc<Frozen>, fd: i32) -> Result<Server> {
        let (terms, counts) = (Terms::new(frozen)?, Arc::default());
        let fd = dial::duplicate_listening(frozen.medium(), fd)?;
        let listener = match frozen.medium() {
            Medium::Stream => Listener::Stream(Arc::new(accept::Listener::shared(fd))),
            Medium::Datagrams => Listener::Datagrams(Arc::new(DatagramServer::given(terms.clone(), &counts, fd)?)),
        };
        Ok(Server::of(terms, counts, listener))
    }

    fn of(terms: Terms, counts: Arc<ServerCounts>, listener: Listener) -> Server {
        Server { listener: Mutex::new(Some(listener)), terms: RwLock::new(terms), counts }
    }

    /// What it runs over.
    pub fn medium(&self) -> Medium {
        self.terms().frozen.medium()
    }

    fn terms(&self) -> Terms {
        self.terms.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the config, for clients that are accepted from now on.
    pub fn set_config(&self, frozen: &Arc<Frozen>) -> Result<()> {
        if frozen.medium() != self.medium() {
            return Err(Error::argument("the config is for TLS and the server for DTLS, or the other way round"));
        }
        if !frozen.has_certificate() {
            return Err(Error::new(Code::Config, "a server needs a certificate and its private key, and has none"));
        }
        let mut terms = self.terms.write().unwrap_or_else(PoisonError::into_inner);
        *terms = terms.with(frozen);
        if let Some(Listener::Datagrams(server)) = self.listener() {
            server.set_terms(terms.clone());
        }
        Ok(())
    }

    /// Reads the files of all identities of the config again, those of hosts included: all, or none if one fails.
    pub fn reload(&self) -> Result<()> {
        self.terms().frozen.reload()
    }

    /// Accepts one client, and does its handshake unless the config leaves that to the socket's first use.
    /// WANT_READ if none came in time.
    pub fn accept(&self, deadline: Deadline) -> Result<Step<Socket>> {
        let listener = match self.listener().ok_or_else(closed)? {
            Listener::Stream(listener) => listener,
            Listener::Datagrams(server) => {
                return Ok(server.accept(deadline)?.map_or(Step::WantRead, Step::Done));
            }
        };
        match listener.accept(deadline) {
            Ok(Some((client, peer))) => {
                let terms = self.terms();
                let peer = peer.map_or_else(|| unnamed_client(&listener), Peer::At);
                Socket::accepted(&terms.frozen, &terms.sessions, &self.counts, client, peer).map(Step::Done)
            }
            // Which may make accept fail, too.
            _ if listener.is_closed() => Err(closed()),
            Ok(None) => Ok(Step::WantRead),
            Err(error) => Err(Error::io(&error).during(Phase::Accept, "accept a connection")),
        }
    }

    /// Begins TLS on a duplicate of a descriptor that was accepted otherwise.
    pub fn upgrade(&self, fd: i32) -> Result<Socket> {
        let terms = self.terms();
        let unnamed = || match self.listener() {
            Some(Listener::Stream(listener)) => unnamed_client(&listener),
            _ => Peer::Unknown,
        };
        Socket::upgrade_server(&terms.frozen, &terms.sessions, Some(&self.counts), fd, unnamed)
    }

    /// What has been counted.
    pub fn counts(&self) -> &ServerCounts {
        &self.counts
    }

    /// Stops listening, and wakes the threads that wait.
    pub fn close(&self) {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        listener.iter().for_each(Listener::close);
    }

    fn listener(&self) -> Option<Listener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The descriptor's number, for poll(2). None once closed.
    pub fn raw_fd(&self) -> Option<i32> {
        self.listener().map(|listener| match listener {
            Listener::Stream(listener) => listener.raw_fd(),
            Listener::Datagrams(server) => server.raw_fd(),
        })
    }

    /// Where it listens.
    pub fn local_end(&self) -> Result<LocalEnd> {
        let listener = match self.listener().ok_or_else(closed)? {
            Listener::Stream(listener) => listener,
            Listener::Datagrams(server) => return Ok(LocalEnd::Internet(server.address())),
        };
        let address = listener.local_address().map_err(|error| Error::io(&error))?;
        match address {
            Some(address) => Ok(LocalEnd::Internet(address)),
            None => {
                let name = listener.unix_name().map_err(|error| Error::io(&error))?;
                Ok(LocalEnd::Unix(name.unwrap_or_default()))
            }
        }
    }
}

/// Where a server listens.
pub enum LocalEnd {
    /// On an address and a port.
    Internet(SocketAddr),
    /// On a Unix socket of this name.
    Unix(String),
}

/// What to call a client that has no address.
fn unnamed_client(listener: &accept::Listener) -> Peer {
    match listener.unix_name() {
        Ok(Some(name)) => Peer::Named(format!("a client of {name}")),
        _ => Peer::Unknown,
    }
}

fn closed() -> Error {
    Error::new(Code::State, "the server is closed")
}
