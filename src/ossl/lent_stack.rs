//! A stack of objects for OpenSSL, whose elements stay their owner's.

use std::ffi::c_void;

use super::sys;

/// The stack. Its elements must live until OpenSSL uses it no more.
pub struct LentStack(*mut c_void);

impl Drop for LentStack {
    fn drop(&mut self) {
        // SAFETY: the stack is ours; what is in it is not.
        unsafe { sys::OPENSSL_sk_free(self.0) }
    }
}

impl LentStack {
    /// A stack of these objects; None if memory ran out.
    pub fn new<T>(elements: impl Iterator<Item = *mut T>) -> Option<LentStack> {
        // SAFETY: no preconditions.
        let stack = LentStack(unsafe { sys::OPENSSL_sk_new_null() });
        if stack.0.is_null() {
            return None;
        }
        for element in elements {
            // SAFETY: the stack is live; it keeps the pointer only.
            if unsafe { sys::OPENSSL_sk_push(stack.0, element.cast_const().cast()) } <= 0 {
                return None;
            }
        }
        Some(stack)
    }

    /// For OpenSSL's functions, which know the type of the elements.
    pub fn as_ptr<T>(&self) -> *mut T {
        self.0.cast()
    }
}
