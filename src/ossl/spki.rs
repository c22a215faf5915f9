//! The public key of a certificate as pins name it: the SHA-256 digest of its SubjectPublicKeyInfo, in base64 (RFC 7469).

use crate::error::{Code, Result};
use openssl_sys as ffi;
use std::{ffi::c_int, ptr};

use super::{md, queue, sys, x509::X509};

/// The length of a digest.
pub const LEN: usize = 32;
/// The length of its base64.
const BASE64_LEN: usize = 44;

impl X509 {
    /// The digest of the certificate's SubjectPublicKeyInfo.
    pub fn spki_digest(&self) -> Result<[u8; LEN]> {
        queue::clear();
        let mut der: *mut u8 = ptr::null_mut();
        // SAFETY: the certificate is live and lends the structure; OpenSSL allocates the bytes.
        let len = unsafe { sys::i2d_X509_PUBKEY(sys::X509_get_X509_PUBKEY(self.as_ptr()), &mut der) };
        queue::check(len, Code::Config, "the certificate's public key cannot be read")?;
        // SAFETY: `der` holds `len` bytes that are ours.
        let der = unsafe { super::take_bytes(der, len) };
        md::sha256(&der)
    }
}

/// A digest in base64.
pub fn to_base64(digest: &[u8; LEN]) -> String {
    let mut text = [0u8; BASE64_LEN + 1];
    // SAFETY: the digest is readable for its length; the text has space for the base64 of it and a NUL.
    let len = unsafe { ffi::EVP_EncodeBlock(text.as_mut_ptr(), digest.as_ptr(), LEN as c_int) };
    let text = usize::try_from(len).ok().and_then(|len| text.get(..len)).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// The digest that a base64 text stands for; None if it stands for none.
pub fn from_base64(text: &str) -> Option<[u8; LEN]> {
    if text.len() != BASE64_LEN || !text.ends_with('=') || text.ends_with("==") {
        return None;
    }
    let mut bytes = [0u8; LEN + 1];
    // SAFETY: the text is readable for its length; 44 characters give 33 bytes, with that of the padding.
    let len = unsafe { ffi::EVP_DecodeBlock(bytes.as_mut_ptr(), text.as_ptr(), BASE64_LEN as c_int) };
    queue::clear();
    let digest: [u8; LEN] = bytes.get(..LEN)?.try_into().ok()?;
    // OpenSSL skips blanks: what comes back must be what was given.
    (len == (LEN + 1) as c_int && to_base64(&digest) == text).then_some(digest)
}
