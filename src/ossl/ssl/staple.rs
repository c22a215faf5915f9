//! Stapled OCSP responses (RFC 6066, section 8; RFC 8446, section 4.4.2.1). OpenSSL carries them, and looks at none.

use openssl_sys as ffi;
use std::{
    ffi::{c_int, c_uchar, c_void},
    ptr,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    connection::Ssl,
    hooks::{Hooks, guarded, hooks},
};
use crate::{
    error::{Code, Result},
    ossl::{
        bio_backend::BioBackend,
        ctx::{Ctx, value::CtxValue},
        queue,
        verify::{
            ocsp::{self, Status},
            refusal::Refusal,
            requirements::{BadStaple, StaplePolicy},
        },
        versions,
        x509::X509,
    },
};

/// The response that a server staples: shared by its connections, replaced while it serves.
#[derive(Default)]
pub struct Staple(Mutex<Option<Arc<[u8]>>>);

impl Staple {
    /// Replaces it.
    pub fn set(&self, response: Option<Arc<[u8]>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = response;
    }

    /// The one of now.
    pub fn get(&self) -> Option<Arc<[u8]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

static STAPLE: CtxValue<Arc<Staple>> = CtxValue::new();

impl Ctx {
    /// Makes the servers' connections of this context staple what is in `staple`.
    pub fn set_staple(&mut self, staple: Arc<Staple>) -> Result<()> {
        STAPLE.attach(self, staple)
    }
}

/// Makes OpenSSL ask us about staples.
///
/// # Safety
/// `ctx` is live.
pub unsafe fn handle(ctx: *mut ffi::SSL_CTX) {
    // SAFETY: the preconditions cover the context; the callback has the type that OpenSSL asks for.
    unsafe { ffi::SSL_CTX_set_tlsext_status_cb(ctx, Some(status_callback)) };
}

impl<B: BioBackend> Ssl<B> {
    /// Asks the server for a staple, if the policy wants one.
    pub fn request_staple(&mut self) -> Result<()> {
        if self.hooks().policy.further.staples == StaplePolicy::Ignore || !self.hooks().policy.chain {
            return Ok(());
        }
        queue::clear();
        // SAFETY: the SSL is live.
        let done = unsafe { ffi::SSL_set_tlsext_status_type(self.ptr(), ffi::TLSEXT_STATUSTYPE_ocsp) };
        queue::check(done as c_int, Code::Internal, "cannot ask for a stapled OCSP response")
    }

    /// The response that the server has stapled; empty if it has not.
    pub fn staple(&self) -> Vec<u8> {
        // SAFETY: the SSL is live.
        unsafe { stapled(self.ptr()) }.to_vec()
    }
}

/// # Safety
/// `ssl` is live for as long as 'a lasts.
unsafe fn stapled<'a>(ssl: *mut ffi::SSL) -> &'a [u8] {
    let mut data: *mut c_uchar = ptr::null_mut();
    // SAFETY: the preconditions cover the SSL, which lends the bytes; the length is -1 if there are none.
    unsafe {
        let len = ffi::SSL_get_tlsext_status_ocsp_resp(ssl, &mut data);
        crate::ossl::bytes(data, c_int::try_from(len).unwrap_or(0))
    }
}

/// OpenSSL calls this on servers that are asked for a staple, and on clients that have asked for one, in full handshakes.
unsafe extern "C" fn status_callback(ssl: *mut ffi::SSL, _: *mut c_void) -> c_int {
    // SAFETY: OpenSSL passes a live SSL.
    let Some(hooks) = (unsafe { hooks(ssl) }) else { return ffi::SSL_TLSEXT_ERR_NOACK };
    // SAFETY: likewise.
    if unsafe { ffi::SSL_is_server(ssl) } == 1 {
        // SAFETY: likewise.
        return guarded(hooks, ffi::SSL_TLSEXT_ERR_NOACK, || unsafe { present(ssl) });
    }
    // With TLS 1.3 OpenSSL asks in resumed handshakes, too, in which there are neither certificates nor staples.
    // SAFETY: likewise.
    if unsafe { versions::session_reused(ssl) } == 1 {
        return 1;
    }
    // SAFETY: likewise.
    guarded(hooks, 0, || match unsafe { check(ssl, hooks) } {
        Ok(()) => 1,
        Err(bad) => {
            if hooks.policy.may_be_overridden {
                let before = hooks.pending_refusal.take();
                let bad = Refusal::Staple(bad);
                hooks.pending_refusal.replace(Some(match before {
                    Some(before) => before.and(Some(bad)),
                    None => bad,
                }));
                return 1;
            }
            hooks.refusal.replace(Some(Refusal::Staple(bad)));
            0
        }
    })
}

/// Hands the context's staple to OpenSSL.
///
/// # Safety
/// `ssl` is live.
unsafe fn present(ssl: *mut ffi::SSL) -> c_int {
    // SAFETY: the preconditions cover the SSL; OpenSSL takes the copy over.
    unsafe {
        let Some(response) = STAPLE.of(ssl).and_then(|staple| staple.get()) else {
            return ffi::SSL_TLSEXT_ERR_NOACK;
        };
        let copy = ffi::CRYPTO_malloc(response.len(), c"bglssl".as_ptr(), 0).cast::<u8>();
        if copy.is_null() {
            return ffi::SSL_TLSEXT_ERR_NOACK;
        }
        ptr::copy_nonoverlapping(response.as_ptr(), copy, response.len());
        if ffi::SSL_set_tlsext_status_ocsp_resp(ssl, copy, response.len() as std::ffi::c_long) != 1 {
            crate::ossl::free(copy.cast());
            return ffi::SSL_TLSEXT_ERR_NOACK;
        }
    }
    ffi::SSL_TLSEXT_ERR_OK
}

/// Checks what the server has stapled, or that it has stapled nothing, and bounds the session by it.
///
/// # Safety
/// `ssl` is live, and a client's whose chain was verified.
unsafe fn check(ssl: *mut ffi::SSL, hooks: &Hooks) -> std::result::Result<(), BadStaple> {
    // SAFETY: the preconditions cover the SSL; the certificate is a reference of ours.
    if unsafe { X509::from_owned(crate::ossl::versions::get1_peer_certificate(ssl)) }.is_none() {
        return Ok(()); // A server without a certificate is refused for that, after the handshake.
    }
    // A key that a TLSA record names is trusted without a CA, which could revoke nothing.
    if hooks.is_known_by_key.get() && hooks.policy.further.staples != StaplePolicy::Require {
        return Ok(());
    }
    // SAFETY: the preconditions cover the SSL, which lends the response and the chain.
    let (response, chain) = unsafe { (stapled(ssl), X509::from_borrowed_stack(ffi::SSL_get0_verified_chain(ssl))) };
    let leaf = chain.first().ok_or(BadStaple::Missing)?;
    let issuer = match chain.get(1) {
        Some(issuer) => Some(issuer.clone()),
        // It is trusted itself. Its issuer need not be there; what is there has signed it.
        // SAFETY: the preconditions cover the SSL, which lends what the server has sent.
        None => unsafe { X509::from_borrowed_stack(ffi::SSL_get_peer_cert_chain(ssl)) }
            .into_iter()
            .chain([leaf.clone()])
            .find(|sent| leaf.is_signed_by(sent)),
    };
    // A response whose signer is not known cannot be checked.
    let Some(issuer) = issuer.filter(|_| !response.is_empty()) else {
        let demanded = hooks.policy.further.staples == StaplePolicy::Require || leaf.demands_staple();
        return if demanded { Err(BadStaple::Missing) } else { Ok(()) };
    };
    match ocsp::status_of(response, leaf, &issuer, hooks.policy.further.now()) {
        Ok(Status::Good { until }) => {
            let expires = hooks.chain_expires.get().map_or(until, |end| end.min(until));
            hooks.chain_expires.set(Some(expires));
            Ok(())
        }
        Ok(Status::Revoked) => Err(BadStaple::Revoked),
        Ok(Status::Unknown) => Err(BadStaple::Unusable("the responder does not know the certificate".to_string())),
        Err(error) => Err(BadStaple::Unusable(error.message)),
    }
}
