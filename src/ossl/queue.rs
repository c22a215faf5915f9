//! OpenSSL's per-thread error queue: cleared before, read after, every call whose failure it explains.

use crate::{
    error::{Code, Error},
    posix,
};
use openssl_sys as ffi;
use std::ffi::{CStr, c_char, c_int, c_ulong};

use super::sys;

/// One entry of the queue.
pub struct Entry {
    /// OpenSSL's packed code.
    pub code: c_ulong,
    /// OpenSSL's words, with the extra data where there is some.
    pub text: String,
    /// Whether malloc has failed since the queue was cleared: OpenSSL 3 often says something else then, or nothing.
    malloc_failed: bool,
}

impl Entry {
    /// Whether the entry is reason `reason` of the SSL library.
    pub fn is_ssl_reason(&self, reason: c_int) -> bool {
        ffi::ERR_GET_LIB(self.code) == sys::ERR_LIB_SSL && ffi::ERR_GET_REASON(self.code) == reason
    }

    /// Whether a handshake failed because there is no certificate, with a key, that will do.
    pub fn lacks_certificate(&self) -> bool {
        self.is_ssl_reason(sys::SSL_R_NO_SHARED_CIPHER)
            || self.is_ssl_reason(sys::SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM)
    }

    /// Whether it says that a PEM text has no further object.
    pub fn is_pem_end(&self) -> bool {
        ffi::ERR_GET_LIB(self.code) == ffi::ERR_LIB_PEM
            && ffi::ERR_GET_REASON(self.code) == ffi::PEM_R_NO_START_LINE
    }

    /// Whether no provider has an algorithm, or any. Decoders use the same reason for data that they do not understand: it
    /// is the algorithms of EVP that count.
    pub fn is_unsupported(&self) -> bool {
        let reason = ffi::ERR_GET_REASON(self.code);
        let missing = reason == sys::ERR_R_UNSUPPORTED || reason == sys::ERR_R_FETCH_FAILED;
        (ffi::ERR_GET_LIB(self.code) == sys::ERR_LIB_EVP && missing)
            || self.is_ssl_reason(sys::SSL_R_LIBRARY_HAS_NO_CIPHERS)
    }

    /// The code in the width of the C API.
    #[allow(clippy::useless_conversion, reason = "where `unsigned long` has 32 bits it is none")]
    pub fn packed(&self) -> u64 {
        self.code.into()
    }

    /// Whether memory ran out.
    pub fn is_out_of_memory(&self) -> bool {
        self.malloc_failed || ffi::ERR_GET_REASON(self.code) == sys::ERR_R_MALLOC_FAILURE
    }

    /// Whether the system gives no random numbers.
    fn lacks_entropy(&self) -> bool {
        ffi::ERR_GET_LIB(self.code) == sys::ERR_LIB_RAND && !self.is_out_of_memory()
    }

    /// Whether it shows why there is an `older` entry: OpenSSL 3 puts what its decoders make of a failure first,
    /// and calls it a failed allocation where a new object gets no random numbers.
    fn is_cause_of(&self, older: &Entry) -> bool {
        let decoder = ffi::ERR_GET_LIB(older.code) == sys::ERR_LIB_OSSL_DECODER;
        let out_of_memory = self.is_out_of_memory() && !older.is_out_of_memory() && !older.lacks_entropy();
        out_of_memory || (self.lacks_entropy() && !older.is_out_of_memory()) || (decoder && self.is_unsupported())
    }

    /// The category of a failure that is `code` unless OpenSSL knows better: an OpenSSL that makes nothing may have run
    /// out of memory, or lack a provider.
    fn category(&self, code: Code) -> Code {
        match code {
            _ if self.is_out_of_memory() => Code::NoMemory,
            Code::NoMemory | Code::Internal if self.lacks_entropy() => Code::Unsupported,
            Code::NoMemory | Code::Internal if self.is_unsupported() => Code::Unsupported,
            Code::NoMemory => Code::Internal,
            code => code,
        }
    }

    /// The TLS alert that the peer sent, if that is what the entry stands for.
    pub fn alert(&self) -> Option<u8> {
        alert_of(self.code)
    }
}

/// Empties the queue, and errno with it. To look first costs less than to clear an empty one, which it nearly always is.
pub fn clear() {
    posix::clear_errno();
    // SAFETY: no preconditions.
    unsafe {
        if ffi::ERR_peek_last_error() != 0 {
            ffi::ERR_clear_error();
        }
    }
}

/// Takes the oldest entry, the first cause, and leaves the others.
pub fn pop() -> Option<Entry> {
    let mut data: *const c_char = std::ptr::null();
    let mut flags: c_int = 0;
    let code = next(&mut data, &mut flags);
    if code == 0 {
        return None;
    }
    let mut text = reason_text(code);
    if flags & ffi::ERR_TXT_STRING != 0 && !data.is_null() {
        // SAFETY: the flag says that `data` is a NUL-terminated text; it lives until the queue's next use.
        let data = unsafe { CStr::from_ptr(data) }.to_string_lossy();
        if !data.is_empty() {
            text = format!("{text} ({data})");
        }
    }
    Some(Entry { code, text, malloc_failed: false })
}

/// OpenSSL's words for a code, or ours where it has none.
fn reason_text(code: c_ulong) -> String {
    // SAFETY: OpenSSL returns NULL or a static text.
    let reason = unsafe { super::static_text(ffi::ERR_reason_error_string(code)) };
    match (reason, alert_of(code)) {
        (Some(reason), _) => reason.to_string_lossy().into_owned(),
        (None, Some(alert)) => alert_description(alert),
        (None, None) => format!("OpenSSL error {code:#x}"),
    }
}

/// The alert of the peer's that a code stands for.
fn alert_of(code: c_ulong) -> Option<u8> {
    let alert = u8::try_from(ffi::ERR_GET_REASON(code) - sys::SSL_AD_REASON_OFFSET).ok()?;
    (ffi::ERR_GET_LIB(code) == sys::ERR_LIB_SSL).then_some(alert)
}

/// The reason of the SSL library that a code, in the width of the C API, stands for.
pub fn ssl_reason(packed: u64) -> Option<c_int> {
    let code = c_ulong::try_from(packed).ok()?;
    (code != 0 && ffi::ERR_GET_LIB(code) == sys::ERR_LIB_SSL).then(|| ffi::ERR_GET_REASON(code))
}

/// The words for an alert.
pub fn alert_description(alert: u8) -> String {
    // SAFETY: OpenSSL returns a static text.
    let text = unsafe { super::static_text(ffi::SSL_alert_desc_string_long(alert.into())) };
    match text.map(CStr::to_string_lossy) {
        Some(text) if text != "unknown" => text.into_owned(),
        _ => alert_text(alert).to_string(),
    }
}

/// The words for an alert for which this OpenSSL has none: those of IANA's registry, where it is registered. OpenSSL adds
/// the number.
fn alert_text(alert: u8) -> &'static str {
    match alert {
        52 => "too many CIDs requested",
        110 => "unsupported extension",
        116 => "certificate required",
        117 => "general error",
        120 => "no application protocol",
        121 => "ECH required",
        _ => "an alert without a registered meaning",
    }
}

#[cfg(ossl300)]
fn next(data: &mut *const c_char, flags: &mut c_int) -> c_ulong {
    let null = std::ptr::null_mut();
    // SAFETY: OpenSSL takes NULL for what is not wanted; `data` and `flags` are live.
    unsafe { ffi::ERR_get_error_all(null, std::ptr::null_mut(), std::ptr::null_mut(), data, flags) }
}

#[cfg(not(ossl300))]
fn next(data: &mut *const c_char, flags: &mut c_int) -> c_ulong {
    let null = std::ptr::null_mut();
    // SAFETY: OpenSSL takes NULL for what is not wanted; `data` and `flags` are live.
    unsafe { ffi::ERR_get_error_line_data(null, std::ptr::null_mut(), data, flags) }
}

/// Takes the entry that says most, which is the oldest unless a later one shows its cause, and empties the queue.
/// There is one if malloc has failed, even if OpenSSL has left none.
pub fn take() -> Option<Entry> {
    let malloc_failed = posix::memory_ran_out();
    let Some(mut telling) = pop() else {
        let text = "OpenSSL gives no reason".to_string();
        return malloc_failed.then_some(Entry { code: 0, text, malloc_failed });
    };
    while let Some(entry) = pop() {
        if entry.is_cause_of(&telling) {
            telling = entry;
        }
    }
    Some(Entry { malloc_failed, ..telling })
}

/// A failure of category `code`, or of the one that OpenSSL knows better: `what`, and OpenSSL's reason from the queue, which
/// is emptied.
pub fn error(code: Code, what: &str) -> Error {
    error_from(take(), code, what)
}

/// A failure as by `error`, from an entry that has been taken out of the queue. Where memory ran out, the message says so
/// in place of `what`: a certificate that could not be read for lack of memory is not damaged.
pub fn error_from(entry: Option<Entry>, code: Code, what: &str) -> Error {
    let Some(entry) = entry else {
        return Error::new(code, what);
    };
    let what = match () {
        () if entry.is_out_of_memory() => "memory ran out inside OpenSSL",
        () if entry.lacks_entropy() => "OpenSSL gets no random numbers from the system",
        () => what,
    };
    Error {
        openssl_code: entry.packed(),
        alert: entry.alert().map_or(-1, i32::from),
        message: format!("{what}: {}", entry.text),
        code: entry.category(code),
        reason: entry.text,
        ..Error::new(code, "")
    }
}

/// A failure for lack of a passphrase. OpenSSL only says that the question for one was cancelled, which did not happen.
pub fn unasked(entry: Option<Entry>, what: &str) -> Error {
    match entry {
        Some(entry) if entry.is_out_of_memory() => error_from(Some(entry), Code::Config, what),
        _ => Error::new(Code::Config, what),
    }
}

/// A failure that is an alert of the peer's, by its registered name: OpenSSL's words begin with the version that has
/// introduced the alert ("sslv3 alert"), which are taken for the version of the connection.
pub fn alert_error(entry: Option<Entry>, alert: u8) -> Error {
    let name = alert_description(alert);
    let error = error_from(entry, Code::Protocol, "");
    match error.code {
        Code::Protocol => Error { message: format!("the peer sent an alert: {name} ({alert})"), ..error },
        _ => error,
    }
}

/// Ok if an OpenSSL call returned a positive number, else a failure as by `error`.
pub fn check(result: c_int, code: Code, what: &str) -> crate::error::Result<()> {
    if result > 0 { Ok(()) } else { Err(error(code, what)) }
}
