//! The descriptor BIO: how OpenSSL reads and writes a socket without ever waiting and without SIGPIPE.
//!
//! It never relies on O_NONBLOCK (hosts toggle that behind our back). What the kernel does not take at once stays in
//! `outgoing`, and OpenSSL believes it sent: so a record is never half written as far as OpenSSL knows, and a write
//! that timed out leaves the TLS stream whole. The socket flushes `outgoing` before it gives OpenSSL more data, which
//! bounds it to one record and the odd alert.

use crate::{error::Code, error::Result, posix};
use openssl_sys as ffi;
use std::{
    ffi::{c_char, c_int, c_long, c_void},
    io,
    os::fd::{BorrowedFd, RawFd},
    ptr::NonNull,
    sync::OnceLock,
};

use super::{queue, sys};

/// What the BIO knows: the descriptor, bytes not yet sent, and how the last system calls went.
pub struct State {
    /// None once the socket is closed.
    fd: Option<RawFd>,
    outgoing: Vec<u8>,
    /// How much of `outgoing` has been sent.
    sent: usize,
    /// The errno of the first recv that failed for good, or 0.
    recv_errno: i32,
    /// The errno of the first send that failed for good, or 0. OpenSSL is not told: what the peer has sent before is
    /// still to be read. From then on everything written is dropped, and `flush` tells.
    send_errno: i32,
    /// The peer has ended its half of the stream.
    eof: bool,
    /// The first bytes that the peer sent, which tell whether it speaks TLS at all.
    first: [u8; 8],
    received: usize,
}

impl State {
    fn new(fd: RawFd) -> State {
        State {
            fd: Some(fd),
            outgoing: Vec::new(),
            sent: 0,
            recv_errno: 0,
            send_errno: 0,
            eof: false,
            first: [0; 8],
            received: 0,
        }
    }

    /// The errno of the first recv that failed for good, or 0.
    pub fn recv_errno(&self) -> i32 {
        self.recv_errno
    }

    /// The errno of the first send that failed for good, or 0.
    pub fn send_errno(&self) -> i32 {
        self.send_errno
    }

    /// Whether the peer has ended its half of the stream.
    pub fn eof(&self) -> bool {
        self.eof
    }

    /// Whether nothing is left to send, and nothing has ended.
    pub fn is_quiet(&self) -> bool {
        self.outgoing.is_empty() && !self.eof && self.recv_errno == 0 && self.send_errno == 0
    }

    /// Hands as much of `outgoing` to the kernel as it takes. Ok(true) if nothing is left.
    pub fn flush(&mut self) -> io::Result<bool> {
        if self.send_errno != 0 {
            return Err(io::Error::from_raw_os_error(self.send_errno));
        }
        while let Some(rest) = self.outgoing.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.send(rest) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => {
                    self.send_failed(&error);
                    return Err(error);
                }
            }
        }
        // Idle connections hold no buffer.
        self.drop_outgoing();
        Ok(true)
    }

    fn drop_outgoing(&mut self) {
        self.outgoing = Vec::new();
        self.sent = 0;
    }

    fn send_failed(&mut self, error: &io::Error) {
        self.send_errno = error.raw_os_error().unwrap_or(libc::EIO);
        self.drop_outgoing();
    }

    /// Reads past TLS, to drain what nobody wants any more.
    pub fn recv(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match borrow(self.fd).and_then(|fd| posix::recv(fd, buffer)) {
            Ok(0) if !buffer.is_empty() => {
                self.eof = true;
                Ok(0)
            }
            Ok(n) => {
                self.note_first(buffer.get(..n).unwrap_or_default());
                Ok(n)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(error) => {
                self.recv_errno = error.raw_os_error().unwrap_or(libc::EIO);
                Err(error)
            }
        }
    }

    fn note_first(&mut self, got: &[u8]) {
        let room = self.first.get_mut(self.received..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(got) {
            *to = *from;
        }
        self.received = self.received.saturating_add(got.len());
    }

    /// What the peer seems to speak, if its first bytes are no TLS record.
    pub fn not_tls_hint(&self) -> Option<&'static str> {
        let first = self.first.get(..self.received.min(self.first.len())).unwrap_or_default();
        let starts = |words: &[&str]| words.iter().any(|word| first.starts_with(word.as_bytes()));
        match first {
            [] | [20..=23, 3, ..] | [20..=23] => None,
            _ if starts(&["HTTP/", "GET ", "POST ", "HEAD ", "PUT ", "OPTIONS", "CONNECT", "DELETE "]) => {
                Some("the peer does not speak TLS: it looks like HTTP")
            }
            _ if starts(&["220", "+OK", "* OK"]) => {
                Some("the peer does not speak TLS yet: it looks like a mail or FTP server's greeting (STARTTLS?)")
            }
            _ if starts(&["SSH-"]) => Some("the peer does not speak TLS: it looks like SSH"),
            _ => Some("the peer does not speak TLS"),
        }
    }

    fn write(&mut self, data: &[u8]) {
        if self.send_errno != 0 {
            return;
        }
        let mut taken = 0;
        if self.outgoing.is_empty() {
            match self.send(data) {
                Ok(n) => taken = n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return self.send_failed(&error),
            }
        }
        self.outgoing.extend_from_slice(data.get(taken..).unwrap_or_default());
    }

    fn send(&self, data: &[u8]) -> io::Result<usize> {
        borrow(self.fd).and_then(|fd| posix::send(fd, data))
    }

    /// Forgets the descriptor: it is being closed.
    pub fn detach(&mut self) {
        self.fd = None;
        self.drop_outgoing();
    }
}

fn borrow(fd: Option<RawFd>) -> io::Result<BorrowedFd<'static>> {
    match fd {
        // SAFETY: the socket keeps the descriptor open until it has called `detach`.
        Some(fd) => Ok(unsafe { BorrowedFd::borrow_raw(fd) }),
        None => Err(io::Error::from_raw_os_error(libc::EBADF)),
    }
}

/// The BIO itself. OpenSSL's SSL object owns it after `into_raw`.
pub struct FdBio(NonNull<ffi::BIO>);

impl FdBio {
    /// A BIO over `fd`, which must stay open until `State::detach` or until the BIO is freed.
    pub fn new(fd: RawFd) -> Result<FdBio> {
        super::init();
        let method = method()?;
        // SAFETY: `method` lives for ever.
        let bio = unsafe { ffi::BIO_new(method) };
        let Some(bio) = NonNull::new(bio) else {
            return Err(queue::error(Code::NoMemory, "cannot make a BIO"));
        };
        let state = Box::into_raw(Box::new(State::new(fd)));
        // SAFETY: the BIO is ours; it owns the state from here on, and `destroy` frees it.
        unsafe {
            ffi::BIO_set_data(bio.as_ptr(), state.cast());
            ffi::BIO_set_init(bio.as_ptr(), 1);
        }
        Ok(FdBio(bio))
    }

    /// The BIO, and where its state lives as long as the BIO does.
    pub fn into_raw(self) -> (*mut ffi::BIO, NonNull<State>) {
        let bio = self.0.as_ptr();
        std::mem::forget(self);
        // SAFETY: `new` has stored a state.
        let state = unsafe { NonNull::new_unchecked(ffi::BIO_get_data(bio).cast()) };
        (bio, state)
    }
}

impl Drop for FdBio {
    fn drop(&mut self) {
        // SAFETY: the BIO is ours.
        unsafe { ffi::BIO_free_all(self.0.as_ptr()) }
    }
}

struct Method(*const ffi::BIO_METHOD);
// SAFETY: a BIO_METHOD is never changed after it was made.
unsafe impl Send for Method {}
// SAFETY: likewise.
unsafe impl Sync for Method {}

fn method() -> Result<*const ffi::BIO_METHOD> {
    static METHOD: OnceLock<Option<Method>> = OnceLock::new();
    match METHOD.get_or_init(make_method) {
        Some(method) => Ok(method.0),
        None => Err(queue::error(Code::NoMemory, "cannot make a BIO method")),
    }
}

fn make_method() -> Option<Method> {
    // SAFETY: the name is a static text; the callbacks have the types that OpenSSL asks for.
    unsafe {
        let kind = sys::BIO_get_new_index() | sys::BIO_TYPE_DESCRIPTOR_SOURCE_SINK;
        let method = ffi::BIO_meth_new(kind, c"bglssl descriptor".as_ptr());
        if method.is_null() {
            return None;
        }
        sys::BIO_meth_set_write(method, Some(bio_write));
        sys::BIO_meth_set_read(method, Some(bio_read));
        sys::BIO_meth_set_ctrl(method, Some(bio_ctrl));
        sys::BIO_meth_set_destroy(method, Some(bio_destroy));
        Some(Method(method))
    }
}

/// # Safety
/// `bio` is one of ours.
unsafe fn state<'a>(bio: *mut ffi::BIO) -> Option<&'a mut State> {
    // SAFETY: the data of our BIOs is a State, or NULL before `new` has set it. OpenSSL calls back only while the
    // SSL's owner, which has no other reference to the state then, is inside an OpenSSL call.
    unsafe { ffi::BIO_get_data(bio).cast::<State>().as_mut() }
}

unsafe extern "C" fn bio_write(bio: *mut ffi::BIO, data: *const c_char, len: c_int) -> c_int {
    // SAFETY: OpenSSL passes one of our BIOs and `len` readable bytes.
    let (state, data) = unsafe { (state(bio), super::bytes(data.cast(), len)) };
    // SAFETY: the BIO is live.
    unsafe { ffi::BIO_clear_flags(bio, ffi::BIO_FLAGS_RWS | ffi::BIO_FLAGS_SHOULD_RETRY) };
    match state {
        Some(state) => {
            state.write(data);
            len
        }
        None => -1,
    }
}

unsafe extern "C" fn bio_read(bio: *mut ffi::BIO, data: *mut c_char, len: c_int) -> c_int {
    // SAFETY: OpenSSL passes one of our BIOs and `len` writable bytes.
    let (state, data) = unsafe { (state(bio), super::bytes_mut(data.cast(), len)) };
    // SAFETY: the BIO is live.
    unsafe { ffi::BIO_clear_flags(bio, ffi::BIO_FLAGS_RWS | ffi::BIO_FLAGS_SHOULD_RETRY) };
    match state.map(|state| state.recv(data)) {
        Some(Ok(n)) => n as c_int,
        Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
            // SAFETY: the BIO is live.
            unsafe { ffi::BIO_set_retry_read(bio) };
            -1
        }
        _ => -1,
    }
}

unsafe extern "C" fn bio_ctrl(bio: *mut ffi::BIO, command: c_int, _: c_long, _: *mut c_void) -> c_long {
    // SAFETY: OpenSSL passes one of our BIOs.
    let state = unsafe { state(bio) };
    match command {
        ffi::BIO_CTRL_EOF => state.map_or(1, |state| c_long::from(state.eof)),
        // The socket flushes; OpenSSL only has to believe it.
        ffi::BIO_CTRL_FLUSH | sys::BIO_CTRL_DUP => 1,
        sys::BIO_CTRL_WPENDING => {
            state.map_or(0, |state| state.outgoing.len().saturating_sub(state.sent) as c_long)
        }
        _ => 0,
    }
}

unsafe extern "C" fn bio_destroy(bio: *mut ffi::BIO) -> c_int {
    // SAFETY: OpenSSL destroys a BIO once; the state came out of a Box in `new`.
    unsafe {
        let state = ffi::BIO_get_data(bio).cast::<State>();
        ffi::BIO_set_data(bio, std::ptr::null_mut());
        if !state.is_null() {
            drop(Box::from_raw(state));
        }
    }
    1
}
