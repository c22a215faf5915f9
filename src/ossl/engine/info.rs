//! What can be asked of a connection over memory.

use crate::ossl::{session::Session, ssl::handle::SslHandle, sys, x509::X509};
#[cfg(npn)]
use crate::{ossl::bytes, types::Role};
use openssl_sys as ffi;
use std::ffi::{CStr, c_int};
#[cfg(npn)]
use std::{
    ffi::{c_uchar, c_uint},
    ptr,
};

use super::{connection::Engine, hooks::Hooks, trust};

impl Engine {
    /// The session; before the handshake the one that will be offered.
    pub fn session(&self) -> Option<Session> {
        // SAFETY: the SSL is live, and so is the session that is offered; the reference is ours.
        unsafe {
            match &self.offered {
                Some(offered) => Session::from_borrowed(offered.as_ptr()),
                None => (**self).session(),
            }
        }
    }

    /// The cipher's name, and the lowest protocol version that has it.
    pub fn cipher(&self) -> Option<(&'static CStr, &'static CStr)> {
        let handle: &SslHandle<Hooks> = self;
        handle.cipher().zip(handle.cipher_version())
    }

    /// The negotiated protocol version, such as "TLSv1.3".
    pub fn protocol(&self) -> Option<&'static CStr> {
        self.cipher()?;
        (**self).protocol()
    }

    /// What ALPN or NPN chose.
    pub fn negotiated_protocol(&self) -> Option<Vec<u8>> {
        let alpn = self.alpn();
        if alpn.is_empty() { self.npn() } else { Some(alpn) }
    }

    #[cfg(npn)]
    fn npn(&self) -> Option<Vec<u8>> {
        if self.role() == Role::Client {
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
}
