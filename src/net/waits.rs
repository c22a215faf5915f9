//! What a step that could not be completed waits for.

use crate::{
    net::deadline::Deadline,
    posix::{self, Readiness},
};
use std::{io, os::fd::BorrowedFd};

/// Descriptors of which one must become ready, or a time that must come.
pub struct Waits<'a> {
    /// The descriptors, and what for.
    pub fds: Vec<(BorrowedFd<'a>, Readiness)>,
    /// When to go on although none is ready.
    pub timer: Deadline,
}

impl<'a> Waits<'a> {
    /// For one descriptor.
    pub fn on(fd: BorrowedFd<'a>, readiness: Readiness) -> Waits<'a> {
        Waits { fds: vec![(fd, readiness)], timer: Deadline::NEVER }
    }

    /// For a point in time.
    pub fn until(timer: Deadline) -> Waits<'a> {
        Waits { fds: Vec::new(), timer }
    }

    /// Waits, but not beyond the deadline.
    pub fn wait(&self, deadline: Deadline) -> io::Result<()> {
        posix::poll(&self.fds, self.timer.or_sooner(deadline).0).map(drop)
    }
}
