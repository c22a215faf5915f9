//! SSL: one connection's TLS state over the descriptor BIO. Every call clears the error queue first, and one mapper
//! reads SSL_get_error. Nothing here waits.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{
    cell::{Cell, RefCell},
    ffi::{CStr, CString, c_int, c_uchar, c_uint, c_void},
    net::IpAddr,
    panic::{self, AssertUnwindSafe},
    ptr::{self, NonNull},
    sync::OnceLock,
};

use super::{
    ctx::Ctx,
    datagram_bio, fd_bio,
    io::{Io, IoPointer},
    queue,
    requirements::Requirements,
    session::Session,
    store::{self, Store},
    sys,
    x509::{self, X509},
};

pub mod dtls;
pub mod keying_material;
pub mod session_end;

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that connects.
    Client,
    /// The end that accepts.
    Server,
}

/// What is under TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A stream.
    Stream,
    /// Datagrams.
    Datagrams,
}

/// Whether the peer is asked for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// It is not asked, or the answer does not matter.
    No,
    /// It is asked, and may have none.
    Optional,
    /// It must have one.
    Required,
}

/// What the peer's certificate must be.
#[derive(Clone)]
pub struct PeerPolicy {
    /// Whether the peer must present one.
    pub ask: ClientAuth,
    /// Whether its chain must lead to a trusted anchor (and its name match, where one was set).
    pub chain: bool,
    /// If given, the certificates one of which it must be.
    pub accepted: Option<Vec<X509>>,
    /// What else is demanded of it.
    pub further: Requirements,
}

impl PeerPolicy {
    /// Whether a server without a certificate, or with another one than is demanded, is refused.
    fn demands_certificate(&self) -> bool {
        self.chain || self.accepted.is_some() || !self.further.pins.is_empty()
    }
}

/// How a call on the connection went.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// Done.
    Done(T),
    /// The peer must send something first.
    WantRead,
    /// The kernel must take something first.
    WantWrite,
    /// The peer has ended its half of the stream, with close_notify.
    Eof,
}

/// Why a peer's certificate was refused.
#[derive(Clone, Copy)]
enum Refusal {
    Chain(c_int),
    NotAccepted,
    NotPinned,
}

/// Whom a certificate must be for.
enum Expected {
    Name(CString),
    Ip(IpAddr),
}

impl Expected {
    /// Whether the certificate is for it: an `X509_V_*` code, 0 if it is.
    fn check(&self, certificate: &X509, further: &Requirements) -> c_int {
        match self {
            Expected::Name(name) => certificate.is_for_name(name, !further.no_common_name),
            Expected::Ip(ip) => certificate.is_for_ip(*ip),
        }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Expected::Name(name) => f.write_str(&name.to_string_lossy()),
            Expected::Ip(ip) => ip.fmt(f),
        }
    }
}

/// What OpenSSL's callbacks need of the connection. They reach it through the SSL's ex_data.
struct Hooks {
    policy: PeerPolicy,
    alpn: Vec<u8>,
    refusal: Cell<Option<Refusal>>,
    /// What a peer has shown that was refused: OpenSSL keeps only what was not.
    refused: RefCell<Vec<X509>>,
    /// Whom the peer's certificate must be for.
    expected: RefCell<Option<Expected>>,
    /// When the first certificate of the verified chain expires, in seconds since 1970.
    chain_expires: Cell<Option<i64>>,
    panicked: Cell<bool>,
    dtls: dtls::DtlsHooks,
}

/// One connection.
pub struct Ssl {
    ssl: NonNull<ffi::SSL>,
    /// Owned by the BIO, which the SSL owns.
    io: IoPointer,
    /// Owned by us; the SSL's ex_data has its address.
    hooks: NonNull<Hooks>,
    role: Role,
    /// OpenSSL forbids further calls after a fatal error.
    failed: bool,
    /// Whether buffers are kept although they are empty.
    keeps_buffers: bool,
    /// What went wrong while we looked for pending bytes: the next call tells.
    deferred_error: Option<Error>,
}

// SAFETY: everything that the pointers lead to belongs to this connection alone; OpenSSL's objects may move between
// threads as long as one uses them at a time, which `&mut self` ensures.
unsafe impl Send for Ssl {}

impl Drop for Ssl {
    fn drop(&mut self) {
        // SAFETY: the SSL is ours, and with it its BIO; the hooks came out of a Box and nothing has their address
        // once the SSL is gone.
        unsafe {
            if !self.failed {
                // Else OpenSSL takes a session that the user may hold for spoilt, because nobody said good-bye.
                ffi::SSL_set_shutdown(self.ptr(), ffi::SSL_SENT_SHUTDOWN | ffi::SSL_RECEIVED_SHUTDOWN);
            }
            ffi::SSL_free(self.ssl.as_ptr());
            drop(Box::from_raw(self.hooks.as_ptr()));
        }
    }
}

impl Ssl {
    /// A connection over `fd`, which must stay open until `io().detach()`. `alpn` is a list of length-prefixed names:
    /// what a client offers, or what a server prefers, best first; empty for none.
    pub fn new(ctx: &Ctx, fd: i32, medium: Medium, role: Role, policy: PeerPolicy, alpn: Vec<u8>) -> Result<Ssl> {
        super::init()?;
        queue::clear();
        let (bio, io) = make_bio(fd, medium)?;
        // SAFETY: the context is live; the SSL takes a reference to it.
        let ssl = unsafe { ffi::SSL_new(ctx.as_ptr()) };
        let Some(ssl) = NonNull::new(ssl) else {
            // SAFETY: nobody else has the BIO.
            unsafe { ffi::BIO_free_all(bio) };
            return Err(queue::error(Code::NoMemory, "cannot make an SSL"));
        };
        let mode = verify_mode(role, &policy);
        let hooks = Hooks {
            policy,
            alpn,
            refusal: Cell::new(None),
            refused: RefCell::default(),
            expected: RefCell::new(None),
            chain_expires: Cell::new(None),
            panicked: Cell::new(false),
            dtls: Default::default(),
        };
        let hooks = NonNull::from(Box::leak(Box::new(hooks)));
        // SAFETY: the SSL is ours, and takes the BIO over; the hooks outlive the SSL.
        let stored = unsafe {
            sys::SSL_set_bio(ssl.as_ptr(), bio, bio);
            ffi::SSL_set_verify(ssl.as_ptr(), mode, None);
            match role {
                Role::Client => ffi::SSL_set_connect_state(ssl.as_ptr()),
                Role::Server => ffi::SSL_set_accept_state(ssl.as_ptr()),
            }
            ffi::SSL_set_ex_data(ssl.as_ptr(), hooks_index(), hooks.as_ptr().cast())
        };
        // From here on Drop frees everything.
        let this = Ssl { ssl, io, hooks, role, failed: false, keeps_buffers: false, deferred_error: None };
        queue::check(stored, Code::NoMemory, "cannot attach to an SSL")?;
        if role == Role::Client {
            this.offer_alpn()?;
        }
        Ok(this)
    }

    fn hooks(&self) -> &Hooks {
        // SAFETY: ours until Drop; shared with the callbacks, which only read and use Cells, in this thread.
        unsafe { self.hooks.as_ref() }
    }

    fn offer_alpn(&self) -> Result<()> {
        let names = &self.hooks().alpn;
        if names.is_empty() {
            return Ok(());
        }
        // SAFETY: `names` is readable for its length. This function returns 0 for success.
        let result = unsafe { ffi::SSL_set_alpn_protos(self.ptr(), names.as_ptr(), names.len() as c_uint) };
        if result == 0 { Ok(()) } else { Err(queue::error(Code::Config, "the ALPN names cannot be used")) }
    }

    fn ptr(&self) -> *mut ffi::SSL {
        self.ssl.as_ptr()
    }

    /// The bytes under TLS.
    pub fn io(&mut self) -> Io<'_> {
        // SAFETY: lives as long as the SSL; OpenSSL uses it only inside calls that need `&mut self` too.
        unsafe {
            match &mut self.io {
                IoPointer::Stream(state) => Io::Stream(state.as_mut()),
                IoPointer::Datagram(state) => Io::Datagram(state.as_mut()),
            }
        }
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Names the server that the client wants (SNI, RFC 6066).
    pub fn send_server_name(&mut self, name: &CStr) -> Result<()> {
        queue::clear();
        // SAFETY: the SSL is live; OpenSSL copies the NUL-terminated name.
        let done = unsafe { ffi::SSL_set_tlsext_host_name(self.ptr(), name.as_ptr().cast_mut()) };
        queue::check(done as c_int, Code::Argument, "the host name cannot be sent as SNI")
    }

    /// Demands that the peer's certificate is for this DNS name.
    pub fn expect_name(&mut self, name: &CStr) {
        self.hooks().expected.replace(Some(Expected::Name(name.to_owned())));
    }

    /// Demands that the peer's certificate is for this address.
    pub fn expect_ip(&mut self, ip: IpAddr) {
        self.hooks().expected.replace(Some(Expected::Ip(ip)));
    }

    /// Verifies the peer against this store, instead of the context's.
    pub fn verify_with(&mut self, store: &Store) -> Result<()> {
        queue::clear();
        let command = sys::SSL_CTRL_SET_VERIFY_CERT_STORE;
        // SAFETY: the SSL and the store are live; 1 asks for a further reference to the store.
        let done = unsafe { ffi::SSL_ctrl(self.ptr(), command, 1, store.as_ptr().cast()) };
        queue::check(done as c_int, Code::NoMemory, "the store of CA certificates cannot be used")
    }

    /// Sessions of other scopes are not resumed. At most 32 bytes.
    pub fn set_session_id_context(&mut self, scope: &[u8]) -> Result<()> {
        queue::clear();
        // SAFETY: the SSL is live; `scope` is readable for its length.
        let done = unsafe { sys::SSL_set_session_id_context(self.ptr(), scope.as_ptr(), scope.len() as c_uint) };
        queue::check(done, Code::Internal, "cannot set the session id context")
    }

    /// Offers to resume `session`, whose chain was verified and expires at the given time, if there was one.
    pub fn resume(&mut self, session: &Session, chain_expires: Option<i64>) -> Result<()> {
        self.hooks().chain_expires.set(chain_expires);
        queue::clear();
        // SAFETY: both are live; the SSL takes a reference.
        let done = unsafe { ffi::SSL_set_session(self.ptr(), session.as_ptr()) };
        queue::check(done, Code::Argument, "the session cannot be used")
    }

    /// A step of the handshake.
    pub fn handshake(&mut self) -> Result<Step<()>> {
        let step = self.call(|ssl| (ssl.raw_handshake(), ()))?;
        // With an anonymous cipher OpenSSL neither asks for certificates nor verifies anything.
        if step == Step::Done(()) && self.demands_certificate() && self.peer_certificate().is_none() {
            self.failed = true;
            return Err(no_certificate());
        }
        if step == Step::Done(()) && self.session_reused() {
            self.check_resumed()?;
        }
        Ok(step)
    }

    /// OpenSSL verifies nothing in a resumed handshake. The scope of the session says that its peer was accepted under
    /// the same settings; what can be said without the chain is checked again, and time has passed.
    fn check_resumed(&mut self) -> Result<()> {
        match self.peer_certificate().and_then(|certificate| self.refusal_of_resumed(&certificate)) {
            None => Ok(()),
            Some(refusal) => {
                self.failed = true;
                Err(self.refused(refusal, None))
            }
        }
    }

    fn refusal_of_resumed(&self, certificate: &X509) -> Option<Refusal> {
        let hooks = self.hooks();
        if hooks.policy.chain {
            let now = hooks.policy.further.now();
            let expired = hooks.chain_expires.get().is_some_and(|end| now > end);
            let name = || {
                hooks
                    .expected
                    .borrow()
                    .as_ref()
                    .map_or(0, |expected| expected.check(certificate, &hooks.policy.further))
            };
            let reason = match certificate.validity_at(now) {
                0 if expired => sys::X509_V_ERR_CERT_HAS_EXPIRED,
                0 => name(),
                reason => reason,
            };
            if reason != 0 {
                return Some(Refusal::Chain(reason));
            }
        }
        // The scope stands for the chain. Without one the key is the certificate's own.
        if !hooks.policy.chain && !hooks.policy.further.has_pinned_key(std::slice::from_ref(certificate)) {
            return Some(Refusal::NotPinned);
        }
        let accepted = hooks.policy.accepted.as_ref();
        accepted.is_some_and(|accepted| !accepted.contains(certificate)).then_some(Refusal::NotAccepted)
    }

    /// When the first certificate of the peer's verified chain expires, in seconds since 1970; None if no chain was
    /// verified.
    pub fn chain_expires(&self) -> Option<i64> {
        self.hooks().chain_expires.get()
    }

    fn raw_handshake(&mut self) -> c_int {
        // SAFETY: the SSL is live.
        unsafe { ffi::SSL_do_handshake(self.ptr()) }
    }

    fn demands_certificate(&self) -> bool {
        let policy = &self.hooks().policy;
        match self.role {
            Role::Client => policy.demands_certificate(),
            Role::Server => policy.ask == ClientAuth::Required,
        }
    }

    /// Whether the handshake is done.
    pub fn is_handshaken(&self) -> bool {
        // SAFETY: the SSL is live.
        unsafe { sys::SSL_is_init_finished(self.ptr()) == 1 }
    }

    /// Reads decrypted bytes.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Step<usize>> {
        self.call(|ssl| ssl.raw_read(buffer))
    }

    /// Whether OpenSSL takes all that has arrived, or no more than the record that it is about to read.
    pub fn set_read_ahead(&mut self, ahead: bool) {
        // SAFETY: the SSL is live.
        unsafe { sys::SSL_set_read_ahead(self.ptr(), c_int::from(ahead)) }
    }

    /// Whether OpenSSL keeps its buffers, of 17 kB each, when they are empty, rather than to ask for memory again with
    /// the next record.
    pub fn keep_buffers(&mut self, keep: bool) {
        if self.keeps_buffers == keep {
            return;
        }
        self.keeps_buffers = keep;
        let command = if keep { sys::SSL_CTRL_CLEAR_MODE } else { sys::SSL_CTRL_MODE };
        // SAFETY: the SSL is live.
        unsafe { ffi::SSL_ctrl(self.ptr(), command, sys::SSL_MODE_RELEASE_BUFFERS, ptr::null_mut()) };
        if !keep {
            self.release_buffer();
        }
    }

    /// Makes OpenSSL give its read buffer back, which it does when it finds nothing to read.
    fn release_buffer(&mut self) {
        if self.failed || self.received_close_notify() || self.has_pending() || self.io().read_budget_exhausted() {
            return;
        }
        self.io().suspend_receive(true);
        self.decrypt_next_record();
        self.io().suspend_receive(false);
    }

    fn raw_read(&mut self, buffer: &mut [u8]) -> (c_int, usize) {
        let mut n = 0;
        // SAFETY: `buffer` is writable for its length.
        let result = unsafe { sys::SSL_read_ex(self.ptr(), buffer.as_mut_ptr().cast(), buffer.len(), &mut n) };
        (result, n)
    }

    /// Encrypts bytes, one record at most, and says how many it took.
    pub fn write(&mut self, data: &[u8]) -> Result<Step<usize>> {
        self.call(|ssl| {
            let mut n = 0;
            // SAFETY: `data` is readable for its length.
            let result = unsafe { sys::SSL_write_ex(ssl.ptr(), data.as_ptr().cast(), data.len(), &mut n) };
            (result, n)
        })
    }

    /// How many decrypted bytes a read gives without the network, decrypting a record that has already arrived if
    /// there is none yet.
    pub fn pending(&mut self) -> usize {
        if self.decrypted() == 0 && self.has_pending() {
            self.decrypt_next_record();
        }
        self.decrypted()
    }

    /// Decrypts the next record, if it has arrived and there is none yet. How that fails is told by the next call.
    fn decrypt_next_record(&mut self) {
        if self.failed {
            return;
        }
        let mut byte = 0u8;
        let mut n = 0;
        queue::clear();
        self.io().reset_read_budget();
        // SAFETY: `byte` is writable for one byte.
        let result = unsafe { sys::SSL_peek_ex(self.ptr(), (&raw mut byte).cast(), 1, &mut n) };
        self.deferred_error = self.outcome(result, ()).err();
    }

    /// The alert by which the peer has ended the connection, if it is the next thing to read.
    pub fn peer_alert(&mut self) -> Option<Error> {
        self.decrypt_next_record();
        self.deferred_error.clone().filter(|error| error.alert >= 0)
    }

    /// Whether bytes of the peer are here, decrypted or not.
    fn has_pending(&mut self) -> bool {
        self.has_read_ahead() || self.io().has_buffered_input()
    }

    /// Whether OpenSSL has taken more than it has given.
    pub fn has_read_ahead(&self) -> bool {
        // SAFETY: the SSL is live.
        unsafe { sys::SSL_has_pending(self.ptr()) != 0 }
    }

    /// Whether a read may have its answer, good or bad, without the network.
    pub fn read_would_return(&mut self) -> bool {
        self.failed || self.deferred_error.is_some() || self.received_close_notify() || self.has_pending()
    }

    /// Whether a read has a failure to tell that nobody was told of.
    pub fn has_deferred_error(&self) -> bool {
        self.deferred_error.is_some()
    }

    /// How many decrypted bytes there are.
    pub fn decrypted(&self) -> usize {
        // SAFETY: the SSL is live.
        usize::try_from(unsafe { ffi::SSL_pending(self.ptr()) }).unwrap_or(0)
    }

    /// Sends close_notify, once, if the connection is in a state to send it.
    pub fn close_notify(&mut self) -> Result<()> {
        if self.failed || !self.is_handshaken() || self.sent_close_notify() {
            return Ok(());
        }
        queue::clear();
        // SAFETY: the SSL is live.
        let result = unsafe { ffi::SSL_shutdown(self.ptr()) };
        if result >= 0 { Ok(()) } else { self.outcome(result, ()).map(|_| ()) }
    }

    /// Whether we have sent close_notify.
    pub fn sent_close_notify(&self) -> bool {
        self.shutdown_flags() & ffi::SSL_SENT_SHUTDOWN != 0
    }

    /// Whether the peer has sent close_notify.
    pub fn received_close_notify(&self) -> bool {
        self.shutdown_flags() & ffi::SSL_RECEIVED_SHUTDOWN != 0
    }

    fn shutdown_flags(&self) -> c_int {
        // SAFETY: the SSL is live.
        unsafe { ffi::SSL_get_shutdown(self.ptr()) }
    }

    /// Whether a fatal error has ended the connection.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Runs one OpenSSL call that reports through SSL_get_error.
    fn call<T>(&mut self, call: impl FnOnce(&mut Ssl) -> (c_int, T)) -> Result<Step<T>> {
        if let Some(deferred_error) = self.deferred_error.take() {
            return Err(deferred_error);
        }
        if self.failed {
            return Err(Error::new(Code::State, "the connection has already failed"));
        }
        queue::clear();
        self.io().reset_read_budget();
        let (result, value) = call(self);
        self.outcome(result, value)
    }

    fn outcome<T>(&mut self, result: c_int, value: T) -> Result<Step<T>> {
        // SAFETY: the SSL is live, and the last call of this thread was on it.
        unsafe { step_of(self.ptr(), result, value) }.map_err(|kind| {
            self.failed = true;
            self.failure(kind)
        })
    }

    fn failure(&mut self, kind: c_int) -> Error {
        let entry = queue::take();
        if self.hooks().panicked.get() {
            return Error::new(Code::Internal, "a callback panicked");
        }
        if let Some(refusal) = self.hooks().refusal.get() {
            return self.refused(refusal, entry);
        }
        let errno = self.io().recv_errno();
        if errno != 0 {
            return Error::io(&std::io::Error::from_raw_os_error(errno));
        }
        // A send takes the socket's error away from the recv that comes after it.
        if self.io().eof() && self.io().send_errno() == libc::ECONNRESET {
            return Error::io(&std::io::Error::from_raw_os_error(libc::ECONNRESET));
        }
        let unexpected_eof =
            entry.as_ref().is_some_and(|entry| entry.is_ssl_reason(sys::SSL_R_UNEXPECTED_EOF_WHILE_READING));
        if unexpected_eof || (kind == ffi::SSL_ERROR_SYSCALL && self.io().eof()) {
            return Error::new(Code::Truncated, "the peer closed the connection without close_notify");
        }
        if entry.as_ref().is_some_and(|entry| entry.is_ssl_reason(sys::SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)) {
            return no_certificate();
        }
        if entry.as_ref().is_some_and(|entry| entry.is_ssl_reason(sys::SSL_R_READ_TIMEOUT_EXPIRED)) {
            return Error::timeout();
        }
        if entry.as_ref().is_some_and(queue::Entry::lacks_certificate) && self.is_server_without_certificate() {
            let what = "a server needs a certificate and its private key, and has none";
            return queue::error_from(entry, Code::Config, what);
        }
        if let Some(hint) = self.io().not_tls_hint() {
            return queue::error_from(entry, Code::Protocol, hint);
        }
        let what = match &entry {
            Some(entry) => match entry.alert() {
                Some(_) => "the peer sent an alert",
                None => "TLS failed",
            },
            None => "TLS failed",
        };
        queue::error_from(entry, Code::Protocol, what)
    }

    fn is_server_without_certificate(&self) -> bool {
        // SAFETY: the SSL is live; the certificate, if there is one, is not touched.
        self.role == Role::Server && unsafe { ffi::SSL_get_certificate(self.ptr()) }.is_null()
    }

    fn refused(&self, refusal: Refusal, entry: Option<queue::Entry>) -> Error {
        let out_of_memory = entry.as_ref().is_some_and(queue::Entry::is_out_of_memory);
        let openssl_code = entry.map_or(0, |entry| entry.packed());
        let (code, message, verify_result) = match refusal {
            Refusal::NotAccepted => (
                Code::Verify,
                "the peer's certificate is not among the accepted ones".to_string(),
                sys::X509_V_ERR_CERT_REJECTED,
            ),
            Refusal::NotPinned => (
                Code::Verify,
                "none of the peer's public keys is among the pinned ones".to_string(),
                sys::X509_V_ERR_CERT_REJECTED,
            ),
            Refusal::Chain(reason) if is_wrong_name(reason) => {
                (Code::Name, format!("the peer's certificate is not for \"{}\"", self.expected_text()), reason)
            }
            Refusal::Chain(reason) if out_of_memory || reason == sys::X509_V_ERR_OUT_OF_MEM => (
                Code::NoMemory,
                "memory ran out while the peer's certificate was verified".to_string(),
                sys::X509_V_ERR_OUT_OF_MEM,
            ),
            Refusal::Chain(reason) => {
                (Code::Verify, format!("certificate verify failed: {}", x509::verify_text(reason)), reason)
            }
        };
        Error { verify_result, openssl_code, reason: x509::verify_text(verify_result), ..Error::new(code, message) }
    }

    fn expected_text(&self) -> String {
        self.hooks().expected.borrow().as_ref().map_or_else(String::new, Expected::to_string)
    }

    /// The protocol's name, such as "TLSv1.3".
    pub fn protocol(&self) -> Option<&'static CStr> {
        // SAFETY: the SSL is live; the text is static.
        unsafe { super::static_text(ffi::SSL_get_version(self.ptr())) }
    }

    /// The cipher's name.
    pub fn cipher(&self) -> Option<&'static CStr> {
        // SAFETY: the SSL is live; the cipher and its name are static.
        unsafe {
            let cipher = ffi::SSL_get_current_cipher(self.ptr());
            if cipher.is_null() { None } else { super::static_text(ffi::SSL_CIPHER_get_name(cipher)) }
        }
    }

    /// The protocol chosen by ALPN; empty if none was.
    pub fn alpn(&self) -> Vec<u8> {
        let mut data: *const c_uchar = ptr::null();
        let mut len: c_uint = 0;
        // SAFETY: the SSL is live and lends `len` bytes.
        unsafe {
            ffi::SSL_get0_alpn_selected(self.ptr(), &mut data, &mut len);
            super::bytes(data, c_int::try_from(len).unwrap_or(0)).to_vec()
        }
    }

    /// The name that the client sent as SNI.
    pub fn server_name(&self) -> Option<CString> {
        // SAFETY: the SSL is live and lends a NUL-terminated text.
        unsafe {
            let name = ffi::SSL_get_servername(self.ptr(), sys::TLSEXT_NAMETYPE_HOST_NAME);
            if name.is_null() { None } else { Some(CStr::from_ptr(name).to_owned()) }
        }
    }

    /// What the check of the peer's chain finds, enforced or not: an `X509_V_*` code. A chain that nobody demanded is
    /// verified now, against `store` or, without one, the context's own.
    pub fn verify_result(&self, store: Option<&Store>, partial_chain: bool) -> c_int {
        // SAFETY: the SSL is live and lends what it has; the store outlives the call.
        unsafe {
            if self.hooks().policy.chain {
                return ffi::SSL_get_verify_result(self.ptr()) as c_int;
            }
            let Some(leaf) = self.peer_certificate() else { return sys::X509_V_ERR_UNSPECIFIED };
            let own = || ffi::SSL_CTX_get_cert_store(ffi::SSL_get_SSL_CTX(self.ptr()));
            let store = store.map_or_else(own, Store::as_ptr);
            let untrusted = ffi::SSL_get_peer_cert_chain(self.ptr());
            let level = sys::SSL_get_security_level(self.ptr());
            store::verify_chain(store, &leaf, untrusted, self.role == Role::Client, partial_chain, level)
        }
    }

    /// The peer's certificate, be it accepted or refused.
    pub fn peer_certificate(&self) -> Option<X509> {
        // SAFETY: the SSL is live; the reference is ours.
        let accepted = unsafe { X509::from_owned(sys::get1_peer_certificate(self.ptr())) };
        accepted.or_else(|| self.hooks().refused.borrow().first().cloned())
    }

    /// The certificates that the peer sent, its own first.
    pub fn peer_chain(&self) -> Vec<X509> {
        let refused = self.hooks().refused.borrow().clone();
        if !refused.is_empty() {
            return refused;
        }
        // SAFETY: the SSL is live and lends the stack.
        let mut chain = unsafe { X509::from_borrowed_stack(ffi::SSL_get_peer_cert_chain(self.ptr())) };
        // A server's stack lacks the client's own certificate.
        if self.role == Role::Server {
            if let Some(leaf) = self.peer_certificate() {
                chain.insert(0, leaf);
            }
        }
        chain
    }

    /// The session, for a later connection to resume.
    pub fn session(&self) -> Option<Session> {
        // SAFETY: the SSL is live; the reference is ours.
        unsafe { Session::from_owned(sys::SSL_get1_session(self.ptr())) }
    }

    /// Whether this connection resumed a session.
    pub fn session_reused(&self) -> bool {
        // SAFETY: the SSL is live.
        unsafe { sys::session_reused(self.ptr()) == 1 }
    }
}

fn no_certificate() -> Error {
    Error::new(Code::Verify, "the peer has shown no certificate")
}

/// The one mapper from SSL_get_error. What is neither done nor waiting is returned as SSL_get_error has it.
///
/// # Safety
/// `ssl` is live, and the last OpenSSL call of this thread was on it and returned `result`.
pub unsafe fn step_of<T>(ssl: *const ffi::SSL, result: c_int, value: T) -> std::result::Result<Step<T>, c_int> {
    if result > 0 {
        return Ok(Step::Done(value));
    }
    // SAFETY: the caller vouches for it.
    match unsafe { ffi::SSL_get_error(ssl, result) } {
        ffi::SSL_ERROR_WANT_READ => Ok(Step::WantRead),
        ffi::SSL_ERROR_WANT_WRITE => Ok(Step::WantWrite),
        ffi::SSL_ERROR_ZERO_RETURN => Ok(Step::Eof),
        kind => Err(kind),
    }
}

fn make_bio(fd: i32, medium: Medium) -> Result<(*mut ffi::BIO, IoPointer)> {
    Ok(match medium {
        Medium::Stream => {
            let (bio, state) = fd_bio::new(fd)?.into_raw();
            (bio, IoPointer::Stream(state))
        }
        Medium::Datagrams => {
            let (bio, state) = datagram_bio::new(fd)?.into_raw();
            (bio, IoPointer::Datagram(state))
        }
    })
}

fn verify_mode(role: Role, policy: &PeerPolicy) -> c_int {
    match (role, policy.ask) {
        (Role::Client, _) if policy.demands_certificate() => ffi::SSL_VERIFY_PEER,
        (Role::Client, _) | (Role::Server, ClientAuth::No) => ffi::SSL_VERIFY_NONE,
        (Role::Server, ClientAuth::Optional) => ffi::SSL_VERIFY_PEER,
        (Role::Server, ClientAuth::Required) => ffi::SSL_VERIFY_PEER | ffi::SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    }
}

fn hooks_index() -> c_int {
    static INDEX: OnceLock<c_int> = OnceLock::new();
    *INDEX.get_or_init(|| {
        // SAFETY: no callbacks.
        unsafe { ffi::CRYPTO_get_ex_new_index(ffi::CRYPTO_EX_INDEX_SSL, 0, ptr::null_mut(), None, None, None) }
    })
}

/// # Safety
/// `ssl` is NULL or a live SSL.
unsafe fn hooks<'a>(ssl: *const ffi::SSL) -> Option<&'a Hooks> {
    if ssl.is_null() {
        return None;
    }
    // SAFETY: what our index holds is NULL or the address of the connection's Hooks, which outlive the SSL.
    unsafe { ffi::SSL_get_ex_data(ssl, hooks_index()).cast::<Hooks>().as_ref() }
}

/// Runs the body of a callback. A panic must not unwind through OpenSSL: it is noted, and fails the handshake.
fn guarded(hooks: &Hooks, failed: c_int, body: impl FnOnce() -> c_int) -> c_int {
    panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        hooks.panicked.set(true);
        failed
    })
}

/// The Hooks of the connection whose peer's certificate is being verified.
///
/// # Safety
/// `store` is live, and OpenSSL's for an SSL.
unsafe fn hooks_of_store<'a>(store: *mut ffi::X509_STORE_CTX) -> Option<&'a Hooks> {
    // SAFETY: the caller vouches for the store context, whose ex_data leads to its SSL.
    unsafe {
        let ssl = ffi::X509_STORE_CTX_get_ex_data(store, sys::SSL_get_ex_data_X509_STORE_CTX_idx());
        hooks(ssl.cast())
    }
}

/// Decides about the peer's certificate. OpenSSL calls this once it has the peer's chain.
pub unsafe extern "C" fn verify_callback(store: *mut ffi::X509_STORE_CTX, _: *mut c_void) -> c_int {
    // SAFETY: OpenSSL passes a live store context.
    match unsafe { hooks_of_store(store) } {
        // SAFETY: the store context is live.
        Some(hooks) => guarded(hooks, 0, || unsafe { judge(store, hooks) }),
        None => 0,
    }
}

fn is_wrong_name(reason: c_int) -> bool {
    matches!(reason, sys::X509_V_ERR_HOSTNAME_MISMATCH | sys::X509_V_ERR_IP_ADDRESS_MISMATCH)
}

/// # Safety
/// `ctx` is live, and holds the peer's chain.
unsafe fn judge(ctx: *mut ffi::X509_STORE_CTX, hooks: &Hooks) -> c_int {
    // SAFETY: the store context lends the peer's certificate.
    let leaf = unsafe { X509::from_borrowed(sys::X509_STORE_CTX_get0_cert(ctx)) };
    // Nobody asked for the chain: it is verified when somebody asks what is wrong with it.
    if hooks.policy.chain {
        // SAFETY: the store context is live.
        let reason = unsafe { check_chain_and_name(ctx, hooks, leaf.as_ref()) };
        // SAFETY: likewise.
        unsafe { ffi::X509_STORE_CTX_set_error(ctx, reason) };
        if reason != 0 {
            // SAFETY: likewise.
            return unsafe { refuse(ctx, hooks, Refusal::Chain(reason)) };
        }
    }
    let further = &hooks.policy.further;
    if !further.pins.is_empty() {
        let certificates = match hooks.policy.chain {
            // SAFETY: the store context lends the chain that it has verified.
            true => unsafe { X509::from_borrowed_stack(ffi::X509_STORE_CTX_get0_chain(ctx)) },
            false => leaf.iter().cloned().collect(),
        };
        if !further.has_pinned_key(&certificates) {
            // SAFETY: the store context is live.
            unsafe {
                ffi::X509_STORE_CTX_set_error(ctx, sys::X509_V_ERR_CERT_REJECTED);
                return refuse(ctx, hooks, Refusal::NotPinned);
            }
        }
    }
    if let Some(accepted) = &hooks.policy.accepted {
        if !leaf.is_some_and(|leaf| accepted.contains(&leaf)) {
            // SAFETY: the store context is live.
            unsafe {
                ffi::X509_STORE_CTX_set_error(ctx, sys::X509_V_ERR_CERT_REJECTED);
                return refuse(ctx, hooks, Refusal::NotAccepted);
            }
        }
    }
    1
}

/// Builds and checks the chain, and then the name: an `X509_V_*` code, 0 only if both are right. Our own call checks the
/// name, because OpenSSL loses it without a word where it cannot allocate memory for a copy.
///
/// # Safety
/// `ctx` is live, and holds the peer's chain.
unsafe fn check_chain_and_name(ctx: *mut ffi::X509_STORE_CTX, hooks: &Hooks, leaf: Option<&X509>) -> c_int {
    // SAFETY: the caller vouches for the store context.
    let chain = unsafe {
        hooks.policy.further.prepare(ctx);
        store::verify(ctx)
    };
    if chain != 0 {
        return chain;
    }
    let name = match (hooks.expected.borrow().as_ref(), leaf) {
        (Some(expected), Some(leaf)) => expected.check(leaf, &hooks.policy.further),
        (Some(_), None) => sys::X509_V_ERR_UNSPECIFIED,
        (None, _) => 0,
    };
    if name != 0 {
        return name;
    }
    // SAFETY: likewise.
    match unsafe { store::chain_expires(ctx) } {
        Ok(expires) => {
            hooks.chain_expires.set(expires);
            // SAFETY: likewise.
            if unsafe { session_end::remember(ctx, expires) } { 0 } else { sys::X509_V_ERR_OUT_OF_MEM }
        }
        Err(_) => sys::X509_V_ERR_UNSPECIFIED,
    }
}

/// Notes why the peer was refused, and what it has shown.
///
/// # Safety
/// `store` is live, and holds the peer's chain.
unsafe fn refuse(store: *mut ffi::X509_STORE_CTX, hooks: &Hooks, refusal: Refusal) -> c_int {
    hooks.refusal.set(Some(refusal));
    // SAFETY: the caller vouches for the store context, which lends the certificates.
    hooks.refused.replace(unsafe { X509::from_borrowed_stack(sys::X509_STORE_CTX_get0_untrusted(store)) });
    0
}

/// Chooses, on a server, the first of its own protocols that the client offers (RFC 7301).
pub unsafe extern "C" fn alpn_callback(
    ssl: *mut ffi::SSL,
    out: *mut *const c_uchar,
    out_len: *mut c_uchar,
    offered: *const c_uchar,
    offered_len: c_uint,
    _: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL passes a live SSL and `offered_len` readable bytes.
    let (hooks, offered) =
        unsafe { (hooks(ssl), super::bytes(offered, c_int::try_from(offered_len).unwrap_or(0))) };
    let Some(hooks) = hooks.filter(|hooks| !hooks.alpn.is_empty()) else {
        return ffi::SSL_TLSEXT_ERR_NOACK;
    };
    guarded(hooks, ffi::SSL_TLSEXT_ERR_ALERT_FATAL, || {
        let chosen = alpn_names(&hooks.alpn).find(|ours| alpn_names(offered).any(|theirs| theirs == *ours));
        match chosen {
            None => ffi::SSL_TLSEXT_ERR_ALERT_FATAL,
            Some(name) => {
                // SAFETY: both out-pointers are live; the name, at most 255 bytes, lives as long as the hooks.
                unsafe {
                    *out = name.as_ptr();
                    *out_len = name.len() as c_uchar;
                }
                ffi::SSL_TLSEXT_ERR_OK
            }
        }
    })
}

/// The names in a list of length-prefixed names.
pub fn alpn_names(mut wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&len, rest) = wire.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(len))?;
        wire = rest;
        Some(name)
    })
}

/// Makes servers tell clients that their SNI was understood, and remember it with the session.
///
/// # Safety
/// `ctx` is live.
pub unsafe fn acknowledge_server_names(ctx: *mut ffi::SSL_CTX) {
    unsafe extern "C" fn acknowledge(_: *mut ffi::SSL, _: *mut c_int, _: *mut c_void) -> c_int {
        ffi::SSL_TLSEXT_ERR_OK
    }
    // SAFETY: the caller vouches for the context.
    unsafe { set_server_name_callback(ctx, acknowledge) }
}

/// What OpenSSL calls on servers once it has read the client's SNI, or that there is none.
pub type ServerNameCallback = unsafe extern "C" fn(*mut ffi::SSL, *mut c_int, *mut c_void) -> c_int;

/// SSL_CTX_set_tlsext_servername_callback, a macro in C.
///
/// # Safety
/// `ctx` is live.
pub unsafe fn set_server_name_callback(ctx: *mut ffi::SSL_CTX, callback: ServerNameCallback) {
    // SAFETY: the control wants a function of this type, passed as a pointer to a function of none.
    unsafe {
        let callback = std::mem::transmute::<ServerNameCallback, unsafe extern "C" fn()>(callback);
        sys::SSL_CTX_callback_ctrl(ctx, sys::SSL_CTRL_SET_TLSEXT_SERVERNAME_CB, Some(callback));
    }
}
