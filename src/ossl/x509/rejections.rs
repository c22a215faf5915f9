//! Certificates that are trusted in one place and rejected in another ("TRUSTED CERTIFICATE", openssl x509 -addreject): the
//! rejection counts. OpenSSL's stores keep the first of equal certificates, with its settings of trust, and drop the others
//! without a word.

use crate::{
    error::{Code, Result},
    types::Role,
};
use openssl_sys as ffi;
use std::{ffi::c_int, ptr};

use super::X509;
use crate::ossl::{der, queue, sys};

impl X509 {
    /// For what it is rejected, beside what it is.
    fn rejections(&self) -> impl Iterator<Item = *const ffi::ASN1_OBJECT> {
        // SAFETY: the certificate is live and lends the stack, or NULL, which has no elements.
        let stack = unsafe { sys::X509_get0_reject_objects(self.as_ptr()) };
        // SAFETY: likewise.
        let count = unsafe { if stack.is_null() { 0 } else { sys::OPENSSL_sk_num(stack) } };
        // SAFETY: likewise; the index is within it.
        (0..count).map(move |i| unsafe { sys::OPENSSL_sk_value(stack, i) }.cast_const().cast())
    }

    /// Whether it is rejected for anything.
    pub fn has_rejections(&self) -> bool {
        self.rejections().next().is_some()
    }

    /// Whether it is rejected in the chain of a peer in this role.
    pub fn is_rejected_for(&self, peer: Role) -> bool {
        let trust: c_int = match peer {
            Role::Server => sys::X509_TRUST_SSL_SERVER,
            Role::Client => sys::X509_TRUST_SSL_CLIENT,
        };
        // SAFETY: the certificate is live.
        unsafe { sys::X509_check_trust(self.as_ptr(), trust, 0) == sys::X509_TRUST_REJECTED }
    }

    /// A copy that is rejected for what `other` is, too.
    fn with_rejections_of(&self, other: &X509) -> Result<X509> {
        let copy = der::read(&self.der_with_trust()?, "certificate", |cursor, len| {
            // SAFETY: `cursor` points to `len` readable bytes; a new certificate, or NULL.
            unsafe { X509::from_owned(sys::d2i_X509_AUX(ptr::null_mut(), cursor, len)) }
        })?;
        let copy = copy.decoded()?;
        for purpose in other.rejections() {
            // SAFETY: the copy is ours alone; it copies the purpose, which `other` lends.
            let done = unsafe { sys::X509_add1_reject_object(copy.as_ptr(), purpose) };
            queue::check(done, Code::NoMemory, "cannot reject a CA certificate")?;
        }
        Ok(copy)
    }
}

/// The certificates, each rejected for what an equal one among them is.
pub fn shared(certificates: &[X509]) -> Result<Vec<X509>> {
    let mut all = certificates.to_vec();
    for rejected in certificates.iter().filter(|certificate| certificate.has_rejections()) {
        for equal in all.iter_mut().filter(|one| one.as_ptr() != rejected.as_ptr() && *one == rejected) {
            *equal = equal.with_rejections_of(rejected)?;
        }
    }
    Ok(all)
}
