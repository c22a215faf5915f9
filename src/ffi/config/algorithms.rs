//! Signature algorithms, the security level, and the key log.

use crate::error::Error;
use std::ffi::c_char;

use crate::ffi::{
    config::{bgl_ssl_config_t, change},
    convert,
    status::bgl_ssl_status_t,
};

/// Sets the signature algorithms that are offered to the peer, accepted of it, and used, best first.
///
/// list: OpenSSL's names separated by colons, such as "ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256" or
/// "ECDSA+SHA256:RSA-PSS+SHA256"; NULL for OpenSSL's default.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. A list that OpenSSL does not
/// take is BGL_SSL_E_CONFIG when the config is frozen. Never blocks; any thread. See SSL_CTX_set1_sigalgs_list(3).
///
/// Precondition: config is NULL or live; list is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_signature_algorithms(
    config: *mut bgl_ssl_config_t,
    list: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and text.
    unsafe {
        change(config, |config| {
            config.signature_algorithms = convert::optional_c_string(list, "signature algorithms")?;
            Ok(())
        })
    }
}

/// Sets OpenSSL's security level: the strength below which keys, digests, groups and ciphers are refused.
///
/// level: 0 (everything that OpenSSL has) to 5; -1 for OpenSSL's default, which is 1 or 2.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread. See
/// SSL_CTX_set_security_level(3).
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_security_level(
    config: *mut bgl_ssl_config_t,
    level: i32,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            config.security_level = match level {
                -1 => None,
                0..=5 => Some(level),
                _ => return Err(Error::argument(format!("the security level {level} is not between -1 and 5"))),
            };
            Ok(())
        })
    }
}

/// Writes the secrets of the config's connections to a file, in the NSS key log format (SSLKEYLOGFILE): tools such as
/// Wireshark, and anybody else who can read the file, can decrypt captured connections with it. For debugging. The
/// environment alone never turns this on.
///
/// file: appended to; made for its owner only (mode 0600) if there is none; copied. It is opened when the config is
/// frozen. NULL for none (the default).
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_IO (ENOENT) for an empty name, or BGL_SSL_E_STATE if the config is
/// frozen. A file that cannot be written to is BGL_SSL_E_IO when the config is frozen; later failures to write are
/// ignored. Never blocks; any thread. See SSL_CTX_set_keylog_callback(3).
///
/// Precondition: config is NULL or live; file is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_insecure_set_key_log_file(
    config: *mut bgl_ssl_config_t,
    file: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and text.
    unsafe {
        change(config, |config| {
            config.key_log = if file.is_null() { None } else { Some(convert::path(file)?.to_owned()) };
            Ok(())
        })
    }
}
