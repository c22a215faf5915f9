//! Ciphers.

use crate::{
    crypto::cipher::{self, Cipher, Direction},
    error::{Error, Result},
};
use std::{
    ffi::{c_char, c_void},
    ptr,
};

use crate::ffi::{
    convert, guard,
    handle::{self, Handle},
    status::bgl_ssl_status_t,
};

/// A text that is being encrypted or decrypted.
pub struct bgl_ssl_cipher_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_cipher_t {
    type Rust = Cipher;
    const TAG: u64 = 0x4247_4c53_4349_5048;
    const NOUN: &'static str = "cipher";
}

/// By how many bytes the output of a step of a cipher may exceed its input.
pub const BGL_SSL_CIPHER_SLACK: usize = 32;
const _: () = assert!(BGL_SSL_CIPHER_SLACK == cipher::SLACK);

/// Begins to encrypt or decrypt, with key and initialisation vector made from a password by EVP_BytesToKey(3) with MD5,
/// one round and no salt: weak and deterministic; only for data that was encrypted in this way before. (Bigloo:
/// ssl-cipher-init.)
///
/// type: OpenSSL's name of the cipher, such as "aes-256-cbc": see bgl_evp_get_ciphers.
/// password: password_len bytes, not kept.
/// encrypt: true to encrypt, false to decrypt.
///
/// Returns a cipher, to be freed with bgl_ssl_cipher_free, or NULL: BGL_SSL_E_ARGUMENT if OpenSSL does not know the
/// name, BGL_SSL_E_UNSUPPORTED if it cannot use it (OpenSSL 3 without its legacy provider) or it is made for something
/// else. Never blocks; any thread.
///
/// Precondition: type is NULL or NUL-terminated; password is NULL or readable for password_len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_cipher_init(
    r#type: *const c_char,
    password: *const c_void,
    password_len: usize,
    encrypt: bool,
) -> *mut bgl_ssl_cipher_t {
    // SAFETY: the precondition covers text and bytes.
    guard::or(ptr::null_mut(), || unsafe {
        let name = convert::c_text(r#type, "cipher")?;
        let password = convert::bytes(password, password_len, "password")?;
        Cipher::from_password(name, password, Direction::new(encrypt)).map(handle::give)
    })
}

/// Begins to encrypt or decrypt. An AEAD cipher has a tag of 16 bytes. (Bigloo: ssl-cipher-initiv.)
///
/// type: OpenSSL's name of the cipher, such as "aes-256-cbc": see bgl_evp_get_ciphers.
/// key: key_len bytes, as many as the cipher wants.
/// iv: iv_len bytes of initialisation vector, as many as the cipher wants; NULL and 0 if it has none. It must not be
/// used twice with the same key.
/// encrypt: true to encrypt, false to decrypt.
///
/// Returns a cipher, to be freed with bgl_ssl_cipher_free, or NULL: BGL_SSL_E_ARGUMENT if OpenSSL does not know the
/// name or a length is wrong, BGL_SSL_E_UNSUPPORTED if OpenSSL cannot use the cipher (OpenSSL 3 without its legacy
/// provider) or it is made for something else, BGL_SSL_E_CONFIG if the key is refused. Never blocks; any thread.
///
/// Precondition: type is NULL or NUL-terminated; key and iv are NULL or readable for their lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_cipher_initiv(
    r#type: *const c_char,
    key: *const c_void,
    key_len: usize,
    iv: *const c_void,
    iv_len: usize,
    encrypt: bool,
) -> *mut bgl_ssl_cipher_t {
    // SAFETY: the precondition covers text and bytes.
    unsafe { bgl_ssl_cipher_init_aead(r#type, key, key_len, iv, iv_len, cipher::TAG_SIZE, encrypt) }
}

/// Begins as bgl_ssl_cipher_initiv does, with another length of the tag of an AEAD cipher (GCM, CCM, OCB,
/// ChaCha20-Poly1305).
///
/// tag_len: 4 to 16; what is decrypted must come with a tag of that length. Short tags can be forged. Ignored for
/// ciphers without a tag.
///
/// Returns what bgl_ssl_cipher_initiv does. Never blocks; any thread.
///
/// Precondition: As for bgl_ssl_cipher_initiv.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_cipher_init_aead(
    r#type: *const c_char,
    key: *const c_void,
    key_len: usize,
    iv: *const c_void,
    iv_len: usize,
    tag_len: usize,
    encrypt: bool,
) -> *mut bgl_ssl_cipher_t {
    // SAFETY: the precondition covers text and bytes.
    guard::or(ptr::null_mut(), || unsafe {
        let name = convert::c_text(r#type, "cipher")?;
        let key = convert::bytes(key, key_len, "key")?;
        let iv = convert::bytes(iv, iv_len, "initialisation vector")?;
        Cipher::new(name, key, iv, tag_len, Direction::new(encrypt)).map(handle::give)
    })
}

/// Takes additional data in: data that an AEAD cipher protects with its tag but does not encrypt. Before the text; any
/// number of times.
///
/// data: len bytes, not kept beyond the cipher.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE once there was text, BGL_SSL_E_UNSUPPORTED if it is no AEAD
/// cipher. Never blocks; any thread.
///
/// Precondition: cipher is NULL or live; data is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_cipher_add_aad(
    cipher: *mut bgl_ssl_cipher_t,
    data: *const c_void,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    guard::done(|| unsafe {
        let data = convert::bytes(data, len, "additional data")?;
        handle::with(cipher, |cipher| cipher.aad(data))
    })
}

/// Processes a piece of text, and returns the output that is ready. CCM and XTS take their text in one piece. (Bigloo:
/// ssl-cipher-update!.)
///
/// Decrypted text of an AEAD cipher must not be used before bgl_cipher_final has accepted the tag.
///
/// data: len bytes, less than 2 GB, not kept; must not overlap buf.
/// buf: space for at least len + BGL_SSL_CIPHER_SLACK bytes. On failure its content is undefined.
/// written: set to how many bytes were given; 0 on failure.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT, also if there is not enough space: then nothing was taken in;
/// BGL_SSL_E_STATE after bgl_cipher_final, after CCM's or XTS's one piece, and if CCM's tag was not given before;
/// BGL_SSL_E_VERIFY if CCM's tag does not fit; BGL_SSL_E_CONFIG if the cipher refuses the text. Never blocks; any
/// thread.
///
/// Precondition: cipher is NULL or live; data is NULL or readable for len bytes, buf NULL or writable for size bytes;
/// written is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_cipher_update(
    cipher: *mut bgl_ssl_cipher_t,
    data: *const c_void,
    len: usize,
    buf: *mut c_void,
    size: usize,
    written: *mut usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle, bytes, buffer and pointer.
    guard::done(|| unsafe {
        convert::store(written, 0);
        convert::check_out(written, "number of bytes")?;
        let data = convert::bytes(data, len, "data")?;
        check_space(size, len)?;
        let out = convert::bytes_mut(buf, size, "buffer")?;
        convert::store(written, handle::with(cipher, |cipher| cipher.update(data, out))?);
        Ok(())
    })
}

fn check_space(size: usize, len: usize) -> Result<()> {
    if size.checked_sub(len).is_some_and(|more| more >= BGL_SSL_CIPHER_SLACK) {
        return Ok(());
    }
    Err(Error::argument(format!("space for {size} bytes, not for {len} and {BGL_SSL_CIPHER_SLACK} more")))
}

/// Sets whether the last block is padded (PKCS#7), which is the default. Without padding, a text that is not a whole
/// number of blocks fails. No effect on ciphers without blocks. (Bigloo: ssl-cipher-set-auto-padding.)
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE after bgl_cipher_final. Never blocks; any thread.
///
/// Precondition: cipher is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_cipher_set_auto_padding(
    cipher: *mut bgl_ssl_cipher_t,
    padding: bool,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(cipher, |cipher| cipher.set_padding(padding)) })
}

/// Ends the text. (Bigloo: ssl-cipher-final.)
///
/// buf: space for at least BGL_SSL_CIPHER_SLACK bytes.
/// written: set to how many bytes were given; 0 on failure.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT, also if there is not enough space; BGL_SSL_E_STATE if it has ended already,
/// or an AEAD cipher that decrypts was not given the tag: these leave the text as it was. BGL_SSL_E_VERIFY if the tag
/// does not fit; BGL_SSL_E_CONFIG if what is decrypted is badly padded, or the text is no whole number of blocks: these
/// end it. Never blocks; any thread.
///
/// Precondition: cipher is NULL or live; buf is NULL or writable for size bytes; written is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_cipher_final(
    cipher: *mut bgl_ssl_cipher_t,
    buf: *mut c_void,
    size: usize,
    written: *mut usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle, buffer and pointer.
    guard::done(|| unsafe {
        convert::store(written, 0);
        convert::check_out(written, "number of bytes")?;
        check_space(size, 0)?;
        convert::bytes_mut(buf, size, "buffer")?;
        let out = handle::with(cipher, Cipher::finish)?;
        convert::store(written, convert::copy_bytes(&out, buf, size)?);
        Ok(())
    })
}

/// Copies out the tag of what an AEAD cipher has encrypted, after bgl_cipher_final.
///
/// buf: as many bytes as fit are copied.
///
/// Returns how many bytes the tag has; 0 on failure: BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE before bgl_cipher_final and
/// when decrypting, BGL_SSL_E_UNSUPPORTED if it is no AEAD cipher. Never blocks; any thread.
///
/// Precondition: cipher is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_cipher_tag(
    cipher: *const bgl_ssl_cipher_t,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe {
        let tag = handle::with(cipher, Cipher::tag)?;
        convert::copy_bytes(&tag, buf, size)
    })
}

/// Sets the expected tag of an AEAD cipher that decrypts: at any time before bgl_cipher_final, for CCM before the text.
///
/// tag: tag_len bytes, the length with which the cipher was made.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if it has ended or encrypts, BGL_SSL_E_UNSUPPORTED if it is
/// no AEAD cipher. Never blocks; any thread.
///
/// Precondition: cipher is NULL or live; tag is NULL or readable for tag_len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_cipher_set_tag(
    cipher: *mut bgl_ssl_cipher_t,
    tag: *const c_void,
    tag_len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    guard::done(|| unsafe {
        let tag = convert::bytes(tag, tag_len, "tag")?;
        handle::with(cipher, |cipher| cipher.set_tag(tag))
    })
}

/// Frees a cipher. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: cipher is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_cipher_free(cipher: *mut bgl_ssl_cipher_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(cipher) }
}
