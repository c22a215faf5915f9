//! The choice of a protocol, by ALPN (RFC 7301) or NPN.

use crate::ossl::{bytes, ssl::names::alpn_names};
use openssl_sys as ffi;
use std::ffi::{c_int, c_uchar, c_uint, c_void};

use super::hooks::with_hooks;

/// Chooses, on a server, the first of its own protocols that the client offers (RFC 7301); without one in common the
/// connection goes on without a protocol, as by NPN, or the client gets the alert no_application_protocol.
pub unsafe extern "C" fn select_alpn(
    ssl: *mut ffi::SSL,
    out: *mut *const c_uchar,
    out_len: *mut c_uchar,
    offered: *const c_uchar,
    offered_len: c_uint,
    _: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL passes a live SSL of an `Engine`, `offered_len` readable bytes and live out-pointers. What is
    // chosen is a part of what was offered, which lives until OpenSSL has copied it.
    unsafe {
        let offered = bytes(offered, c_int::try_from(offered_len).unwrap_or(0));
        with_hooks(ssl, ffi::SSL_TLSEXT_ERR_NOACK, |hooks| {
            let ours = hooks.protocols.borrow();
            let chosen = alpn_names(&ours).find_map(|our| alpn_names(offered).find(|their| *their == our));
            match chosen {
                None if hooks.strict_protocols.get() => ffi::SSL_TLSEXT_ERR_ALERT_FATAL,
                None => ffi::SSL_TLSEXT_ERR_NOACK,
                Some(name) => {
                    *out = name.as_ptr();
                    *out_len = name.len() as c_uchar;
                    ffi::SSL_TLSEXT_ERR_OK
                }
            }
        })
    }
}

/// Sends a client the server's protocols by NPN.
#[cfg(npn)]
pub unsafe extern "C" fn advertise_npn(
    ssl: *mut ffi::SSL,
    out: *mut *const c_uchar,
    out_len: *mut c_uint,
    _: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL passes a live SSL of an `Engine` and live out-pointers. The names live as long as the hooks,
    // and are set only while OpenSSL does nothing with the SSL.
    unsafe {
        with_hooks(ssl, ffi::SSL_TLSEXT_ERR_NOACK, |hooks| {
            let ours = hooks.protocols.borrow();
            if ours.is_empty() {
                return ffi::SSL_TLSEXT_ERR_NOACK;
            }
            *out = ours.as_ptr();
            *out_len = ours.len() as c_uint;
            ffi::SSL_TLSEXT_ERR_OK
        })
    }
}

/// Chooses, on a client, the first of the server's protocols that it has, too; where there is none, its own first one
/// is sent, which is no agreement.
#[cfg(npn)]
pub unsafe extern "C" fn select_npn(
    ssl: *mut ffi::SSL,
    out: *mut *mut c_uchar,
    out_len: *mut c_uchar,
    offered: *const c_uchar,
    offered_len: c_uint,
    _: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL passes a live SSL of an `Engine`, `offered_len` readable bytes and live out-pointers. What is
    // chosen lives until OpenSSL has copied it: it is static, or as in `advertise_npn`, or a part of what was offered.
    unsafe {
        let offered = bytes(offered, c_int::try_from(offered_len).unwrap_or(0));
        with_hooks(ssl, ffi::SSL_TLSEXT_ERR_ALERT_FATAL, |hooks| {
            let ours = hooks.protocols.borrow();
            let common = alpn_names(offered).find(|their| alpn_names(&ours).any(|our| our == *their));
            let sent = common.or_else(|| alpn_names(&ours).next()).unwrap_or(b"http/1.1");
            hooks.npn_chosen.replace(common.map(<[u8]>::to_vec));
            *out = sent.as_ptr().cast_mut();
            *out_len = sent.len() as c_uchar;
            ffi::SSL_TLSEXT_ERR_OK
        })
    }
}
