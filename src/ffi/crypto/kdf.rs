//! Keys from passwords and from other secrets.

use crate::crypto::kdf::{self, Scrypt};
use std::ffi::{c_char, c_int, c_void};

use crate::ffi::{convert, guard, status::bgl_ssl_status_t};

/// Makes a key from a password by PBKDF2 (RFC 8018) with HMAC-SHA-1. (Bigloo: pkcs5-pbkdf2-hmac-sha1.)
///
/// password, salt: bytes, not kept.
/// iterations: at least 1; OWASP's advice of 2023 for SHA-1 is 1300000.
/// key: filled with key_len bytes.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_UNSUPPORTED if OpenSSL cannot use SHA-1. Computes for as long
/// as the iterations take; any thread.
///
/// Precondition: password and salt are NULL or readable for their lengths, key is NULL or writable for key_len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_pkcs5_pbkdf2_hmac_sha1(
    password: *const c_void,
    password_len: usize,
    salt: *const c_void,
    salt_len: usize,
    iterations: c_int,
    key: *mut c_void,
    key_len: usize,
) -> bgl_ssl_status_t {
    let sha1 = c"SHA1".as_ptr();
    // SAFETY: the precondition covers the bytes.
    unsafe { bgl_ssl_pbkdf2_hmac(sha1, password, password_len, salt, salt_len, iterations, key, key_len) }
}

/// Makes a key from a password by PBKDF2 (RFC 8018) with HMAC and any digest.
///
/// type: OpenSSL's name of the digest, as for bgl_ssl_hash_init.
/// password, salt: bytes, not kept.
/// iterations: at least 1; OWASP's advice of 2023 for SHA-256 is 600000.
/// key: filled with key_len bytes.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_UNSUPPORTED if OpenSSL cannot use the digest for this. Computes
/// for as long as the iterations take; any thread.
///
/// Precondition: type is NULL or NUL-terminated; password and salt are NULL or readable for their lengths, key is NULL
/// or writable for key_len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_pbkdf2_hmac(
    r#type: *const c_char,
    password: *const c_void,
    password_len: usize,
    salt: *const c_void,
    salt_len: usize,
    iterations: c_int,
    key: *mut c_void,
    key_len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers text and bytes.
    guard::done(|| unsafe {
        let name = convert::c_text(r#type, "digest")?;
        let password = convert::bytes(password, password_len, "password")?;
        let salt = convert::bytes(salt, salt_len, "salt")?;
        kdf::pbkdf2(name, password, salt, iterations, convert::bytes_mut(key, key_len, "key")?)
    })
}

/// Makes a key from a secret by HKDF (RFC 5869): extract, then expand.
///
/// type: OpenSSL's name of the digest, as for bgl_ssl_hash_init.
/// secret: secret_len bytes, such as bgl_ssl_ecdh_compute_key gives them; a password is none: see bgl_ssl_scrypt.
/// salt: salt_len bytes; NULL and 0 for none.
/// info: info_len bytes that say what the key is for; NULL and 0 for none.
/// key: filled with key_len bytes, at most 255 times as many as the digest has.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_UNSUPPORTED if OpenSSL cannot use the digest for this. Never
/// blocks; any thread.
///
/// Precondition: type is NULL or NUL-terminated; secret, salt and info are NULL or readable for their lengths, key is
/// NULL or writable for key_len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hkdf(
    r#type: *const c_char,
    secret: *const c_void,
    secret_len: usize,
    salt: *const c_void,
    salt_len: usize,
    info: *const c_void,
    info_len: usize,
    key: *mut c_void,
    key_len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers text and bytes.
    guard::done(|| unsafe {
        let name = convert::c_text(r#type, "digest")?;
        let secret = convert::bytes(secret, secret_len, "secret")?;
        let salt = convert::bytes(salt, salt_len, "salt")?;
        let info = convert::bytes(info, info_len, "info")?;
        kdf::hkdf(name, secret, salt, info, convert::bytes_mut(key, key_len, "key")?)
    })
}

/// Makes a key from a password by scrypt (RFC 7914).
///
/// password, salt: bytes, not kept.
/// n: the cost of processor and memory, a power of 2 and more than 1; r: the size of blocks; p: the parallelism. Memory
/// is about 128 * n * r bytes. Usual: 131072, 8, 1.
/// max_memory: in bytes; more is refused. 0 for OpenSSL's limit of 32 MB.
/// key: filled with key_len bytes.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT, also if it would take more memory. Computes for as long as the cost is
/// high; any thread.
///
/// Precondition: password and salt are NULL or readable for their lengths, key is NULL or writable for key_len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_scrypt(
    password: *const c_void,
    password_len: usize,
    salt: *const c_void,
    salt_len: usize,
    n: u64,
    r: u64,
    p: u64,
    max_memory: u64,
    key: *mut c_void,
    key_len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the bytes.
    guard::done(|| unsafe {
        let password = convert::bytes(password, password_len, "password")?;
        let salt = convert::bytes(salt, salt_len, "salt")?;
        let cost = Scrypt { n, r, p, max_memory };
        kdf::scrypt(password, salt, &cost, convert::bytes_mut(key, key_len, "key")?)
    })
}
