//! What the openssl-sys crate does not declare of EVP, and what changed its name in OpenSSL 3.

use openssl_sys::{BIO, EVP_CIPHER_CTX, EVP_MD, EVP_PKEY, EVP_PKEY_CTX};
use std::ffi::{c_char, c_int, c_long, c_uchar, c_ulong};

pub const EVP_MD_FLAG_XOF: c_ulong = 0x2;
pub const EVP_CIPH_VARIABLE_LENGTH: c_ulong = 0x8;
pub const EVP_CIPH_FLAG_AEAD_CIPHER: c_ulong = 0x0020_0000;
pub const EVP_CIPH_STREAM_CIPHER: c_ulong = 0x0;
pub const EVP_CIPH_ECB_MODE: c_ulong = 0x1;
pub const EVP_CIPH_CBC_MODE: c_ulong = 0x2;
pub const EVP_CIPH_CFB_MODE: c_ulong = 0x3;
pub const EVP_CIPH_OFB_MODE: c_ulong = 0x4;
pub const EVP_CIPH_CTR_MODE: c_ulong = 0x5;
pub const EVP_CIPH_GCM_MODE: c_ulong = 0x6;
pub const EVP_CIPH_CCM_MODE: c_ulong = 0x7;
pub const EVP_CIPH_XTS_MODE: c_ulong = 0x1_0001;
pub const EVP_CIPH_OCB_MODE: c_ulong = 0x1_0003;
pub const NID_CHACHA20_POLY1305: c_int = 1018;
pub const EVP_CTRL_AEAD_SET_IVLEN: c_int = 0x9;
pub const EVP_CTRL_AEAD_GET_TAG: c_int = 0x10;
pub const EVP_CTRL_AEAD_SET_TAG: c_int = 0x11;
pub const EVP_MAX_KEY_LENGTH: usize = 64;
pub const EVP_MAX_IV_LENGTH: usize = 16;

unsafe extern "C" {
    pub fn EVP_CipherFinal_ex(ctx: *mut EVP_CIPHER_CTX, out: *mut c_uchar, len: *mut c_int) -> c_int;
    pub fn EVP_PKEY_CTX_ctrl_str(ctx: *mut EVP_PKEY_CTX, name: *const c_char, value: *const c_char) -> c_int;
    pub fn PEM_read_bio(
        bio: *mut BIO,
        name: *mut *mut c_char,
        header: *mut *mut c_char,
        data: *mut *mut c_uchar,
        len: *mut c_long,
    ) -> c_int;
    pub fn d2i_PublicKey(
        kind: c_int,
        key: *mut *mut EVP_PKEY,
        data: *mut *const c_uchar,
        len: c_long,
    ) -> *mut EVP_PKEY;
    pub fn d2i_PrivateKey(
        kind: c_int,
        key: *mut *mut EVP_PKEY,
        data: *mut *const c_uchar,
        len: c_long,
    ) -> *mut EVP_PKEY;
}

#[cfg(ossl300)]
mod names {
    use super::*;
    use openssl_sys::{BIGNUM, BN_CTX, BN_GENCB};

    unsafe extern "C" {
        #[link_name = "EVP_MD_get_flags"]
        pub fn EVP_MD_flags(md: *const EVP_MD) -> c_ulong;
        pub fn EVP_PKEY_get1_encoded_public_key(key: *mut EVP_PKEY, public: *mut *mut c_uchar) -> usize;
        pub fn EVP_PKEY_set1_encoded_public_key(key: *mut EVP_PKEY, public: *const c_uchar, len: usize) -> c_int;
        pub fn EVP_PKEY_CTX_set_group_name(ctx: *mut EVP_PKEY_CTX, name: *const c_char) -> c_int;
        fn BN_check_prime(p: *const BIGNUM, ctx: *mut BN_CTX, callback: *mut BN_GENCB) -> c_int;
    }

    /// BN_check_prime: 1 for a prime number, 0 for another, else a failure.
    ///
    /// # Safety
    /// Both are live.
    pub unsafe fn check_prime(p: *const BIGNUM, ctx: *mut BN_CTX) -> c_int {
        // SAFETY: the preconditions cover it; no callback for the progress.
        unsafe { BN_check_prime(p, ctx, std::ptr::null_mut()) }
    }
}

#[cfg(not(ossl300))]
mod names {
    use super::*;
    use openssl_sys::{BIGNUM, BN_CTX, DH};

    unsafe extern "C" {
        pub fn EVP_MD_flags(md: *const EVP_MD) -> c_ulong;
        #[link_name = "EVP_PKEY_get1_tls_encodedpoint"]
        pub fn EVP_PKEY_get1_encoded_public_key(key: *mut EVP_PKEY, public: *mut *mut c_uchar) -> usize;
        #[link_name = "EVP_PKEY_set1_tls_encodedpoint"]
        pub fn EVP_PKEY_set1_encoded_public_key(key: *mut EVP_PKEY, public: *const c_uchar, len: usize) -> c_int;
        pub fn DH_new_by_nid(nid: c_int) -> *mut DH;
        pub fn OBJ_sn2nid(name: *const c_char) -> c_int;
        pub fn DH_compute_key_padded(key: *mut c_uchar, public: *const BIGNUM, dh: *mut DH) -> c_int;
    }

    /// BN_is_prime_ex with the default number of rounds.
    ///
    /// # Safety
    /// Both are live.
    pub unsafe fn check_prime(p: *const BIGNUM, ctx: *mut BN_CTX) -> c_int {
        // SAFETY: the preconditions cover it; 0 asks for the default number of rounds.
        unsafe { openssl_sys::BN_is_prime_ex(p, 0, ctx, std::ptr::null_mut()) }
    }
}

pub use names::*;
