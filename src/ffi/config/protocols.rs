//! Protocol versions, application protocols (ALPN), cipher suites, groups.

use crate::{
    alpn,
    config::Config,
    error::{Error, Result},
    protocol::Protocol,
};
use std::ffi::{CString, c_char};

use crate::ffi::{
    config::{apply, bgl_ssl_config_t, change},
    convert, guard,
    status::bgl_ssl_status_t,
};

/// Sets the protocol, and removes a minimum and a maximum that were set.
///
/// protocol: a BGLSSL_... number. Default: BGLSSL_SSLV23.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_protocol(
    config: *mut bgl_ssl_config_t,
    protocol: i32,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        config.versions.protocol = Protocol::from_number(protocol)?;
        config.versions.min = None;
        config.versions.max = None;
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    unsafe { change(config, set) }
}

/// Sets the lowest TLS version.
///
/// protocol: BGLSSL_TLSV1_0, BGLSSL_TLSV1_1, BGLSSL_TLSV1_2 or BGLSSL_TLSV1_3. OpenSSL 3 speaks TLS 1.0 and 1.1 only at
/// security level 0: add "@SECLEVEL=0" to the cipher list if they are wanted beside newer versions.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_min_protocol(
    config: *mut bgl_ssl_config_t,
    protocol: i32,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        config.versions.min = Some(version(protocol)?);
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    unsafe { change(config, set) }
}

/// Sets the highest TLS version.
///
/// protocol: BGLSSL_TLSV1_0, BGLSSL_TLSV1_1, BGLSSL_TLSV1_2 or BGLSSL_TLSV1_3. Default: what OpenSSL has.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_max_protocol(
    config: *mut bgl_ssl_config_t,
    protocol: i32,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        config.versions.max = Some(version(protocol)?);
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    unsafe { change(config, set) }
}

fn version(number: i32) -> Result<Protocol> {
    match Protocol::from_number(number)? {
        version @ (Protocol::Tlsv1_0 | Protocol::Tlsv1_1 | Protocol::Tlsv1_2 | Protocol::Tlsv1_3) => Ok(version),
        Protocol::Tls => Err(Error::argument("tls (or tlsv1) means any version: TLS 1.0 is tlsv1_0")),
        other => Err(Error::argument(format!("{} is no version that can bound others", other.name()))),
    }
}

/// Sets the application protocols (ALPN, RFC 7301) that a client offers, or among which a server chooses, best first. A
/// server refuses a client that offers only others.
///
/// names, count: texts of 1 to 255 bytes each; NULL and 0 for none (the default).
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; names is NULL or readable for count NUL-terminated texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_alpn(
    config: *mut bgl_ssl_config_t,
    names: *const *const c_char,
    count: usize,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the precondition covers texts and handle.
        unsafe {
            let names = convert::slice(names, count, "list of ALPN names")?;
            let names = names.iter().map(|name| convert::c_text(*name, "ALPN name").map(std::ffi::CStr::to_bytes));
            let wire = alpn::wire(names.collect::<Result<Vec<_>>>()?)?;
            apply(config, |config| config.alpn = wire)
        }
    })
}

/// Sets the ciphers for TLS 1.2 and before, in OpenSSL's notation (openssl-ciphers(1)), such as "HIGH:!aNULL". A bad
/// list, or one without a cipher for the only protocol version, is found when the config is frozen (BGL_SSL_E_CONFIG).
///
/// list: NULL for OpenSSL's default.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; list is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_cipher_list(
    config: *mut bgl_ssl_config_t,
    list: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers text and handle.
    unsafe { set_list(config, list, |config| &mut config.cipher_list) }
}

/// Sets the cipher suites for TLS 1.3, such as "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256". A bad list, one
/// with a name that this OpenSSL does not know (SSL_CTX_set_ciphersuites(3) ignores it beside others), or one without a
/// suite for the only protocol version, is found when the config is frozen (BGL_SSL_E_CONFIG).
///
/// list: NULL for OpenSSL's default.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; list is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_cipher_suites(
    config: *mut bgl_ssl_config_t,
    list: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers text and handle.
    unsafe { set_list(config, list, |config| &mut config.cipher_suites) }
}

/// Sets the groups for key agreement, best first, such as "X25519:P-256". A bad list is found when the config is frozen
/// (BGL_SSL_E_CONFIG).
///
/// list: OpenSSL's names separated by colons. A name with "?" before it is passed over by an OpenSSL that does not know
/// it, and "DEFAULT" stands for OpenSSL's own list, whatever its version: "?X25519MLKEM768:DEFAULT". The further signs
/// of SSL_CTX_set1_groups_list(3) are for OpenSSL 3.5 and newer. NULL for OpenSSL's default.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; list is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_groups(
    config: *mut bgl_ssl_config_t,
    list: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers text and handle.
    unsafe { set_list(config, list, |config| &mut config.groups) }
}

/// Precondition: config is NULL or live; list is NULL or NUL-terminated.
unsafe fn set_list(
    config: *const bgl_ssl_config_t,
    list: *const c_char,
    field: impl FnOnce(&mut Config) -> &mut Option<CString>,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the precondition covers text and handle.
        unsafe {
            let list = convert::optional_c_string(list, "list")?;
            apply(config, |config| *field(config) = list)
        }
    })
}
