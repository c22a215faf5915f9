//! What concerns the process as a whole: its end, its copies, and its rights.

use std::io;

/// Runs `action` when the process exits, or when the library is unloaded.
pub fn at_exit(action: extern "C" fn()) -> io::Result<()> {
    // SAFETY: the function stays valid: the C library runs it before it unloads the library that registered it.
    if unsafe { libc::atexit(action) } == 0 { Ok(()) } else { Err(io::ErrorKind::OutOfMemory.into()) }
}

/// Runs functions around each fork(2): before it, and then in the parent and in the child.
pub fn at_fork(
    before: unsafe extern "C" fn(),
    parent: unsafe extern "C" fn(),
    child: unsafe extern "C" fn(),
) -> io::Result<()> {
    // SAFETY: the functions stay valid: the C library forgets them when it unloads the library that registered them.
    match unsafe { libc::pthread_atfork(Some(before), Some(parent), Some(child)) } {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// Whether the program runs with other rights than those of the user who started it (set-user-ID, capabilities).
pub fn has_raised_privileges() -> bool {
    // SAFETY: reads a value that the kernel gave the process when it started.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}
