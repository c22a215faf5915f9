//! Public keys from PEM: SubjectPublicKeyInfo, PKCS#1, or that of a certificate.

use crate::error::{Code, Result};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_char, c_int, c_long},
    ptr,
};

use super::Pkey;
use crate::ossl::{
    bio::MemReader,
    evp_sys, queue,
    x509::{X509, nothing_there},
};

/// The first public key or certificate of a PEM text; None if there is neither.
pub fn from_pem(pem: &[u8]) -> Result<Option<Pkey>> {
    let reader = MemReader::new(pem)?;
    while let Some((name, der)) = next_block(&reader)? {
        let key = match name.as_str() {
            "PUBLIC KEY" => parse(&der, |data, len| {
                // SAFETY: `data` points to `len` readable bytes.
                unsafe { ffi::d2i_PUBKEY(ptr::null_mut(), data, len) }
            }),
            "RSA PUBLIC KEY" => parse(&der, |data, len| {
                // SAFETY: likewise.
                unsafe { evp_sys::d2i_PublicKey(ffi::EVP_PKEY_RSA, ptr::null_mut(), data, len) }
            }),
            "CERTIFICATE" | "X509 CERTIFICATE" => {
                let certificate = X509::from_der(&der)?;
                // SAFETY: the certificate is live; a new reference or NULL.
                unsafe { Pkey::from_owned(ffi::X509_get_pubkey(certificate.as_ptr())) }
            }
            _ => continue,
        };
        return match key {
            Some(key) => Ok(Some(key)),
            None => Err(queue::error(Code::Config, "the public key is damaged, or of an unknown kind")),
        };
    }
    Ok(None)
}

fn parse(der: &[u8], read: impl FnOnce(*mut *const u8, c_long) -> *mut ffi::EVP_PKEY) -> Option<Pkey> {
    queue::clear();
    let mut cursor = der.as_ptr();
    let key = read(&mut cursor, c_long::try_from(der.len()).ok()?);
    // SAFETY: a new key, or NULL.
    unsafe { Pkey::from_owned(key) }
}

/// The label and the contents of the next PEM block; None if there is none that can be read.
fn next_block(reader: &MemReader<'_>) -> Result<Option<(String, Vec<u8>)>> {
    queue::clear();
    let (mut name, mut header): (*mut c_char, *mut c_char) = (ptr::null_mut(), ptr::null_mut());
    let (mut data, mut len) = (ptr::null_mut(), 0);
    // SAFETY: the BIO is live; OpenSSL stores what it allocates.
    let done = unsafe { evp_sys::PEM_read_bio(reader.as_ptr(), &mut name, &mut header, &mut data, &mut len) };
    if done != 1 {
        return nothing_there().map(|()| None);
    }
    // SAFETY: on success all three are set, and ours to free.
    unsafe {
        let label = CStr::from_ptr(name).to_string_lossy().into_owned();
        let contents = crate::ossl::take_bytes(data, c_int::try_from(len).unwrap_or(0));
        crate::ossl::free(name.cast());
        crate::ossl::free(header.cast());
        Ok(Some((label, contents)))
    }
}
