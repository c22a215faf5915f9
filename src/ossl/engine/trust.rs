//! Whom a connection of the engine trusts, and which sessions follow from that: the verification of a peer, and the
//! check that a session is resumed only where and while a full handshake would come to the same result.
//!
//! A session carries its scope (OpenSSL's session id context) and, in its application data, the time until which the
//! verification holds. OpenSSL keeps both when it serializes the session, also in tickets.

use openssl_sys as ffi;
use std::{
    cell::Cell,
    ffi::{CString, c_int, c_uint, c_void},
    net::IpAddr,
    ptr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    ossl::{
        rand,
        session::Session,
        sys,
        x509::{X509, crl::Crl, store},
    },
    types::Role,
};

/// The changes of whom a secure context trusts, shared with its connections: they verify with its store, which changes
/// under them.
#[derive(Default)]
pub struct Terms {
    changes: AtomicU64,
    /// When the context's revocation lists are due to be replaced, in seconds since 1970.
    crl_ends: Mutex<Vec<i64>>,
    /// CAs that are rejected, though they may be in the store without that.
    rejected: Mutex<Vec<X509>>,
}

impl Terms {
    /// Notes a change.
    pub fn change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Notes lists that were added.
    pub fn add_crls(&self, crls: &[Crl]) {
        let mut ends = self.crl_ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.extend(crls.iter().filter_map(Crl::next_update));
    }

    /// Notes which of these CAs are rejected, before they are added: the store drops what it has already, and what this one
    /// says of trust.
    pub fn note_rejected<'a>(&self, cas: impl IntoIterator<Item = &'a X509>) {
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        rejected.extend(cas.into_iter().filter(|ca| ca.has_rejections()).cloned());
    }

    /// Whether a certificate of this chain is rejected.
    fn rejects(&self, chain: &[X509], peer: Role) -> bool {
        let rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        rejected.iter().any(|ca| ca.is_rejected_for(peer) && chain.contains(ca))
    }

    /// When the next list is due. One that is overdue already has had its effect.
    fn next_crl_end(&self, now: i64) -> Option<i64> {
        let ends = self.crl_ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.iter().copied().filter(|end| *end >= now).min()
    }
}

/// Whose certificate the peer has to present.
#[derive(Clone, Debug)]
pub enum Expected {
    /// A DNS name's.
    Name(CString),
    /// An address's.
    Ip(IpAddr),
}

impl Expected {
    fn check(&self, certificate: &X509) -> c_int {
        match self {
            Expected::Name(name) => certificate.is_for_name(name, true),
            Expected::Ip(ip) => certificate.is_for_ip(*ip),
        }
    }
}

/// Whom one connection trusts.
#[derive(Clone)]
pub struct Trust {
    terms: Arc<Terms>,
    /// The changes that the scope covers.
    as_of: u64,
    scope: Vec<u8>,
}

impl Trust {
    /// By these terms, of which `scope` is a digest, of at most 32 bytes.
    pub fn new(terms: Arc<Terms>, scope: &[u8]) -> Trust {
        let as_of = terms.changes.load(Ordering::SeqCst);
        Trust { terms, as_of, scope: scope.to_vec() }
    }

    /// These terms with another scope.
    pub fn within(&self, scope: &[u8]) -> Trust {
        Trust { scope: scope.to_vec(), ..self.clone() }
    }

    fn is_current(&self) -> bool {
        self.terms.changes.load(Ordering::SeqCst) == self.as_of
    }

    /// Makes the sessions of an SSL those of the scope. False on failure.
    ///
    /// # Safety
    /// `ssl` is live.
    pub unsafe fn mark(&self, ssl: *mut ffi::SSL) -> bool {
        let len = c_uint::try_from(self.scope.len()).unwrap_or(c_uint::MAX);
        // SAFETY: the preconditions cover the SSL; OpenSSL copies the bytes.
        unsafe { sys::SSL_set_session_id_context(ssl, self.scope.as_ptr(), len) == 1 }
    }

    /// Whether a full handshake would come to the same result as the one that made the session.
    pub fn covers(&self, session: &Session) -> bool {
        let holds = match (session.has_peer(), holds_until(session)) {
            (_, Some(end)) => crate::ossl::now() <= end,
            (has_peer, None) => !has_peer,
        };
        holds && self.is_current() && session.id_context() == self.scope
    }

    /// Verifies the peer's chain, and its name, and writes into the session for how long that holds: an `X509_V_*` code.
    ///
    /// # Safety
    /// `ctx` is live, and OpenSSL's for the live `ssl`.
    pub unsafe fn verify(
        &self,
        ctx: *mut ffi::X509_STORE_CTX,
        ssl: *mut ffi::SSL,
        expected: Option<&Expected>,
    ) -> c_int {
        // SAFETY: the preconditions cover both; the callback has the type that OpenSSL asks for.
        unsafe {
            // What OpenSSL has found so far. The first of its places for data is the application's.
            let found = Cell::new(0);
            if sys::X509_STORE_CTX_set_ex_data(ctx, 0, (&raw const found).cast_mut().cast()) != 1 {
                return sys::X509_V_ERR_OUT_OF_MEM;
            }
            sys::X509_STORE_CTX_set_verify_cb(ctx, Some(go_on));
            let mut reason = store::verify(ctx);
            let leaf = X509::from_borrowed(sys::X509_STORE_CTX_get0_cert(ctx));
            let peer = if ffi::SSL_is_server(ssl) == 1 { Role::Client } else { Role::Server };
            let chain = X509::from_borrowed_stack(ffi::X509_STORE_CTX_get0_chain(ctx));
            if reason == 0 && self.terms.rejects(&chain, peer) {
                reason = sys::X509_V_ERR_CERT_REJECTED;
            }
            if let (0, Some(expected)) = (reason, expected) {
                reason = leaf.map_or(sys::X509_V_ERR_UNSPECIFIED, |leaf| expected.check(&leaf));
            }
            let now = crate::ossl::now();
            let end = match (reason, store::chain_expires(ctx)) {
                (0, end) => end.ok().flatten(),
                // Not fine now, and not fine later; but what is wrong may be something else once a certificate has expired.
                _ => Some(store::next_expiry(ctx, now).unwrap_or(i64::MAX)),
            };
            let until = end.map(|end| self.terms.next_crl_end(now).map_or(end, |crl| crl.min(end)));
            let session = sys::SSL_get_session(ssl);
            let written = until.is_some_and(|until| self.is_current() && write_end(session, until));
            if !written && !spoil(session) {
                return sys::X509_V_ERR_OUT_OF_MEM;
            }
            reason
        }
    }
}

/// Lets OpenSSL go on after a failure, which its store context keeps: the last one found is told, as node does. What is none
/// gives way to the one before it.
///
/// # Safety
/// `ctx` is live, verifies, and its first data are a Cell<c_int>.
unsafe extern "C" fn go_on(fine: c_int, ctx: *mut ffi::X509_STORE_CTX) -> c_int {
    // SAFETY: the preconditions cover the context; the Cell lives for as long as it verifies.
    unsafe {
        let found = &*ffi::X509_STORE_CTX_get_ex_data(ctx, 0).cast::<Cell<c_int>>();
        if fine == 0 {
            match store::lacks_list_of_anchor(ctx) {
                true => ffi::X509_STORE_CTX_set_error(ctx, found.get()),
                false => found.set(ffi::X509_STORE_CTX_get_error(ctx)),
            }
        }
    }
    1
}

/// Whether a resumed session still holds for this connection: an `X509_V_*` code. The scope promises it; this looks.
pub fn recheck(leaf: &X509, expected: Option<&Expected>) -> c_int {
    match leaf.validity_at(crate::ossl::now()) {
        0 => expected.map_or(0, |expected| expected.check(leaf)),
        reason => reason,
    }
}

/// What the application data begin with.
const TAG: &[u8; 8] = b"bglssl 1";

/// # Safety
/// `session` is NULL or live, and in no cache.
unsafe fn write_end(session: *mut ffi::SSL_SESSION, until: i64) -> bool {
    let data: Vec<u8> = TAG.iter().copied().chain(until.to_be_bytes()).collect();
    // SAFETY: the preconditions cover the session; OpenSSL copies the bytes.
    unsafe {
        !session.is_null()
            && sys::SSL_SESSION_set1_ticket_appdata(session, data.as_ptr().cast::<c_void>(), data.len()) == 1
    }
}

fn holds_until(session: &Session) -> Option<i64> {
    let (mut data, mut len): (*mut c_void, usize) = (ptr::null_mut(), 0);
    // SAFETY: the session is live and lends `len` bytes.
    let data = unsafe {
        sys::SSL_SESSION_get0_ticket_appdata(session.as_ptr(), &mut data, &mut len);
        crate::ossl::bytes(data.cast(), c_int::try_from(len).unwrap_or(0))
    };
    data.strip_prefix(TAG)?.try_into().ok().map(i64::from_be_bytes)
}

/// Gives a session a scope that no connection has. False on failure.
///
/// # Safety
/// `session` is NULL or live, and in no cache.
unsafe fn spoil(session: *mut ffi::SSL_SESSION) -> bool {
    let mut scope = [0; 32];
    // SAFETY: the preconditions cover the session; OpenSSL copies the bytes.
    unsafe {
        !session.is_null()
            && rand::bytes(&mut scope).is_ok()
            && sys::SSL_SESSION_set1_id_context(session, scope.as_ptr(), scope.len() as c_uint) == 1
    }
}
