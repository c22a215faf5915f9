//! A key log: the secrets of connections, in the NSS key log format (SSLKEYLOGFILE), for tools that decrypt captures.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_char, c_int, c_long, c_void},
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    panic::{self, AssertUnwindSafe},
    path::Path,
    ptr,
    sync::OnceLock,
};

use super::{ctx::Ctx, queue};

/// An open key log.
pub struct KeyLog(File);

impl KeyLog {
    /// Opens a file to append to, for its owner only if it is new. A FIFO without a reader is refused rather than waited
    /// for.
    pub fn open(path: &Path) -> Result<KeyLog> {
        let mut options = OpenOptions::new();
        options
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY);
        let file = options.open(path);
        let in_file = |error| Error::io(&error).context(format_args!("the key log {}", path.display()));
        file.map(KeyLog).map_err(in_file)
    }

    /// A line goes out by one write, so that those of several processes do not mix. There is nobody to tell if it fails.
    fn write(&self, line: &CStr) {
        let mut text = line.to_bytes().to_vec();
        text.push(b'\n');
        let _ = (&self.0).write(&text);
    }
}

impl Ctx {
    /// Writes the secrets of this context's connections to the log.
    pub fn log_keys(&mut self, log: KeyLog) -> Result<()> {
        queue::clear();
        let log = Box::into_raw(Box::new(log));
        // SAFETY: the context is live, and owns the log from here on: `free_log` frees it with the context.
        unsafe {
            if ffi::SSL_CTX_set_ex_data(self.as_ptr(), index(), log.cast()) != 1 {
                drop(Box::from_raw(log));
                return Err(queue::error(Code::NoMemory, "cannot attach a key log"));
            }
            ffi::SSL_CTX_set_keylog_callback(self.as_ptr(), Some(log_line));
        }
        Ok(())
    }
}

fn index() -> c_int {
    static INDEX: OnceLock<c_int> = OnceLock::new();
    *INDEX.get_or_init(|| {
        // SAFETY: the callback has the type that OpenSSL asks for.
        unsafe {
            ffi::CRYPTO_get_ex_new_index(
                ffi::CRYPTO_EX_INDEX_SSL_CTX,
                0,
                ptr::null_mut(),
                None,
                None,
                Some(free_log),
            )
        }
    })
}

/// OpenSSL calls this for each context that is freed.
unsafe extern "C" fn free_log(
    _: *mut c_void,
    log: *mut c_void,
    _: *mut ffi::CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    _: *mut c_void,
) {
    if !log.is_null() {
        // SAFETY: only `log_keys` stores something in this index: a Box.
        unsafe { drop(Box::from_raw(log.cast::<KeyLog>())) }
    }
}

unsafe extern "C" fn log_line(ssl: *const ffi::SSL, line: *const c_char) {
    let _ = panic::catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: OpenSSL passes a live SSL and a NUL-terminated line; the log lives as long as the context.
        unsafe {
            let log = ffi::SSL_CTX_get_ex_data(ffi::SSL_get_SSL_CTX(ssl), index()).cast::<KeyLog>();
            if let Some(log) = log.as_ref() {
                log.write(CStr::from_ptr(line));
            }
        }
    }));
}
