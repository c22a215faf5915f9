//! Values that belong to an SSL_CTX: they live as long as it, up to its last reference.

use crate::error::{Code, Result};
use openssl_sys as ffi;
use std::{
    ffi::{c_int, c_long, c_void},
    marker::PhantomData,
    ptr,
    sync::OnceLock,
};

use super::Ctx;
use crate::ossl::{once, queue};

/// A kind of values, of which each SSL_CTX has one at most.
pub struct CtxValue<T> {
    index: OnceLock<c_int>,
    values: PhantomData<Box<T>>,
}

impl<T: Send + Sync + 'static> CtxValue<T> {
    /// A kind.
    pub const fn new() -> CtxValue<T> {
        CtxValue { index: OnceLock::new(), values: PhantomData }
    }

    fn index(&'static self) -> c_int {
        once::index(&self.index, || {
            let kind = ffi::CRYPTO_EX_INDEX_SSL_CTX;
            // SAFETY: the callback has the type that OpenSSL asks for.
            unsafe { ffi::CRYPTO_get_ex_new_index(kind, 0, ptr::null_mut(), None, None, Some(release::<T>)) }
        })
    }

    /// Gives a context its value, which it must not have yet.
    pub fn attach(&'static self, ctx: &mut Ctx, value: T) -> Result<()> {
        queue::clear();
        let value = Box::into_raw(Box::new(value));
        // SAFETY: the context is live, and owns the value from here on, unless this fails: `release` drops it.
        unsafe {
            if ffi::SSL_CTX_set_ex_data(ctx.as_ptr(), self.index(), value.cast()) != 1 {
                drop(Box::from_raw(value));
                return Err(queue::error(Code::NoMemory, "cannot attach to an SSL_CTX"));
            }
        }
        Ok(())
    }

    /// The value of a connection's context.
    ///
    /// # Safety
    /// `ssl` is live, and keeps its context for as long as 'a lasts.
    pub unsafe fn of<'a>(&'static self, ssl: *const ffi::SSL) -> Option<&'a T> {
        // SAFETY: the preconditions cover the SSL; what the index holds is NULL or a T that the context owns.
        unsafe { ffi::SSL_CTX_get_ex_data(ffi::SSL_get_SSL_CTX(ssl), self.index()).cast::<T>().as_ref() }
    }
}

/// OpenSSL calls this for each context that is freed.
unsafe extern "C" fn release<T>(
    _: *mut c_void,
    value: *mut c_void,
    _: *mut ffi::CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    _: *mut c_void,
) {
    if !value.is_null() {
        // SAFETY: only `attach` stores something in this index: a T in a box.
        unsafe { drop(Box::from_raw(value.cast::<T>())) }
    }
}
