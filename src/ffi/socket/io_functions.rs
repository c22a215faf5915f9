//! Functions of the program that carry the bytes of a connection.

use crate::{
    error::{Code, Error, Result},
    net::deadline::Deadline,
    posix::{self, Readiness},
    transport::byte_stream::ByteStream,
    types::Step,
};
use std::{
    ffi::{c_int, c_void},
    io,
    os::fd::OwnedFd,
    sync::Arc,
    time::Duration,
};

use crate::ffi::{
    sized,
    status::{
        BGL_SSL_E_IO, BGL_SSL_EOF, BGL_SSL_OK, BGL_SSL_WANT_READ, BGL_SSL_WANT_WRITE, bgl_ssl_status_t, name_of,
    },
};

/// How long one call of the function that waits may take: afterwards the library looks whether the socket was closed,
/// or its reading half shut down, by another thread.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// Functions that carry the bytes of a connection in place of a descriptor. All get the pointer that was given with
/// them.
///
/// They are called without any lock of the socket's: they may take their time, and use other sockets. Of the socket
/// itself they may use what does not wait for them, such as bgl_ssl_socket_pending and bgl_ssl_socket_close; a call
/// that would wait for the function that makes it is BGL_SSL_E_STATE. They must not leave by longjmp or an exception.
/// The library reads with one thread at a time, and writes with one at a time, but a read, a write and waits of several
/// threads may run at the same time.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bgl_ssl_io_t {
    /// sizeof(bgl_ssl_io_t).
    pub size: usize,
    /// Reads what is there, without waiting: BGL_SSL_OK with the number of bytes in n; BGL_SSL_EOF (or 0 bytes) at the
    /// end of the stream; BGL_SSL_WANT_READ or BGL_SSL_WANT_WRITE if nothing is there yet, which says what to wait for;
    /// BGL_SSL_E_IO with errno, or another error, which ends the connection. Not NULL.
    pub read: Option<
        unsafe extern "C" fn(user: *mut c_void, buf: *mut c_void, len: usize, n: *mut usize) -> bgl_ssl_status_t,
    >,
    /// Writes what can be written without waiting: BGL_SSL_OK with the number of bytes in n; BGL_SSL_WANT_WRITE or
    /// BGL_SSL_WANT_READ if nothing can, after which the same bytes are given again, and more may follow them; errors
    /// as for read. Not NULL.
    pub write: Option<
        unsafe extern "C" fn(user: *mut c_void, buf: *const c_void, len: usize, n: *mut usize) -> bgl_ssl_status_t,
    >,
    /// Waits until a read (events: POLLIN), a write (POLLOUT) or either of both makes sense again, but no longer than
    /// timeout microseconds, which are at most 250000: then it is called again if there is time left. Returns
    /// BGL_SSL_OK in both cases, or an error, which ends the call but not the connection. It may return early. NULL:
    /// the socket never blocks.
    pub wait: Option<unsafe extern "C" fn(user: *mut c_void, events: c_int, timeout: i64) -> bgl_ssl_status_t>,
    /// Ends the writing half, once everything has been written: BGL_SSL_OK; BGL_SSL_WANT_WRITE or BGL_SSL_WANT_READ,
    /// and it is called again; or an error. NULL if there is nothing to do.
    pub shutdown: Option<unsafe extern "C" fn(user: *mut c_void) -> bgl_ssl_status_t>,
    /// Is called once, when the library calls none of the others any more. NULL if there is nothing to do.
    pub free: Option<unsafe extern "C" fn(user: *mut c_void)>,
}

/// The functions, and what they work on.
pub struct Functions {
    io: bgl_ssl_io_t,
    user: *mut c_void,
}

// SAFETY: the preconditions of `take` cover functions that may be called on any thread.
unsafe impl Send for Functions {}
// SAFETY: likewise, at the same time.
unsafe impl Sync for Functions {}

impl Drop for Functions {
    fn drop(&mut self) {
        if let Some(free) = self.io.free {
            // SAFETY: guaranteed by the caller of `take`; this is the last call.
            unsafe { free(self.user) }
        }
    }
}

impl Functions {
    /// Takes over what a program gives. From here on its function to free is called, whatever else fails.
    ///
    /// # Safety
    /// `io` is NULL or readable for as many bytes as its size field says; its functions can be called with `user`, on
    /// any thread, until the one to free was called.
    pub unsafe fn take(io: *const bgl_ssl_io_t, user: *mut c_void) -> Result<Functions> {
        // SAFETY: the precondition says so.
        let (io, has_more) = unsafe { sized::load(io, "functions")? };
        let functions = Functions { io, user };
        if has_more {
            return Err(Error::new(Code::Unsupported, "a function was given that this version does not know"));
        }
        if io.read.is_none() || io.write.is_none() {
            return Err(Error::argument("the function that reads, or the one that writes, is NULL"));
        }
        Ok(functions)
    }
}

impl ByteStream for Functions {
    fn try_read(&self, buffer: &mut [u8]) -> Result<Step<usize>> {
        let Some(read) = self.io.read else { return Ok(Step::Eof) };
        let mut n = 0;
        let status = with_errno(|| {
            // SAFETY: the preconditions of `take` cover the function; the buffer is writable for its length.
            unsafe { read(self.user, buffer.as_mut_ptr().cast(), buffer.len(), &raw mut n) }
        });
        match step(status, n, buffer.len(), "read")? {
            Step::Done(0) => Ok(Step::Eof),
            step => Ok(step),
        }
    }

    fn try_write(&self, data: &[u8]) -> Result<Step<usize>> {
        let Some(write) = self.io.write else { return Ok(Step::Eof) };
        let mut n = 0;
        let status = with_errno(|| {
            // SAFETY: the preconditions of `take` cover the function; the data are readable for their length.
            unsafe { write(self.user, data.as_ptr().cast(), data.len(), &raw mut n) }
        });
        step(status, n, data.len(), "write")
    }

    fn wait(&self, interest: Readiness, deadline: Deadline) -> Result<()> {
        let Some(wait) = self.io.wait else { return Ok(()) };
        let left = deadline.remaining().map_or(LONGEST_WAIT, |left| left.min(LONGEST_WAIT));
        let read = if interest.readable { libc::POLLIN } else { 0 };
        let write = if interest.writable { libc::POLLOUT } else { 0 };
        let microseconds = i64::try_from(left.as_micros()).unwrap_or(i64::MAX);
        // SAFETY: the preconditions of `take` cover the function.
        let status = with_errno(|| unsafe { wait(self.user, c_int::from(read | write), microseconds) });
        if status >= 0 { Ok(()) } else { Err(failure(status, "wait")) }
    }

    fn end_writing(&self) -> Result<Step<()>> {
        let Some(shutdown) = self.io.shutdown else { return Ok(Step::Done(())) };
        // SAFETY: the preconditions of `take` cover the function.
        let status = with_errno(|| unsafe { shutdown(self.user) });
        Ok(match step(status, 0, 0, "shutdown")? {
            Step::WantRead => Step::WantRead,
            Step::WantWrite => Step::WantWrite,
            Step::Done(_) | Step::Eof => Step::Done(()),
        })
    }

    fn can_wait(&self) -> bool {
        self.io.wait.is_some()
    }

    fn fd(&self) -> Option<Arc<OwnedFd>> {
        None
    }
}

fn with_errno(call: impl FnOnce() -> bgl_ssl_status_t) -> bgl_ssl_status_t {
    posix::clear_errno();
    call()
}

/// What a function's answer means. `n` of `len` bytes were read or written.
fn step(status: bgl_ssl_status_t, n: usize, len: usize, what: &str) -> Result<Step<usize>> {
    match status {
        BGL_SSL_OK if n > len => {
            let message = format!("the program's function to {what} says {n} bytes, and was asked for {len}");
            Err(Error::new(Code::Argument, message))
        }
        BGL_SSL_OK => Ok(Step::Done(n)),
        BGL_SSL_WANT_READ => Ok(Step::WantRead),
        BGL_SSL_WANT_WRITE => Ok(Step::WantWrite),
        BGL_SSL_EOF => Ok(Step::Eof),
        status => Err(failure(status, what)),
    }
}

/// A failure that a function has reported, right after it has returned.
fn failure(status: bgl_ssl_status_t, what: &str) -> Error {
    let error = io::Error::last_os_error();
    let context = format!("the program's function to {what}");
    if status == BGL_SSL_E_IO && error.raw_os_error() != Some(0) {
        return Error::io(&error).context(context);
    }
    let name = name_of(status).to_string_lossy();
    Error::new(Code::from_status(status).unwrap_or(Code::Io), name).context(context)
}
