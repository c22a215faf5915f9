//! TLS over what is no connected descriptor: another connection of ours, or another stream.

use crate::{
    config::Frozen,
    error::{Error, Result},
    net::deadline::Deadline,
    session::ServerSessions,
    transport::{byte_stream::ByteStream, endpoint::Endpoint},
    types::Medium,
};
use std::sync::Arc;

use super::{
    Socket,
    driver::Driver,
    nested::Nested,
    open::{self, Parts},
    peer::Peer,
    state::closed,
};

impl Socket {
    /// Begins TLS as the client over a stream of the program's.
    pub fn upgrade_client_stream(
        frozen: &Arc<Frozen>,
        stream: Arc<dyn ByteStream>,
        host: Option<&str>,
    ) -> Result<Socket> {
        begin(client(frozen, stream, host)?)
    }

    /// Begins TLS as the server over a stream of the program's.
    pub fn upgrade_server_stream(
        frozen: &Arc<Frozen>,
        sessions: &ServerSessions,
        stream: Arc<dyn ByteStream>,
    ) -> Result<Socket> {
        begin(server(frozen, sessions, stream)?)
    }

    /// Begins TLS as the client inside another connection, which keeps running as long as the new one needs it.
    pub fn upgrade_client_socket(frozen: &Arc<Frozen>, outer: &Socket, host: Option<&str>) -> Result<Socket> {
        let parts = client(frozen, outer.as_stream()?, host)?;
        outer.0.driver.become_carrier()?;
        begin(parts)
    }

    /// Begins TLS as the server inside another connection.
    pub fn upgrade_server_socket(
        frozen: &Arc<Frozen>,
        sessions: &ServerSessions,
        outer: &Socket,
    ) -> Result<Socket> {
        let parts = server(frozen, sessions, outer.as_stream()?)?;
        outer.0.driver.become_carrier()?;
        begin(parts)
    }

    /// This connection as what another one can be over.
    fn as_stream(&self) -> Result<Arc<dyn ByteStream>> {
        let driver = &self.0.driver;
        if self.0.frozen.medium() == Medium::Datagrams {
            return Err(Error::argument("TLS needs a stream under it, and the socket is one of datagrams"));
        }
        driver.endpoint().ok_or_else(closed)?;
        driver.check_no_carrier()?;
        Ok(Arc::new(Nested::new(driver)))
    }

    /// The connection, for reading and writing.
    pub(super) fn own_driver(&self) -> Result<&Arc<Driver>> {
        self.0.driver.check_no_carrier()?;
        Ok(&self.0.driver)
    }
}

fn client(frozen: &Arc<Frozen>, stream: Arc<dyn ByteStream>, host: Option<&str>) -> Result<Parts> {
    let peer = host.map_or(Peer::Unknown, |host| Peer::Named(host.to_string()));
    open::client(frozen, Endpoint::Stream(stream), frozen.config.known_hostname(host)?, peer)
}

fn server(frozen: &Arc<Frozen>, sessions: &ServerSessions, stream: Arc<dyn ByteStream>) -> Result<Parts> {
    open::server(frozen, sessions, None, Endpoint::Stream(stream), Peer::Unknown)
}

/// The handshake of a new socket, unless the stream cannot wait: then it is for the program's calls, which do not block.
fn begin(parts: Parts) -> Result<Socket> {
    let socket = Socket(parts);
    let can_wait = socket.0.driver.stream().is_some_and(|stream| stream.can_wait());
    if can_wait {
        return socket.handshake_unless_lazy(Deadline::NEVER);
    }
    socket.set_nonblocking(true);
    Ok(socket)
}
