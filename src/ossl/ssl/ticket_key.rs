//! How OpenSSL asks for the keys of tickets (RFC 5077, 4): AES-CBC and HMAC-SHA-256, as with keys of its own.

use openssl_sys as ffi;
use std::{
    ffi::{c_int, c_uchar},
    ptr,
};

use super::hooks::{guarded, hooks};
use crate::ossl::{rand, session::rules::TicketKeySource, sys, versions};

/// The handshake cannot go on.
pub const FAILED: c_int = -1;
const NONE: c_int = 0;
const GOOD: c_int = 1;
const GOOD_RENEW: c_int = 2;

const IV: usize = 16;

/// Gives OpenSSL the keys for a new ticket, or for one that has come.
///
/// # Safety
/// OpenSSL calls it with a live SSL and contexts, a name of 16 bytes and space for an IV.
pub unsafe extern "C" fn callback(
    ssl: *mut ffi::SSL,
    name: *mut c_uchar,
    iv: *mut c_uchar,
    cipher: *mut ffi::EVP_CIPHER_CTX,
    mac: *mut sys::TicketMac,
    encrypts: c_int,
) -> c_int {
    // SAFETY: the SSL is live.
    let Some(hooks) = (unsafe { hooks(ssl) }) else { return NONE };
    guarded(hooks, FAILED, || {
        let rules = hooks.session_rules.borrow();
        let Some(rules) = rules.as_ref() else { return NONE };
        // SAFETY: the caller guarantees them.
        unsafe { give(&*rules.keys, rules.lifetime, ssl, (name, iv), (cipher, mac), encrypts) }
    })
}

/// Gives OpenSSL keys of this source, for sessions that live so many seconds.
///
/// # Safety
/// As for `callback`.
pub unsafe fn give(
    keys: &dyn TicketKeySource,
    lifetime: i64,
    ssl: *const ffi::SSL,
    (name, iv): (*mut c_uchar, *mut c_uchar),
    (cipher, mac): (*mut ffi::EVP_CIPHER_CTX, *mut sys::TicketMac),
    encrypts: c_int,
) -> c_int {
    // SAFETY: the caller guarantees name and IV.
    let (name, iv) = unsafe { (&mut *name.cast::<[u8; 16]>(), &mut *iv.cast::<[u8; IV]>()) };
    let (key, result) = if encrypts != 0 {
        let Ok(key) = keys.newest(lifetime) else { return FAILED };
        *name = key.name;
        if rand::bytes(iv).is_err() {
            return FAILED;
        }
        (key, GOOD)
    } else {
        match keys.find(name, lifetime) {
            None => return NONE,
            // A client of TLS 1.3 uses each ticket once (RFC 8446, C.4), and so gets another one for it.
            // SAFETY: the SSL is live.
            Some((key, renews)) if renews || unsafe { ffi::SSL_version(ssl) } == ffi::TLS1_3_VERSION => {
                (key, GOOD_RENEW)
            }
            Some((key, _)) => (key, GOOD),
        }
    };
    // SAFETY: the caller guarantees the contexts; key and IV have the lengths of the cipher.
    let done = unsafe {
        let aes = if key.is_aes_128 { ffi::EVP_aes_128_cbc() } else { ffi::EVP_aes_256_cbc() };
        ffi::EVP_CipherInit_ex(cipher, aes, ptr::null_mut(), key.cipher.as_ptr(), iv.as_ptr(), encrypts) == 1
            && versions::ticket_mac_init(mac, &key.mac)
    };
    if done { result } else { FAILED }
}
