//! Handles: how Rust values become the opaque pointers of C, and who owns them.
//!
//! Every handle begins with a tag of its kind, so that a handle of another kind, or one that was freed, is answered
//! with an error rather than taken for something else (as far as the memory still shows). A panic while a handle is
//! in use poisons it: afterwards it can only be freed.

use crate::error::{Code, Error, Result};
use std::{
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
};

use crate::ffi::guard;

/// What a handle points to.
#[repr(C)]
pub struct Tagged<T> {
    tag: AtomicU64,
    poisoned: AtomicBool,
    value: T,
}

/// A C handle type and the Rust type behind it.
pub trait Handle: Sized {
    /// The Rust type.
    type Rust;
    /// What marks a live handle of this kind.
    const TAG: u64;
    /// Its noun, for messages.
    const NOUN: &'static str;
}

/// Marks freed handles.
const FREED: u64 = 0x6672_6565_6421_2121;

impl<T> Tagged<T> {
    fn new(tag: u64, value: T) -> Tagged<T> {
        Tagged { tag: AtomicU64::new(tag), poisoned: AtomicBool::new(false), value }
    }
}

impl<T> Drop for Tagged<T> {
    fn drop(&mut self) {
        self.tag.store(FREED, SeqCst);
    }
}

/// Gives `value` to C, which frees it once with `free`.
pub fn give<H: Handle>(value: H::Rust) -> *mut H {
    Box::into_raw(Box::new(Tagged::new(H::TAG, value))).cast()
}

/// Frees what `give` gave; ignores NULL and what is no such handle.
///
/// # Safety
/// `handle` is NULL, or from `give`, not yet freed, and not used elsewhere.
pub unsafe fn free<H: Handle>(handle: *mut H) {
    guard::quietly(|| {
        // SAFETY: the precondition says so; the tag is checked as far as the memory shows.
        unsafe {
            if is(handle) {
                drop(Box::from_raw(handle.cast::<Tagged<H::Rust>>()));
            }
        }
    });
}

/// Gives `value` to C as a counted reference, to be freed once with `release`, and as often as `retain` was called.
pub fn share<H: Handle>(value: H::Rust) -> *mut H {
    Arc::into_raw(Arc::new(Tagged::new(H::TAG, value))).cast_mut().cast()
}

/// One more reference to what `share` gave.
///
/// # Safety
/// `handle` is NULL or from `share` and live.
pub unsafe fn retain<H: Handle>(handle: *const H) -> Result<*mut H> {
    // SAFETY: the precondition says so; the tag has been checked.
    unsafe {
        tagged(handle)?;
        Arc::increment_strong_count(handle.cast::<Tagged<H::Rust>>());
    }
    Ok(handle.cast_mut())
}

/// Gives a reference back; ignores NULL and what is no such handle.
///
/// # Safety
/// `handle` is NULL, or from `share`, with a reference that the caller owns.
pub unsafe fn release<H: Handle>(handle: *mut H) {
    guard::quietly(|| {
        // SAFETY: the precondition says so; the tag is checked as far as the memory shows.
        unsafe {
            if is(handle) {
                drop(Arc::from_raw(handle.cast_const().cast::<Tagged<H::Rust>>()));
            }
        }
    });
}

/// A reference that is released when dropped.
pub struct Held<H: Handle>(*mut H);

impl<H: Handle> Held<H> {
    /// The handle that is held.
    pub fn as_ptr(&self) -> *mut H {
        self.0
    }
}

impl<H: Handle> Drop for Held<H> {
    fn drop(&mut self) {
        // SAFETY: `hold` has made this reference.
        unsafe { release(self.0) }
    }
}

/// Keeps what `share` gave alive for a while.
///
/// # Safety
/// As for `retain`.
pub unsafe fn hold<H: Handle>(handle: *const H) -> Result<Held<H>> {
    // SAFETY: the precondition says so.
    unsafe { retain(handle).map(Held) }
}

/// The value behind a handle.
///
/// # Safety
/// `handle` is NULL or points to readable memory; the value outlives 'a.
pub unsafe fn borrow<'a, H: Handle>(handle: *const H) -> Result<&'a H::Rust> {
    // SAFETY: the precondition says so.
    unsafe { tagged(handle).map(|tagged| &tagged.value) }
}

/// Borrows the value behind a handle; None for NULL.
///
/// # Safety
/// As for `borrow`.
pub unsafe fn borrow_optional<'a, H: Handle>(handle: *const H) -> Result<Option<&'a H::Rust>> {
    if handle.is_null() {
        return Ok(None);
    }
    // SAFETY: the precondition says so.
    unsafe { borrow(handle).map(Some) }
}

/// Poisons a handle when a panic takes the thread out of its use.
struct Fuse<'a>(&'a AtomicBool);

impl Drop for Fuse<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, SeqCst);
        }
    }
}

/// Runs `body` on the value behind a handle, and poisons the handle if it panics.
///
/// # Safety
/// As for `borrow`, while `body` runs.
pub unsafe fn with<H: Handle, T>(handle: *const H, body: impl FnOnce(&H::Rust) -> Result<T>) -> Result<T> {
    // SAFETY: the precondition says so.
    let tagged = unsafe { tagged(handle)? };
    let _fuse = Fuse(&tagged.poisoned);
    body(&tagged.value)
}

/// Whether this is a live handle of kind `H`.
///
/// # Safety
/// `handle` is NULL or points to at least eight readable bytes.
pub unsafe fn is<H: Handle>(handle: *const H) -> bool {
    let tag: *const u64 = handle.cast();
    // SAFETY: not NULL, so readable; unaligned pointers are no handles of ours.
    !handle.is_null() && tag.is_aligned() && unsafe { ptr::read(tag) } == H::TAG
}

/// # Safety
/// As for `borrow`.
unsafe fn tagged<'a, H: Handle>(handle: *const H) -> Result<&'a Tagged<H::Rust>> {
    if handle.is_null() {
        return Err(Error::argument(format!("the {} is NULL", H::NOUN)));
    }
    // SAFETY: the precondition covers readable memory.
    if !unsafe { is(handle) } {
        return Err(Error::argument(format!("the {} is no live handle of that kind", H::NOUN)));
    }
    // SAFETY: the tag says that this is one of ours, and alive.
    let tagged = unsafe { &*handle.cast::<Tagged<H::Rust>>() };
    if tagged.poisoned.load(SeqCst) {
        return Err(Error::new(Code::State, format!("the {} is unusable since a defect of bglssl", H::NOUN)));
    }
    Ok(tagged)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Opaque;

    impl Handle for Opaque {
        type Rust = ();
        const TAG: u64 = 1;
        const NOUN: &'static str = "test";
    }

    #[test]
    fn a_panic_poisons_the_handle_and_a_failure_does_not() {
        let handle = give::<Opaque>(());
        // SAFETY: the handle is live until it is freed.
        unsafe {
            assert!(with(handle, |()| Err::<(), _>(Error::argument("planted"))).is_err());
            assert!(with(handle, |()| Ok(())).is_ok());
            let panicked = guard::catch(|| with(handle, |()| -> Result<()> { panic!("planted") }));
            assert_eq!(panicked.map_err(|error| error.code), Err(Code::Internal));
            assert_eq!(with(handle, |()| Ok(())).map_err(|error| error.code), Err(Code::State));
            free(handle);
        }
    }
}
