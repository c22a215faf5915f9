//! What a certificate says about its key: algorithm, size, usages.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{ffi::c_int, ptr};

use super::{X509, details::oid};
use crate::ossl::{pkey::Pkey, queue, sys};

impl X509 {
    /// The algorithm of its public key, such as "RSA", "EC" or "ED25519"; an OID in dotted numbers if OpenSSL has no name.
    pub fn key_type(&self) -> Result<String> {
        let mut object: *mut ffi::ASN1_OBJECT = ptr::null_mut();
        queue::clear();
        // SAFETY: the certificate lends its key, and that its algorithm; the other results are not asked for.
        let done = unsafe {
            let key = sys::X509_get_X509_PUBKEY(self.as_ptr());
            let (none, no_length) = (ptr::null_mut(), ptr::null_mut());
            if key.is_null() {
                0
            } else {
                sys::X509_PUBKEY_get0_param(&mut object, none, no_length, ptr::null_mut(), key)
            }
        };
        queue::check(done, Code::Config, "the certificate has no public key")?;
        // SAFETY: OpenSSL has set the object, which lives as long as the certificate; its names are static.
        let name = unsafe {
            match ffi::OBJ_obj2nid(object) {
                ffi::NID_undef => oid(object),
                ffi::NID_rsaEncryption => Some("RSA".to_owned()),
                sys::NID_RSASSA_PSS => Some("RSA-PSS".to_owned()),
                ffi::NID_X9_62_id_ecPublicKey => Some("EC".to_owned()),
                ffi::NID_dsa => Some("DSA".to_owned()),
                nid => {
                    crate::ossl::static_text(sys::OBJ_nid2ln(nid)).map(|name| name.to_string_lossy().into_owned())
                }
            }
        };
        name.ok_or_else(|| Error::new(Code::Config, "the certificate's key has no algorithm".to_owned()))
    }

    /// The size of its public key in bits, as OpenSSL counts them.
    pub fn key_bits(&self) -> Result<c_int> {
        queue::clear();
        // SAFETY: the certificate is live; the key is a reference of ours.
        let key = unsafe { Pkey::from_owned(ffi::X509_get_pubkey(self.as_ptr())) };
        let key = key.ok_or_else(|| queue::error(Code::Unsupported, "OpenSSL cannot use the certificate's key"))?;
        // SAFETY: the key is live.
        Ok(unsafe { ffi::EVP_PKEY_bits(key.as_ptr()) })
    }

    /// Whether its basic constraints say that it may sign certificates.
    pub fn is_ca(&self) -> bool {
        // SAFETY: the certificate is live. 1 is a CA by its basic constraints; 2 to 5 are guesses for other certificates.
        unsafe { sys::X509_check_ca(self.as_ptr()) == 1 }
    }

    /// The bits of its key usage (KU_...); None if it has no such extension.
    pub fn key_usage(&self) -> Option<u32> {
        // SAFETY: the certificate is live.
        let bits = unsafe { ffi::X509_get_key_usage(self.as_ptr()) };
        (bits != u32::MAX).then_some(bits)
    }
}
