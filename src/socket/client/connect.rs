//! Sockets of clients that connect: at once, waiting for it, or as part of a handshake that does not wait.

use crate::{
    config::Frozen,
    error::{Code, Error, Phase, Result},
    hostname::Hostname,
    net::{connect::host_port, deadline::Deadline, unix::UnixAddress},
    session::Session,
    transport::{
        dial::{Attempt, DatagramDialer},
        endpoint::Endpoint,
    },
    types::Medium,
};
use std::{sync::Arc, time::Instant};

use super::{
    connecting::{Connecting, Destination, Started},
    pending::Pending,
};
use crate::socket::{Socket, handshake, open, peer::Peer};

impl Socket {
    /// Connects and, unless the config says otherwise, does the handshake.
    pub fn connect(frozen: &Arc<Frozen>, to: &Destination<'_>) -> Result<Socket> {
        let deadline = Deadline::after(frozen.config.limits.connect);
        let hostname = to.hostname(frozen)?;
        match frozen.medium() {
            Medium::Stream => {
                let connecting = Connecting::to_host(frozen, to.host, to.port, to.family, deadline)?;
                Socket::connect_stream(frozen, connecting, Some(hostname), (to.host, to.port), to.session)
            }
            Medium::Datagrams => Socket::connect_datagrams(frozen, to, &hostname, deadline),
        }
    }

    /// Connects to a Unix socket as `connect` does. The name to verify and to send is the config's, if none is given.
    pub fn connect_unix(frozen: &Arc<Frozen>, address: UnixAddress, name: Option<&str>) -> Result<Socket> {
        if frozen.medium() == Medium::Datagrams {
            return Err(Error::new(Code::Unsupported, "DTLS does not run over Unix sockets"));
        }
        let hostname = match name {
            Some(name) => Some(Hostname::parse(name)?),
            None => frozen.config.hostname.clone(),
        };
        open::check_hostname(&frozen.config, hostname.as_ref())?;
        let place = address.to_string();
        let connecting = Connecting::to_unix(address, Deadline::after(frozen.config.limits.connect));
        Socket::connect_stream(frozen, connecting, hostname, (&place, 0), None)
    }

    fn connect_stream(
        frozen: &Arc<Frozen>,
        connecting: Connecting,
        hostname: Option<Hostname>,
        place: (&str, u16),
        session: Option<&Session>,
    ) -> Result<Socket> {
        let (deadline, peer) = (connecting.deadline, Peer::Named(connecting.peer.clone()));
        let socket = Socket(open::client(frozen, connecting.wait_for()?, hostname, peer)?);
        socket.resuming(place, session)?.handshake_unless_lazy(deadline)
    }

    fn connect_datagrams(
        frozen: &Arc<Frozen>,
        to: &Destination<'_>,
        hostname: &Hostname,
        deadline: Deadline,
    ) -> Result<Socket> {
        refuse_proxy(frozen, to)?;
        let peer = host_port(to.host, to.port);
        let mut first_failure = None;
        let dialer = DatagramDialer::new(to.host, to.port, to.family, deadline)?;
        // The limit of a handshake is for all addresses together.
        let deadline = deadline.or_sooner(Deadline::after(frozen.config.handshake_limit()));
        for Attempt { fd, others } in dialer {
            let peer = Peer::Named(peer.clone());
            let result = fd
                .and_then(|fd| open::client(frozen, fd, Some(hostname.clone()), peer))
                .and_then(|parts| Socket(parts).resuming((to.host, to.port), to.session))
                .and_then(|socket| socket.try_address(others, deadline));
            match result {
                Err(error) if matches!(error.code, Code::Io | Code::Timeout) => {
                    first_failure.get_or_insert(error);
                }
                done => return done,
            }
        }
        Err(first_failure.unwrap_or_else(|| Error::new(Code::Resolve, "no address")))
    }

    /// The handshake with one of the addresses of a host. All but the last one get a share of the time, and no second
    /// attempt where the network refuses them.
    fn try_address(self, others: usize, deadline: Deadline) -> Result<Socket> {
        if others == 0 {
            return self.handshake_unless_lazy(deadline);
        }
        if let Some(dtls) = self.0.driver.lock().channel.dtls() {
            dtls.fail_at_first_network_error();
        }
        let share = deadline.remaining().map(|left| left / (others as u32 + 1));
        self.handshake_unless_lazy(Deadline::after(share))
    }

    /// Begins to connect, and waits for nothing: the handshake of the socket goes on with it.
    pub fn start(frozen: &Arc<Frozen>, to: &Destination<'_>) -> Result<Socket> {
        if frozen.medium() == Medium::Datagrams {
            refuse_proxy(frozen, to)?;
            let message =
                "a connect that does not wait is for TLS: with DTLS, connect to an address, by a lazy config";
            return Err(Error::new(Code::Unsupported, message));
        }
        let hostname = to.hostname(frozen)?;
        let deadline = Deadline::after(frozen.config.limits.connect);
        let connecting = Connecting::to_host(frozen, to.host, to.port, to.family, deadline)?;
        let started = Started::new(connecting)?;
        let endpoint = Endpoint::Descriptor(started.descriptor().clone());
        let peer = Peer::Named(started.peer().to_string());
        let socket = Socket(open::client(frozen, endpoint, Some(hostname), peer)?);
        let socket = socket.resuming((to.host, to.port), to.session)?;
        let driver = &socket.0.driver;
        driver.set_nonblocking(true);
        match started.step(Instant::now())? {
            Some(endpoint) => handshake::attach(driver, &mut driver.lock(), endpoint, deadline)?,
            None => driver.lock().pending = Some(Arc::new(started)),
        }
        Ok(socket)
    }
}

fn refuse_proxy(frozen: &Frozen, to: &Destination<'_>) -> Result<()> {
    match frozen.config.proxy.for_host(to.host, to.port) {
        None => Ok(()),
        Some(proxy) => {
            let message = format!("DTLS cannot go through the proxy {proxy}: proxies carry streams");
            let failure = Error::new(Code::Unsupported, message);
            Err(failure.during(Phase::Connect, format_args!("connect to {}", host_port(to.host, to.port))))
        }
    }
}
