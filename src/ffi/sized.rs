//! Structs of the C API that may grow: their first field is their size, as the program that was compiled knows it.

use crate::error::{Error, Result};
use std::ffi::c_char;

use super::convert;

/// The size of a struct above which a size field is taken for one that was never set.
const LARGEST: usize = 65536;

/// Stores the value that `make` makes. The struct of a later version is larger: what is not known of it is zeroed.
///
/// # Safety
/// T begins with its size field; `out` is NULL or writable for as many bytes as that says.
pub unsafe fn store<T>(out: *mut T, what: &str, make: impl FnOnce() -> Result<T>) -> Result<()> {
    convert::check_out(out, what)?;
    // SAFETY: the preconditions cover a readable size field.
    let size = unsafe { out.cast::<usize>().read_unaligned() };
    let known = size_of::<T>();
    check_size(size, known)?;
    let value = make()?;
    // SAFETY: the preconditions cover `size` writable bytes, which are no less than the known ones.
    unsafe {
        out.write_unaligned(value);
        out.cast::<u8>().add(known).write_bytes(0, size - known);
    }
    Ok(())
}

/// What is known of a struct that a program passes, and whether it has more, as that of a later version has, which is
/// set.
///
/// # Safety
/// T begins with its size field, and all of its values are valid; `from` is NULL or readable for as many bytes as that
/// says.
pub unsafe fn load<T: Copy>(from: *const T, what: &str) -> Result<(T, bool)> {
    if from.is_null() {
        return Err(Error::argument(format!("the {what} is NULL")));
    }
    // SAFETY: the preconditions cover a readable size field.
    let size = unsafe { from.cast::<usize>().read_unaligned() };
    check_size(size, size_of::<T>())?;
    // SAFETY: the preconditions cover `size` readable bytes, which are no less than the known ones.
    unsafe {
        let rest = from.cast::<u8>().add(size_of::<T>());
        let rest = convert::slice(rest, size - size_of::<T>(), what)?;
        Ok((from.read_unaligned(), rest.iter().any(|byte| *byte != 0)))
    }
}

fn check_size(size: usize, known: usize) -> Result<()> {
    if size < known {
        return Err(Error::argument("the size field is too small"));
    }
    if size > LARGEST {
        return Err(Error::argument("the size field has not been set"));
    }
    Ok(())
}

/// Copies as much of a text as fits into a field of zeros, in whole characters, without line ends, and before a NUL.
pub fn fill(field: &mut [c_char], text: &str) {
    let mut space = field.len().saturating_sub(1);
    let mut to = field.iter_mut();
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        let Some(left) = space.checked_sub(c.len_utf8()) else {
            return;
        };
        space = left;
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            if let Some(to) = to.next() {
                *to = byte as c_char;
            }
        }
    }
}
