//! Taking clients from a listening socket, in any number of threads, until it is closed.

use crate::{
    net::{deadline::Deadline, linger, unix::OwnFile},
    posix::{self, Readiness, event},
};
use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// How long to wait after accept(2) has failed for a reason that may last, so that a loop does not use all of a processor.
const PAUSE: Duration = Duration::from_millis(50);

/// How many clients that have left again are passed over before that is taken for a reason that may last.
const GONE: u32 = 16;

/// A client, and where it is.
pub type Client = (OwnedFd, Option<SocketAddr>);

/// A listening socket. A process that is forked shares it with its parent, so it is shut down only where there is no
/// other way to wake a thread.
pub struct Listener {
    /// The file of a Unix socket, until the close. It goes before the descriptor does: a file on which nobody listens is
    /// anybody's to replace.
    file: Mutex<Option<OwnFile>>,
    fd: OwnedFd,
    /// Whether others may have it, too: then nothing is done to it that they would notice.
    is_shared: bool,
    made_by: u32,
    closed: AtomicBool,
    /// How many threads of the process that made it are in accept(2), which only a shutdown can wake.
    in_accept: AtomicUsize,
    /// What wakes the threads that wait in poll(2), and the process whose they are.
    waker: Mutex<Option<(u32, Arc<OwnedFd>)>>,
}

impl Listener {
    /// Takes clients from `fd`, which is not used elsewhere.
    pub fn new(fd: OwnedFd) -> Listener {
        Listener::with(fd, false, None)
    }

    /// Takes clients from a Unix socket, whose file is removed at the close.
    pub fn of_file(fd: OwnedFd, file: Option<OwnFile>) -> Listener {
        Listener::with(fd, false, file)
    }

    /// Takes clients from `fd`, which others may have, too.
    pub fn shared(fd: OwnedFd) -> Listener {
        Listener::with(fd, true, None)
    }

    fn with(fd: OwnedFd, is_shared: bool, file: Option<OwnFile>) -> Listener {
        Listener {
            file: Mutex::new(file),
            fd,
            is_shared,
            made_by: posix::pid(),
            closed: AtomicBool::new(false),
            in_accept: AtomicUsize::new(0),
            waker: Mutex::new(None),
        }
    }

    /// The descriptor's number.
    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Where it listens.
    pub fn local_address(&self) -> io::Result<Option<SocketAddr>> {
        posix::local_address(self.fd.as_fd())
    }

    /// The name of the Unix socket on which it listens.
    pub fn unix_name(&self) -> io::Result<Option<String>> {
        posix::local_unix_name(self.fd.as_fd())
    }

    /// Takes one client; None if none came in time, or the socket was closed.
    ///
    /// A thread without a deadline waits in accept(2): of many threads that wait there the system wakes one for each
    /// client, and of those that wait in poll(2) it wakes all.
    pub fn accept(&self, deadline: Deadline) -> io::Result<Option<Client>> {
        let waits_in_accept = deadline == Deadline::NEVER && !self.is_shared && self.made_by == posix::pid();
        if !waits_in_accept {
            // Another thread may take the client that poll(2) has seen.
            posix::set_nonblocking(self.fd.as_fd(), true)?;
        }
        let mut gone = 0;
        loop {
            if self.closed.load(SeqCst) {
                return Ok(None);
            }
            match self.accept_once(waits_in_accept) {
                Ok(client) => return Ok(Some(client)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.wait(deadline)? {
                        return Ok(None);
                    }
                }
                Err(error) if is_the_clients(&error) => {
                    gone += 1;
                    if deadline.has_passed() {
                        return Ok(None);
                    }
                    if gone > GONE {
                        pause(deadline);
                    }
                }
                // New connections replace those that only linger.
                Err(error) if lacks_descriptors(&error) && linger::end_acknowledged() => {}
                Err(error) => {
                    if is_shortage(&error) {
                        // Callers that just try again find it no better at once.
                        pause(deadline);
                    }
                    return Err(error);
                }
            }
        }
    }

    fn accept_once(&self, waits: bool) -> io::Result<Client> {
        if !waits {
            return posix::accept(self.fd.as_fd());
        }
        self.in_accept.fetch_add(1, SeqCst);
        // Either `close` sees this thread, and wakes it, or this thread sees that it is closed.
        let client = if self.closed.load(SeqCst) {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            posix::accept(self.fd.as_fd())
        };
        self.in_accept.fetch_sub(1, SeqCst);
        client
    }

    /// Waits for a client, or for the close. False if the deadline has passed.
    fn wait(&self, deadline: Deadline) -> io::Result<bool> {
        if deadline.has_passed() {
            return Ok(false);
        }
        let waker = self.waker()?;
        if self.closed.load(SeqCst) {
            return Ok(true);
        }
        let wanted = [(self.fd.as_fd(), Readiness::READ), (waker.as_fd(), Readiness::READ)];
        let ready = posix::poll(&wanted, deadline.0)?;
        Ok(ready.iter().any(|ready| ready.readable))
    }

    /// The waker of this process's threads: the parent's belongs to the parent.
    fn waker(&self) -> io::Result<Arc<OwnedFd>> {
        let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = posix::pid();
        match &*waker {
            Some((its, fd)) if *its == pid => Ok(fd.clone()),
            _ => {
                let fd = Arc::new(event::waker()?);
                *waker = Some((pid, fd.clone()));
                Ok(fd)
            }
        }
    }

    /// Ends all accepts of this process, now and later.
    pub fn close(&self) {
        self.closed.store(true, SeqCst);
        drop(self.file.lock().unwrap_or_else(PoisonError::into_inner).take());
        let pid = posix::pid();
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((its, fd)) = &*waker {
            if *its == pid {
                event::wake(fd.as_fd());
            }
        }
        if self.made_by == pid && self.in_accept.load(SeqCst) > 0 {
            // Cannot fail on a listening socket.
            let _ = posix::shutdown(self.fd.as_fd(), true);
        }
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }
}

fn pause(deadline: Deadline) {
    thread::sleep(deadline.remaining().map_or(PAUSE, |left| left.min(PAUSE)));
}

/// Whether accept(2) reports the failure of a connection that the client has closed again, which is no failure of
/// the server's.
fn is_the_clients(error: &io::Error) -> bool {
    const GONE: [i32; 8] = [
        libc::ECONNABORTED,
        libc::ENETDOWN,
        libc::EPROTO,
        libc::ENOPROTOOPT,
        libc::EHOSTDOWN,
        libc::ENONET,
        libc::EHOSTUNREACH,
        libc::ENETUNREACH,
    ];
    error.raw_os_error().is_some_and(|errno| GONE.contains(&errno))
}

fn lacks_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

fn is_shortage(error: &io::Error) -> bool {
    lacks_descriptors(error) || matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM))
}
