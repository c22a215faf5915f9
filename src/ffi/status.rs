//! Status codes, the last error of a thread, protocol versions.

pub mod errors;
pub mod protocol;
pub mod provider;
pub mod supports;

use crate::{error::Code, types::Step};
use std::ffi::{CStr, c_char};

/// Whether and why a call failed: 0, progress (positive) or failure (negative). The numbers never change.
pub type bgl_ssl_status_t = i32;

/// Done.
pub const BGL_SSL_OK: bgl_ssl_status_t = 0;
/// Not yet (non-blocking sockets): call again once the descriptor is readable.
pub const BGL_SSL_WANT_READ: bgl_ssl_status_t = 1;
/// Not yet (non-blocking sockets): call again once the descriptor is writable.
pub const BGL_SSL_WANT_WRITE: bgl_ssl_status_t = 2;
/// The peer has ended its half of the stream, properly, with close_notify.
pub const BGL_SSL_EOF: bgl_ssl_status_t = 3;
/// Not yet (connections without a socket): look at the events, or answer, then call again.
pub const BGL_SSL_WANT_EVENT: bgl_ssl_status_t = 4;
/// An argument is unusable: NULL, out of range, not UTF-8, unknown.
pub const BGL_SSL_E_ARGUMENT: bgl_ssl_status_t = -1;
/// The thing is in no state to do this: closed, frozen, failed before.
pub const BGL_SSL_E_STATE: bgl_ssl_status_t = -2;
/// Memory ran out.
pub const BGL_SSL_E_NO_MEMORY: bgl_ssl_status_t = -3;
/// The operating system refused; see sys_errno (ECONNRESET, ECONNREFUSED, ENOENT ...).
pub const BGL_SSL_E_IO: bgl_ssl_status_t = -4;
/// A time limit passed.
pub const BGL_SSL_E_TIMEOUT: bgl_ssl_status_t = -5;
/// The peer vanished without close_notify: what was read may not be all.
pub const BGL_SSL_E_TRUNCATED: bgl_ssl_status_t = -6;
/// TLS failed: no TLS peer, nothing in common, or an alert from the peer (see alert).
pub const BGL_SSL_E_PROTOCOL: bgl_ssl_status_t = -7;
/// The peer's certificate was refused (see verify_result), the peer sent none, or a cipher's tag does not fit.
pub const BGL_SSL_E_VERIFY: bgl_ssl_status_t = -8;
/// The peer's certificate is valid, but for another host.
pub const BGL_SSL_E_NAME: bgl_ssl_status_t = -9;
/// A certificate, key, PEM file or setting is bad, or they do not fit together.
pub const BGL_SSL_E_CONFIG: bgl_ssl_status_t = -10;
/// The OpenSSL in use cannot do this.
pub const BGL_SSL_E_UNSUPPORTED: bgl_ssl_status_t = -11;
/// The host name could not be looked up.
pub const BGL_SSL_E_RESOLVE: bgl_ssl_status_t = -12;
/// A defect of bglssl or OpenSSL.
pub const BGL_SSL_E_INTERNAL: bgl_ssl_status_t = -13;

/// Nothing on the network was going on.
pub const BGL_SSL_PHASE_NONE: i32 = 0;
/// A host name was being looked up.
pub const BGL_SSL_PHASE_RESOLVE: i32 = 1;
/// A connection was being made.
pub const BGL_SSL_PHASE_CONNECT: i32 = 2;
/// A listening socket was being opened, or waited for a client.
pub const BGL_SSL_PHASE_ACCEPT: i32 = 3;
/// The TLS handshake was going on: on a server, this is the one client's failure.
pub const BGL_SSL_PHASE_HANDSHAKE: i32 = 4;
/// Reading.
pub const BGL_SSL_PHASE_READ: i32 = 5;
/// Writing.
pub const BGL_SSL_PHASE_WRITE: i32 = 6;
/// Closing.
pub const BGL_SSL_PHASE_CLOSE: i32 = 7;

/// The status of a step that never waits.
pub fn progress(step: Step<()>) -> bgl_ssl_status_t {
    match step {
        Step::Done(()) => BGL_SSL_OK,
        Step::WantRead => BGL_SSL_WANT_READ,
        Step::WantWrite => BGL_SSL_WANT_WRITE,
        Step::Eof => BGL_SSL_EOF,
    }
}

const _: () = assert!(BGL_SSL_E_ARGUMENT == Code::Argument as i32 && BGL_SSL_E_INTERNAL == Code::Internal as i32);

/// The name of a status, such as "BGL_SSL_E_TIMEOUT".
///
/// Returns a static text; "unknown status" for any other number. Never fails, never blocks; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_status_name(status: bgl_ssl_status_t) -> *const c_char {
    name_of(status).as_ptr()
}

/// The name of a status.
pub(super) fn name_of(status: bgl_ssl_status_t) -> &'static CStr {
    match status {
        BGL_SSL_OK => c"BGL_SSL_OK",
        BGL_SSL_WANT_READ => c"BGL_SSL_WANT_READ",
        BGL_SSL_WANT_WRITE => c"BGL_SSL_WANT_WRITE",
        BGL_SSL_EOF => c"BGL_SSL_EOF",
        BGL_SSL_WANT_EVENT => c"BGL_SSL_WANT_EVENT",
        BGL_SSL_E_ARGUMENT => c"BGL_SSL_E_ARGUMENT",
        BGL_SSL_E_STATE => c"BGL_SSL_E_STATE",
        BGL_SSL_E_NO_MEMORY => c"BGL_SSL_E_NO_MEMORY",
        BGL_SSL_E_IO => c"BGL_SSL_E_IO",
        BGL_SSL_E_TIMEOUT => c"BGL_SSL_E_TIMEOUT",
        BGL_SSL_E_TRUNCATED => c"BGL_SSL_E_TRUNCATED",
        BGL_SSL_E_PROTOCOL => c"BGL_SSL_E_PROTOCOL",
        BGL_SSL_E_VERIFY => c"BGL_SSL_E_VERIFY",
        BGL_SSL_E_NAME => c"BGL_SSL_E_NAME",
        BGL_SSL_E_CONFIG => c"BGL_SSL_E_CONFIG",
        BGL_SSL_E_UNSUPPORTED => c"BGL_SSL_E_UNSUPPORTED",
        BGL_SSL_E_RESOLVE => c"BGL_SSL_E_RESOLVE",
        BGL_SSL_E_INTERNAL => c"BGL_SSL_E_INTERNAL",
        _ => c"unknown status",
    }
}
