//! Checks of Diffie-Hellman groups and public keys.

use crate::crypto::dh::{Dh, GroupFault, KeyFault};

use crate::ffi::{
    crypto::bignum::{self, bgl_ssl_bignum_t},
    crypto::dh::bgl_ssl_dh_t,
    guard, handle,
};

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

/// Checks the group. (Bigloo: dh-check.)
///
/// Returns BGL_SSL_DH_FINE; what is wrong, one of BGL_SSL_DH_P_NOT_PRIME to BGL_SSL_DH_INVALID_Q; or a negative status
/// if it could not be checked: BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if p or g is not set. Computes for up to a second,
/// or longer if p has more than 4096 bits; any thread.
///
/// Precondition: dh is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_check(dh: *const bgl_ssl_dh_t) -> i32 {
    guard::status(|| {
        // SAFETY: the precondition covers the handle.
        let fault = unsafe { handle::with(dh, Dh::check)? };
        Ok(fault.map_or(BGL_SSL_DH_FINE, |fault| fault as i32))
    })
}

/// Checks a peer's public key (SP 800-56A, section 5.6.2.3). (Bigloo: dh-check-pub-key.)
///
/// Returns BGL_SSL_DH_FINE; what is wrong, one of BGL_SSL_DH_PUBKEY_...; or a negative status if it could not be
/// checked: BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if p is not set. Never blocks; any thread.
///
/// Precondition: Both are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_dh_check_pub_key(dh: *const bgl_ssl_dh_t, key: *const bgl_ssl_bignum_t) -> i32 {
    guard::status(|| {
        // SAFETY: the precondition covers the handles.
        let fault = unsafe {
            let key = bignum::copy(key)?;
            handle::with(dh, |dh| dh.check_public_key(&key))?
        };
        Ok(fault.map_or(BGL_SSL_DH_FINE, |fault| fault as i32))
    })
}
