//! Waiting for descriptors.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    ptr,
    time::Instant,
};

/// What to wait for on a descriptor, or what happened on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// A read would not wait.
    pub readable: bool,
    /// A write would not wait.
    pub writable: bool,
}

impl Readiness {
    /// Ready to read.
    pub const READ: Readiness = Readiness { readable: true, writable: false };
    /// Ready to write.
    pub const WRITE: Readiness = Readiness { readable: false, writable: true };
}

/// Waits until one of `wanted` is ready or `deadline` (None: never) has passed.
/// Returns what is ready, in the same order; nothing is ready if the deadline has passed.
/// Errors and hang-ups count as ready, so that the next call on the descriptor reports them.
pub fn poll(wanted: &[(BorrowedFd<'_>, Readiness)], deadline: Option<Instant>) -> io::Result<Vec<Readiness>> {
    let mut fds: Vec<libc::pollfd> = wanted.iter().map(|(fd, want)| pollfd(fd.as_raw_fd(), *want)).collect();
    poll_all(&mut fds, deadline)?;
    Ok(fds.iter().zip(wanted).map(|(got, (_, want))| readiness(got, *want)).collect())
}

/// Waits for one descriptor.
pub fn poll_one(fd: BorrowedFd<'_>, want: Readiness, deadline: Option<Instant>) -> io::Result<Readiness> {
    let mut fds = [pollfd(fd.as_raw_fd(), want)];
    poll_all(&mut fds, deadline)?;
    let [got] = fds;
    Ok(readiness(&got, want))
}

fn pollfd(fd: RawFd, want: Readiness) -> libc::pollfd {
    let read = if want.readable { libc::POLLIN } else { 0 };
    let write = if want.writable { libc::POLLOUT } else { 0 };
    libc::pollfd { fd, events: read | write, revents: 0 }
}

fn readiness(got: &libc::pollfd, want: Readiness) -> Readiness {
    let broken = got.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0;
    Readiness {
        readable: want.readable && (broken || got.revents & libc::POLLIN != 0),
        writable: want.writable && (broken || got.revents & libc::POLLOUT != 0),
    }
}

fn poll_all(fds: &mut [libc::pollfd], deadline: Option<Instant>) -> io::Result<()> {
    loop {
        let ready = poll_once(fds, deadline);
        if ready < 0 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            return Err(error);
        }
        if ready > 0 || deadline.is_some_and(|at| Instant::now() >= at) {
            return Ok(());
        }
    }
}

#[cfg(target_os = "linux")]
fn poll_once(fds: &mut [libc::pollfd], deadline: Option<Instant>) -> libc::c_int {
    let left = deadline.map(|at| {
        let left = at.saturating_duration_since(Instant::now());
        libc::timespec {
            tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
            // Below 10^9.
            tv_nsec: left.subsec_nanos() as _,
        }
    });
    let left = left.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `fds` is a live array of `fds.len()` pollfd structures; `left` is NULL or points to a live timespec.
    unsafe { libc::ppoll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, left, ptr::null()) }
}

#[cfg(not(target_os = "linux"))]
fn poll_once(fds: &mut [libc::pollfd], deadline: Option<Instant>) -> libc::c_int {
    let timeout = deadline.map_or(-1, milliseconds_until);
    // SAFETY: `fds` is a live array of `fds.len()` pollfd structures.
    unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout) }
}

/// Rounded up, so that a wait never ends before its deadline.
pub(super) fn milliseconds_until(at: Instant) -> libc::c_int {
    let left = at.saturating_duration_since(Instant::now());
    libc::c_int::try_from(left.as_micros().div_ceil(1000)).unwrap_or(libc::c_int::MAX)
}
