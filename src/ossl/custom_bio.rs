//! BIOs of our own: OpenSSL's reads, writes and controls land in a Rust value, a `Transport`.

use crate::{
    error::{Code, Result},
    posix,
};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_char, c_int, c_long, c_void},
    io,
    os::fd::{BorrowedFd, RawFd},
    ptr::{self, NonNull},
    sync::OnceLock,
};

use super::{queue, sys};

/// What moves the bytes under TLS. Nothing in it waits.
pub trait Transport: Sized + 'static {
    /// The BIO's name.
    const NAME: &'static CStr;
    /// Where the method table of this kind lives.
    fn method() -> &'static OnceLock<Option<Method>>;
    /// Receives. WouldBlock makes OpenSSL try again later: once there is something to read, or, if it `waits_to_send`,
    /// once the kernel takes something.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Sends. WouldBlock makes OpenSSL try again later.
    fn write(&mut self, data: &[u8]) -> io::Result<usize>;
    /// Whether nothing is read until something has been sent.
    fn waits_to_send(&self) -> bool {
        false
    }
    /// Answers a control.
    fn control(&mut self, command: c_int) -> c_long;
}

/// A BIO's method table.
pub struct Method(*const ffi::BIO_METHOD);
// SAFETY: a BIO_METHOD is never changed after it was made.
unsafe impl Send for Method {}
// SAFETY: likewise.
unsafe impl Sync for Method {}

/// The BIO itself. OpenSSL's SSL object owns it after `into_raw`.
pub struct CustomBio<T: Transport> {
    bio: NonNull<ffi::BIO>,
    transport: NonNull<T>,
}

impl<T: Transport> CustomBio<T> {
    /// A BIO over `transport`.
    pub fn new(transport: T) -> Result<CustomBio<T>> {
        super::init()?;
        let Some(method) = T::method().get_or_init(make_method::<T>) else {
            return Err(queue::error(Code::NoMemory, "cannot make a BIO method"));
        };
        // SAFETY: the method table lives for ever.
        let bio = unsafe { ffi::BIO_new(method.0) };
        let Some(bio) = NonNull::new(bio) else {
            return Err(queue::error(Code::NoMemory, "cannot make a BIO"));
        };
        let transport = NonNull::from(Box::leak(Box::new(transport)));
        // SAFETY: the BIO is ours; it owns the transport from here on, and `destroy` frees it.
        unsafe {
            ffi::BIO_set_data(bio.as_ptr(), transport.as_ptr().cast());
            ffi::BIO_set_init(bio.as_ptr(), 1);
        }
        Ok(CustomBio { bio, transport })
    }

    /// The BIO, and where its transport lives as long as the BIO does.
    pub fn into_raw(self) -> (*mut ffi::BIO, NonNull<T>) {
        let raw = (self.bio.as_ptr(), self.transport);
        std::mem::forget(self);
        raw
    }
}

impl<T: Transport> Drop for CustomBio<T> {
    fn drop(&mut self) {
        // SAFETY: the BIO is ours.
        unsafe { ffi::BIO_free_all(self.bio.as_ptr()) }
    }
}

/// A transport's descriptor for one system call; EBADF once it has been taken away.
pub fn borrow(fd: Option<RawFd>) -> io::Result<BorrowedFd<'static>> {
    match fd {
        // SAFETY: the socket keeps the descriptor open until it has told the transport to forget it.
        Some(fd) => Ok(unsafe { BorrowedFd::borrow_raw(fd) }),
        None => Err(posix::bad_descriptor()),
    }
}

fn make_method<T: Transport>() -> Option<Method> {
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
unsafe fn transport<'a, T: Transport>(bio: *mut ffi::BIO) -> Option<&'a mut T> {
    // SAFETY: the data of such a BIO is a T, or NULL before `new` has set it. OpenSSL calls back only while the SSL's
    // owner, which has no other reference to the transport then, is inside an OpenSSL call.
    unsafe { ffi::BIO_get_data(bio).cast::<T>().as_mut() }
}

unsafe extern "C" fn write<T: Transport>(bio: *mut ffi::BIO, data: *const c_char, len: c_int) -> c_int {
    // SAFETY: OpenSSL passes a BIO of this kind and `len` readable bytes.
    let (transport, data) = unsafe { (transport::<T>(bio), super::bytes(data.cast(), len)) };
    // SAFETY: the BIO is live.
    unsafe { ffi::BIO_clear_flags(bio, ffi::BIO_FLAGS_RWS | ffi::BIO_FLAGS_SHOULD_RETRY) };
    match transport.map(|transport| transport.write(data)) {
        Some(Ok(n)) => n as c_int,
        Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
            // SAFETY: the BIO is live.
            unsafe { ffi::BIO_set_retry_write(bio) };
            -1
        }
        _ => -1,
    }
}

unsafe extern "C" fn read<T: Transport>(bio: *mut ffi::BIO, data: *mut c_char, len: c_int) -> c_int {
    // SAFETY: OpenSSL passes a BIO of this kind and `len` writable bytes.
    let (transport, data) = unsafe { (transport::<T>(bio), super::bytes_mut(data.cast(), len)) };
    // SAFETY: the BIO is live.
    unsafe { ffi::BIO_clear_flags(bio, ffi::BIO_FLAGS_RWS | ffi::BIO_FLAGS_SHOULD_RETRY) };
    let Some(transport) = transport else { return -1 };
    match transport.read(data) {
        Ok(n) => n as c_int,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            // SAFETY: the BIO is live. SSL_get_error tells a read that wants to write from one that wants to read.
            unsafe {
                if transport.waits_to_send() { ffi::BIO_set_retry_write(bio) } else { ffi::BIO_set_retry_read(bio) }
            };
            -1
        }
        Err(_) => -1,
    }
}

unsafe extern "C" fn control<T: Transport>(
    bio: *mut ffi::BIO,
    command: c_int,
    _: c_long,
    _: *mut c_void,
) -> c_long {
    // SAFETY: OpenSSL passes a BIO of this kind.
    match unsafe { transport::<T>(bio) } {
        Some(transport) => transport.control(command),
        None => 0,
    }
}

unsafe extern "C" fn destroy<T: Transport>(bio: *mut ffi::BIO) -> c_int {
    // SAFETY: OpenSSL destroys a BIO once; the transport came out of a Box in `new`.
    unsafe {
        let transport = ffi::BIO_get_data(bio).cast::<T>();
        ffi::BIO_set_data(bio, ptr::null_mut());
        if !transport.is_null() {
            drop(Box::from_raw(transport));
        }
    }
    1
}
