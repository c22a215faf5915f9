//! Whole numbers of any size. What is freed is overwritten first: it may be a private key.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{
    cmp::Ordering,
    ffi::c_int,
    ptr::{self, NonNull},
};

use crate::ossl::{evp_sys, queue, secret::Secret};

/// A number that is not negative.
pub struct Bn(NonNull<ffi::BIGNUM>);

// SAFETY: a BIGNUM belongs to no thread.
unsafe impl Send for Bn {}
// SAFETY: OpenSSL changes numbers only that are not `const`; here these take `&mut self`.
unsafe impl Sync for Bn {}

impl Drop for Bn {
    fn drop(&mut self) {
        // SAFETY: the number is ours.
        unsafe { ffi::BN_clear_free(self.0.as_ptr()) }
    }
}

/// OpenSSL's scratch space.
struct Scratch(NonNull<ffi::BN_CTX>);

impl Scratch {
    fn new() -> Result<Scratch> {
        crate::ossl::init()?;
        queue::clear();
        // SAFETY: no preconditions.
        let ctx = unsafe { ffi::BN_CTX_new() };
        NonNull::new(ctx).map(Scratch).ok_or_else(|| queue::error(Code::NoMemory, "cannot make a BN_CTX"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: the scratch space is ours.
        unsafe { ffi::BN_CTX_free(self.0.as_ptr()) }
    }
}

impl Bn {
    /// Takes a number over, where there is one.
    ///
    /// # Safety
    /// `bn` is NULL or a live number that becomes ours.
    pub unsafe fn from_owned(bn: *mut ffi::BIGNUM) -> Result<Bn> {
        NonNull::new(bn).map(Bn).ok_or_else(|| queue::error(Code::NoMemory, "cannot make a BIGNUM"))
    }

    /// The number zero.
    pub fn new() -> Result<Bn> {
        crate::ossl::init()?;
        // SAFETY: no preconditions; a new number or NULL.
        unsafe { Bn::from_owned(ffi::BN_new()) }
    }

    /// The number of these bytes, the most significant first.
    pub fn from_bytes(bytes: &[u8]) -> Result<Bn> {
        crate::ossl::init()?;
        let len = c_int::try_from(bytes.len()).map_err(|_| Error::argument("a number of more than 2 GB"))?;
        // SAFETY: `bytes` is readable for its length; a new number or NULL.
        unsafe { Bn::from_owned(ffi::BN_bin2bn(bytes.as_ptr(), len, ptr::null_mut())) }
    }

    /// A copy of the number.
    pub fn try_clone(&self) -> Result<Bn> {
        queue::clear();
        // SAFETY: the number is live; a new number or NULL.
        unsafe { Bn::from_owned(ffi::BN_dup(self.as_ptr())) }
    }

    /// For OpenSSL's functions.
    pub fn as_ptr(&self) -> *const ffi::BIGNUM {
        self.0.as_ptr()
    }

    /// Gives the number away.
    pub fn into_ptr(self) -> *mut ffi::BIGNUM {
        let bn = self.0.as_ptr();
        std::mem::forget(self);
        bn
    }

    /// How many bits it has, 0 for zero.
    pub fn bits(&self) -> usize {
        // SAFETY: the number is live.
        usize::try_from(unsafe { ffi::BN_num_bits(self.as_ptr()) }).unwrap_or(0)
    }

    /// How many bytes it has, 0 for zero.
    pub fn size(&self) -> usize {
        self.bits().div_ceil(8)
    }

    /// Its bytes, the most significant first, none for zero.
    pub fn to_bytes(&self) -> Secret {
        let mut bytes = vec![0; self.size()];
        // SAFETY: `bytes` has space for the number.
        unsafe { ffi::BN_bn2bin(self.as_ptr(), bytes.as_mut_ptr()) };
        Secret::new(bytes)
    }

    /// Makes it a small number.
    pub fn set_word(&mut self, word: u64) -> Result<()> {
        queue::clear();
        // BN_set_word takes 32 bits on some machines.
        let bytes = word.to_be_bytes();
        // SAFETY: the number is live, `bytes` readable for its length, which fits into an int.
        let set = unsafe { ffi::BN_bin2bn(bytes.as_ptr(), bytes.len() as c_int, self.0.as_ptr()) };
        queue::check(c_int::from(!set.is_null()), Code::NoMemory, "cannot set a BIGNUM")
    }

    /// One less. Not for zero.
    pub fn less_one(&self) -> Result<Bn> {
        let less = self.try_clone()?;
        // SAFETY: the number is live.
        let done = unsafe { ffi::BN_sub_word(less.0.as_ptr(), 1) };
        queue::check(done, Code::Internal, "cannot subtract")?;
        Ok(less)
    }

    /// Half of it, rounded down.
    pub fn half(&self) -> Result<Bn> {
        let half = Bn::new()?;
        // SAFETY: both are live.
        let done = unsafe { ffi::BN_rshift1(half.0.as_ptr(), self.as_ptr()) };
        queue::check(done, Code::Internal, "cannot divide")?;
        Ok(half)
    }

    /// Whether it is 1.
    pub fn is_one(&self) -> bool {
        self.bits() == 1
    }

    /// Whether it is a prime number, but for an error of no practical probability.
    pub fn is_prime(&self) -> Result<bool> {
        let scratch = Scratch::new()?;
        // SAFETY: both are live.
        match unsafe { evp_sys::check_prime(self.as_ptr(), scratch.0.as_ptr()) } {
            1 => Ok(true),
            0 => Ok(false),
            _ => Err(queue::error(Code::Internal, "cannot test a number for being prime")),
        }
    }

    /// Whether `divisor`, which is not zero, divides it.
    pub fn is_multiple_of(&self, divisor: &Bn) -> Result<bool> {
        let (scratch, rest) = (Scratch::new()?, Bn::new()?);
        // SAFETY: all are live.
        let done = unsafe {
            ffi::BN_div(ptr::null_mut(), rest.0.as_ptr(), self.as_ptr(), divisor.as_ptr(), scratch.0.as_ptr())
        };
        queue::check(done, Code::Internal, "cannot divide")?;
        Ok(rest.bits() == 0)
    }

    /// `self` to the power of `exponent`, modulo `modulus`, in a time that does not depend on the exponent if the
    /// modulus is odd.
    pub fn mod_exp(&self, exponent: &Bn, modulus: &Bn) -> Result<Bn> {
        let (scratch, result, exponent) = (Scratch::new()?, Bn::new()?, exponent.try_clone()?);
        // SAFETY: all are live, and the exponent is a copy of our own.
        let done = unsafe {
            ffi::BN_set_flags(exponent.0.as_ptr(), ffi::BN_FLG_CONSTTIME);
            ffi::BN_mod_exp(
                result.0.as_ptr(),
                self.as_ptr(),
                exponent.as_ptr(),
                modulus.as_ptr(),
                scratch.0.as_ptr(),
            )
        };
        queue::check(done, Code::Config, "cannot compute a power")?;
        Ok(result)
    }
}

impl PartialEq for Bn {
    fn eq(&self, other: &Bn) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Bn {
    fn partial_cmp(&self, other: &Bn) -> Option<Ordering> {
        // SAFETY: both are live.
        Some(unsafe { ffi::BN_cmp(self.as_ptr(), other.as_ptr()) }.cmp(&0))
    }
}
