//! The names in hellos: application protocols (ALPN) and servers (SNI).

use crate::ossl::{
    bytes,
    ssl::extensions::{extension, first_host_name},
    sys,
};
use openssl_sys as ffi;
use std::ffi::{CString, c_int, c_uchar, c_uint, c_void};

use super::hooks::{guarded, hooks};

/// Chooses, on a server, the first of its own protocols that the client offers (RFC 7301).
pub unsafe extern "C" fn alpn_callback(
    ssl: *mut ffi::SSL,
    out: *mut *const c_uchar,
    out_len: *mut c_uchar,
    offered: *const c_uchar,
    offered_len: c_uint,
    _: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL passes a live SSL and `offered_len` readable bytes.
    let (hooks, offered) = unsafe { (hooks(ssl), bytes(offered, c_int::try_from(offered_len).unwrap_or(0))) };
    let Some(hooks) = hooks.filter(|hooks| !hooks.alpn.is_empty()) else {
        return ffi::SSL_TLSEXT_ERR_NOACK;
    };
    guarded(hooks, ffi::SSL_TLSEXT_ERR_ALERT_FATAL, || {
        let chosen = alpn_names(&hooks.alpn).find(|ours| alpn_names(offered).any(|theirs| theirs == *ours));
        match chosen {
            None => ffi::SSL_TLSEXT_ERR_ALERT_FATAL,
            Some(name) => {
                // SAFETY: both out-pointers are live; the name, at most 255 bytes, lives as long as the hooks.
                unsafe {
                    *out = name.as_ptr();
                    *out_len = name.len() as c_uchar;
                }
                ffi::SSL_TLSEXT_ERR_OK
            }
        }
    })
}

/// The names in a list of length-prefixed names.
pub fn alpn_names(mut wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&len, rest) = wire.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(len))?;
        wire = rest;
        Some(name)
    })
}

/// Notes, on a server, the host that the client asks for. Refuses the client if the settings were chosen for another: by a
/// hello that is read here in another way, or by a first hello, before a HelloRetryRequest, that asked for another.
pub unsafe extern "C" fn client_hello_callback(ssl: *mut ffi::SSL, alert: *mut c_int, _: *mut c_void) -> c_int {
    // SAFETY: OpenSSL passes a live SSL, in the state in which its hello may be read.
    let (hooks, extension) = unsafe { (hooks(ssl), extension(ssl, sys::TLSEXT_TYPE_SERVER_NAME)) };
    let Some(hooks) = hooks else { return ffi::SSL_CLIENT_HELLO_SUCCESS };
    guarded(hooks, ffi::SSL_CLIENT_HELLO_ERROR, || {
        let name = extension.and_then(first_host_name);
        let text = name.map(|name| String::from_utf8_lossy(name).into_owned());
        if *hooks.chosen_for.borrow_mut().get_or_insert_with(|| text.clone()) == text {
            hooks.asked_host.replace(name.and_then(|name| CString::new(name).ok()));
            return ffi::SSL_CLIENT_HELLO_SUCCESS;
        }
        hooks.has_changed_host.set(true);
        // SAFETY: OpenSSL passes a live alert.
        unsafe { *alert = sys::SSL_AD_ILLEGAL_PARAMETER };
        ffi::SSL_CLIENT_HELLO_ERROR
    })
}

/// Makes servers confirm to clients that their SNI was understood, and remember it with the session.
///
/// # Safety
/// `ctx` is live.
pub unsafe fn acknowledge_server_names(ctx: *mut ffi::SSL_CTX) {
    unsafe extern "C" fn acknowledge(_: *mut ffi::SSL, _: *mut c_int, _: *mut c_void) -> c_int {
        ffi::SSL_TLSEXT_ERR_OK
    }
    // SAFETY: the caller guarantees the context.
    unsafe { set_server_name_callback(ctx, acknowledge) }
}

/// What OpenSSL calls on servers once it has read the client's SNI, or that there is none.
pub type ServerNameCallback = unsafe extern "C" fn(*mut ffi::SSL, *mut c_int, *mut c_void) -> c_int;

/// SSL_CTX_set_tlsext_servername_callback, a macro in C.
///
/// # Safety
/// `ctx` is live.
pub unsafe fn set_server_name_callback(ctx: *mut ffi::SSL_CTX, callback: ServerNameCallback) {
    // SAFETY: the control wants a function of this type, passed as a pointer to a function of none.
    unsafe {
        let callback = std::mem::transmute::<ServerNameCallback, unsafe extern "C" fn()>(callback);
        sys::SSL_CTX_callback_ctrl(ctx, sys::SSL_CTRL_SET_TLSEXT_SERVERNAME_CB, Some(callback));
    }
}
