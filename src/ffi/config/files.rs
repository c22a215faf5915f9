//! Certificates and CAs from files and lists.

use crate::{
    error::{Error, Result},
    pki::{anchors::Anchors, certificate::Certificate, identity::Identity},
};
use std::{
    ffi::{c_char, c_void},
    sync::Arc,
};

use crate::ffi::{
    certificate::bgl_ssl_certificate_list_t,
    certificate::private_key::bgl_ssl_private_key_t,
    config::{apply, bgl_ssl_config_t, change},
    convert, guard, handle,
    status::bgl_ssl_status_t,
};

/// The certificates of a list, or None for NULL.
///
/// Precondition: list is NULL or live.
unsafe fn certificates(list: *const bgl_ssl_certificate_list_t) -> Result<Option<Vec<Certificate>>> {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::borrow_optional(list).map(|list| list.cloned()) }
}

/// The certificates of a list whom to trust. NULL is what a load that failed leaves, so it never stands for more trust.
///
/// Precondition: list is NULL or live.
unsafe fn trusted(list: *const bgl_ssl_certificate_list_t) -> Result<Vec<Certificate>> {
    // SAFETY: the precondition covers the handle.
    unsafe { certificates(list) }?
        .ok_or_else(|| Error::argument("the list of certificates is NULL; was it loaded?"))
}

/// Bytes that must not be NULL.
///
/// Precondition: data is NULL or readable for len bytes.
unsafe fn given<'a>(data: *const c_void, len: usize, what: &str) -> Result<&'a [u8]> {
    if data.is_null() {
        return Err(Error::argument(format!("the {what} is NULL")));
    }
    // SAFETY: guaranteed by the caller (see Precondition).
    unsafe { convert::bytes(data, len, what) }
}

/// Sets the CA certificates against which the peer is verified to those of a PEM file: see
/// bgl_ssl_config_set_ca_certificates. bgl_ssl_server_reload reads it again.
///
/// file: a regular file of at most 16 MB with at least one certificate; anything else in it is skipped.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT; BGL_SSL_E_IO if the file cannot be read; BGL_SSL_E_CONFIG if it holds no
/// certificate or a damaged one; BGL_SSL_E_STATE if the config is frozen. The message names the file. On failure the
/// config is as it was. Any thread. Blocks no longer than the disk.
///
/// Precondition: config is NULL or live; file is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_ca_file(
    config: *mut bgl_ssl_config_t,
    file: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and text.
    guard::done(|| unsafe {
        // The file is read before the config is locked.
        let cas = Arc::new(Anchors::from_file(convert::path(file)?)?);
        apply(config, |config| config.cas = Some(cas))
    })
}

/// Sets the CA certificates against which the peer is verified to those of a PEM text: see
/// bgl_ssl_config_set_ca_certificates.
///
/// pem: len bytes with at least one certificate, not kept; anything else in them is skipped.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT; BGL_SSL_E_CONFIG if there is no certificate or a damaged one;
/// BGL_SSL_E_STATE if the config is frozen. On failure the config is as it was. Never blocks; any thread.
///
/// Precondition: config is NULL or live; pem is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_ca_mem(
    config: *mut bgl_ssl_config_t,
    pem: *const c_void,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    guard::done(|| unsafe {
        let certificates = Certificate::all_from_pem(given(pem, len, "text")?)?;
        let cas = Arc::new(Anchors::new(certificates));
        apply(config, |config| config.cas = Some(cas))
    })
}

/// Sets the CA certificates against which the peer is verified to those of a list: see
/// bgl_ssl_config_set_ca_certificates.
///
/// list: not NULL, so that a list that could not be loaded is noticed here. The config takes references of its own; the
/// list stays the caller's.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config and list are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_ca_list(
    config: *mut bgl_ssl_config_t,
    list: *const bgl_ssl_certificate_list_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    unsafe {
        change(config, |config| {
            config.cas = Some(Arc::new(Anchors::new(trusted(list)?)));
            Ok(())
        })
    }
}

/// Sets the certificates one of which the peer must present to those of a list: see
/// bgl_ssl_config_set_accepted_certificates.
///
/// list: not NULL, so that a list that could not be loaded is noticed here. The config takes references of its own; the
/// list stays the caller's.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config and list are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_accepted_list(
    config: *mut bgl_ssl_config_t,
    list: *const bgl_ssl_certificate_list_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    unsafe {
        change(config, |config| {
            config.accepted = Some(trusted(list)?);
            Ok(())
        })
    }
}

/// Sets the certificate of the connection itself from files: the certificate, the intermediate ones that lead from it
/// to a CA, and the private key of the first. bgl_ssl_server_reload reads them again.
///
/// chain_file: certificates in PEM, the connection's own first; or one in DER; or PKCS#12 with certificates and key.
/// key_file: the private key in PEM or DER; NULL if it is in chain_file. Ignored if chain_file is PKCS#12.
/// passphrase: of the key or the PKCS#12; NULL if there is none. The config keeps a copy, to read the files again.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT; BGL_SSL_E_IO if a file cannot be read; BGL_SSL_E_CONFIG if it holds no
/// certificate or no key, if the passphrase does not open the key, or if the key does not belong to the certificate;
/// BGL_SSL_E_STATE if the config is frozen. The message names the file. On failure the config is as it was. Any thread.
/// Blocks no longer than the disk (and the key's own key derivation).
///
/// Precondition: config is NULL or live; the others are NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_certificate_file(
    config: *mut bgl_ssl_config_t,
    chain_file: *const c_char,
    key_file: *const c_char,
    passphrase: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and texts.
    guard::done(|| unsafe {
        let key = if key_file.is_null() { None } else { Some(convert::path(key_file)?) };
        let passphrase = convert::passphrase(passphrase);
        let identity = Identity::from_files(convert::path(chain_file)?, key, passphrase)?;
        apply(config, |config| config.identities = vec![Arc::new(identity)])
    })
}

/// Sets the certificate of the connection itself from memory, as bgl_ssl_config_set_certificate_file does from files.
///
/// chain: chain_len bytes, not kept: certificates in PEM, the connection's own first; or one in DER; or PKCS#12 with
/// certificates and key.
/// key: key_len bytes, not kept: the private key in PEM or DER; NULL if it is in chain. Ignored if chain is PKCS#12.
/// passphrase: of the key or the PKCS#12; NULL if there is none.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT; BGL_SSL_E_CONFIG if there is no certificate or no key, if the passphrase
/// does not open the key, or if the key does not belong to the certificate; BGL_SSL_E_STATE if the config is frozen. On
/// failure the config is as it was. Any thread. Blocks no longer than the key's own key derivation.
///
/// Precondition: config is NULL or live; chain and key are NULL or readable for as many bytes; passphrase is NULL or
/// NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_certificate_mem(
    config: *mut bgl_ssl_config_t,
    chain: *const c_void,
    chain_len: usize,
    key: *const c_void,
    key_len: usize,
    passphrase: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle, bytes and text.
    guard::done(|| unsafe {
        let chain = given(chain, chain_len, "chain")?;
        let key = if key.is_null() { None } else { Some(convert::bytes(key, key_len, "key")?) };
        let identity = Identity::from_bytes(chain, key, convert::passphrase(passphrase))?;
        apply(config, |config| config.identities = vec![Arc::new(identity)])
    })
}

/// Sets the certificate of the connection itself: a list with it and the intermediate ones that lead from it to a CA,
/// and the private key of the first.
///
/// chain, private_key: both, or both NULL for none (the default). The config takes references of its own; the list and
/// the key stay the caller's.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_CONFIG if the key does not belong to the certificate, or
/// BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: All are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_certificate_list(
    config: *mut bgl_ssl_config_t,
    chain: *const bgl_ssl_certificate_list_t,
    private_key: *const bgl_ssl_private_key_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    unsafe {
        change(config, |config| {
            let key = handle::borrow_optional(private_key)?.cloned();
            config.set_identity(certificates(chain)?.unwrap_or_default(), key)
        })
    }
}
