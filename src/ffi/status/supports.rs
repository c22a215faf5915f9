//! Features of the OpenSSL in use.

use crate::supports;
use std::ffi::c_char;

use crate::ffi::{convert, guard};

/// Whether the OpenSSL in use has a feature: what a config may then ask for without BGL_SSL_E_UNSUPPORTED or
/// BGL_SSL_E_CONFIG.
///
/// feature: "protocol:tlsv1_3" (the names of bgl_ssl_protocol_number), "group:X25519MLKEM768",
/// "signature-algorithm:ed25519", "cipher:TLS_AES_256_GCM_SHA384" or another name of OpenSSL's for one;
/// "provider:tpm2", whether that provider is loaded; "store:pkcs11", whether URIs of that scheme can be opened.
///
/// Returns true or false; false also on failure: BGL_SSL_E_ARGUMENT for a text that is no feature. Never blocks; any
/// thread.
///
/// Precondition: feature is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_supports(feature: *const c_char) -> bool {
    // SAFETY: the precondition covers the text.
    guard::or(false, || supports::supports(unsafe { convert::text(feature, "feature")? }))
}
