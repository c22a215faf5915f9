//! Pinned keys and further requirements on the peer's certificate.

use crate::{error::Error, pki::pin::Pin};
use std::ffi::c_char;

use crate::ffi::{
    certificate::bgl_ssl_certificate_t,
    config::{bgl_ssl_config_t, change},
    convert, guard, handle,
    status::bgl_ssl_status_t,
};

/// Certificates must keep to the letter of RFC 5280 (X509_V_FLAG_X509_STRICT): CA certificates with the extensions that
/// it demands, for instance.
pub const BGL_SSL_VERIFY_STRICT: u32 = 1;
/// The CommonName never stands in for a DNS name, not even where a certificate has none.
pub const BGL_SSL_VERIFY_NO_COMMON_NAME: u32 = 2;

/// Adds pins: public keys one of which the peer's verified chain must hold, beside everything else that is verified.
/// Where no chain is verified, it is the key of the peer's own certificate. A server with pins demands a certificate of
/// its clients, or asks for one if BGL_SSL_CLIENT_CERTIFICATE_OPTIONAL is set.
///
/// pins: "sha256//BASE64" (as curl has it) or pin-sha256="BASE64" (RFC 7469), several of them separated by semicolons:
/// SHA-256 digests of SubjectPublicKeyInfos. NULL removes those that were added.
///
/// A peer without any of the keys is BGL_SSL_E_VERIFY, in resumed handshakes as in full ones.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; pins is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_add_pins(
    config: *mut bgl_ssl_config_t,
    pins: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and text.
    unsafe {
        change(config, |config| {
            match convert::optional_text(pins, "pins")? {
                Some(text) => config.requirements.pins.extend(Pin::parse_all(text)?),
                None => config.requirements.pins.clear(),
            }
            Ok(())
        })
    }
}

/// Copies out the pin of a certificate's public key, such as "sha256//AAEC...": what bgl_ssl_config_add_pins takes.
///
/// Returns the length of the whole text, 52; 0 on failure (BGL_SSL_E_ARGUMENT; BGL_SSL_E_CONFIG if the key cannot be
/// read). Never blocks; any thread. See RFC 7469, section 2.4.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_pin(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe {
        let pin = handle::with(certificate, Pin::of)?;
        convert::copy_text(pin.to_string().as_bytes(), buf, size)
    })
}

/// Sets how many CA certificates may be between the peer's certificate and the trusted one.
///
/// depth: 0 to 100; -1 for OpenSSL's default, 100.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread. See
/// X509_VERIFY_PARAM_set_depth(3).
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_verify_depth(
    config: *mut bgl_ssl_config_t,
    depth: i32,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            config.requirements.depth = match (depth, u8::try_from(depth)) {
                (-1, _) => None,
                (_, Ok(depth)) if depth <= 100 => Some(depth),
                _ => return Err(Error::argument(format!("the depth {depth} is not between -1 and 100"))),
            };
            Ok(())
        })
    }
}

/// Sets the time at which certificates must be valid, instead of now: for devices whose clock is wrong, and for
/// signatures of the past.
///
/// seconds: since 1970 (UTC), 1 or more; 0 for now (the default).
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_verify_time(
    config: *mut bgl_ssl_config_t,
    seconds: i64,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            if seconds < 0 || libc::time_t::try_from(seconds).is_err() {
                return Err(Error::argument(format!("{seconds} is no time in seconds since 1970")));
            }
            config.requirements.time = (seconds > 0).then_some(seconds);
            Ok(())
        })
    }
}

/// Sets what else the verification of the peer's certificate demands.
///
/// flags: BGL_SSL_VERIFY_STRICT, BGL_SSL_VERIFY_NO_COMMON_NAME, both added up; 0 for neither (the default).
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_verify_flags(
    config: *mut bgl_ssl_config_t,
    flags: u32,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            if flags & !(BGL_SSL_VERIFY_STRICT | BGL_SSL_VERIFY_NO_COMMON_NAME) != 0 {
                return Err(Error::argument(format!("{flags:#x} has bits that are no BGL_SSL_VERIFY_...")));
            }
            config.requirements.strict = flags & BGL_SSL_VERIFY_STRICT != 0;
            config.requirements.no_common_name = flags & BGL_SSL_VERIFY_NO_COMMON_NAME != 0;
            Ok(())
        })
    }
}
