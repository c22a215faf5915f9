//! Pointers, lengths, texts and numbers of C to Rust and back. The only place that makes slices from pointers.

use crate::{
    error::{Error, Result},
    net::deadline::{self, Limit},
};
use std::{
    ffi::{CStr, CString, OsStr, c_char, c_int, c_void},
    io,
    net::SocketAddr,
    ops::Deref,
    os::unix::ffi::OsStrExt,
    path::Path,
};

use crate::ffi::handle::{self, Handle};

/// A text that must be there.
///
/// # Safety
/// `text` is NULL or NUL-terminated, and outlives 'a.
pub unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str> {
    // SAFETY: the precondition says so.
    let text = unsafe { c_text(text, what)? };
    text.to_str().map_err(|_| Error::argument(format!("the {what} is not UTF-8")))
}

/// A text where NULL means none.
///
/// # Safety
/// As for `text`.
pub unsafe fn optional_text<'a>(pointer: *const c_char, what: &str) -> Result<Option<&'a str>> {
    // SAFETY: the precondition says so.
    if pointer.is_null() { Ok(None) } else { unsafe { text(pointer, what).map(Some) } }
}

/// A text in whatever encoding OpenSSL takes it.
///
/// # Safety
/// As for `text`.
pub unsafe fn c_text<'a>(text: *const c_char, what: &str) -> Result<&'a CStr> {
    if text.is_null() {
        return Err(Error::argument(format!("the {what} is NULL")));
    }
    // SAFETY: the precondition says so.
    Ok(unsafe { CStr::from_ptr(text) })
}

/// A copy of a text; None for NULL.
///
/// # Safety
/// As for `text`.
pub unsafe fn optional_c_string(text: *const c_char, what: &str) -> Result<Option<CString>> {
    // SAFETY: the precondition says so.
    if text.is_null() { Ok(None) } else { unsafe { c_text(text, what).map(|text| Some(text.to_owned())) } }
}

/// A passphrase where NULL means none.
///
/// # Safety
/// As for `text`.
pub unsafe fn passphrase<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: the precondition says so.
    if text.is_null() { None } else { Some(unsafe { CStr::from_ptr(text) }) }
}

/// A file's path, in whatever bytes the file system has it.
///
/// # Safety
/// As for `text`.
pub unsafe fn path<'a>(path: *const c_char) -> Result<&'a Path> {
    // SAFETY: the precondition says so.
    let bytes = unsafe { c_text(path, "file name")?.to_bytes() };
    if bytes.is_empty() {
        // As open(2) has it.
        let no_such_file = io::Error::from_raw_os_error(libc::ENOENT);
        return Err(Error::io(&no_such_file).context("the file name is empty"));
    }
    Ok(Path::new(OsStr::from_bytes(bytes)))
}

/// Elements to read.
///
/// # Safety
/// `data` is NULL or readable for `len` elements, and outlives 'a.
#[expect(clippy::disallowed_methods, reason = "the one place in the C API, with the checks")]
pub unsafe fn slice<'a, T>(data: *const T, len: usize, what: &str) -> Result<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    check(data, len, what)?;
    // SAFETY: not NULL, aligned and of a possible length; the preconditions cover the rest.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// Bytes to read.
///
/// # Safety
/// `data` is NULL or readable for `len` bytes, and outlives 'a.
pub unsafe fn bytes<'a>(data: *const c_void, len: usize, what: &str) -> Result<&'a [u8]> {
    // SAFETY: the precondition says so.
    unsafe { slice(data.cast(), len, what) }
}

/// Bytes to fill.
///
/// # Safety
/// `data` is NULL or writable for `len` bytes, not used elsewhere, and outlives 'a.
#[expect(clippy::disallowed_methods, reason = "the one place in the C API, with the checks")]
pub unsafe fn bytes_mut<'a>(data: *mut c_void, len: usize, what: &str) -> Result<&'a mut [u8]> {
    if len == 0 {
        return Ok(&mut []);
    }
    check(data.cast_const().cast::<u8>(), len, what)?;
    // SAFETY: not NULL and of a possible length; the preconditions cover the rest.
    Ok(unsafe { std::slice::from_raw_parts_mut(data.cast(), len) })
}

fn check<T>(data: *const T, len: usize, what: &str) -> Result<()> {
    if data.is_null() {
        return Err(Error::argument(format!("the {what} is NULL but has a length of {len}")));
    }
    if !data.is_aligned() {
        return Err(Error::argument(format!("the {what} is not aligned")));
    }
    let possible = isize::MAX as usize / size_of::<T>().max(1);
    if len > possible {
        return Err(Error::argument(format!("the {what} has an impossible length of {len}")));
    }
    Ok(())
}

/// Copies of the values behind an array of handles.
///
/// # Safety
/// `handles` is NULL or readable for `len` handles, each NULL or live.
pub unsafe fn clones<H: Handle>(handles: *const *const H, len: usize, what: &str) -> Result<Vec<H::Rust>>
where
    H::Rust: Clone + 'static,
{
    // SAFETY: the precondition says so.
    let handles = unsafe { slice(handles, len, what)? };
    // SAFETY: likewise.
    handles.iter().map(|handle| unsafe { handle::borrow(*handle).cloned() }).collect()
}

/// Stores a result through an out-pointer.
///
/// # Safety
/// `out` is NULL or writable.
pub unsafe fn store<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: the precondition says so; what was there is not dropped.
        unsafe { out.write(value) }
    }
}

/// Fails for a NULL out-pointer.
pub fn check_out<T>(out: *mut T, what: &str) -> Result<()> {
    if out.is_null() { Err(Error::argument(format!("the pointer to the {what} is NULL"))) } else { Ok(()) }
}

/// Copies a text out as snprintf does, and returns its whole length.
///
/// # Safety
/// `buffer` is NULL or writable for `size` bytes.
pub unsafe fn copy_text(text: &[u8], buffer: *mut c_char, size: usize) -> Result<usize> {
    // SAFETY: the precondition says so.
    let buffer = unsafe { bytes_mut(buffer.cast(), size, "buffer")? };
    if let Some((end, space)) = buffer.split_last_mut() {
        let len = text.len().min(space.len());
        let (to, rest) = space.split_at_mut(len);
        to.copy_from_slice(text.get(..len).unwrap_or_default());
        *rest.first_mut().unwrap_or(end) = 0;
    }
    Ok(text.len())
}

/// Copies as many bytes out as fit, and returns how many there are.
///
/// # Safety
/// `buffer` is NULL or writable for `size` bytes.
pub unsafe fn copy_bytes(bytes: &[u8], buffer: *mut c_void, size: usize) -> Result<usize> {
    // SAFETY: the precondition says so.
    let buffer = unsafe { bytes_mut(buffer, size, "buffer")? };
    for (to, from) in buffer.iter_mut().zip(bytes) {
        *to = *from;
    }
    Ok(bytes.len())
}

/// Copies as many numbers out as fit, and returns how many there are.
///
/// # Safety
/// `numbers` is NULL or writable for `count` numbers.
pub unsafe fn copy_numbers(from: &[u16], numbers: *mut u16, count: usize) -> Result<usize> {
    if count > 0 {
        check(numbers.cast_const(), count, "buffer")?;
    }
    for (index, number) in from.iter().take(count).enumerate() {
        // SAFETY: the precondition covers `count` numbers, of which this is one.
        unsafe { numbers.add(index).write(*number) }
    }
    Ok(from.len())
}

/// A time limit in microseconds.
pub fn limit(micros: i64) -> Result<Limit> {
    deadline::limit_from_micros(micros)
}

/// A TCP port of a peer.
pub fn port(port: c_int) -> Result<u16> {
    u16::try_from(port)
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| Error::argument(format!("the port {port} is not between 1 and 65535")))
}

/// A TCP port to listen on; 0 is any that is free.
pub fn listen_port(port: c_int) -> Result<u16> {
    u16::try_from(port).map_err(|_| Error::argument(format!("the port {port} is not between 0 and 65535")))
}

/// Copies out what can be made once only: makes it if there is space for the `needed` bytes that it has at most, else
/// just says how many these are.
///
/// # Safety
/// `buffer` is NULL or writable for `size` bytes.
pub unsafe fn copy_once<T: Deref<Target = [u8]>>(
    needed: usize,
    buffer: *mut c_void,
    size: usize,
    make: impl FnOnce() -> Result<T>,
) -> Result<usize> {
    if size < needed {
        return Ok(needed);
    }
    // SAFETY: the precondition says so.
    unsafe {
        bytes_mut(buffer, size, "buffer")?;
        copy_bytes(&make()?, buffer, size)
    }
}

/// Copies out an address as text, and its port.
///
/// # Safety
/// buf is NULL or writable for size bytes, port NULL or writable.
pub unsafe fn copy_address(
    address: Option<SocketAddr>,
    buf: *mut c_char,
    size: usize,
    port: *mut c_int,
) -> Result<usize> {
    let (text, number) = match address {
        Some(address) => (address.ip().to_string(), c_int::from(address.port())),
        None => (String::new(), 0),
    };
    // SAFETY: the precondition covers the pointers.
    unsafe { copy_place(text.as_bytes(), number, buf, size, port) }
}

/// Copies out where a socket is, and its port, or neither.
///
/// # Safety
/// buf is NULL or writable for size bytes, port NULL or writable.
pub unsafe fn copy_place(
    text: &[u8],
    number: c_int,
    buf: *mut c_char,
    size: usize,
    port: *mut c_int,
) -> Result<usize> {
    // SAFETY: the precondition covers the pointers.
    unsafe {
        let len = copy_text(text, buf, size)?;
        store(port, number);
        Ok(len)
    }
}
