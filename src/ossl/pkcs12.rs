//! PKCS#12: a key, its certificate and further certificates in one file.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_long},
    ptr,
};

use super::{pkey::Pkey, queue, sys, x509::X509};

/// What a PKCS#12 file holds.
pub struct Contents {
    /// The private key, if there is one.
    pub key: Option<Pkey>,
    /// Its certificate.
    pub certificate: Option<X509>,
    /// The others.
    pub chain: Vec<X509>,
}

/// Reads PKCS#12 in DER.
pub fn parse(der: &[u8], passphrase: Option<&CStr>) -> Result<Contents> {
    super::init()?;
    queue::clear();
    let len = c_long::try_from(der.len()).map_err(|_| Error::argument("too much data"))?;
    let mut cursor = der.as_ptr();
    // SAFETY: `cursor` points to `len` readable bytes.
    let p12 = unsafe { sys::d2i_PKCS12(ptr::null_mut(), &mut cursor, len) };
    if p12.is_null() {
        return Err(queue::error(Code::Config, "no PKCS#12"));
    }
    let (mut key, mut certificate, mut chain) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let passphrase = passphrase.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: all pointers are live; what OpenSSL makes becomes ours below.
    let done = unsafe { ffi::PKCS12_parse(p12, passphrase, &mut key, &mut certificate, &mut chain) };
    // SAFETY: p12 is ours; key and certificate are new or NULL.
    let (key, certificate) = unsafe {
        sys::PKCS12_free(p12);
        (Pkey::from_owned(key), X509::from_owned(certificate))
    };
    // SAFETY: the stack is new or NULL.
    let chain = unsafe { owned_stack(chain.cast()) };
    let entry = queue::take();
    // OpenSSL takes a key that it could not compare with a certificate for one that does not belong to it.
    if done != 1 || entry.as_ref().is_some_and(queue::Entry::is_out_of_memory) {
        return Err(unopened(entry, !passphrase.is_null()));
    }
    let chain = chain.into_iter().map(X509::decoded).collect::<Result<_>>()?;
    Ok(Contents { key, certificate: certificate.map(X509::decoded).transpose()?, chain })
}

/// Whether `der` has the form of PKCS#12. Its integrity is not looked at.
pub fn is_pkcs12(der: &[u8]) -> bool {
    let Ok(len) = c_long::try_from(der.len()) else { return false };
    if super::init().is_err() {
        return false;
    }
    let mut cursor = der.as_ptr();
    // SAFETY: `cursor` points to `len` readable bytes; what is made is freed at once, and may be NULL.
    let p12 = unsafe { sys::d2i_PKCS12(ptr::null_mut(), &mut cursor, len) };
    // SAFETY: p12 is ours or NULL.
    unsafe { sys::PKCS12_free(p12) };
    queue::clear();
    !p12.is_null()
}

/// The passphrase is to blame unless OpenSSL says better.
fn unopened(entry: Option<queue::Entry>, has_passphrase: bool) -> Error {
    let what = match &entry {
        Some(entry) if entry.is_unsupported() => "the PKCS#12 uses an old cipher that this OpenSSL lacks",
        _ if has_passphrase => "the PKCS#12 cannot be opened: is the passphrase right?",
        _ => "the PKCS#12 cannot be opened, and no passphrase was given",
    };
    queue::error_from(entry, Code::Config, what)
}

/// # Safety
/// `stack` is NULL or a stack of certificates that becomes ours.
unsafe fn owned_stack(stack: *mut std::ffi::c_void) -> Vec<X509> {
    let mut all = Vec::new();
    if stack.is_null() {
        return all;
    }
    // SAFETY: the preconditions cover it; each element is popped once.
    unsafe {
        while let Some(x509) = X509::from_owned(sys::OPENSSL_sk_pop(stack).cast()) {
            all.push(x509);
        }
        sys::OPENSSL_sk_free(stack);
    }
    // OpenSSL 1.1.1 has them the other way round.
    if cfg!(ossl300) {
        all.reverse();
    }
    all
}
