//! Keys and certificates from URIs.

use crate::pki::{certificate::Certificate, private_key::PrivateKey};
use std::{ffi::c_char, ptr};

use crate::ffi::{
    certificate::{bgl_ssl_certificate_list_t, private_key::bgl_ssl_private_key_t},
    convert, guard, handle,
};

/// The first private key at a URI: "file:/etc/ssl/server.key", or one that a provider knows, which must be loaded
/// (bgl_ssl_load_provider): "handle:0x81000001" of tpm2, "pkcs11:token=t;object=k" of pkcs11. The key may stay where it
/// is; then its provider signs.
///
/// uri: a text without a scheme is the name of a file.
/// passphrase: for what is encrypted, or the PIN of a token; NULL if there is none: nothing is ever asked on the
/// terminal.
///
/// Returns a key, to be freed with bgl_ssl_private_key_free, or NULL: BGL_SSL_E_ARGUMENT; BGL_SSL_E_IO if the file
/// cannot be opened (ENOENT ...); BGL_SSL_E_CONFIG if there is no key, or the passphrase does not open it;
/// BGL_SSL_E_UNSUPPORTED if no provider knows the scheme. Blocks as long as the provider does; any thread. See
/// ossl_store(7).
///
/// Precondition: uri and passphrase are NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_private_key_from_uri(
    uri: *const c_char,
    passphrase: *const c_char,
) -> *mut bgl_ssl_private_key_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the texts.
        let (uri, passphrase) = unsafe { (convert::c_text(uri, "URI")?, convert::passphrase(passphrase)) };
        PrivateKey::from_uri(uri, passphrase).map(handle::share)
    })
}

/// All certificates at a URI, as bgl_ssl_private_key_from_uri finds keys.
///
/// uri: a text without a scheme is the name of a file.
/// passphrase: for what is encrypted, or the PIN of a token; NULL if there is none.
///
/// Returns a list, to be freed with bgl_ssl_certificate_list_free, or NULL: BGL_SSL_E_ARGUMENT; BGL_SSL_E_IO if the
/// file cannot be opened (ENOENT ...); BGL_SSL_E_CONFIG if there is no certificate; BGL_SSL_E_UNSUPPORTED if no
/// provider knows the scheme. Blocks as long as the provider does; any thread. See ossl_store(7).
///
/// Precondition: uri and passphrase are NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_list_from_uri(
    uri: *const c_char,
    passphrase: *const c_char,
) -> *mut bgl_ssl_certificate_list_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the texts.
        let (uri, passphrase) = unsafe { (convert::c_text(uri, "URI")?, convert::passphrase(passphrase)) };
        Certificate::all_from_uri(uri, passphrase).map(handle::give)
    })
}
