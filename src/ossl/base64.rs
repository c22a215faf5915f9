//! Base64 (RFC 4648, 4), on one line.

use openssl_sys as ffi;
use std::ffi::c_int;

use super::queue;

/// More than any key or digest that is written so.
const LONGEST: usize = 1024;

/// Bytes in base64. Empty for more bytes than keys and digests have.
pub fn encode(bytes: &[u8]) -> String {
    if bytes.len() > LONGEST {
        return String::new();
    }
    let mut text = vec![0u8; bytes.len().div_ceil(3) * 4 + 1];
    // SAFETY: the bytes are readable for their length; the text has space for the base64 of them and a NUL.
    let len = unsafe { ffi::EVP_EncodeBlock(text.as_mut_ptr(), bytes.as_ptr(), bytes.len() as c_int) };
    text.truncate(usize::try_from(len).unwrap_or(0));
    String::from_utf8(text).unwrap_or_default()
}

/// The bytes that a text stands for; None if it stands for none, or could be written otherwise.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > LONGEST || text.len() % 4 != 0 {
        return None;
    }
    let mut bytes = vec![0u8; text.len() / 4 * 3];
    // SAFETY: the text is readable for its length; four characters give three bytes, with those of the padding.
    let len = unsafe { ffi::EVP_DecodeBlock(bytes.as_mut_ptr(), text.as_ptr(), text.len() as c_int) };
    queue::clear();
    let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
    bytes.truncate(usize::try_from(len).ok()?.checked_sub(padding)?);
    // OpenSSL skips blanks: what comes back must be what was given.
    (encode(&bytes) == text).then_some(bytes)
}
