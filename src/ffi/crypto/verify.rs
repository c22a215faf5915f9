//! Verifying signatures.

use crate::crypto::signature::{self, PublicKey, Signature};
use std::{
    ffi::{c_char, c_void},
    ptr,
};

use crate::ffi::{
    convert, guard,
    handle::{self, Handle},
    status::bgl_ssl_status_t,
};

/// A text whose signature is being verified.
pub struct bgl_ssl_verify_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_verify_t {
    type Rust = Signature;
    const TAG: u64 = 0x4247_4c53_5645_5259;
    const NOUN: &'static str = "verification";
}

/// Begins to verify a signature. (Bigloo: ssl-verify-init.)
///
/// type: OpenSSL's name of the digest, such as "sha256" or "RSA-SHA256"; which algorithm verifies is up to the key.
///
/// Returns a verification of no text yet, to be freed with bgl_ssl_verify_free, or NULL: BGL_SSL_E_ARGUMENT if OpenSSL
/// does not know the digest, BGL_SSL_E_UNSUPPORTED if it cannot use it. Never blocks; any thread.
///
/// Precondition: type is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_verify_init(r#type: *const c_char) -> *mut bgl_ssl_verify_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the text.
        Signature::new("verification", unsafe { convert::c_text(r#type, "digest")? }).map(handle::give)
    })
}

/// Takes more of the text that was signed. (Bigloo: ssl-verify-update!.)
///
/// data: len bytes, not kept.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE once it is verified. Never blocks; any thread.
///
/// Precondition: verify is NULL or live; data is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_verify_update(
    verify: *mut bgl_ssl_verify_t,
    data: *const c_void,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    guard::done(|| unsafe {
        let data = convert::bytes(data, len, "data")?;
        handle::with(verify, |verify| verify.update(data))
    })
}

/// Chooses how an RSA key has padded.
///
/// padding: BGL_SSL_PADDING_...
/// salt: for PSS, how many bytes, or BGL_SSL_SALT_...; ignored for others.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE once it is verified. Never blocks; any thread.
///
/// Precondition: verify is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_verify_set_padding(
    verify: *mut bgl_ssl_verify_t,
    padding: i32,
    salt: i32,
) -> bgl_ssl_status_t {
    guard::done(|| {
        let padding = signature::padding(padding, salt)?;
        // SAFETY: the precondition covers the handle.
        unsafe { handle::with(verify, |verify| verify.set_padding(padding)) }
    })
}

/// Ends the text and says whether its signature is right. (Bigloo: ssl-verify-final.)
///
/// key_pem: key_len bytes of PEM with a public key (SubjectPublicKeyInfo or "RSA PUBLIC KEY") or a certificate; not
/// kept.
/// signature: signature_len bytes of anything.
///
/// Returns true if the signature is right; false if it is not, whatever it is; false too, with an error,
/// where bgl_ssl_verify_signature fails, which distinguishes the two. Never blocks; any thread.
///
/// Precondition: verify is NULL or live; key_pem and signature are NULL or readable for their lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_verify_final(
    verify: *mut bgl_ssl_verify_t,
    key_pem: *const c_void,
    key_len: usize,
    signature: *const c_void,
    signature_len: usize,
) -> bool {
    let mut valid = false;
    // SAFETY: the precondition covers handle and bytes; `valid` is live.
    unsafe { bgl_ssl_verify_signature(verify, key_pem, key_len, signature, signature_len, &mut valid) };
    valid
}

/// Verifies as bgl_ssl_verify_final does, and distinguishes a failure from a signature that is not right.
///
/// key_pem: as for bgl_ssl_verify_final.
/// signature: signature_len bytes of anything.
/// valid: set to whether the signature is right, and to false on failure.
///
/// Returns BGL_SSL_OK if the signature could be verified, whether it is right or not; BGL_SSL_E_ARGUMENT;
/// BGL_SSL_E_STATE if the text has ended already; BGL_SSL_E_CONFIG if there is no public key, or it does not suit
/// digest and padding; BGL_SSL_E_UNSUPPORTED for Ed25519 (see bgl_ssl_verify_message). A key that fails leaves the text
/// as it was. Never blocks; any thread.
///
/// Precondition: verify is NULL or live; key_pem and signature are NULL or readable for their lengths; valid is NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_verify_signature(
    verify: *mut bgl_ssl_verify_t,
    key_pem: *const c_void,
    key_len: usize,
    signature: *const c_void,
    signature_len: usize,
    valid: *mut bool,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle, bytes and pointer.
    guard::done(|| unsafe {
        convert::store(valid, false);
        convert::check_out(valid, "result")?;
        let pem = convert::bytes(key_pem, key_len, "key")?;
        let signature = convert::bytes(signature, signature_len, "signature")?;
        let is_valid = handle::with(verify, |verify| verify.verify(&PublicKey::from_pem(pem)?, signature))?;
        convert::store(valid, is_valid);
        Ok(())
    })
}

/// Frees a verification. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: verify is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_verify_free(verify: *mut bgl_ssl_verify_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(verify) }
}

/// Says whether the signature of a whole text is right, at once: the only way for Ed25519 and Ed448 (RFC 8032).
///
/// type: the digest's name; NULL for Ed25519 and Ed448.
/// key_pem: as for bgl_ssl_verify_final.
/// data: len bytes, not kept.
/// signature: signature_len bytes of anything.
/// valid: set to whether the signature is right, and to false on failure.
///
/// Returns BGL_SSL_OK if the signature could be verified, whether it is right or not; BGL_SSL_E_ARGUMENT;
/// BGL_SSL_E_CONFIG if there is no public key, or key and digest do not suit one another. Never blocks; any thread.
///
/// Precondition: type is NULL or NUL-terminated; the bytes are NULL or readable for their lengths; valid is NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_verify_message(
    r#type: *const c_char,
    key_pem: *const c_void,
    key_len: usize,
    data: *const c_void,
    len: usize,
    signature: *const c_void,
    signature_len: usize,
    valid: *mut bool,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers text, bytes and pointer.
    guard::done(|| unsafe {
        convert::store(valid, false);
        convert::check_out(valid, "result")?;
        let name = convert::optional_c_string(r#type, "digest")?;
        let pem = convert::bytes(key_pem, key_len, "key")?;
        let data = convert::bytes(data, len, "data")?;
        let signature = convert::bytes(signature, signature_len, "signature")?;
        let key = PublicKey::from_pem(pem)?;
        convert::store(valid, signature::verify_message(name.as_deref(), &key, data, signature)?);
        Ok(())
    })
}
