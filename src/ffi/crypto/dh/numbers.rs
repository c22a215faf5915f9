//! The numbers of a Diffie-Hellman object: p, q, g and the keys.

use crate::crypto::dh::Number;
use std::ptr;

use crate::ffi::{
    crypto::bignum::{self, bgl_ssl_bignum_t},
    crypto::dh::bgl_ssl_dh_t,
    guard, handle,
    status::bgl_ssl_status_t,
};

/// Precondition: As for the callers.
unsafe fn get(dh: *const bgl_ssl_dh_t, which: Number) -> *mut bgl_ssl_bignum_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the handle.
        let number = unsafe { handle::with(dh, |dh| Ok(dh.get(which)))? };
        Ok(number.map_or(ptr::null_mut(), bignum::give))
    })
}

/// Precondition: As for the callers.
unsafe fn set(dh: *const bgl_ssl_dh_t, which: Number, number: *const bgl_ssl_bignum_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    guard::done(|| unsafe {
        let number = bignum::shared_optional(number)?;
        handle::with(dh, |dh| {
            dh.set([(which, number)]);
            Ok(())
        })
    })
}

/// The prime. (Bigloo: dh's field p.)
///
/// Returns a handle of it, to be freed with bgl_bn_free; NULL if it is not set, which is no failure, and for NULL
/// (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: dh is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_p(dh: *const bgl_ssl_dh_t) -> *mut bgl_ssl_bignum_t {
    // SAFETY: the precondition covers the handle.
    unsafe { get(dh, Number::P) }
}

/// The order of the generator. (Bigloo: dh's field q.)
///
/// Returns a handle of it, to be freed with bgl_bn_free; NULL if it is not set, which is no failure, and for NULL
/// (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: dh is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_q(dh: *const bgl_ssl_dh_t) -> *mut bgl_ssl_bignum_t {
    // SAFETY: the precondition covers the handle.
    unsafe { get(dh, Number::Q) }
}

/// The generator. (Bigloo: dh's field g.)
///
/// Returns a handle of it, to be freed with bgl_bn_free; NULL if it is not set, which is no failure, and for NULL
/// (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: dh is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_g(dh: *const bgl_ssl_dh_t) -> *mut bgl_ssl_bignum_t {
    // SAFETY: the precondition covers the handle.
    unsafe { get(dh, Number::G) }
}

/// One's own private key. (Bigloo: dh's field private-key.)
///
/// Returns a handle of it, to be freed with bgl_bn_free; NULL if it is not set, which is no failure, and for NULL
/// (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: dh is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_private_key(dh: *const bgl_ssl_dh_t) -> *mut bgl_ssl_bignum_t {
    // SAFETY: the precondition covers the handle.
    unsafe { get(dh, Number::Private) }
}

/// One's own public key. (Bigloo: dh's field public-key.)
///
/// Returns a handle of it, to be freed with bgl_bn_free; NULL if it is not set, which is no failure, and for NULL
/// (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: dh is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_public_key(dh: *const bgl_ssl_dh_t) -> *mut bgl_ssl_bignum_t {
    // SAFETY: the precondition covers the handle.
    unsafe { get(dh, Number::Public) }
}

/// Sets the prime, which is shared; the other numbers stay. (Bigloo: dh's field p.)
///
/// p: NULL to forget it.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT. Never blocks; any thread.
///
/// Precondition: Both are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_p_set(dh: *mut bgl_ssl_dh_t, p: *const bgl_ssl_bignum_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    unsafe { set(dh, Number::P, p) }
}

/// Sets the order of the generator, which is shared; the other numbers stay. (Bigloo: dh's field q.)
///
/// q: NULL to forget it.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT. Never blocks; any thread.
///
/// Precondition: Both are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_q_set(dh: *mut bgl_ssl_dh_t, q: *const bgl_ssl_bignum_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    unsafe { set(dh, Number::Q, q) }
}

/// Sets the generator, which is shared; the other numbers stay. (Bigloo: dh's field g.)
///
/// g: NULL to forget it.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT. Never blocks; any thread.
///
/// Precondition: Both are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_g_set(dh: *mut bgl_ssl_dh_t, g: *const bgl_ssl_bignum_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    unsafe { set(dh, Number::G, g) }
}

/// Sets one's own private key, which is shared; the other numbers stay. (Bigloo: dh's field private-key.)
///
/// key: NULL to forget it.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT. Never blocks; any thread.
///
/// Precondition: Both are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_private_key_set(
    dh: *mut bgl_ssl_dh_t,
    key: *const bgl_ssl_bignum_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    unsafe { set(dh, Number::Private, key) }
}

/// Sets one's own public key, which is shared; the other numbers stay. (Bigloo: dh's field public-key.)
///
/// key: NULL to forget it.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT. Never blocks; any thread.
///
/// Precondition: Both are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_public_key_set(
    dh: *mut bgl_ssl_dh_t,
    key: *const bgl_ssl_bignum_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    unsafe { set(dh, Number::Public, key) }
}

/// Sets the group, all or nothing; the numbers are shared.
///
/// q: NULL if it is not known; p and g must be there.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT. Never blocks; any thread.
///
/// Precondition: All are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_pqg_set(
    dh: *mut bgl_ssl_dh_t,
    p: *const bgl_ssl_bignum_t,
    q: *const bgl_ssl_bignum_t,
    g: *const bgl_ssl_bignum_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    guard::done(|| unsafe {
        let (p, q, g) = (bignum::shared(p)?, bignum::shared_optional(q)?, bignum::shared(g)?);
        handle::with(dh, |dh| {
            dh.set([(Number::P, Some(p)), (Number::Q, q), (Number::G, Some(g))]);
            Ok(())
        })
    })
}

/// Sets one's own keys, both or none; the numbers are shared.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT. Never blocks; any thread.
///
/// Precondition: All are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_pub_priv_key_set(
    dh: *mut bgl_ssl_dh_t,
    public_key: *const bgl_ssl_bignum_t,
    private_key: *const bgl_ssl_bignum_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    guard::done(|| unsafe {
        let (public, private) = (bignum::shared(public_key)?, bignum::shared(private_key)?);
        handle::with(dh, |dh| {
            dh.set([(Number::Public, Some(public)), (Number::Private, Some(private))]);
            Ok(())
        })
    })
}
