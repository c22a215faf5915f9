//! Functions that carry a connection in memory, and that now and then do less than they were asked for.

use crate::{E_IO, EOF, Handle, WANT_READ, WANT_WRITE};
use std::{
    cell::RefCell,
    collections::VecDeque,
    ffi::{c_int, c_void},
    mem,
    rc::Rc,
    slice,
};

/// As bgl_ssl_io_t.
#[repr(C)]
pub struct Io {
    size: usize,
    read: unsafe extern "C" fn(*mut c_void, *mut u8, usize, *mut usize) -> i32,
    write: unsafe extern "C" fn(*mut c_void, *const u8, usize, *mut usize) -> i32,
    wait: Option<unsafe extern "C" fn(*mut c_void, c_int, i64) -> i32>,
    shutdown: unsafe extern "C" fn(*mut c_void) -> i32,
    free: unsafe extern "C" fn(*mut c_void),
}

/// None of them waits.
pub static IO: Io =
    Io { size: mem::size_of::<Io>(), read: receive, write: transmit, wait: None, shutdown: end, free: release };

/// One end of it.
#[derive(Default)]
pub struct End {
    /// What this end reads.
    pub incoming: VecDeque<u8>,
    /// Nothing follows behind that.
    pub ended: bool,
    /// What it has written.
    pub outgoing: Vec<u8>,
    /// Nothing follows behind that.
    pub shut: bool,
    /// How the next calls go; as they should, when there are none left.
    pub moods: VecDeque<u8>,
    /// How often the functions were given back.
    pub freed: u32,
}

/// An end that the functions and the fuzzer share.
pub type Shared = Rc<RefCell<End>>;

/// What the functions get as their `user`: given back by `release`.
pub fn user(end: &Shared) -> Handle {
    Rc::into_raw(Rc::clone(end)).cast_mut().cast()
}

fn with<T>(user: *mut c_void, run: impl FnOnce(&mut End) -> T) -> T {
    // SAFETY: `user` is from the function of this name, and not given back yet.
    let end = unsafe { &*user.cast::<RefCell<End>>() };
    let mut end = end.borrow_mut();
    assert_eq!(end.freed, 0, "a call after free");
    run(&mut end)
}

/// How many bytes may be moved of those that there are, or what is said instead.
fn moved(end: &mut End, most: usize) -> Result<usize, i32> {
    match end.moods.pop_front() {
        Some(0..8) => Err(WANT_READ),
        Some(8..16) => Err(WANT_WRITE),
        Some(16) => Err(E_IO),
        Some(17) => Err(EOF),
        Some(18) => Err(-99),
        Some(19) => Err(99),
        Some(few @ 20..160) => Ok(most.min(usize::from(few - 19))),
        _ => Ok(most),
    }
}

/// # Safety
/// n is writable.
unsafe fn tell(count: Result<usize, i32>, n: *mut usize) -> i32 {
    match count {
        // SAFETY: the caller says so.
        Ok(count) => unsafe { n.write(count) },
        Err(status) => return status,
    }
    0
}

unsafe extern "C" fn receive(user: *mut c_void, buf: *mut u8, len: usize, n: *mut usize) -> i32 {
    let count = with(user, |end| {
        let most = len.min(end.incoming.len());
        let count = moved(end, most)?;
        if most == 0 {
            return Err(if end.ended { EOF } else { WANT_READ });
        }
        // SAFETY: the buffer has this space.
        let buffer = unsafe { slice::from_raw_parts_mut(buf, count) };
        buffer.iter_mut().zip(end.incoming.drain(..count)).for_each(|(to, from)| *to = from);
        Ok(count)
    });
    // SAFETY: n is writable.
    unsafe { tell(count, n) }
}

unsafe extern "C" fn transmit(user: *mut c_void, buf: *const u8, len: usize, n: *mut usize) -> i32 {
    let count = with(user, |end| {
        assert!(!end.shut, "a write after the end");
        let count = moved(end, len)?;
        // SAFETY: the buffer has these bytes.
        end.outgoing.extend_from_slice(unsafe { slice::from_raw_parts(buf, count) });
        Ok(count)
    });
    // SAFETY: n is writable.
    unsafe { tell(count, n) }
}

unsafe extern "C" fn end(user: *mut c_void) -> i32 {
    with(user, |end| {
        if let Err(status) = moved(end, 1) {
            return status;
        }
        end.shut = true;
        0
    })
}

unsafe extern "C" fn release(user: *mut c_void) {
    with(user, |end| end.freed += 1);
    // SAFETY: `user` is from the function of this name, and not given back yet.
    drop(unsafe { Rc::from_raw(user.cast::<RefCell<End>>()) });
}
