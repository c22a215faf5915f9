//! What can be asked of a socket.

use crate::{
    certificate::Certificate,
    config::Verify,
    error::{Code, Error, Result},
    ossl,
    ossl::ssl::Role,
    posix,
    session::Session,
};
use std::{
    ffi::{CStr, CString},
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    sync::atomic::Ordering::SeqCst,
};

use super::{Socket, closed};

impl Socket {
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
        let context = &self.frozen.context;
        // Reading the system's CAs takes time: not under the lock. Without them no chain can be fine.
        let store = if self.frozen.config.verify == Verify::None { context.unused_store() } else { Ok(None) };
        let tls = self.lock();
        tls.ssl.peer_certificate().map(|_| match &store {
            Ok(store) => tls.ssl.verify_result(store.as_deref(), context.has_own_cas()),
            Err(_) => ossl::sys::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        })
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
        let tls = self.lock();
        let session = tls.ssl.session().filter(|session| session.is_resumable());
        let session = session.ok_or_else(|| {
            Error::new(Code::State, "the server has sent no session to resume yet (TLS 1.3: read something first)")
        })?;
        Ok(Session { session, chain_expires: tls.ssl.chain_expires() })
    }

    /// Whether this connection resumed a session.
    pub fn session_reused(&self) -> bool {
        self.lock().ssl.session_reused()
    }
}
