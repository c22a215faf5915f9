//! Functions and macros of OpenSSL whose names or types differ between its versions, under one name each.

use openssl_sys::{EVP_PKEY, SSL, SSL_CTX, X509};
use std::ffi::{c_char, c_int, c_long};

use super::sys;

/// SSL_get1_peer_certificate: a new reference, or NULL.
///
/// # Safety
/// `ssl` is live.
pub unsafe fn get1_peer_certificate(ssl: *const SSL) -> *mut X509 {
    // SAFETY: the preconditions cover it. The older name gives a new reference, too.
    #[cfg(ossl300)]
    return unsafe { openssl_sys::SSL_get1_peer_certificate(ssl) };
    // SAFETY: likewise.
    #[cfg(not(ossl300))]
    return unsafe { openssl_sys::SSL_get_peer_certificate(ssl) };
}

/// EVP_PKEY_eq, called EVP_PKEY_cmp before OpenSSL 3: 1 if they are equal.
///
/// # Safety
/// Both are live.
pub unsafe fn pkey_eq(a: *const EVP_PKEY, b: *const EVP_PKEY) -> c_int {
    // SAFETY: the preconditions cover it.
    #[cfg(ossl300)]
    return unsafe { openssl_sys::EVP_PKEY_eq(a, b) };
    // SAFETY: likewise.
    #[cfg(not(ossl300))]
    return unsafe { openssl_sys::EVP_PKEY_cmp(a, b) };
}

/// Makes servers of a context ask `callback` for the keys of tickets.
///
/// # Safety
/// `ctx` is live.
pub unsafe fn set_ticket_key_callback(ctx: *mut SSL_CTX, callback: sys::TicketKeyCallback) -> c_int {
    // SAFETY: the preconditions cover it.
    #[cfg(ossl300)]
    return unsafe { sys::SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, Some(callback)) };
    // SAFETY: likewise; the control wants a function of this type, passed as a pointer to a function of none.
    #[cfg(not(ossl300))]
    unsafe {
        let callback = std::mem::transmute::<sys::TicketKeyCallback, unsafe extern "C" fn()>(callback);
        sys::SSL_CTX_callback_ctrl(ctx, sys::SSL_CTRL_SET_TLSEXT_TICKET_KEY_CB, Some(callback)) as c_int
    }
}

/// Begins the authentication of a ticket, by HMAC-SHA-256. False on failure.
///
/// # Safety
/// `mac` is live.
pub unsafe fn ticket_mac_init(mac: *mut sys::TicketMac, key: &[u8; 32]) -> bool {
    #[cfg(ossl300)]
    {
        let mut key = *key;
        // SAFETY: the preconditions cover the context, which copies key and name.
        let done = unsafe {
            let params = [
                openssl_sys::OSSL_PARAM_construct_octet_string(c"key".as_ptr(), key.as_mut_ptr().cast(), key.len()),
                sys::OSSL_PARAM_construct_utf8_string(c"digest".as_ptr(), c"SHA256".as_ptr().cast_mut(), 0),
                openssl_sys::OSSL_PARAM_construct_end(),
            ];
            openssl_sys::EVP_MAC_CTX_set_params(mac, params.as_ptr()) == 1
        };
        super::cleanse(&mut key);
        done
    }
    // SAFETY: the preconditions cover the context; the key is readable for its length.
    #[cfg(not(ossl300))]
    unsafe {
        let (key, len, digest) = (key.as_ptr().cast(), key.len() as c_int, openssl_sys::EVP_sha256());
        openssl_sys::HMAC_Init_ex(mac, key, len, digest, std::ptr::null_mut()) == 1
    }
}

/// The name of a key's type: NULL if it has none.
///
/// # Safety
/// `key` is live.
pub unsafe fn pkey_type_name(key: *const EVP_PKEY) -> *const c_char {
    // SAFETY: the preconditions cover it. Types that come from providers have no number.
    #[cfg(ossl300)]
    return unsafe { sys::EVP_PKEY_get0_type_name(key) };
    // SAFETY: likewise.
    #[cfg(not(ossl300))]
    return unsafe { openssl_sys::OBJ_nid2sn(openssl_sys::EVP_PKEY_id(key)) };
}

/// SSL_CTX_set_options, in the width of the C API: before OpenSSL 3 it has that of a `long`.
///
/// # Safety
/// `ctx` is live.
#[allow(clippy::unnecessary_cast, reason = "the types depend on OpenSSL and on the machine")]
pub unsafe fn ctx_set_options(ctx: *mut SSL_CTX, options: u64) -> u64 {
    // SAFETY: the preconditions cover it.
    unsafe { openssl_sys::SSL_CTX_set_options(ctx, options as sys::Options) as u64 }
}

/// SSL_session_reused.
///
/// # Safety
/// `ssl` is live.
pub unsafe fn session_reused(ssl: *mut SSL) -> c_int {
    // SAFETY: the preconditions cover it.
    unsafe { openssl_sys::SSL_session_reused(ssl) }
}

/// SSL_CTX_set_min_proto_version, a macro in C.
///
/// # Safety
/// `ctx` is live.
pub unsafe fn set_min_proto_version(ctx: *mut SSL_CTX, version: c_int) -> c_long {
    let null = std::ptr::null_mut();
    // SAFETY: the preconditions cover it.
    unsafe { openssl_sys::SSL_CTX_ctrl(ctx, sys::SSL_CTRL_SET_MIN_PROTO_VERSION, c_long::from(version), null) }
}

/// SSL_CTX_get_min_proto_version, a macro in C.
///
/// # Safety
/// `ctx` is live.
pub unsafe fn get_min_proto_version(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the preconditions cover it.
    unsafe { openssl_sys::SSL_CTX_ctrl(ctx, sys::SSL_CTRL_GET_MIN_PROTO_VERSION, 0, std::ptr::null_mut()) }
}

/// SSL_CTX_set_max_proto_version, a macro in C.
///
/// # Safety
/// `ctx` is live.
pub unsafe fn set_max_proto_version(ctx: *mut SSL_CTX, version: c_int) -> c_long {
    let null = std::ptr::null_mut();
    // SAFETY: the preconditions cover it.
    unsafe { openssl_sys::SSL_CTX_ctrl(ctx, sys::SSL_CTRL_SET_MAX_PROTO_VERSION, c_long::from(version), null) }
}

/// The lowest and the highest version that a connection may have; 0 for no limit.
///
/// # Safety
/// `ssl` is live.
pub unsafe fn version_bounds(ssl: *mut SSL) -> (c_int, c_int) {
    let null = std::ptr::null_mut();
    // SAFETY: the preconditions cover it.
    let bound = |command| unsafe { openssl_sys::SSL_ctrl(ssl, command, 0, null) as c_int };
    (bound(sys::SSL_CTRL_GET_MIN_PROTO_VERSION), bound(sys::SSL_CTRL_GET_MAX_PROTO_VERSION))
}

/// Gives a connection the lowest and the highest version of a context. False on failure.
///
/// # Safety
/// Both are live.
pub unsafe fn copy_version_bounds(ctx: *mut SSL_CTX, ssl: *mut SSL) -> bool {
    let null = std::ptr::null_mut();
    // SAFETY: the preconditions cover both.
    unsafe {
        let min = openssl_sys::SSL_CTX_ctrl(ctx, sys::SSL_CTRL_GET_MIN_PROTO_VERSION, 0, null);
        let max = openssl_sys::SSL_CTX_ctrl(ctx, sys::SSL_CTRL_GET_MAX_PROTO_VERSION, 0, null);
        // First none at all: OpenSSL refuses bounds that exclude each other on the way.
        [
            (sys::SSL_CTRL_SET_MIN_PROTO_VERSION, 0),
            (sys::SSL_CTRL_SET_MAX_PROTO_VERSION, max),
            (sys::SSL_CTRL_SET_MIN_PROTO_VERSION, min),
        ]
        .iter()
        .all(|(command, version)| openssl_sys::SSL_ctrl(ssl, *command, *version, null) == 1)
    }
}

/// SSL_CTX_add1_chain_cert, a macro in C.
///
/// # Safety
/// Both are live.
pub unsafe fn add1_chain_cert(ctx: *mut SSL_CTX, cert: *mut X509) -> c_long {
    // SAFETY: the preconditions cover it; 1 asks for a further reference.
    unsafe { openssl_sys::SSL_CTX_ctrl(ctx, sys::SSL_CTRL_CHAIN_CERT, 1, cert.cast()) }
}

/// SSL_CTX_set1_groups_list, a macro in C.
///
/// # Safety
/// `ctx` is live, `groups` a NUL-terminated text.
pub unsafe fn set1_groups_list(ctx: *mut SSL_CTX, groups: *const c_char) -> c_long {
    // SAFETY: the preconditions cover it; the text is only read.
    unsafe { openssl_sys::SSL_CTX_ctrl(ctx, sys::SSL_CTRL_SET_GROUPS_LIST, 0, groups.cast_mut().cast()) }
}
