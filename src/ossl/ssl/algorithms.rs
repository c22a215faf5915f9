//! The algorithms that a handshake has settled on, by name.

use crate::ossl::{bio_backend::BioBackend, sys};
use openssl_sys as ffi;
use std::{ffi::c_int, ptr};

use super::connection::Ssl;

/// A cipher in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct CipherNumbers {
    /// The number on the wire.
    pub id: u16,
    /// The length of its key in bits.
    pub bits: i32,
}

impl<B: BioBackend> Ssl<B> {
    /// The protocol's number on the wire, such as 0x0304 for TLS 1.3.
    pub fn protocol_number(&self) -> u16 {
        // SAFETY: the SSL is live.
        u16::try_from(unsafe { ffi::SSL_version(self.ptr()) }).unwrap_or(0)
    }

    /// Whether it is TLS 1.3.
    pub fn is_tls13(&self) -> bool {
        i32::from(self.protocol_number()) == sys::TLS1_3_VERSION
    }

    /// The cipher in numbers; zeros before there is one.
    pub fn cipher_numbers(&self) -> CipherNumbers {
        // SAFETY: the SSL is live; the cipher is static.
        unsafe {
            let cipher = ffi::SSL_get_current_cipher(self.ptr());
            if cipher.is_null() {
                return CipherNumbers::default();
            }
            let bits = ffi::SSL_CIPHER_get_bits(cipher, ptr::null_mut());
            CipherNumbers { id: ffi::SSL_CIPHER_get_protocol_id(cipher), bits }
        }
    }

    /// The group of the key agreement, by OpenSSL's name; empty if there was none, or if this OpenSSL (before 3.0) does not
    /// tell.
    pub fn group(&self) -> String {
        #[cfg(ossl300)]
        // SAFETY: the SSL is live; the name is static, or lives as long as the SSL.
        unsafe {
            let id = ffi::SSL_ctrl(self.ptr(), sys::SSL_CTRL_GET_NEGOTIATED_GROUP, 0, ptr::null_mut());
            let name = sys::SSL_group_to_name(self.ptr(), id as c_int);
            if id == 0 || name.is_null() {
                String::new()
            } else {
                std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned()
            }
        }
        #[cfg(not(ossl300))]
        String::new()
    }

    /// How our end has signed, such as "id-ecPublicKey with SHA256"; empty if it has not.
    pub fn signature(&self) -> String {
        self.signature_text(sys::SSL_CTRL_GET_SIGNATURE_NID, sys::SSL_get_signature_type_nid)
    }

    /// How the peer has signed; empty if it has not.
    pub fn peer_signature(&self) -> String {
        self.signature_text(sys::SSL_CTRL_GET_PEER_SIGNATURE_NID, sys::SSL_get_peer_signature_type_nid)
    }

    fn signature_text(
        &self,
        digest: c_int,
        key: unsafe extern "C" fn(*const ffi::SSL, *mut c_int) -> c_int,
    ) -> String {
        let (mut digest_nid, mut key_nid): (c_int, c_int) = (0, 0);
        // SAFETY: the SSL is live; the numbers are writable.
        let known = unsafe {
            ffi::SSL_ctrl(self.ptr(), digest, 0, (&raw mut digest_nid).cast());
            key(self.ptr(), &mut key_nid)
        };
        match (known, name(key_nid), name(digest_nid)) {
            (1, Some(key), Some(digest)) => format!("{key} with {digest}"),
            (1, Some(key), None) => key,
            _ => String::new(),
        }
    }
}

fn name(nid: c_int) -> Option<String> {
    if nid == ffi::NID_undef {
        return None;
    }
    // SAFETY: OpenSSL's names are static texts.
    unsafe { crate::ossl::static_text(ffi::OBJ_nid2sn(nid)) }.map(|name| name.to_string_lossy().into_owned())
}
