//! Memory BIOs: how bytes get into OpenSSL's readers and out of its printers.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{ffi::c_int, marker::PhantomData, ptr::NonNull};

use super::queue;

/// A BIO that reads from borrowed bytes.
pub struct MemReader<'a> {
    bio: NonNull<ffi::BIO>,
    bytes: PhantomData<&'a [u8]>,
}

impl<'a> MemReader<'a> {
    /// A reader at the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Result<MemReader<'a>> {
        super::init()?;
        let len = c_int::try_from(bytes.len()).map_err(|_| Error::argument("more than 2 GB of data"))?;
        // SAFETY: the bytes outlive the BIO by the lifetime 'a.
        let bio = unsafe { ffi::BIO_new_mem_buf(bytes.as_ptr().cast(), len) };
        match NonNull::new(bio) {
            Some(bio) => Ok(MemReader { bio, bytes: PhantomData }),
            None => Err(queue::error(Code::NoMemory, "cannot make a BIO")),
        }
    }

    /// For OpenSSL's functions.
    pub fn as_ptr(&self) -> *mut ffi::BIO {
        self.bio.as_ptr()
    }
}

impl Drop for MemReader<'_> {
    fn drop(&mut self) {
        // SAFETY: the BIO is ours.
        unsafe { ffi::BIO_free_all(self.bio.as_ptr()) }
    }
}

/// A BIO that collects what is written to it.
pub struct MemWriter(NonNull<ffi::BIO>);

impl MemWriter {
    /// An empty one.
    pub fn new() -> Result<MemWriter> {
        super::init()?;
        // SAFETY: no preconditions.
        let bio = unsafe { ffi::BIO_new(ffi::BIO_s_mem()) };
        NonNull::new(bio).map(MemWriter).ok_or_else(|| queue::error(Code::NoMemory, "cannot make a BIO"))
    }

    /// For OpenSSL's functions.
    pub fn as_ptr(&self) -> *mut ffi::BIO {
        self.0.as_ptr()
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut piece = [0u8; 4096];
        loop {
            // SAFETY: `piece` is writable for its length.
            let n = unsafe { ffi::BIO_read(self.0.as_ptr(), piece.as_mut_ptr().cast(), piece.len() as c_int) };
            match usize::try_from(n).ok().and_then(|n| piece.get(..n)) {
                Some(got) if !got.is_empty() => bytes.extend_from_slice(got),
                _ => return bytes,
            }
        }
    }
}

impl Drop for MemWriter {
    fn drop(&mut self) {
        // SAFETY: the BIO is ours.
        unsafe { ffi::BIO_free_all(self.0.as_ptr()) }
    }
}
