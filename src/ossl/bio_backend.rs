//! BIOs of our own: OpenSSL's reads, writes and controls call a Rust value, a `BioBackend`.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_char, c_int, c_long, c_void},
    io,
    ptr::{self, NonNull},
    sync::OnceLock,
};

use super::{once::made_once, queue, sys};

/// What moves the bytes under TLS. Nothing in it waits.
pub trait BioBackend: Sized + 'static {
    /// The BIO's name.
    const NAME: &'static CStr;
    /// Where the method table of this kind lives.
    fn method() -> &'static OnceLock<Method>;
    /// Receives. WouldBlock makes OpenSSL try again later: once there is something to read, or, if it `waits_to_send`,
    /// once the kernel takes something.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Sends. WouldBlock makes OpenSSL try again later.
    fn write(&mut self, data: &[u8]) -> io::Result<usize>;
    /// Whether nothing is read until something has been sent.
    fn waits_to_send(&self) -> bool {
        false
    }
    /// Answers a question of OpenSSL's.
    fn answer(&self, question: Question) -> usize;
    /// An OpenSSL call begins: it may read as much as one call may.
    fn reset_read_budget(&mut self);
    /// Whether nothing is received until further notice, whatever there is.
    fn suspend_receive(&mut self, suspended: bool);
    /// What it knows of the connection.
    fn status(&self) -> BioStatus;
    /// The failure behind `recv_errno`, where that does not say it all.
    fn receive_error(&self) -> Option<Error> {
        None
    }
    /// What the peer seems to speak, if its first bytes are no TLS record.
    fn not_tls_hint(&self) -> Option<&'static str>;
}

/// What OpenSSL asks a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether the peer has ended its half of the stream: 1 if so.
    Eof,
    /// How many bytes wait to be sent.
    Unsent,
    /// How many bytes one datagram can carry on this path.
    PathPayload,
    /// How many it can carry on nearly every path.
    FallbackPayload,
    /// How many bytes of each packet the layers below take.
    PacketOverhead,
}

/// What a backend knows of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BioStatus {
    /// The peer has ended its half of the stream.
    pub eof: bool,
    /// The errno of the first receive that failed for good, or 0.
    pub recv_errno: i32,
    /// The errno of the first send that failed for good, or 0.
    pub send_errno: i32,
    /// Bytes are here that were received, and that OpenSSL has not read yet.
    pub has_buffered_input: bool,
    /// The latest OpenSSL call read so much that it was ended.
    pub read_budget_exhausted: bool,
}

/// A BIO's method table.
pub struct Method(*const ffi::BIO_METHOD);
// SAFETY: a BIO_METHOD is never changed after it was made.
unsafe impl Send for Method {}
// SAFETY: likewise.
unsafe impl Sync for Method {}

/// Where another thread has made one at the same moment.
impl Drop for Method {
    fn drop(&mut self) {
        // SAFETY: no BIO has this one.
        unsafe { ffi::BIO_meth_free(self.0.cast_mut()) }
    }
}

/// The BIO itself. OpenSSL's SSL object owns it after `into_raw`.
pub struct CustomBio<T: BioBackend> {
    bio: NonNull<ffi::BIO>,
    backend: NonNull<T>,
}

impl<T: BioBackend> CustomBio<T> {
    /// A BIO over `backend`.
    pub fn new(backend: T) -> Result<CustomBio<T>> {
        super::init()?;
        let Some(method) = made_once(T::method(), make_method::<T>) else {
            return Err(queue::error(Code::NoMemory, "cannot make a BIO method"));
        };
        // SAFETY: the method table lives for ever.
        let bio = unsafe { ffi::BIO_new(method.0) };
        let Some(bio) = NonNull::new(bio) else {
            return Err(queue::error(Code::NoMemory, "cannot make a BIO"));
        };
        let backend = NonNull::from(Box::leak(Box::new(backend)));
        // SAFETY: the BIO is ours; it owns the backend from here on, and `destroy` frees it.
        unsafe {
            ffi::BIO_set_data(bio.as_ptr(), backend.as_ptr().cast());
            ffi::BIO_set_init(bio.as_ptr(), 1);
        }
        Ok(CustomBio { bio, backend })
    }

    /// The BIO, and where its backend lives as long as the BIO does.
    pub fn into_raw(self) -> (*mut ffi::BIO, NonNull<T>) {
        let raw = (self.bio.as_ptr(), self.backend);
        std::mem::forget(self);
        raw
    }
}

impl<T: BioBackend> Drop for CustomBio<T> {
    fn drop(&mut self) {
        // SAFETY: the BIO is ours.
        unsafe { ffi::BIO_free_all(self.bio.as_ptr()) }
    }
}

fn make_method<T: BioBackend>() -> Option<Method> {
    // SAFETY: the name is a static text; the callbacks have the types that OpenSSL asks for.
    unsafe {
        let kind = sys::BIO_get_new_index() | sys::BIO_TYPE_DESCRIPTOR_SOURCE_SINK;
        let method = ffi::BIO_meth_new(kind, T::NAME.as_ptr());
        if method.is_null() {
            return None;
        }
        sys::BIO_meth_set_write(method, Some(write::<T>));
        sys::BIO_meth_set_read(method, Some(read::<T>));
        sys::BIO_meth_set_ctrl(method, Some(control::<T>));
        sys::BIO_meth_set_destroy(method, Some(destroy::<T>));
        Some(Method(method))
    }
}

/// # Safety
/// `bio` was made by `CustomBio::<T>::new`.
unsafe fn backend<'a, T: BioBackend>(bio: *mut ffi::BIO) -> Option<&'a mut T> {
    // SAFETY: the data of such a BIO is a T, or NULL before `new` has set it. OpenSSL calls back only while the SSL's
    // owner, which has no other reference to the backend then, is inside an OpenSSL call.
    unsafe { ffi::BIO_get_data(bio).cast::<T>().as_mut() }
}

unsafe extern "C" fn write<T: BioBackend>(bio: *mut ffi::BIO, data: *const c_char, len: c_int) -> c_int {
    // SAFETY: OpenSSL passes a BIO of this kind and `len` readable bytes.
    let (backend, data) = unsafe { (backend::<T>(bio), super::bytes(data.cast(), len)) };
    // SAFETY: the BIO is live.
    unsafe { ffi::BIO_clear_flags(bio, ffi::BIO_FLAGS_RWS | ffi::BIO_FLAGS_SHOULD_RETRY) };
    match backend.map(|backend| backend.write(data)) {
        Some(Ok(n)) => n as c_int,
        Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
            // SAFETY: the BIO is live.
            unsafe { ffi::BIO_set_retry_write(bio) };
            -1
        }
        _ => -1,
    }
}

unsafe extern "C" fn read<T: BioBackend>(bio: *mut ffi::BIO, data: *mut c_char, len: c_int) -> c_int {
    // SAFETY: OpenSSL passes a BIO of this kind and `len` writable bytes.
    let (backend, data) = unsafe { (backend::<T>(bio), super::bytes_mut(data.cast(), len)) };
    // SAFETY: the BIO is live.
    unsafe { ffi::BIO_clear_flags(bio, ffi::BIO_FLAGS_RWS | ffi::BIO_FLAGS_SHOULD_RETRY) };
    let Some(backend) = backend else { return -1 };
    match backend.read(data) {
        Ok(n) => n as c_int,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            // SAFETY: the BIO is live. SSL_get_error distinguishes a read that wants to write from one that wants
            // to read.
            unsafe {
                if backend.waits_to_send() { ffi::BIO_set_retry_write(bio) } else { ffi::BIO_set_retry_read(bio) }
            };
            -1
        }
        Err(_) => -1,
    }
}

unsafe extern "C" fn control<T: BioBackend>(
    bio: *mut ffi::BIO,
    command: c_int,
    _: c_long,
    _: *mut c_void,
) -> c_long {
    let question = match command {
        // The backend's owner flushes; OpenSSL only has to believe it.
        ffi::BIO_CTRL_FLUSH | sys::BIO_CTRL_DUP => return 1,
        ffi::BIO_CTRL_EOF => Question::Eof,
        sys::BIO_CTRL_WPENDING => Question::Unsent,
        ffi::BIO_CTRL_DGRAM_QUERY_MTU => Question::PathPayload,
        sys::BIO_CTRL_DGRAM_GET_FALLBACK_MTU => Question::FallbackPayload,
        sys::BIO_CTRL_DGRAM_GET_MTU_OVERHEAD => Question::PacketOverhead,
        _ => return 0,
    };
    // SAFETY: OpenSSL passes a BIO of this kind.
    let backend = unsafe { backend::<T>(bio) };
    backend.map_or(0, |backend| c_long::try_from(backend.answer(question)).unwrap_or(c_long::MAX))
}

unsafe extern "C" fn destroy<T: BioBackend>(bio: *mut ffi::BIO) -> c_int {
    // SAFETY: OpenSSL destroys a BIO once; the backend came out of a Box in `new`.
    unsafe {
        let backend = ffi::BIO_get_data(bio).cast::<T>();
        ffi::BIO_set_data(bio, ptr::null_mut());
        if !backend.is_null() {
            drop(Box::from_raw(backend));
        }
    }
    1
}
