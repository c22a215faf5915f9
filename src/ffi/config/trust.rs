//! Verification: CAs, accepted certificates, client certificates.

use crate::{
    config::{ClientCertificate, Config, Verify},
    error::Error,
    pki::anchors::Anchors,
};
use std::sync::Arc;

use crate::ffi::{
    certificate::bgl_ssl_certificate_t,
    config::{apply, bgl_ssl_config_t, change},
    convert, guard,
    status::bgl_ssl_status_t,
};

/// Clients are required to present a certificate if CA certificates or accepted certificates are set; else they are not
/// asked. The default.
pub const BGL_SSL_CLIENT_CERTIFICATE_AUTO: i32 = 0;
/// Clients are not asked for a certificate. Not together with accepted certificates: BGL_SSL_E_CONFIG when the config
/// is frozen.
pub const BGL_SSL_CLIENT_CERTIFICATE_NONE: i32 = 1;
/// Clients are asked for a certificate; those without one are accepted too.
pub const BGL_SSL_CLIENT_CERTIFICATE_OPTIONAL: i32 = 2;
/// Clients must present a certificate.
pub const BGL_SSL_CLIENT_CERTIFICATE_REQUIRED: i32 = 3;

/// Sets the CA certificates against which the peer is verified. Each of them is an anchor: the peer's chain may end at
/// any of them, self-signed or not, directly or indirectly. One that is listed twice, with and without being rejected
/// (openssl x509 -addreject), is rejected. A server names them to its clients.
///
/// certificates, count: NULL and 0 for the system's CAs (the default); not NULL with count 0 trusts no one. The config
/// takes references of its own.
///
/// The system's CAs are those of the file SSL_CERT_FILE (default: OpenSSL's) and of the directories SSL_CERT_DIR
/// (default: OpenSSL's). Each variable replaces its own default only: a program that wants to restrict trust sets both,
/// or gives its CAs here. They are read when a config that needs them is used for the first time; a file that is named
/// but missing, unreadable or without certificates is BGL_SSL_E_CONFIG or BGL_SSL_E_IO then. A later config notices
/// that they have changed; if a file in a directory was overwritten in place, that takes up to a second. Programs with
/// more privileges than their users (AT_SECURE) do not look at the variables. getenv(3) reads them: a program that
/// calls setenv(3) does so while no other thread uses this library. A CA that is rejected in SSL_CERT_FILE is rejected.
/// In SSL_CERT_DIR OpenSSL takes the first file that has the CA: it is rejected only if that file rejects it.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; certificates is NULL or readable for count live handles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_ca_certificates(
    config: *mut bgl_ssl_config_t,
    certificates: *const *const bgl_ssl_certificate_t,
    count: usize,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the precondition covers the handles.
        unsafe {
            let list = convert::clones(certificates, count, "CA certificates")?;
            let cas = if certificates.is_null() { None } else { Some(Arc::new(Anchors::new(list))) };
            apply(config, |config| config.cas = cas)
        }
    })
}

/// Sets a list of certificates, one of which the peer must present, in addition to the other verification. A server
/// with such a list demands a certificate of its clients, or asks for one if BGL_SSL_CLIENT_CERTIFICATE_OPTIONAL is
/// set.
///
/// certificates, count: NULL for any (the default); not NULL with count 0 accepts no one. The config takes references
/// of its own.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; certificates is NULL or readable for count live handles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_accepted_certificates(
    config: *mut bgl_ssl_config_t,
    certificates: *const *const bgl_ssl_certificate_t,
    count: usize,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the precondition covers the handles.
        unsafe {
            let list = convert::clones(certificates, count, "accepted certificates")?;
            let accepted = if certificates.is_null() { None } else { Some(list) };
            apply(config, |config| config.accepted = accepted)
        }
    })
}

/// Verifies the peer's chain and, on a client, that the certificate is for the host connected to (RFC 6125): a host
/// name by its DNS names, or by its CommonName if it has none; an IP address only by an address in the certificate.
/// OpenSSL compares. The default.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_verify_chain_and_name(config: *mut bgl_ssl_config_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { apply(config, |config| config.verify = Verify::ChainAndName) })
}

/// Verifies the peer's chain but not the host's name: the holder of any certificate of these CAs can pretend
/// to be the host.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_insecure_verify_chain_only(
    config: *mut bgl_ssl_config_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { apply(config, |config| config.verify = Verify::ChainOnly) })
}

/// Verifies nothing: anybody can pretend to be the peer. The chain is checked when the program asks for the result, by
/// bgl_ssl_socket_verify_result, which reports its first fault only: after it nothing further is checked, not even
/// signatures. A list of accepted certificates is still enforced.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_insecure_verify_none(config: *mut bgl_ssl_config_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { apply(config, |config| config.verify = Verify::None) })
}

/// Sets whether a server asks its clients for a certificate.
///
/// mode: BGL_SSL_CLIENT_CERTIFICATE_... A certificate that is presented is verified as the config says.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_client_certificate(
    config: *mut bgl_ssl_config_t,
    mode: i32,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        config.client_certificate = match mode {
            BGL_SSL_CLIENT_CERTIFICATE_AUTO => ClientCertificate::Auto,
            BGL_SSL_CLIENT_CERTIFICATE_NONE => ClientCertificate::None,
            BGL_SSL_CLIENT_CERTIFICATE_OPTIONAL => ClientCertificate::Optional,
            BGL_SSL_CLIENT_CERTIFICATE_REQUIRED => ClientCertificate::Required,
            _ => return Err(Error::argument(format!("no client certificate mode has the number {mode}"))),
        };
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    unsafe { change(config, set) }
}
