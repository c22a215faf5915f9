//! The public key of a certificate as pins name it: the SHA-256 digest of its SubjectPublicKeyInfo, in base64 (RFC 7469).

use crate::error::{Code, Result};
use std::ptr;

use super::X509;
use crate::ossl::{base64, crypto::md, queue, sys};

/// The length of a digest.
pub const LEN: usize = 32;

impl X509 {
    /// The digest of the certificate's SubjectPublicKeyInfo.
    pub fn spki_digest(&self) -> Result<[u8; LEN]> {
        queue::clear();
        let mut der: *mut u8 = ptr::null_mut();
        // SAFETY: the certificate is live and lends the structure; OpenSSL allocates the bytes.
        let len = unsafe { sys::i2d_X509_PUBKEY(sys::X509_get_X509_PUBKEY(self.as_ptr()), &mut der) };
        queue::check(len, Code::Config, "the certificate's public key cannot be read")?;
        // SAFETY: `der` holds `len` bytes that are ours.
        let der = unsafe { crate::ossl::take_bytes(der, len) };
        md::sha256(&der)
    }
}

/// A digest in base64.
pub fn to_base64(digest: &[u8; LEN]) -> String {
    base64::encode(digest)
}

/// The digest that a base64 text stands for; None if it stands for none.
pub fn from_base64(text: &str) -> Option<[u8; LEN]> {
    base64::decode(text)?.try_into().ok()
}
