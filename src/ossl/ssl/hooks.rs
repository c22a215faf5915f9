//! What OpenSSL's callbacks need of a connection.

use crate::{
    ossl::{
        once,
        session::{resumable::NewSessions, rules::SessionRules},
        verify::{refusal::Refusal, requirements::Requirements},
        x509::{X509, store::Store},
    },
    types::ClientAuth,
};
use openssl_sys as ffi;
use std::{
    cell::{Cell, RefCell},
    ffi::{CString, c_int, c_uint},
    fmt,
    net::IpAddr,
    panic::{self, AssertUnwindSafe},
    sync::OnceLock,
};

use super::message_log::MessageLog;

/// What the peer's certificate must be.
#[derive(Clone)]
pub struct PeerPolicy {
    /// Whether the peer must present one.
    pub client_auth: ClientAuth,
    /// Whether its chain must lead to a trusted anchor (and its name match, where one was set).
    pub chain: bool,
    /// Whether who is refused is accepted for now: the program decides once the handshake is complete.
    pub may_be_overridden: bool,
    /// If given, the certificates one of which it must be.
    pub accepted: Option<Vec<X509>>,
    /// What else is demanded of it.
    pub further: Requirements,
}

impl PeerPolicy {
    /// Whether a server without a certificate, or with another one than is demanded, is refused.
    pub fn demands_certificate(&self) -> bool {
        self.chain || self.accepted.is_some() || !self.further.pins.is_empty()
    }

    /// Whether none of these certificates has a pinned key, where keys are pinned.
    pub fn refusal_by_key(&self, keys: &[X509]) -> Option<Refusal> {
        (!self.further.has_pinned_key(keys)).then_some(Refusal::NotPinned)
    }

    /// Whether the certificate is not for the name that it must be for: an `X509_V_*` code, 0 if it is. A TLSA record can
    /// stand for the name.
    pub fn check_name(&self, expected: Option<&Expected>, certificate: &X509, is_known_by_key: bool) -> c_int {
        match expected {
            Some(expected) if !is_known_by_key || self.further.tlsa_names => {
                expected.check(certificate, &self.further)
            }
            _ => 0,
        }
    }

    /// Whether it is not an accepted certificate, where there is a list of them.
    pub fn refusal_by_list(&self, certificate: Option<&X509>) -> Option<Refusal> {
        let is_accepted = |accepted: &Vec<X509>| certificate.is_some_and(|it| accepted.contains(it));
        (!self.accepted.as_ref().is_none_or(is_accepted)).then_some(Refusal::NotAccepted)
    }
}

/// The name that a certificate must be for.
pub enum Expected {
    /// A DNS name.
    Name(CString),
    /// An address.
    Ip(IpAddr),
}

impl Expected {
    /// Whether the certificate is for it: an `X509_V_*` code, 0 if it is.
    pub fn check(&self, certificate: &X509, further: &Requirements) -> c_int {
        match self {
            Expected::Name(name) => certificate.is_for_name(name, !further.no_common_name),
            Expected::Ip(ip) => certificate.is_for_ip(*ip),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Name(name) => f.write_str(&name.to_string_lossy()),
            Expected::Ip(ip) => ip.fmt(f),
        }
    }
}

/// What OpenSSL's callbacks need of the connection. They reach it through the SSL's ex_data.
pub struct Hooks {
    pub policy: PeerPolicy,
    /// ALPN names, each behind its length.
    pub alpn: Vec<u8>,
    pub refusal: RefCell<Option<Refusal>>,
    /// Why the peer would be refused, where the program decides.
    pub pending_refusal: RefCell<Option<Refusal>>,
    /// The chain of a peer that was refused: OpenSSL keeps only one that was accepted.
    pub refused: RefCell<Vec<X509>>,
    /// The name that the peer's certificate must be for.
    pub expected: RefCell<Option<Expected>>,
    /// Whose certificates are trusted, if not those of the context.
    pub store: RefCell<Option<Store>>,
    /// Whether a TLSA record names the peer's own certificate or key, so that no CA, and no time, counts.
    pub is_known_by_key: Cell<bool>,
    /// When the first certificate of the verified chain expires, in seconds since 1970.
    pub chain_expires: Cell<Option<i64>>,
    /// When the peer of the session that is offered has proved who it is, in seconds since 1970; None without one.
    pub proved: Cell<Option<i64>>,
    /// What that peer had sent; OpenSSL does not write it down with a session.
    pub offered_chain: RefCell<Vec<X509>>,
    /// Who gets new sessions.
    pub new_sessions: RefCell<Option<Box<dyn NewSessions>>>,
    pub panicked: Cell<bool>,
    /// On a server: the host that the client asks for.
    pub asked_host: RefCell<Option<CString>>,
    /// That for which the settings were chosen, if they were chosen by it, or the first that the client has asked for.
    pub chosen_for: RefCell<Option<Option<String>>>,
    /// Whether the client has asked for another.
    pub has_changed_host: Cell<bool>,
    /// How a server deals with sessions. Without any it gives and takes none.
    pub session_rules: RefCell<Option<SessionRules>>,
    /// When the session that a server has resumed was begun by a full handshake, in seconds since 1970.
    pub session_began: Cell<Option<i64>>,
    pub dtls: DtlsHooks,
    pub messages: MessageLog,
}

/// What OpenSSL's callbacks need of a connection over datagrams.
pub struct DtlsHooks {
    /// Whether the cookie of the hello at hand has been verified.
    pub cookie_verified: Cell<bool>,
    /// The time until the first retransmission, in microseconds.
    pub first_timer: Cell<c_uint>,
    /// How long the timer that OpenSSL has set last was to run, in microseconds.
    pub latest_timer: Cell<c_uint>,
}

impl Default for DtlsHooks {
    fn default() -> DtlsHooks {
        DtlsHooks {
            cookie_verified: Cell::new(false),
            first_timer: Cell::new(1_000_000),
            latest_timer: Cell::new(c_uint::MAX),
        }
    }
}

impl Hooks {
    pub fn new(policy: PeerPolicy, alpn: Vec<u8>) -> Hooks {
        Hooks {
            policy,
            alpn,
            refusal: RefCell::default(),
            pending_refusal: RefCell::default(),
            refused: RefCell::default(),
            expected: RefCell::new(None),
            store: RefCell::default(),
            is_known_by_key: Cell::new(false),
            chain_expires: Cell::new(None),
            proved: Cell::new(None),
            offered_chain: RefCell::default(),
            new_sessions: RefCell::default(),
            panicked: Cell::new(false),
            asked_host: RefCell::default(),
            chosen_for: RefCell::default(),
            has_changed_host: Cell::new(false),
            session_rules: RefCell::default(),
            session_began: Cell::new(None),
            dtls: DtlsHooks::default(),
            messages: MessageLog::default(),
        }
    }

    /// Whether the program has to decide about a staple. A session does not remember that, and resumed handshakes have
    /// none, so such a connection gives no session.
    pub fn has_bad_staple(&self) -> bool {
        self.pending_refusal.borrow().as_ref().is_some_and(Refusal::is_for_staple)
    }
}

/// Where an SSL's ex_data has the address of its Hooks.
pub fn hooks_index() -> c_int {
    static INDEX: OnceLock<c_int> = OnceLock::new();
    once::ssl_index(&INDEX)
}

/// The Hooks of a connection.
///
/// # Safety
/// `ssl` is NULL or a live SSL.
pub unsafe fn hooks<'a>(ssl: *const ffi::SSL) -> Option<&'a Hooks> {
    if ssl.is_null() {
        return None;
    }
    // SAFETY: what our index holds is NULL or the address of the connection's Hooks, which outlive the SSL.
    unsafe { ffi::SSL_get_ex_data(ssl, hooks_index()).cast::<Hooks>().as_ref() }
}

/// Runs the body of a callback. A panic must not unwind through OpenSSL: it is noted, and fails the handshake.
pub fn guarded(hooks: &Hooks, failed: c_int, body: impl FnOnce() -> c_int) -> c_int {
    panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        hooks.panicked.set(true);
        failed
    })
}
