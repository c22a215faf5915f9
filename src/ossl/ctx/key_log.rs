//! A key log: the secrets of connections, in the NSS key log format (SSLKEYLOGFILE), for tools that decrypt captures.

use crate::{
    error::{Error, Result},
    posix,
};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_char},
    fs::{File, OpenOptions},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    panic::{self, AssertUnwindSafe},
    path::Path,
};

use super::{Ctx, value::CtxValue};
use crate::ossl::secret::Secret;

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

    /// A line goes out by one write, so that those of several processes do not mix. There is no caller to
    /// report a failure to, such as that of a FIFO whose reader has closed it.
    fn write(&self, line: &CStr) {
        let text = Secret::new([line.to_bytes(), b"\n"].concat());
        let _ = posix::write_available(self.0.as_fd(), false, &text);
    }
}

static LOG: CtxValue<KeyLog> = CtxValue::new();

impl Ctx {
    /// Writes the secrets of this context's connections to the log.
    pub fn log_keys(&mut self, log: KeyLog) -> Result<()> {
        LOG.attach(self, log)?;
        // SAFETY: the context is live; the callback has the type that OpenSSL asks for.
        unsafe { ffi::SSL_CTX_set_keylog_callback(self.as_ptr(), Some(log_line)) };
        Ok(())
    }
}

unsafe extern "C" fn log_line(ssl: *const ffi::SSL, line: *const c_char) {
    let _ = panic::catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: OpenSSL passes a live SSL and a NUL-terminated line.
        unsafe {
            if let Some(log) = LOG.of(ssl) {
                log.write(CStr::from_ptr(line));
            }
        }
    }));
}
