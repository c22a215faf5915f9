//! Signing.

use crate::{
    crypto::signature::{self, Signature},
    pki::{pem::Format, private_key::PrivateKey},
};
use std::{
    ffi::{c_char, c_void},
    ptr,
};

use crate::ffi::{
    certificate::private_key::bgl_ssl_private_key_t,
    convert, guard,
    handle::{self, Handle},
    status::bgl_ssl_status_t,
};

/// A text that is being signed.
pub struct bgl_ssl_sign_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_sign_t {
    type Rust = Signature;
    const TAG: u64 = 0x4247_4c53_5349_474e;
    const NOUN: &'static str = "signature";
}

/// The padding that the key asks for: PKCS#1 v1.5 for the usual RSA keys.
pub const BGL_SSL_PADDING_DEFAULT: i32 = 0;
/// PKCS#1 v1.5 (RFC 8017, section 8.2).
pub const BGL_SSL_PADDING_PKCS1: i32 = 1;
/// PSS (RFC 8017, section 8.1), with the same digest for its mask.
pub const BGL_SSL_PADDING_PSS: i32 = 2;
/// A salt as long as the digest.
pub const BGL_SSL_SALT_DIGEST: i32 = -1;
/// For signing: the longest salt that there is space for. For verifying: whatever length it has.
pub const BGL_SSL_SALT_AUTO: i32 = -2;

/// Begins a signature. (Bigloo: ssl-sign-init.)
///
/// type: OpenSSL's name of the digest, such as "sha256" or "RSA-SHA256"; which algorithm signs is up to the key.
///
/// Returns a signature of no text yet, to be freed with bgl_ssl_sign_free, or NULL: BGL_SSL_E_ARGUMENT if OpenSSL does
/// not know the digest, BGL_SSL_E_UNSUPPORTED if it cannot use it. Never blocks; any thread.
///
/// Precondition: type is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_sign_init(r#type: *const c_char) -> *mut bgl_ssl_sign_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the text.
        Signature::new("signature", unsafe { convert::c_text(r#type, "digest")? }).map(handle::give)
    })
}

/// Takes more of the text that is to be signed. (Bigloo: ssl-sign-update!.)
///
/// data: len bytes, not kept.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE once it is signed. Never blocks; any thread.
///
/// Precondition: sign is NULL or live; data is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_sign_update(
    sign: *mut bgl_ssl_sign_t,
    data: *const c_void,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    guard::done(|| unsafe {
        let data = convert::bytes(data, len, "data")?;
        handle::with(sign, |sign| sign.update(data))
    })
}

/// Chooses how an RSA key pads.
///
/// padding: BGL_SSL_PADDING_...
/// salt: for PSS, how many bytes, or BGL_SSL_SALT_...; ignored for others.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE once it is signed. Whether the key can do it shows when
/// it signs. Never blocks; any thread.
///
/// Precondition: sign is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_sign_set_padding(
    sign: *mut bgl_ssl_sign_t,
    padding: i32,
    salt: i32,
) -> bgl_ssl_status_t {
    guard::done(|| {
        let padding = signature::padding(padding, salt)?;
        // SAFETY: the precondition covers the handle.
        unsafe { handle::with(sign, |sign| sign.set_padding(padding)) }
    })
}

/// Ends the text and copies its signature out. (Bigloo: ssl-sign-sign.)
///
/// key_pem: key_len bytes of PEM with an RSA, EC or DSA key that is not encrypted; not kept. For other keys see
/// bgl_ssl_sign_with_key, for Ed25519 bgl_ssl_sign_message.
/// buf: space for the signature. If size is too small, and so for NULL and 0, nothing is copied and the text does not
/// end.
///
/// Returns how many bytes the signature has, or if size was too small, how many it has at most; 0 on failure:
/// BGL_SSL_E_ARGUMENT; BGL_SSL_E_STATE if the text has ended already; BGL_SSL_E_CONFIG if there is no key or an
/// encrypted one (the library never asks for a passphrase), or it does not suit digest and padding;
/// BGL_SSL_E_UNSUPPORTED for Ed25519. A key that fails leaves the text as it was. Never blocks; any thread.
///
/// Precondition: sign is NULL or live; key_pem is NULL or readable for key_len bytes; buf is NULL or writable for size
/// bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_sign_sign(
    sign: *mut bgl_ssl_sign_t,
    key_pem: *const c_void,
    key_len: usize,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle, bytes and buffer.
    guard::or(0, || unsafe {
        let pem = convert::bytes(key_pem, key_len, "key")?;
        handle::with(sign, |sign| {
            let key = PrivateKey::from_bytes(pem, Format::Pem, None)?;
            convert::copy_once(sign.size(&key)?, buf, size, || sign.sign(&key))
        })
    })
}

/// Signs as bgl_ssl_sign_sign does, with a key that was read before, and so may have been encrypted.
///
/// Returns what bgl_ssl_sign_sign does. Never blocks; any thread.
///
/// Precondition: Both handles are NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_sign_with_key(
    sign: *mut bgl_ssl_sign_t,
    private_key: *const bgl_ssl_private_key_t,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handles and buffer.
    guard::or(0, || unsafe {
        let key = handle::borrow(private_key)?;
        handle::with(sign, |sign| convert::copy_once(sign.size(key)?, buf, size, || sign.sign(key)))
    })
}

/// Frees a signature. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: sign is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_sign_free(sign: *mut bgl_ssl_sign_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(sign) }
}

/// Signs a whole text at once: the only way for Ed25519 and Ed448 (RFC 8032), which bring their own digest.
///
/// type: the digest's name; NULL for Ed25519 and Ed448.
/// private_key: the key.
/// data: len bytes, not kept.
/// buf: space for the signature. If size is too small, and so for NULL and 0, nothing is signed.
///
/// Returns how many bytes the signature has, or if size was too small, how many it has at most; 0 on failure:
/// BGL_SSL_E_ARGUMENT, or BGL_SSL_E_CONFIG if key and digest do not suit one another. Never blocks; any thread.
///
/// Precondition: type is NULL or NUL-terminated; private_key is NULL or live; data is NULL or readable for len bytes;
/// buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_sign_message(
    r#type: *const c_char,
    private_key: *const bgl_ssl_private_key_t,
    data: *const c_void,
    len: usize,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers text, handle, bytes and buffer.
    guard::or(0, || unsafe {
        let name = convert::optional_c_string(r#type, "digest")?;
        let (key, data) = (handle::borrow(private_key)?, convert::bytes(data, len, "data")?);
        let sign = || signature::sign_message(name.as_deref(), key, data);
        convert::copy_once(signature::message_signature_size(name.as_deref(), key)?, buf, size, sign)
    })
}
