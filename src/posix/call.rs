//! What system calls have in common: results, interruptions, errors.

use std::{ffi::CStr, io};

/// Repeats a system call that a signal interrupted.
pub(super) fn retry(mut call: impl FnMut() -> libc::ssize_t) -> io::Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(n) => return Ok(n),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

/// What system calls say of a descriptor that is closed.
pub fn bad_descriptor() -> io::Error {
    io::Error::from_raw_os_error(libc::EBADF)
}

/// Sets errno to 0, so that `memory_ran_out` is about what comes next.
pub fn clear_errno() {
    // SAFETY: the address of this thread's errno is always valid.
    unsafe { *libc::__errno_location() = 0 };
}

/// Whether malloc, or a system call, has said so since `clear_errno`.
pub fn memory_ran_out() -> bool {
    io::Error::last_os_error().raw_os_error() == Some(libc::ENOMEM)
}

/// The system's words for an errno.
pub fn errno_text(errno: i32) -> String {
    let mut buffer = [0u8; 256];
    // SAFETY: the buffer is writable for its length; the XSI strerror_r of the libc crate ends it with a NUL.
    unsafe { libc::strerror_r(errno, buffer.as_mut_ptr().cast(), buffer.len()) };
    match CStr::from_bytes_until_nul(&buffer) {
        Ok(text) if !text.is_empty() => text.to_string_lossy().into_owned(),
        _ => format!("errno {errno}"),
    }
}

pub(super) fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
