//! The process's number, without a system call each time.

use std::{
    process,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

/// The process's number, by which a handle knows whether it is in the process that made it.
///
/// It is kept in memory that the system clears in a child, however that was made.
pub fn pid() -> u32 {
    static KEPT: OnceLock<Option<&'static AtomicU32>> = OnceLock::new();
    let Some(kept) = *KEPT.get_or_init(cleared_by_fork) else { return process::id() };
    match kept.load(Relaxed) {
        0 => {
            let pid = process::id();
            kept.store(pid, Relaxed);
            pid
        }
        pid => pid,
    }
}

/// A number that is 0 here at first, and in each child. None where the system has none.
#[cfg(target_os = "linux")]
fn cleared_by_fork() -> Option<&'static AtomicU32> {
    let length = std::mem::size_of::<AtomicU32>();
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: new memory, at an address that the system chooses.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), length, access, kind, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: this memory is not used elsewhere.
    let advise = |advice| unsafe { libc::madvise(page, length, advice) == 0 };
    // An emulator may accept every advice and ignore it; it then accepts an invalid one as well.
    if advise(-1) || !advise(libc::MADV_WIPEONFORK) {
        // SAFETY: nothing refers to this memory.
        unsafe { libc::munmap(page, length) };
        return None;
    }
    // SAFETY: the memory is a page of zeros, aligned as pages are, and stays for ever.
    Some(unsafe { &*page.cast::<AtomicU32>() })
}

#[cfg(not(target_os = "linux"))]
fn cleared_by_fork() -> Option<&'static AtomicU32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_has_its_own_number() {
        assert_eq!(pid(), process::id());
        // SAFETY: the child calls nothing but functions that take no locks, and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let right = pid() == process::id() && pid() == process::id();
            // SAFETY: ends the process.
            unsafe { libc::_exit(i32::from(!right)) };
        }
        let mut status = -1;
        // SAFETY: `status` is writable.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(status, 0);
    }
}
