//! Whole numbers of any size, for key agreement.

use crate::{
    crypto::{
        self,
        dh::{SharedBn, share},
    },
    error::{Error, Result},
    ossl::crypto::bn::Bn,
};
use std::{ffi::c_void, ptr};

use crate::ffi::{
    convert, guard,
    handle::{self, Handle},
    status::bgl_ssl_status_t,
};

/// A whole number, not negative. Several handles may share one number: a bgl_ssl_dh_t shares the numbers that were set
/// in it or got from it.
pub struct bgl_ssl_bignum_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_bignum_t {
    type Rust = SharedBn;
    const TAG: u64 = 0x4247_4c53_4249_474e;
    const NOUN: &'static str = "number";
}

/// Gives C a handle of a number.
pub fn give(number: SharedBn) -> *mut bgl_ssl_bignum_t {
    handle::give(number)
}

/// The number behind a handle; None for NULL.
///
/// # Safety
/// `bn` is NULL or live.
pub unsafe fn shared_optional(bn: *const bgl_ssl_bignum_t) -> Result<Option<SharedBn>> {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::borrow_optional(bn).map(|number| number.cloned()) }
}

/// The number behind a handle, which must be there.
///
/// # Safety
/// `bn` is NULL or live.
pub unsafe fn shared(bn: *const bgl_ssl_bignum_t) -> Result<SharedBn> {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::borrow(bn).cloned() }
}

/// A copy of the number behind a handle, which must be there.
///
/// # Safety
/// `bn` is NULL or live.
pub unsafe fn copy(bn: *const bgl_ssl_bignum_t) -> Result<Bn> {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::with(bn, |number| crypto::lock(number).try_clone()) }
}

/// A new number, which is 0. (Bigloo: bn-new.)
///
/// Returns a number, to be freed with bgl_bn_free, or NULL (BGL_SSL_E_NO_MEMORY). Never blocks; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_bn_new() -> *mut bgl_ssl_bignum_t {
    guard::or(ptr::null_mut(), || Bn::new().map(share).map(give))
}

/// The number that some bytes represent, the most significant first. (Bigloo: bn-bin2bn.)
///
/// data: len bytes; none for 0.
///
/// Returns a number, to be freed with bgl_bn_free, or NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: data is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_bn_bin2bn(data: *const c_void, len: usize) -> *mut bgl_ssl_bignum_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the bytes.
        Bn::from_bytes(unsafe { convert::bytes(data, len, "data")? }).map(share).map(give)
    })
}

/// Copies out the bytes that represent a number, the most significant first: as many as fit. (Bigloo: bn-bn2bin.)
///
/// Returns how many bytes there are, which is 0 for the number 0; 0 on failure (BGL_SSL_E_ARGUMENT). Never blocks; any
/// thread.
///
/// Precondition: bn is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_bn_bn2bin(bn: *const bgl_ssl_bignum_t, buf: *mut c_void, size: usize) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe {
        let bytes = handle::with(bn, |number| Ok(crypto::lock(number).to_bytes()))?;
        convert::copy_bytes(&bytes, buf, size)
    })
}

/// How many bytes represent a number. (Bigloo: bn-num-bytes.)
///
/// Returns that, 0 for the number 0; 0 on failure (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: bn is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_bn_num_bytes(bn: *const bgl_ssl_bignum_t) -> usize {
    // SAFETY: the precondition covers the handle.
    guard::or(0, || unsafe { handle::with(bn, |number| Ok(crypto::lock(number).size())) })
}

/// Sets a number to a small one, for all handles of it, and in the bgl_ssl_dh_t that has it. (Bigloo: bn-set-word.)
///
/// word: not negative.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT. Never blocks; any thread.
///
/// Precondition: bn is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_bn_set_word(bn: *mut bgl_ssl_bignum_t, word: i64) -> bgl_ssl_status_t {
    guard::done(|| {
        let word = u64::try_from(word).map_err(|_| Error::argument(format!("the number {word} is negative")))?;
        // SAFETY: the precondition covers the handle.
        unsafe { handle::with(bn, |number| crypto::lock(number).set_word(word)) }
    })
}

/// Frees a handle, and with the last one the number, which is overwritten first. Takes NULL; returns nothing, never
/// fails, never blocks. (Bigloo: bn-free.)
///
/// Precondition: bn is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_bn_free(bn: *mut bgl_ssl_bignum_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(bn) }
}
