//! What a certificate says beyond names, times and keys: key identifiers, policies, signed certificate timestamps, and any
//! extension as it is.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{ffi::CStr, ffi::c_int, ptr};

use super::{X509, details::oid};
use crate::ossl::{bytes, queue, sys};

const OCTET_STRING: u8 = 4;

impl X509 {
    /// The identifier of its key; empty if it has none.
    pub fn subject_key_id(&self) -> Vec<u8> {
        // SAFETY: the certificate is live and lends what it has.
        unsafe { octets(ffi::X509_get0_subject_key_id(self.as_ptr())) }
    }

    /// The identifier of the key that has signed it; empty if it names none.
    pub fn authority_key_id(&self) -> Vec<u8> {
        // SAFETY: likewise.
        unsafe { octets(ffi::X509_get0_authority_key_id(self.as_ptr())) }
    }

    /// The OIDs of its policies, in dotted numbers; none if it has no such extension.
    pub fn policies(&self) -> Result<Vec<String>> {
        queue::clear();
        let mut oids = Vec::new();
        // SAFETY: the certificate is live; the stack that OpenSSL makes is freed with its elements here.
        unsafe {
            let (nid, none) = (ffi::NID_certificate_policies, ptr::null_mut());
            let policies = ffi::X509_get_ext_d2i(self.as_ptr(), nid, ptr::null_mut(), none);
            for i in 0..sys::OPENSSL_sk_num(policies).max(0) {
                let policy = sys::OPENSSL_sk_value(policies, i).cast::<sys::PolicyInfo>();
                oids.extend(oid((*policy).policy_id));
            }
            sys::CERTIFICATEPOLICIES_free(policies);
        }
        match queue::take() {
            None => Ok(oids),
            entry => Err(queue::error_from(entry, Code::Config, "the certificate's policies cannot be read")),
        }
    }

    /// The signed certificate timestamps that it carries, as the list that RFC 6962, section 3.3, has; empty if there are none.
    pub fn timestamps(&self) -> Result<Vec<u8>> {
        let Some(value) = self.extension_at(|certificate| {
            // SAFETY: the certificate is live.
            unsafe { ffi::X509_get_ext_by_NID(certificate, sys::NID_CT_PRECERT_SCTS, -1) }
        }) else {
            return Ok(Vec::new());
        };
        let message = "the certificate's timestamps cannot be read";
        octet_string(&value).map(<[u8]>::to_vec).ok_or_else(|| Error::new(Code::Config, message))
    }

    /// The value of an extension, as DER has it; None if it has no such extension. `oid`: in dotted numbers.
    pub fn extension(&self, oid: &CStr) -> Result<Option<Vec<u8>>> {
        let text = oid.to_string_lossy();
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        queue::clear();
        // SAFETY: the text is NUL-terminated; 1 allows dotted numbers only. What is made is ours, and freed below.
        let object = unsafe { ffi::OBJ_txt2obj(oid.as_ptr(), 1) };
        if object.is_null() || !text.split('.').all(is_number) {
            queue::clear();
            // SAFETY: likewise.
            unsafe { ffi::ASN1_OBJECT_free(object) };
            return Err(Error::argument(format!("\"{text}\" is no OID in dotted numbers")));
        }
        let value = self.extension_at(|certificate| {
            // SAFETY: both are live.
            unsafe { ffi::X509_get_ext_by_OBJ(certificate, object, -1) }
        });
        // SAFETY: the object is ours.
        unsafe { ffi::ASN1_OBJECT_free(object) };
        Ok(value)
    }

    fn extension_at(&self, find: impl FnOnce(*mut ffi::X509) -> c_int) -> Option<Vec<u8>> {
        let place = find(self.as_ptr());
        if place < 0 {
            return None;
        }
        // SAFETY: the certificate is live and lends the extension, and that its bytes.
        Some(unsafe { octets(ffi::X509_EXTENSION_get_data(ffi::X509_get_ext(self.as_ptr(), place))) })
    }
}

/// # Safety
/// `text` is NULL or live.
unsafe fn octets(text: *const ffi::ASN1_OCTET_STRING) -> Vec<u8> {
    if text.is_null() {
        return Vec::new();
    }
    let text = text.cast::<ffi::ASN1_STRING>();
    // SAFETY: the preconditions cover the text, which lends its bytes.
    unsafe { bytes(ffi::ASN1_STRING_get0_data(text), sys::ASN1_STRING_length(text)).to_vec() }
}

/// What an OCTET STRING in DER holds.
fn octet_string(der: &[u8]) -> Option<&[u8]> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (len, content) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (len, content) = rest.split_at_checked(usize::from(first & 3))?;
            (len.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), content)
        }
        _ => return None,
    };
    (tag == OCTET_STRING && content.len() == len).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_octet_string_is_all_there_is() {
        assert_eq!(octet_string(&[4, 2, 7, 8]), Some(&[7, 8][..]));
        assert_eq!(octet_string(&[[4, 0x81, 200].as_slice(), &[9; 200]].concat()), Some(&[9; 200][..]));
        assert_eq!(octet_string(&[[4, 0x82, 1, 44].as_slice(), &[9; 300]].concat()), Some(&[9; 300][..]));
        for wrong in [&[][..], &[4], &[4, 1], &[4, 1, 7, 8], &[3, 1, 7], &[4, 0x80], &[4, 0x84, 0, 0, 0, 0]] {
            assert_eq!(octet_string(wrong), None, "{wrong:?}");
        }
    }
}
