//! Pointers of the program's that its functions get back.

use std::ffi::c_void;

/// A pointer that is passed on to the program's function.
pub struct User(pub *mut c_void);

// SAFETY: the program has promised, by setting its function, that it may be called with the pointer in any thread.
unsafe impl Send for User {}
// SAFETY: likewise.
unsafe impl Sync for User {}

impl User {
    /// The pointer. (A closure that names the field would capture the field alone.)
    pub fn pointer(&self) -> *mut c_void {
        self.0
    }
}
