//! Diffie-Hellman key agreement.

use crate::crypto::dh::{Dh, GroupFault, KeyFault, Number};
use std::{
    ffi::{c_char, c_int, c_void},
    ptr,
};

use crate::ffi::{
    convert,
    crypto::bignum::{self, bgl_ssl_bignum_t},
    guard,
    handle::{self, Handle},
    status::bgl_ssl_status_t,
};

/// A group for Diffie-Hellman key agreement, and perhaps one's own keys in it. It shares its numbers with the handles by
/// which they were set or got: bgl_bn_set_word changes a number for all of them, bgl_bn_free frees the handle only.
pub struct bgl_ssl_dh_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_dh_t {
    type Rust = Dh;
    const TAG: u64 = 0x4247_4c53_5f44_485f;
    const NOUN: &'static str = "Diffie-Hellman object";
}

/// Nothing is wrong.
pub const BGL_SSL_DH_FINE: i32 = 0;
/// p is no prime.
pub const BGL_SSL_DH_P_NOT_PRIME: i32 = 1;
/// p is a prime, but (p - 1) / 2 is none, and q is not known.
pub const BGL_SSL_DH_P_NOT_SAFE_PRIME: i32 = 2;
/// g is 0, 1 or p - 1 or more, or its order is not q.
pub const BGL_SSL_DH_NOT_SUITABLE_GENERATOR: i32 = 3;
/// q is no prime.
pub const BGL_SSL_DH_Q_NOT_PRIME: i32 = 4;
/// q does not divide p - 1.
pub const BGL_SSL_DH_INVALID_Q: i32 = 5;
const _: () = assert!(
    BGL_SSL_DH_P_NOT_PRIME == GroupFault::NotPrime as i32
        && BGL_SSL_DH_P_NOT_SAFE_PRIME == GroupFault::NotSafePrime as i32
        && BGL_SSL_DH_NOT_SUITABLE_GENERATOR == GroupFault::Generator as i32
        && BGL_SSL_DH_Q_NOT_PRIME == GroupFault::QNotPrime as i32
        && BGL_SSL_DH_INVALID_Q == GroupFault::QNotDivisor as i32
);

/// The public key is 0 or 1.
pub const BGL_SSL_DH_PUBKEY_TOO_SMALL: i32 = 1;
/// The public key is p - 1 or more.
pub const BGL_SSL_DH_PUBKEY_TOO_LARGE: i32 = 2;
/// The public key is not in the group of order q.
pub const BGL_SSL_DH_PUBKEY_INVALID: i32 = 3;
const _: () = assert!(
    BGL_SSL_DH_PUBKEY_TOO_SMALL == KeyFault::TooSmall as i32
        && BGL_SSL_DH_PUBKEY_TOO_LARGE == KeyFault::TooLarge as i32
        && BGL_SSL_DH_PUBKEY_INVALID == KeyFault::Invalid as i32
);

/// A new Diffie-Hellman object without any numbers yet. (Bigloo: class dh.)
///
/// Returns an object, to be freed with bgl_ssl_dh_free. Never fails, never blocks; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_dh_new() -> *mut bgl_ssl_dh_t {
    guard::or(ptr::null_mut(), || Ok(handle::give(Dh::default())))
}

/// Frees a Diffie-Hellman object; numbers got from it or set in it live on. Takes NULL; returns nothing, never fails,
/// never blocks.
///
/// Precondition: dh is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_dh_free(dh: *mut bgl_ssl_dh_t) {
    // SAFETY: the caller vouches for the handle.
    unsafe { handle::free(dh) }
}

/// How many bytes the prime p has, and so the shared secret. (Bigloo: dh-size.)
///
/// Returns that; 0 on failure: BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if there is no p. Never blocks; any thread.
///
/// Precondition: dh is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_dh_size(dh: *const bgl_ssl_dh_t) -> usize {
    // SAFETY: the caller vouches for the handle.
    guard::or(0, || unsafe { handle::with(dh, Dh::size) })
}

/// Makes a new group with a safe prime, and forgets all numbers that were there. For a group that others have checked see
/// bgl_ssl_dh_set_group. (Bigloo: dh-generate-parameters-ex.)
///
/// bits: 512 to 10000; less than 2048 is weak.
/// generator: 2 or 5, usually.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT. Computes for minutes if bits are many; any thread.
///
/// Precondition: dh is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_dh_generate_parameters(
    dh: *mut bgl_ssl_dh_t,
    bits: c_int,
    generator: c_int,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    guard::done(|| unsafe { handle::with(dh, |dh| dh.generate_parameters(bits, generator)) })
}

/// Takes a well-known group, and forgets all numbers that were there.
///
/// name: "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144" or "ffdhe8192" (RFC 7919), or another that OpenSSL knows.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT if OpenSSL does not know it. Never blocks; any thread.
///
/// Precondition: dh is NULL or live; name is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_dh_set_group(dh: *mut bgl_ssl_dh_t, name: *const c_char) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for handle and text.
    guard::done(|| unsafe {
        let name = convert::c_text(name, "group")?;
        handle::with(dh, |dh| dh.set_named_group(name))
    })
}

/// Makes one's own keys in the group; if a private key is set, keeps it and makes the public key that belongs to it.
/// (Bigloo: dh-generate-key.)
///
/// Returns BGL_SSL_OK; BGL_SSL_E_STATE if p or g is not set; BGL_SSL_E_ARGUMENT or BGL_SSL_E_CONFIG if the numbers are
/// unusable (a prime of less than 512 bits). Never blocks; any thread.
///
/// Precondition: dh is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_dh_generate_key(dh: *mut bgl_ssl_dh_t) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    guard::done(|| unsafe { handle::with(dh, Dh::generate_key) })
}

/// Copies out the secret that is shared with the owner of a public key: as many bytes as p has, zeros on the left. The
/// public key is checked first. A secret is no key yet: see bgl_ssl_hkdf. (Bigloo: dh-compute-key.)
///
/// key: the peer's public key.
/// buf: room for bgl_ssl_dh_size bytes. If size is too small, and so for NULL and 0, nothing is copied.
///
/// Returns how many bytes there are; 0 on failure: BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if p, g or the private key is not
/// set, BGL_SSL_E_CONFIG if a key is unusable. Never blocks; any thread.
///
/// Precondition: Both handles are NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_dh_compute_key(
    dh: *const bgl_ssl_dh_t,
    key: *const bgl_ssl_bignum_t,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the caller vouches for handles and buffer.
    guard::or(0, || unsafe {
        let key = bignum::copy(key)?;
        handle::with(dh, |dh| convert::copy_once(dh.size()?, buf, size, || dh.compute_key(&key)))
    })
}

/// Checks the group. (Bigloo: dh-check.)
///
/// Returns BGL_SSL_DH_FINE; what is wrong, one of BGL_SSL_DH_P_NOT_PRIME to BGL_SSL_DH_INVALID_Q; or a negative status if
/// it could not be checked: BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if p or g is not set. Computes for up to a second, or
/// longer if p has more than 4096 bits; any thread.
///
/// Precondition: dh is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_check(dh: *const bgl_ssl_dh_t) -> i32 {
    guard::status(|| {
        // SAFETY: the caller vouches for the handle.
        let fault = unsafe { handle::with(dh, Dh::check)? };
        Ok(fault.map_or(BGL_SSL_DH_FINE, |fault| fault as i32))
    })
}

/// Checks a peer's public key (SP 800-56A, section 5.6.2.3). (Bigloo: dh-check-pub-key.)
///
/// Returns BGL_SSL_DH_FINE; what is wrong, one of BGL_SSL_DH_PUBKEY_...; or a negative status if it could not be checked:
/// BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if p is not set. Never blocks; any thread.
///
/// Precondition: Both are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_check_pub_key(dh: *const bgl_ssl_dh_t, key: *const bgl_ssl_bignum_t) -> i32 {
    guard::status(|| {
        // SAFETY: the caller vouches for the handles.
        let fault = unsafe {
            let key = bignum::copy(key)?;
            handle::with(dh, |dh| dh.check_public_key(&key))?
        };
        Ok(fault.map_or(BGL_SSL_DH_FINE, |fault| fault as i32))
    })
}

/// Precondition: As for the callers.
unsafe fn get(dh: *const bgl_ssl_dh_t, which: Number) -> *mut bgl_ssl_bignum_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the caller vouches for the handle.
        let number = unsafe { handle::with(dh, |dh| Ok(dh.get(which)))? };
        Ok(number.map_or(ptr::null_mut(), bignum::give))
    })
}

/// Precondition: As for the callers.
unsafe fn set(dh: *const bgl_ssl_dh_t, which: Number, number: *const bgl_ssl_bignum_t) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handles.
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
    // SAFETY: the caller vouches for the handle.
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
    // SAFETY: the caller vouches for the handle.
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
    // SAFETY: the caller vouches for the handle.
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
    // SAFETY: the caller vouches for the handle.
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
    // SAFETY: the caller vouches for the handle.
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
    // SAFETY: the caller vouches for the handles.
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
    // SAFETY: the caller vouches for the handles.
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
    // SAFETY: the caller vouches for the handles.
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
    // SAFETY: the caller vouches for the handles.
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
    // SAFETY: the caller vouches for the handles.
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
    // SAFETY: the caller vouches for the handles.
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
    // SAFETY: the caller vouches for the handles.
    guard::done(|| unsafe {
        let (public, private) = (bignum::shared(public_key)?, bignum::shared(private_key)?);
        handle::with(dh, |dh| {
            dh.set([(Number::Public, Some(public)), (Number::Private, Some(private))]);
            Ok(())
        })
    })
}
