//! What an SSL tells of its connection.

use crate::{
    ossl::{
        bio_backend::BioBackend,
        bytes,
        session::Session,
        static_text,
        store::{self, Store},
        sys,
        x509::X509,
    },
    types::Role,
};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, CString, c_int, c_uchar, c_uint},
    ptr,
};

use super::connection::Ssl;

impl<B: BioBackend> Ssl<B> {
    /// The protocol's name, such as "TLSv1.3".
    pub fn protocol(&self) -> Option<&'static CStr> {
        // SAFETY: the SSL is live; the text is static.
        unsafe { static_text(ffi::SSL_get_version(self.ptr())) }
    }

    /// The cipher's name.
    pub fn cipher(&self) -> Option<&'static CStr> {
        // SAFETY: the SSL is live; the cipher and its name are static.
        unsafe {
            let cipher = ffi::SSL_get_current_cipher(self.ptr());
            if cipher.is_null() { None } else { static_text(ffi::SSL_CIPHER_get_name(cipher)) }
        }
    }

    /// The protocol chosen by ALPN; empty if none was.
    pub fn alpn(&self) -> Vec<u8> {
        let mut data: *const c_uchar = ptr::null();
        let mut len: c_uint = 0;
        // SAFETY: the SSL is live and lends `len` bytes.
        unsafe {
            ffi::SSL_get0_alpn_selected(self.ptr(), &mut data, &mut len);
            bytes(data, c_int::try_from(len).unwrap_or(0)).to_vec()
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
            store::verify_chain(store, &leaf, untrusted, self.role() == Role::Client, partial_chain, level)
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
        if self.role() == Role::Server {
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
