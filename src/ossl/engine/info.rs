//! What can be asked of a connection over memory.

use crate::{
    ossl::{bytes, session::Session, static_text, sys, x509::X509},
    types::Role,
};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_int, c_uchar, c_uint},
    ptr,
};

use super::{connection::Engine, trust};

impl Engine {
    /// The session; before the handshake the one that will be offered.
    pub fn session(&self) -> Option<Session> {
        // SAFETY: the SSL is live, and so is the session that is offered; the reference is ours.
        unsafe {
            match &self.offered {
                Some(offered) => Session::from_borrowed(offered.as_ptr()),
                None => Session::from_owned(sys::SSL_get1_session(self.ptr())),
            }
        }
    }

    /// Whether this connection resumed a session.
    pub fn session_reused(&self) -> bool {
        // SAFETY: the SSL is live.
        unsafe { sys::session_reused(self.ptr()) == 1 }
    }

    /// The cipher's name, and the lowest protocol version that has it.
    pub fn cipher(&self) -> Option<(&'static CStr, &'static CStr)> {
        // SAFETY: the SSL is live; the cipher and its texts are static.
        unsafe {
            let cipher = ffi::SSL_get_current_cipher(self.ptr());
            if cipher.is_null() {
                return None;
            }
            let name = static_text(ffi::SSL_CIPHER_get_name(cipher));
            name.zip(static_text(ffi::SSL_CIPHER_get_version(cipher)))
        }
    }

    /// The negotiated protocol version, such as "TLSv1.3".
    pub fn protocol(&self) -> Option<&'static CStr> {
        self.cipher()?;
        // SAFETY: the SSL is live; the text is static.
        unsafe { static_text(ffi::SSL_get_version(self.ptr())) }
    }

    /// What ALPN or NPN chose.
    pub fn negotiated_protocol(&self) -> Option<Vec<u8>> {
        let (mut data, mut len): (*const c_uchar, c_uint) = (ptr::null(), 0);
        // SAFETY: the SSL is live and lends `len` bytes.
        let alpn = unsafe {
            ffi::SSL_get0_alpn_selected(self.ptr(), &mut data, &mut len);
            bytes(data, c_int::try_from(len).unwrap_or(0))
        };
        if alpn.is_empty() { self.npn() } else { Some(alpn.to_vec()) }
    }

    #[cfg(npn)]
    fn npn(&self) -> Option<Vec<u8>> {
        if self.role == Role::Client {
            return self.hooks().npn_chosen.borrow().clone();
        }
        let (mut data, mut len): (*const c_uchar, c_uint) = (ptr::null(), 0);
        // SAFETY: the SSL is live and lends `len` bytes.
        let chosen = unsafe {
            sys::SSL_get0_next_proto_negotiated(self.ptr(), &mut data, &mut len);
            bytes(data, c_int::try_from(len).unwrap_or(0))
        };
        (!chosen.is_empty()).then(|| chosen.to_vec())
    }

    #[cfg(not(npn))]
    fn npn(&self) -> Option<Vec<u8>> {
        None
    }

    /// What is wrong with the peer's certificate: an `X509_V_*` code, 0 if nothing is.
    pub fn verify_result(&self, peer: &X509) -> c_int {
        if !self.session_reused() {
            // OpenSSL goes on, too, where it cannot allocate what the verification needs.
            return self.hooks().verdict.get().unwrap_or(sys::X509_V_ERR_OUT_OF_MEM);
        }
        // SAFETY: the SSL is live.
        match unsafe { ffi::SSL_get_verify_result(self.ptr()) as c_int } {
            0 => trust::recheck(peer, self.hooks().expected.borrow().as_ref()),
            reason => reason,
        }
    }

    /// The peer's certificate.
    pub fn peer_certificate(&self) -> Option<X509> {
        // SAFETY: the SSL is live; the reference is ours.
        unsafe { X509::from_owned(sys::get1_peer_certificate(self.ptr())) }
    }

    /// The certificates that the peer sent, its own first.
    pub fn peer_chain(&self) -> Vec<X509> {
        // SAFETY: the SSL is live and lends the stack.
        let mut chain = unsafe { X509::from_borrowed_stack(ffi::SSL_get_peer_cert_chain(self.ptr())) };
        // A server's stack lacks the client's own certificate.
        if self.role == Role::Server {
            chain.splice(0..0, self.peer_certificate());
        }
        chain
    }
}
