//! Providers of OpenSSL 3, and FIPS.

use crate::ossl::provider;
use std::ffi::c_char;

use crate::ffi::{convert, guard, status::bgl_ssl_status_t};

/// Loads a provider of OpenSSL's for the whole process: "legacy", "fips", or a module such as "tpm2" or "pkcs11" in
/// OpenSSL's directory of modules. Those that OpenSSL loads by itself stay; it is never unloaded. Load it before the
/// configs that need it are frozen.
///
/// Returns BGL_SSL_OK, also if it is loaded already; BGL_SSL_E_ARGUMENT; BGL_SSL_E_UNSUPPORTED if there is no such
/// provider ("" is none), and with OpenSSL 1.1.1. Blocks no longer than the disk; any thread. See
/// OSSL_PROVIDER_try_load(3).
///
/// Precondition: name is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_load_provider(name: *const c_char) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the text.
    guard::done(|| provider::load(unsafe { convert::c_text(name, "provider's name")? }))
}

/// Whether OpenSSL takes its algorithms from FIPS modules only, by bgl_ssl_set_fips or by its configuration.
///
/// Returns false also with OpenSSL 1.1.1. Never blocks; any thread. See EVP_default_properties_is_fips_enabled(3).
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_fips() -> bool {
    guard::or(false, || Ok(provider::is_fips()))
}

/// Makes OpenSSL take its algorithms from FIPS modules only, for the whole process and from now on, or from any. What
/// uses others already goes on: connections, frozen configs, and secure contexts (bgl_ssl_ctx_init). The providers
/// "fips" and "base" are loaded.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_UNSUPPORTED if there is no FIPS module, and with OpenSSL 1.1.1 (for true). Blocks no
/// longer than the disk, and the module's tests of itself; any thread. See fips_module(7).
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_set_fips(fips: bool) -> bgl_ssl_status_t {
    guard::done(|| provider::set_fips(fips))
}
