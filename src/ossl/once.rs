//! What OpenSSL needs once in a process. A failure is not kept: the next call tries again.

use openssl_sys as ffi;
use std::{ffi::c_int, ptr, sync::OnceLock};

/// What `make` has made, now or earlier. Threads that make it at the same moment share what the first one got; the others'
/// is dropped.
pub fn made_once<T>(place: &'static OnceLock<T>, make: impl FnOnce() -> Option<T>) -> Option<&'static T> {
    if place.get().is_none() {
        let _ = place.set(make()?);
    }
    place.get()
}

/// An index for the ex_data of each SSL, which is never freed; -1, which no SSL has, if there is no memory.
pub fn ssl_index(place: &'static OnceLock<c_int>) -> c_int {
    index(place, || {
        // SAFETY: no callbacks.
        unsafe { ffi::CRYPTO_get_ex_new_index(ffi::CRYPTO_EX_INDEX_SSL, 0, ptr::null_mut(), None, None, None) }
    })
}

/// The index that `make` gets from OpenSSL; -1 if there is no memory.
pub fn index(place: &'static OnceLock<c_int>, make: impl FnOnce() -> c_int) -> c_int {
    made_once(place, || Some(make()).filter(|index| *index >= 0)).map_or(-1, |index| *index)
}
