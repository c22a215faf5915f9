//! Extensions of a client's hello, as OpenSSL's callback may read them.

use crate::ossl::bytes;
use openssl_sys as ffi;
use std::{
    ffi::{c_int, c_uchar, c_uint},
    ptr,
};

/// The body of an extension of the client's hello.
///
/// # Safety
/// Called from `client_hello`; the bytes live until it returns.
pub unsafe fn extension<'a>(ssl: *mut ffi::SSL, kind: c_uint) -> Option<&'a [u8]> {
    let (mut data, mut len): (*const c_uchar, usize) = (ptr::null(), 0);
    // SAFETY: the preconditions cover it; OpenSSL lends `len` bytes.
    unsafe {
        let found = ffi::SSL_client_hello_get0_ext(ssl, kind, &mut data, &mut len) == 1;
        found.then(|| bytes(data, c_int::try_from(len).unwrap_or(0)))
    }
}

/// The name in a server_name extension (RFC 6066): a list of pairs of type (0: host name) and name.
pub fn first_host_name(extension: &[u8]) -> Option<&[u8]> {
    let (list, _) = prefixed(extension)?;
    let (&kind, rest) = list.split_first()?;
    let (name, _) = prefixed(rest)?;
    (kind == 0 && !name.is_empty() && !name.contains(&0)).then_some(name)
}

/// The first identity in a pre_shared_key extension (RFC 8446) that has the length of a session id.
pub fn first_session_id(extension: &[u8]) -> Option<&[u8]> {
    const LENGTH: usize = 32;
    const TICKET_AGE: usize = 4;
    let (mut identities, _) = prefixed(extension)?;
    while let Some((identity, rest)) = prefixed(identities) {
        if identity.len() == LENGTH {
            return Some(identity);
        }
        identities = rest.get(TICKET_AGE..)?;
    }
    None
}

/// What follows a length of two bytes, and the rest.
fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_name_is_found_in_its_extension() {
        assert_eq!(first_host_name(b"\x00\x06\x00\x00\x03a.b"), Some(&b"a.b"[..]));
    }

    #[test]
    fn a_cut_extension_has_no_host_name() {
        let whole = b"\x00\x06\x00\x00\x03a.b";
        assert!((0..whole.len()).all(|n| first_host_name(&whole[..n]).is_none()));
    }

    #[test]
    fn a_host_name_with_a_nul_is_none() {
        assert_eq!(first_host_name(b"\x00\x06\x00\x00\x03a\x00b"), None);
    }

    #[test]
    fn the_identity_of_the_length_of_a_session_id_is_found_behind_a_ticket() {
        let mut list = b"\x00\x01T\x00\x00\x00\x00\x00\x20".to_vec();
        list.extend([7; 32]);
        list.extend([0; 4]);
        let mut extension = (list.len() as u16).to_be_bytes().to_vec();
        extension.extend(list);
        assert_eq!(first_session_id(&extension), Some(&[7; 32][..]));
    }
}
