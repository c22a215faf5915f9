//! One descriptor that is readable once any of several others is ready, or at a point in time.

use super::{call::check, event, poll::Readiness};
use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// That descriptor, and what it stands for.
pub struct Gather {
    epoll: Arc<OwnedFd>,
    timer: OwnedFd,
    waker: OwnedFd,
    watched: Mutex<Vec<RawFd>>,
}

impl Gather {
    /// One that stands for nothing yet.
    pub fn new() -> io::Result<Gather> {
        // SAFETY: plain integers.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        check(epoll)?;
        // SAFETY: the system has just made this descriptor, and nothing else uses it.
        let epoll = Arc::new(unsafe { OwnedFd::from_raw_fd(epoll) });
        let gather = Gather { epoll, timer: event::timer()?, waker: event::waker()?, watched: Mutex::default() };
        for fd in [&gather.timer, &gather.waker] {
            gather.control(libc::EPOLL_CTL_ADD, fd.as_raw_fd(), libc::EPOLLIN)?;
        }
        Ok(gather)
    }

    /// The descriptor.
    pub fn descriptor(&self) -> &Arc<OwnedFd> {
        &self.epoll
    }

    /// What it stands for from now on. The descriptors must stay open until the next call of this.
    pub fn set(&self, wanted: &[(BorrowedFd<'_>, Readiness)], at: Option<Instant>) -> io::Result<()> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        event::settle(self.timer.as_fd());
        event::set_timer(self.timer.as_fd(), at)?;
        let wants = |fd: RawFd| wanted.iter().any(|(wanted, _)| wanted.as_raw_fd() == fd);
        for fd in std::mem::take(&mut *watched).into_iter().filter(|fd| !wants(*fd)) {
            // The kernel has forgotten those that are closed.
            let _ = self.control(libc::EPOLL_CTL_DEL, fd, 0);
        }
        for (fd, readiness) in wanted {
            let read = if readiness.readable { libc::EPOLLIN } else { 0 };
            let write = if readiness.writable { libc::EPOLLOUT } else { 0 };
            let fd = fd.as_raw_fd();
            match self.control(libc::EPOLL_CTL_ADD, fd, read | write) {
                Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
                    self.control(libc::EPOLL_CTL_MOD, fd, read | write)?;
                }
                added => added?,
            }
            watched.push(fd);
        }
        Ok(())
    }

    /// Stands for nothing, and so not for descriptors that are closed now. The kernel forgets a descriptor by itself only
    /// where no other process has it.
    pub fn clear(&self) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        for fd in watched.drain(..) {
            let _ = self.control(libc::EPOLL_CTL_DEL, fd, 0);
        }
    }

    /// Makes it readable for good.
    pub fn wake(&self) {
        event::wake(self.waker.as_fd());
    }

    fn control(&self, operation: libc::c_int, fd: RawFd, events: libc::c_int) -> io::Result<()> {
        let mut event = libc::epoll_event { events: events as u32, u64: 0 };
        // SAFETY: `event` is live; the kernel refuses what is no descriptor.
        check(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &raw mut event) })
    }
}
