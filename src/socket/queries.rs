//! What can be asked of a socket, and the settings of datagrams.

use crate::{
    error::{Code, Error, Result},
    pki::certificate::Certificate,
    posix,
    session::Session,
    types::Role,
};
use std::{
    ffi::{CStr, CString},
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use super::{Socket, info::ConnectionInfo, state::closed};

impl Socket {
    fn with_info<T>(&self, ask: impl FnOnce(&ConnectionInfo) -> T) -> T {
        match self.0.driver.info() {
            Some(info) => ask(info),
            None => ask(&ConnectionInfo::of(&self.0.driver.lock().tls)),
        }
    }

    /// The descriptor's number, for poll(2). None once closed.
    pub fn raw_fd(&self) -> Option<i32> {
        self.0.driver.fd().map(|fd| fd.as_raw_fd())
    }

    /// Our own address; None where the socket is not of the internet.
    pub fn local_address(&self) -> Result<Option<SocketAddr>> {
        self.address(posix::local_address)
    }

    /// The peer's address; None where the socket is not of the internet.
    pub fn peer_address(&self) -> Result<Option<SocketAddr>> {
        self.address(posix::peer_address)
    }

    /// What `ask` says; None also over functions of the program's, and over descriptors that are no sockets.
    fn address(&self, ask: fn(BorrowedFd<'_>) -> io::Result<Option<SocketAddr>>) -> Result<Option<SocketAddr>> {
        if self.0.driver.lock().pending.is_some() {
            return Err(Error::new(Code::State, "the socket is not connected yet"));
        }
        let endpoint = self.0.driver.endpoint().ok_or_else(closed)?;
        match endpoint.fd().map_or(Ok(None), |fd| ask(fd.as_fd())) {
            Err(error) if error.raw_os_error() == Some(libc::ENOTSOCK) => Ok(None),
            address => address.map_err(|error| Error::io(&error)),
        }
    }

    /// The protocol's name once it is settled.
    pub fn protocol(&self) -> Option<&'static CStr> {
        self.0.driver.info()?.protocol
    }

    /// The cipher's name once it is settled.
    pub fn cipher(&self) -> Option<&'static CStr> {
        self.0.driver.info()?.cipher
    }

    /// The protocol chosen by ALPN; empty if none was.
    pub fn alpn(&self) -> Vec<u8> {
        self.with_info(|info| info.alpn.clone())
    }

    /// The SNI sent or received.
    pub fn server_name(&self) -> Option<CString> {
        self.0.sent_name.clone().or_else(|| self.with_info(|info| info.server_name.clone()))
    }

    /// What the check of the peer's chain found; None if the peer has shown no certificate.
    pub fn verify_result(&self) -> Option<i32> {
        self.0.verify_result()
    }

    /// The peer's certificate.
    pub fn peer_certificate(&self) -> Option<Certificate> {
        self.with_info(|info| info.peer_certificate.clone()).map(Certificate::new)
    }

    /// The certificates that the peer sent, its own first.
    pub fn peer_chain(&self) -> Vec<Certificate> {
        self.with_info(|info| info.peer_chain.clone()).into_iter().map(Certificate::new).collect()
    }

    /// The peer's chain that was verified, its own certificate first and the trusted one last; empty if none was.
    pub fn verified_chain(&self) -> Vec<Certificate> {
        self.0.verified_chain()
    }

    /// The OCSP response that the server has stapled; empty if it has not.
    pub fn staple(&self) -> Vec<u8> {
        self.0.driver.lock().tls.staple()
    }

    /// The session, if it can be resumed. With TLS 1.3 it comes with the first bytes that are read.
    pub fn session(&self) -> Result<Session> {
        let state = self.0.driver.lock();
        if state.tls.role() == Role::Server {
            return Err(Error::new(Code::State, "a server's connection has no session to resume: its client has"));
        }
        state.tls.resumable()?.ok_or_else(|| {
            Error::new(Code::State, "the server has sent no session to resume yet (TLS 1.3: read something first)")
        })
    }

    /// Whether this connection resumed a session.
    pub fn session_reused(&self) -> bool {
        self.with_info(|info| info.is_session_reused)
    }

    /// The largest IP packet that the path takes, as far as is known; None over a stream.
    pub fn mtu(&self) -> Option<usize> {
        let mut state = self.0.driver.lock();
        let state = &mut *state;
        state.channel.dtls().map(|dtls| dtls.mtu(&mut state.tls))
    }

    /// Sets it; None for what the system finds out.
    pub fn set_mtu(&self, mtu: Option<usize>) -> Result<()> {
        let mut state = self.0.driver.lock();
        let state = &mut *state;
        match state.channel.dtls() {
            Some(dtls) => {
                dtls.set_mtu(&mut state.tls, mtu);
                Ok(())
            }
            None => Err(Error::new(Code::State, "a stream has no MTU to set")),
        }
    }

    /// The most that one write can carry; None over a stream, 0 before the handshake.
    pub fn record_limit(&self) -> Option<usize> {
        let mut state = self.0.driver.lock();
        let state = &mut *state;
        let limit = state.channel.record_limit(&mut state.tls)?;
        Some(if self.0.driver.is_handshaken() { limit } else { 0 })
    }
}
