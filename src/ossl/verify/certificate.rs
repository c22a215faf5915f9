//! The verification of a certificate without a handshake: of one that was not verified in its handshake, of one whose
//! handshake was resumed, and of one that no connection has brought.

use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_int, c_void},
    marker::PhantomData,
    ptr::NonNull,
};

use super::requirements::Requirements;
use crate::ossl::{
    lent_stack::LentStack,
    queue, sys,
    x509::{
        X509,
        store::{self, Store},
    },
};

/// What a certificate is to be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It may be for anything.
    Any,
    /// To be a server of TLS.
    Server,
    /// To be a client of TLS.
    Client,
}

impl Purpose {
    fn name(self) -> Option<&'static CStr> {
        match self {
            Purpose::Any => None,
            Purpose::Server => Some(c"ssl_server"),
            Purpose::Client => Some(c"ssl_client"),
        }
    }
}

/// By what it is verified.
pub struct Terms<'a> {
    /// Whom to trust.
    pub store: &'a Store,
    /// What for.
    pub purpose: Purpose,
    /// Whether a certificate of the store is trusted although it is no root.
    pub partial_chain: bool,
    /// OpenSSL's security level.
    pub security_level: c_int,
    /// What else is demanded of the chain.
    pub further: &'a Requirements,
    /// The records that the chain must be like.
    pub dane: Option<Dane<'a>>,
}

/// The records of a connection.
pub struct Dane<'a>(*mut c_void, PhantomData<&'a ()>);

impl Dane<'_> {
    /// # Safety
    /// `dane` is that of an SSL that lives as long as 'a.
    pub unsafe fn lent(dane: *mut c_void) -> Self {
        Dane(dane, PhantomData)
    }
}

/// What was found.
pub struct Outcome {
    /// An `X509_V_*` code, 0 if the chain is fine.
    pub reason: c_int,
    /// The certificate at fault, where OpenSSL says which.
    pub at_fault: Option<X509>,
    /// The chain, as far as it could be built, the certificate itself first.
    pub chain: Vec<X509>,
}

/// Frees a store context.
struct StoreCtx(NonNull<ffi::X509_STORE_CTX>);

impl Drop for StoreCtx {
    fn drop(&mut self) {
        // SAFETY: it is ours.
        unsafe { ffi::X509_STORE_CTX_free(self.0.as_ptr()) }
    }
}

/// Builds and checks the chain of a certificate. The untrusted ones help to build it.
pub fn verify(leaf: &X509, untrusted: &[X509], terms: &Terms<'_>) -> Outcome {
    queue::clear();
    let out_of_memory = || Outcome { reason: sys::X509_V_ERR_OUT_OF_MEM, at_fault: None, chain: Vec::new() };
    let Some(stack) = LentStack::new(untrusted.iter().map(X509::as_ptr)) else { return out_of_memory() };
    // SAFETY: no preconditions.
    let Some(ctx) = NonNull::new(unsafe { ffi::X509_STORE_CTX_new() }).map(StoreCtx) else {
        return out_of_memory();
    };
    let raw = ctx.0.as_ptr();
    // SAFETY: the store, the leaf, the stack and the lists that it borrows outlive the store context.
    let outcome = unsafe {
        let is_set_up = ffi::X509_STORE_CTX_init(raw, terms.store.as_ptr(), leaf.as_ptr(), stack.as_ptr()) == 1
            && terms.purpose.name().is_none_or(|name| sys::X509_STORE_CTX_set_default(raw, name.as_ptr()) == 1);
        let lent = if is_set_up { terms.further.prepare(raw) } else { None };
        match lent {
            None => out_of_memory(),
            Some(_lent) => {
                if let Some(dane) = &terms.dane {
                    sys::X509_STORE_CTX_set0_dane(raw, dane.0);
                }
                let param = sys::X509_STORE_CTX_get0_param(raw);
                sys::X509_VERIFY_PARAM_set_auth_level(param, terms.security_level);
                if terms.partial_chain {
                    ffi::X509_VERIFY_PARAM_set_flags(param, sys::X509_V_FLAG_PARTIAL_CHAIN);
                }
                let reason = store::verify(raw);
                let at_fault = if reason == 0 { None } else { store::at_fault(raw) };
                Outcome { reason, at_fault, chain: X509::from_borrowed_stack(ffi::X509_STORE_CTX_get0_chain(raw)) }
            }
        }
    };
    queue::clear();
    outcome
}
