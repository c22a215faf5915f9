//! X.509 certificate revocation lists.

use crate::error::{Code, Result};
use openssl_sys as ffi;
use std::ptr::{self, NonNull};

use crate::ossl::{bio::MemReader, der, pkey, queue, sys, x509};

/// One revocation list.
pub struct Crl(NonNull<ffi::X509_CRL>);

// SAFETY: OpenSSL counts references atomically, and locks the look-up in a list.
unsafe impl Send for Crl {}
// SAFETY: likewise; nothing here changes a list.
unsafe impl Sync for Crl {}

impl Clone for Crl {
    fn clone(&self) -> Crl {
        // SAFETY: the list is live.
        unsafe { sys::X509_CRL_up_ref(self.as_ptr()) };
        Crl(self.0)
    }
}

impl Drop for Crl {
    fn drop(&mut self) {
        // SAFETY: one reference is ours.
        unsafe { ffi::X509_CRL_free(self.0.as_ptr()) }
    }
}

impl Crl {
    /// For OpenSSL's functions.
    pub fn as_ptr(&self) -> *mut ffi::X509_CRL {
        self.0.as_ptr()
    }

    /// When the next list is due, in seconds since 1970; None if it does not say, or not in a way that can be read.
    pub fn next_update(&self) -> Option<i64> {
        // SAFETY: the list is live and lends the time, or NULL.
        let time = unsafe { ffi::X509_CRL_get0_nextUpdate(self.as_ptr()) };
        if time.is_null() { None } else { x509::seconds(time).ok() }
    }

    /// Reads DER.
    pub fn from_der(der: &[u8]) -> Result<Crl> {
        der::read(der, "CRL", |cursor, len| {
            // SAFETY: `cursor` points to `len` readable bytes; a new list, or NULL.
            NonNull::new(unsafe { sys::d2i_X509_CRL(ptr::null_mut(), cursor, len) }).map(Crl)
        })
    }

    /// All lists of a PEM text. Fails if any of them is damaged.
    pub fn all_from_pem(pem: &MemReader<'_>) -> Result<Vec<Crl>> {
        let mut crls = Vec::new();
        loop {
            queue::clear();
            // SAFETY: the BIO is live; the callback refuses to give a password rather than ask the terminal for one.
            let crl = unsafe {
                let ask = Some(pkey::no_passphrase as sys::PassphraseCallback);
                ffi::PEM_read_bio_X509_CRL(pem.as_ptr(), ptr::null_mut(), ask, ptr::null_mut())
            };
            match NonNull::new(crl) {
                Some(crl) => crls.push(Crl(crl)),
                None => match queue::take() {
                    Some(entry) if !entry.is_pem_end() => {
                        return Err(queue::error_from(Some(entry), Code::Config, "a CRL is damaged"));
                    }
                    _ => return Ok(crls),
                },
            }
        }
    }
}
