//! What a certificate says, in the words in which OpenSSL's own tools and node print it.

use crate::error::{Code, Result};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_char, c_int},
    ptr,
};

use super::{X509, names::Party, nothing_there};
use crate::ossl::{bio::MemWriter, queue, sys};

impl X509 {
    /// A whole name, a line for each part, such as "C=FR\nCN=example.org"; what is not ASCII or is a control character
    /// is escaped.
    pub fn name_lines(&self, party: Party) -> Result<Vec<u8>> {
        let out = MemWriter::new()?;
        let flags = sys::ASN1_STRFLGS_ESC_CTRL | sys::ASN1_STRFLGS_ESC_MSB | sys::XN_FLAG_SEP_MULTILINE;
        queue::clear();
        // SAFETY: the certificate is live and lends its names.
        let done = unsafe {
            let name = match party {
                Party::Subject => ffi::X509_get_subject_name(self.as_ptr()),
                Party::Issuer => ffi::X509_get_issuer_name(self.as_ptr()),
            };
            sys::X509_NAME_print_ex(out.as_ptr(), name, 0, flags)
        };
        if done < 0 { Err(queue::error(Code::Internal, "cannot write the name")) } else { Ok(out.into_bytes()) }
    }

    /// From when it is valid, such as "Nov 23 16:49:18 2026 GMT".
    pub fn valid_from(&self) -> Result<Vec<u8>> {
        // SAFETY: the certificate lends its times.
        time_text(unsafe { sys::X509_get0_notBefore(self.as_ptr()) })
    }

    /// Until when it is valid.
    pub fn valid_to(&self) -> Result<Vec<u8>> {
        // SAFETY: the certificate lends its times.
        time_text(unsafe { sys::X509_get0_notAfter(self.as_ptr()) })
    }

    /// Modulus and public exponent of an RSA key, in upper-case hexadecimal without leading zeros.
    pub fn rsa(&self) -> Result<Option<(String, String)>> {
        queue::clear();
        // SAFETY: the certificate is live; the key is freed here.
        let numbers = unsafe {
            let key = ffi::X509_get_pubkey(self.as_ptr());
            if key.is_null() {
                return nothing_there().map(|()| None);
            }
            let numbers = rsa_numbers(key);
            ffi::EVP_PKEY_free(key);
            numbers
        };
        nothing_there().map(|()| numbers)
    }

    /// The OIDs of its extended key usage, in dotted numbers; none if it has no such extension.
    pub fn ext_key_usage(&self) -> Result<Vec<String>> {
        let mut oids = Vec::new();
        queue::clear();
        // SAFETY: the certificate is live; the stack that OpenSSL makes is freed with its elements here.
        unsafe {
            let stack =
                ffi::X509_get_ext_d2i(self.as_ptr(), ffi::NID_ext_key_usage, ptr::null_mut(), ptr::null_mut());
            if !stack.is_null() {
                loop {
                    let object = sys::OPENSSL_sk_pop(stack).cast::<ffi::ASN1_OBJECT>();
                    if object.is_null() {
                        break;
                    }
                    oids.extend(oid(object));
                    ffi::ASN1_OBJECT_free(object);
                }
                sys::OPENSSL_sk_free(stack);
            }
        }
        nothing_there()?;
        oids.reverse();
        Ok(oids)
    }
}

fn time_text(time: *const ffi::ASN1_TIME) -> Result<Vec<u8>> {
    let out = MemWriter::new()?;
    queue::clear();
    // SAFETY: the caller passes a live time.
    let done = unsafe { ffi::ASN1_TIME_print(out.as_ptr(), time) };
    queue::check(done, Code::Config, "the certificate holds no valid time")?;
    Ok(out.into_bytes())
}

/// # Safety
/// `object` is live.
pub(super) unsafe fn oid(object: *mut ffi::ASN1_OBJECT) -> Option<String> {
    let mut text = [0 as c_char; 256];
    // SAFETY: the preconditions cover the object; `text` is writable for its length, and ends in a NUL afterwards.
    unsafe {
        let len = ffi::OBJ_obj2txt(text.as_mut_ptr(), text.len() as c_int, object, 1);
        (len > 0).then(|| CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned())
    }
}

/// # Safety
/// `key` is live.
#[cfg(ossl300)]
unsafe fn rsa_numbers(key: *mut ffi::EVP_PKEY) -> Option<(String, String)> {
    let number = |name: &CStr| {
        let mut number: *mut ffi::BIGNUM = ptr::null_mut();
        // SAFETY: the preconditions cover the key; the number is new or NULL, and freed here.
        unsafe {
            let done = ffi::EVP_PKEY_get_bn_param(key, name.as_ptr(), &mut number);
            let text = (done == 1).then(|| hex(number));
            ffi::BN_free(number);
            text.flatten()
        }
    };
    number(c"n").zip(number(c"e"))
}

/// # Safety
/// `key` is live.
#[cfg(not(ossl300))]
unsafe fn rsa_numbers(key: *mut ffi::EVP_PKEY) -> Option<(String, String)> {
    let (mut n, mut e) = (ptr::null(), ptr::null());
    // SAFETY: the preconditions cover the key, which lends the RSA key, which lends its numbers.
    unsafe {
        let rsa = sys::EVP_PKEY_get0_RSA(key);
        if rsa.is_null() {
            return None;
        }
        ffi::RSA_get0_key(rsa, &mut n, &mut e, ptr::null_mut());
        hex(n).zip(hex(e))
    }
}

/// # Safety
/// `number` is NULL or live.
unsafe fn hex(number: *const ffi::BIGNUM) -> Option<String> {
    if number.is_null() {
        return None;
    }
    // SAFETY: the number is live; the text that OpenSSL makes is freed here.
    unsafe {
        let hex = ffi::BN_bn2hex(number);
        if hex.is_null() {
            return None;
        }
        let text = CStr::from_ptr(hex).to_string_lossy().into_owned();
        crate::ossl::free(hex.cast());
        Some(text.trim_start_matches('0').to_string())
    }
}
