//! PKCS#12 files.

use crate::{error::Result, pki::pkcs12::Pkcs12};
use std::ffi::{c_char, c_void};

use crate::ffi::{
    certificate::private_key::bgl_ssl_private_key_t,
    certificate::{bgl_ssl_certificate_list_t, bgl_ssl_certificate_t},
    convert, guard, handle,
    status::bgl_ssl_status_t,
};

/// Reads a PKCS#12 file (RFC 7292): a private key, its certificate and further ones; or certificates alone, as in a
/// truststore of Java's.
///
/// file: a regular file of at most 16 MB.
/// passphrase: NULL if there is none.
/// private_key, certificate, chain: where to put the key, its certificate and the list (may be empty) of the others,
/// each to be freed by the caller; any of them may be NULL, and must be for what the file lacks: private_key and
/// certificate for a file of certificates alone, which are in chain. Untouched on failure.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_IO if the file cannot be read, or BGL_SSL_E_CONFIG if it is no
/// PKCS#12, lacks the key or certificate that is asked for, is not opened by the passphrase, or uses an old cipher that
/// this OpenSSL lacks. Any thread. Blocks no longer than the disk (and the file's own key derivation).
///
/// Precondition: file and passphrase are NULL or NUL-terminated, the others NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_pkcs12_from_file(
    file: *const c_char,
    passphrase: *const c_char,
    private_key: *mut *mut bgl_ssl_private_key_t,
    certificate: *mut *mut bgl_ssl_certificate_t,
    chain: *mut *mut bgl_ssl_certificate_list_t,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the precondition covers texts and pointers.
        unsafe {
            let path = convert::path(file)?;
            let contents = Pkcs12::from_file(path, convert::passphrase(passphrase))?;
            hand_out(contents, private_key, certificate, chain)
        }
    })
}

/// Reads PKCS#12 from memory, as bgl_ssl_pkcs12_from_file does from a file.
///
/// data: len bytes, not kept.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT or BGL_SSL_E_CONFIG. Any thread. Blocks no longer than the file's own key
/// derivation.
///
/// Precondition: data is NULL or readable for len bytes, passphrase NULL or NUL-terminated, the others NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_pkcs12_from_mem(
    data: *const c_void,
    len: usize,
    passphrase: *const c_char,
    private_key: *mut *mut bgl_ssl_private_key_t,
    certificate: *mut *mut bgl_ssl_certificate_t,
    chain: *mut *mut bgl_ssl_certificate_list_t,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the precondition covers bytes, text and pointers.
        unsafe {
            let data = convert::bytes(data, len, "data")?;
            let contents = Pkcs12::from_bytes(data, convert::passphrase(passphrase))?;
            hand_out(contents, private_key, certificate, chain)
        }
    })
}

/// Precondition: The pointers are NULL or writable.
unsafe fn hand_out(
    contents: Pkcs12,
    private_key: *mut *mut bgl_ssl_private_key_t,
    certificate: *mut *mut bgl_ssl_certificate_t,
    chain: *mut *mut bgl_ssl_certificate_list_t,
) -> Result<()> {
    // All that is asked for must be there before anything is handed out.
    let key = if private_key.is_null() { None } else { Some(contents.key()?.clone()) };
    let leaf = if certificate.is_null() { None } else { Some(contents.certificate()?.clone()) };
    // SAFETY: the precondition covers the pointers, and the converter takes NULL.
    unsafe {
        if let Some(key) = key {
            convert::store(private_key, handle::share(key));
        }
        if let Some(leaf) = leaf {
            convert::store(certificate, handle::share(leaf));
        }
        if !chain.is_null() {
            convert::store(chain, handle::give(contents.chain));
        }
    }
    Ok(())
}
