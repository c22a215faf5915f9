//! A client's connection in the making: names, TCP, and what a proxy is asked. Its steps never wait.

use crate::{
    config::Frozen,
    error::{Code, Error, Phase, Result},
    hostname::{self, Hostname},
    net::{
        connect::{Dial, host_port},
        deadline::Deadline,
        proxy::{Negotiation, Proxy, Scheme, Target},
        resolve::{Family, Lookup},
        unix::{UnixAddress, UnixDial},
        waits::Waits,
    },
    posix::{self, Readiness, gather::Gather},
    session::Session,
    transport::{byte_stream::ByteStream, dial, endpoint::Endpoint},
    types::Step,
};
use std::{
    io, mem,
    net::IpAddr,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Instant,
};

use super::pending::Pending;
use crate::socket::{Socket, handshake, nested::Nested, open, peer::Peer, state::closed};

/// Where a client connects to.
pub struct Destination<'a> {
    /// A name or an address.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// Which addresses.
    pub family: Family,
    /// The name to verify and to send; None for the config's, or the host.
    pub hostname: Option<&'a str>,
    /// To be resumed.
    pub session: Option<&'a Session>,
}

impl Destination<'_> {
    /// The name to verify and to send.
    pub fn hostname(&self, frozen: &Frozen) -> Result<Hostname> {
        self.hostname.map_or_else(|| frozen.config.hostname_for(self.host), Hostname::parse)
    }
}

/// A connection in the making.
pub struct Connecting {
    stage: Stage,
    /// Where it goes through a proxy: that, and what it shall connect to.
    proxied: Option<Proxied>,
    family: Family,
    /// When it fails.
    pub deadline: Deadline,
    /// What to call the peer.
    pub peer: String,
}

struct Proxied {
    proxy: Arc<Proxy>,
    target: Target,
    /// For TLS with the proxy, where that is how it is spoken to.
    config: Option<Arc<Frozen>>,
}

enum Stage {
    /// The address that is sent to a proxy.
    LookUp(Lookup),
    /// A connection to the host, or to the proxy, which gets this address, if any.
    Dial(Dial, Option<IpAddr>),
    /// A connection to a Unix socket.
    Unix(UnixDial),
    /// TLS with the proxy.
    Handshake(Box<Outer>),
    /// What the proxy is asked, and answers.
    Negotiate(Link, Negotiation),
    /// It has been made, or has failed.
    Over,
}

/// What a step comes to.
enum Next {
    /// The next stage begins.
    Begin(Stage),
    /// The stage goes on later.
    Wait(Stage),
    Done(Link),
}

/// A connection, to the proxy or through it.
enum Link {
    Descriptor(OwnedFd),
    Tls(Box<Outer>),
}

/// A TLS connection to a proxy.
struct Outer {
    socket: Socket,
    stream: Arc<dyn ByteStream>,
    fd: Arc<OwnedFd>,
    /// Whether it waits for the kernel to take something.
    wants_write: bool,
}

impl Connecting {
    /// To a host, through the config's proxy for it, if there is one.
    pub fn to_host(
        frozen: &Frozen,
        host: &str,
        port: u16,
        family: Family,
        deadline: Deadline,
    ) -> Result<Connecting> {
        let Some(proxy) = frozen.config.proxy.for_host(host, port) else {
            let stage = Stage::Dial(Dial::new(host, port, family), None);
            return Ok(Connecting { stage, proxied: None, family, deadline, peer: host_port(host, port) });
        };
        let proxy = proxy.clone();
        let target = Target { host: hostname::strip_brackets(host).to_string(), port };
        let stage = match proxy.scheme {
            Scheme::Socks5 => Stage::LookUp(Lookup::new(&target.host, port, family)),
            _ => Stage::Dial(Dial::new(&proxy.host, proxy.port, family), None),
        };
        let peer = format!("{} through the proxy {proxy}", host_port(&target.host, port));
        let config = if proxy.scheme == Scheme::Https { Some(frozen.proxy_config()?) } else { None };
        Ok(Connecting { stage, proxied: Some(Proxied { proxy, target, config }), family, deadline, peer })
    }

    /// To a Unix socket.
    pub fn to_unix(address: UnixAddress, deadline: Deadline) -> Connecting {
        let peer = address.to_string();
        let stage = Stage::Unix(UnixDial::new(address));
        Connecting { stage, proxied: None, family: Family::Unspec, deadline, peer }
    }

    /// The connection; None while there is none.
    pub fn step(&mut self, now: Instant) -> Result<Option<Endpoint>> {
        loop {
            let stage = mem::replace(&mut self.stage, Stage::Over);
            match self.advance(stage, now).map_err(|error| self.failed(error))? {
                Next::Begin(stage) => self.stage = stage,
                Next::Wait(stage) if self.deadline.has_passed_at(now) => return Err(self.failed(stage.timed_out())),
                Next::Wait(stage) => {
                    self.stage = stage;
                    return Ok(None);
                }
                Next::Done(Link::Descriptor(fd)) => return Ok(Some(fd.into())),
                Next::Done(Link::Tls(outer)) => return Ok(Some(Endpoint::Stream(outer.stream.clone()))),
            }
        }
    }

    fn advance(&self, stage: Stage, now: Instant) -> Result<Next> {
        match (stage, &self.proxied) {
            (Stage::LookUp(mut lookup), Some(Proxied { proxy, .. })) => Ok(match lookup.step()? {
                None => Next::Wait(Stage::LookUp(lookup)),
                Some(addresses) => {
                    let address = addresses.first().map(|address| address.ip());
                    Next::Begin(Stage::Dial(Dial::new(&proxy.host, proxy.port, self.family), address))
                }
            }),
            (Stage::Dial(mut dial, address), proxied) => {
                let Some(fd) = dial.step(now)? else { return Ok(Next::Wait(Stage::Dial(dial, address))) };
                dial::send_at_once(&fd);
                Ok(match proxied {
                    None => Next::Done(Link::Descriptor(fd)),
                    Some(Proxied { proxy, config: Some(config), .. }) => {
                        Next::Begin(Stage::Handshake(Box::new(Outer::new(config, proxy, fd)?)))
                    }
                    Some(Proxied { proxy, target, config: None }) => {
                        let negotiation = Negotiation::new(proxy, target, address)?;
                        Next::Begin(Stage::Negotiate(Link::Descriptor(fd), negotiation))
                    }
                })
            }
            (Stage::Unix(mut dial), _) => Ok(match dial.step(now)? {
                Some(fd) => Next::Done(Link::Descriptor(fd)),
                None => Next::Wait(Stage::Unix(dial)),
            }),
            (Stage::Handshake(mut outer), Some(Proxied { proxy, target, .. })) => Ok(if outer.handshake()? {
                Next::Begin(Stage::Negotiate(Link::Tls(outer), Negotiation::new(proxy, target, None)?))
            } else {
                Next::Wait(Stage::Handshake(outer))
            }),
            (Stage::Negotiate(mut link, mut negotiation), _) => Ok(if negotiate(&mut link, &mut negotiation)? {
                Next::Done(link)
            } else {
                Next::Wait(Stage::Negotiate(link, negotiation))
            }),
            (Stage::LookUp(_) | Stage::Handshake(_) | Stage::Over, _) => {
                Err(Error::new(Code::State, "the connection was given up"))
            }
        }
    }

    /// What the next step waits for.
    pub fn waits(&self) -> Waits<'_> {
        let mut waits = match &self.stage {
            Stage::LookUp(lookup) => lookup.waits(),
            Stage::Dial(dial, _) => dial.waits(),
            Stage::Unix(dial) => dial.waits(),
            Stage::Handshake(outer) => outer.waits(),
            Stage::Negotiate(Link::Tls(outer), _) => outer.waits(),
            Stage::Negotiate(Link::Descriptor(fd), negotiation) => {
                let writable = !negotiation.outgoing().is_empty();
                Waits::on(fd.as_fd(), Readiness { readable: true, writable })
            }
            Stage::Over => Waits::until(self.deadline),
        };
        waits.timer = waits.timer.or_sooner(self.deadline);
        waits
    }

    /// Gives it up.
    pub fn cancel(&mut self) {
        self.stage = Stage::Over;
    }

    /// Waits for the connection.
    pub fn wait_for(mut self) -> Result<Endpoint> {
        if let Stage::Dial(dial, _) = &mut self.stage {
            dial.wait_until(self.deadline);
        }
        loop {
            if let Some(endpoint) = self.step(Instant::now())? {
                return Ok(endpoint);
            }
            self.waits().wait(self.deadline).map_err(|error| {
                Error::io(&error).during(Phase::Connect, format_args!("connect to {}", self.peer))
            })?;
        }
    }

    /// A failure, with the proxy and what it was asked for.
    fn failed(&self, error: Error) -> Error {
        match &self.proxied {
            None => error,
            Some(_) => {
                let phase = if error.phase == Phase::Resolve { Phase::Resolve } else { Phase::Connect };
                Error { phase, ..error.context(format_args!("connect to {}", self.peer)) }
            }
        }
    }
}

impl Stage {
    /// The failure of one that took too long.
    fn timed_out(&self) -> Error {
        match self {
            Stage::LookUp(lookup) => lookup.timed_out(),
            Stage::Dial(dial, _) => dial.timed_out(),
            Stage::Unix(dial) => dial.timed_out(),
            Stage::Handshake(outer) => outer.socket.handshake_timed_out(),
            Stage::Negotiate(..) => Error::new(Code::Timeout, "timed out before it has answered"),
            Stage::Over => Error::timeout(),
        }
    }
}

/// A connection in the making, and one descriptor for all that it waits for.
pub struct Started {
    connecting: Mutex<Connecting>,
    gather: Gather,
    deadline: Deadline,
    peer: String,
    is_cancelled: AtomicBool,
}

impl Started {
    /// Of one that has not begun.
    pub fn new(connecting: Connecting) -> Result<Started> {
        let gather = Gather::new().map_err(|error| Error::io(&error))?;
        let (deadline, peer) = (connecting.deadline, connecting.peer.clone());
        let is_cancelled = AtomicBool::new(false);
        Ok(Started { connecting: Mutex::new(connecting), gather, deadline, peer, is_cancelled })
    }

    /// The descriptor: readable when `step` has something to do.
    pub fn descriptor(&self) -> &Arc<OwnedFd> {
        self.gather.descriptor()
    }

    /// What to call the peer.
    pub fn peer(&self) -> &str {
        &self.peer
    }
}

impl Pending for Started {
    fn deadline(&self) -> Deadline {
        self.deadline
    }

    fn cancel(&self) {
        self.is_cancelled.store(true, SeqCst);
        // A thread that is at a step gives it up at its end.
        if let Ok(mut connecting) = self.connecting.try_lock() {
            connecting.cancel();
        }
        self.gather.wake();
    }

    fn step(&self, now: Instant) -> Result<Option<Endpoint>> {
        let mut connecting = self.connecting.lock().unwrap_or_else(PoisonError::into_inner);
        self.gather.clear();
        let connected = connecting.step(now)?;
        if self.is_cancelled.load(SeqCst) {
            connecting.cancel();
            return Err(closed());
        }
        if connected.is_none() {
            let waits = connecting.waits();
            self.gather.set(&waits.fds, waits.timer.0).map_err(|error| Error::io(&error))?;
        }
        Ok(connected)
    }
}

impl Outer {
    /// A client's, before its handshake.
    fn new(config: &Arc<Frozen>, proxy: &Proxy, fd: OwnedFd) -> Result<Outer> {
        let hostname = config.config.hostname_for(&proxy.host)?;
        let peer = Peer::Named(host_port(&proxy.host, proxy.port));
        let socket = Socket(open::client(config, fd, Some(hostname), peer)?);
        let socket = socket.resuming((&proxy.host, proxy.port), None)?;
        let driver = &socket.0.driver;
        let fd = driver.fd().ok_or_else(|| Error::new(Code::Internal, "a connection without a descriptor"))?;
        let stream = Arc::new(Nested::new(driver));
        driver.become_carrier()?;
        Ok(Outer { stream, fd, socket, wants_write: false })
    }

    /// True once it is complete.
    fn handshake(&mut self) -> Result<bool> {
        let step = handshake::complete_for_inner(&self.socket.0.driver)?;
        self.wants_write = step == Step::WantWrite;
        Ok(step == Step::Done(()))
    }

    fn waits(&self) -> Waits<'_> {
        let writable = self.wants_write || self.socket.0.driver.lock().has_unsent();
        Waits::on(self.fd.as_fd(), Readiness { readable: true, writable })
    }
}

impl Link {
    /// Sends what can be. WouldBlock becomes None.
    fn send(&mut self, data: &[u8]) -> Result<Option<usize>> {
        match self {
            Link::Descriptor(fd) => unless_blocked(posix::send(fd.as_fd(), data)),
            Link::Tls(outer) => {
                let step = outer.stream.try_write(data)?;
                outer.wants_write = step == Step::WantWrite;
                Ok(done(step))
            }
        }
    }

    /// Receives what is there; 0 is the end.
    fn recv(&mut self, buffer: &mut [u8]) -> Result<Option<usize>> {
        match self {
            Link::Descriptor(fd) => unless_blocked(posix::recv(fd.as_fd(), buffer)),
            Link::Tls(outer) => {
                let step = outer.stream.try_read(buffer)?;
                outer.wants_write = step == Step::WantWrite;
                Ok(done(step))
            }
        }
    }
}

fn unless_blocked(result: io::Result<usize>) -> Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(Error::io(&error)),
    }
}

fn done(step: Step<usize>) -> Option<usize> {
    match step {
        Step::Done(count) => Some(count),
        Step::Eof => Some(0),
        Step::WantRead | Step::WantWrite => None,
    }
}

/// Sends and receives what can be. True once the proxy has connected.
fn negotiate(link: &mut Link, negotiation: &mut Negotiation) -> Result<bool> {
    let mut buffer = [0; 4096];
    loop {
        while !negotiation.outgoing().is_empty() {
            match link.send(negotiation.outgoing()) {
                Ok(Some(count)) => negotiation.sent(count),
                Ok(None) => break,
                // It may have said why it has closed.
                Err(_) => negotiation.sent(usize::MAX),
            }
        }
        match link.recv(&mut buffer)? {
            Some(0) => return Err(negotiation.ended()),
            Some(count) => {
                if negotiation.received(buffer.get(..count).unwrap_or_default())? {
                    return Ok(true);
                }
            }
            None => return Ok(false),
        }
    }
}
