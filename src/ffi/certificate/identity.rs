//! Identities: certificates with their private keys.

use crate::pki::identity::Identity;
use std::{ffi::c_char, ptr, sync::Arc};

use super::{bgl_ssl_certificate_t, private_key::bgl_ssl_private_key_t};
use crate::ffi::{
    convert, guard,
    handle::{self, Handle},
    status::bgl_ssl_status_t,
};

/// What a connection presents of itself: a certificate, the intermediate ones that lead from it to a CA, and its
/// private key. A config can have any number: see bgl_ssl_config_add_identity.
pub struct bgl_ssl_identity_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_identity_t {
    type Rust = Arc<Identity>;
    const TAG: u64 = 0x4247_4c53_4944_4e54;
    const NOUN: &'static str = "identity";
}

/// Makes an identity from a chain and a key.
///
/// chain, count: the certificates, the identity's own first; at least one. The identity takes references of its own.
/// private_key: of the first certificate. Not NULL.
///
/// Returns an identity, to be freed with bgl_ssl_identity_free, or NULL: BGL_SSL_E_ARGUMENT, or BGL_SSL_E_CONFIG if the
/// key does not belong to the certificate. Never blocks; any thread.
///
/// Precondition: chain is readable for count live handles, private_key is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_identity_new(
    chain: *const *const bgl_ssl_certificate_t,
    count: usize,
    private_key: *const bgl_ssl_private_key_t,
) -> *mut bgl_ssl_identity_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the handles.
        let (chain, key) =
            unsafe { (convert::clones(chain, count, "certificate chain")?, handle::borrow(private_key)?.clone()) };
        Identity::new(chain, key).map(|identity| handle::give(Arc::new(identity)))
    })
}

/// Reads an identity from files, which bgl_ssl_identity_reload and bgl_ssl_server_reload read again.
///
/// chain_file: certificates in PEM, the identity's own first; or one in DER; or PKCS#12 with certificates and key.
/// key_file: the private key in PEM or DER; NULL if it is in chain_file. Ignored if chain_file is PKCS#12.
/// passphrase: of the key or the PKCS#12; NULL if there is none. The identity keeps a copy, to read the files again.
///
/// Returns an identity, to be freed with bgl_ssl_identity_free, or NULL: BGL_SSL_E_ARGUMENT; BGL_SSL_E_IO if a file
/// cannot be read; BGL_SSL_E_CONFIG if it lacks what is sought, if the passphrase does not open it, or if the key does
/// not belong to the certificate. The message names the file. Any thread. Blocks no longer than the disk (and the key's
/// own key derivation).
///
/// Precondition: All are NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_identity_from_files(
    chain_file: *const c_char,
    key_file: *const c_char,
    passphrase: *const c_char,
) -> *mut bgl_ssl_identity_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the texts.
        let (chain, key, passphrase) = unsafe {
            let key = if key_file.is_null() { None } else { Some(convert::path(key_file)?) };
            (convert::path(chain_file)?, key, convert::passphrase(passphrase))
        };
        let identity = Identity::from_files(chain, key, passphrase)?;
        Ok(handle::give(Arc::new(identity)))
    })
}

/// Reads the files of an identity again. What they hold then is what later handshakes present, of all configs that have
/// the identity, frozen or not. Connections that are established are not affected. Sessions of before are still
/// resumed, unless the certificate's names have changed.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_STATE if the identity is of no files; and the failures of bgl_ssl_identity_from_files,
/// upon which the identity stays as it was. Any thread. Blocks no longer than the disk (and the key's own key
/// derivation).
///
/// Precondition: identity is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_identity_reload(identity: *const bgl_ssl_identity_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(identity, |identity| identity.reload()) })
}

/// Frees an identity; configs that have it keep it. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: identity is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_identity_free(identity: *mut bgl_ssl_identity_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(identity) }
}
