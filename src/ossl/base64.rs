//! Base64 (RFC 4648, 4), on one line.

use openssl_sys as ffi;
use std::ffi::c_int;

use super::queue;

/// A text with more than any key or digest is not read.
const LONGEST_TEXT: usize = 1024;

/// So many bytes OpenSSL can write in base64: it counts the letters in an int.
const MOST_BYTES: usize = 1 << 30;

/// Bytes in base64. Empty for more than a gigabyte.
pub fn encode(bytes: &[u8]) -> String {
    if bytes.len() > MOST_BYTES {
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
    if text.len() > LONGEST_TEXT || text.len() % 4 != 0 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_the_rfc_says() {
        assert_eq!(encode(b""), "");
        assert_eq!(encode(b"f"), "Zg==");
        assert_eq!(encode(b"fo"), "Zm8=");
        assert_eq!(encode(b"foo:\xff>"), "Zm9vOv8+");
    }

    #[test]
    fn what_is_longer_than_a_key_is_written_and_not_read() {
        let text = encode(&[7; 3000]);
        assert_eq!(text.len(), 4000);
        assert_eq!(decode(&text), None);
    }
}
