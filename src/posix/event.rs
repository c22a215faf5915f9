//! Waiting for many descriptors, timers and wake-ups behind one descriptor.

use super::{call::check, poll::milliseconds_until};
use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    time::Instant,
};

/// An epoll descriptor.
pub struct Events(OwnedFd);

impl Events {
    /// One that waits for nothing yet.
    pub fn new() -> io::Result<Events> {
        // SAFETY: plain integers.
        owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).map(Events)
    }

    /// For poll(2): readable when an event is there.
    pub fn raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Waits for `fd` to be readable, again and again.
    pub fn watch(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN, token)
    }

    /// Waits for `fd` to be readable, and wakes one waiter once.
    pub fn watch_once(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN | libc::EPOLLONESHOT, token)
    }

    /// Waits once more for what `watch_once` has reported.
    pub fn watch_again(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, libc::EPOLLIN | libc::EPOLLONESHOT, token)
    }

    /// Waits for `fd` no more.
    pub fn forget(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    fn control(
        &self,
        operation: libc::c_int,
        fd: BorrowedFd<'_>,
        events: libc::c_int,
        token: u64,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event { events: events as u32, u64: token };
        // SAFETY: `event` is live.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd.as_raw_fd(), &raw mut event) })
    }

    /// The token of one event; None if none came until `deadline` (None: never).
    pub fn wait(&self, deadline: Option<Instant>) -> io::Result<Option<u64>> {
        loop {
            let mut event = libc::epoll_event { events: 0, u64: 0 };
            let timeout = deadline.map_or(-1, milliseconds_until);
            // SAFETY: `event` has space for the one event that is asked for.
            let n = unsafe { libc::epoll_wait(self.0.as_raw_fd(), &raw mut event, 1, timeout) };
            match n {
                1 => return Ok(Some(event.u64)),
                0 if deadline.is_none_or(|at| Instant::now() >= at) => return Ok(None),
                0 => {}
                _ => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
    }
}

/// A descriptor that becomes readable at a point in time.
pub fn timer() -> io::Result<OwnedFd> {
    // SAFETY: plain integers.
    owned(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) })
}

/// Sets that point; None for never.
pub fn set_timer(fd: BorrowedFd<'_>, at: Option<Instant>) -> io::Result<()> {
    // SAFETY: an all-zero itimerspec is a valid value: it stops the timer.
    let mut spec: libc::itimerspec = unsafe { mem::zeroed() };
    if let Some(at) = at {
        let left = at.saturating_duration_since(Instant::now());
        spec.it_value.tv_sec = libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX);
        // All zero would stop it.
        spec.it_value.tv_nsec = left.subsec_nanos().max(1) as _;
    }
    // SAFETY: `spec` is live; the old setting is not asked for.
    check(unsafe { libc::timerfd_settime(fd.as_raw_fd(), 0, &raw const spec, std::ptr::null_mut()) })
}

/// A descriptor that becomes readable by `wake`.
pub fn waker() -> io::Result<OwnedFd> {
    // SAFETY: plain integers.
    owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })
}

/// Makes a waker readable.
pub fn wake(fd: BorrowedFd<'_>) {
    let one = 1u64;
    // SAFETY: `one` is readable for 8 bytes. It fails only if the waker is readable already.
    unsafe { libc::write(fd.as_raw_fd(), (&raw const one).cast(), mem::size_of_val(&one)) };
}

/// Makes a timer or a waker unreadable again.
pub fn settle(fd: BorrowedFd<'_>) {
    let mut count = 0u64;
    // SAFETY: `count` is writable for 8 bytes. It fails only if there is nothing to read.
    unsafe { libc::read(fd.as_raw_fd(), (&raw mut count).cast(), mem::size_of_val(&count)) };
}

fn owned(fd: libc::c_int) -> io::Result<OwnedFd> {
    check(fd)?;
    // SAFETY: the system has just made this descriptor, and nothing else uses it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
