//! Tracing the messages of handshakes.

use crate::trace::Trace;
use std::ffi::{CString, c_char, c_void};

use crate::ffi::{
    config::{bgl_ssl_config_t, change},
    status::bgl_ssl_status_t,
    user::User,
};

/// Receives a line for each message of a connection's handshake, and for each alert: "< ClientHello 517: example.org
/// h2,http/1.1 TLS 1.3,TLS 1.2 x25519,secp256r1 31 cipher suites", "> ServerHello 118: TLS 1.3 TLS_AES_256_GCM_SHA384
/// x25519", "> Certificate 1032", "< alert: fatal, handshake failure (40)". It begins with > for what this end has
/// sent, and with < for what has come. The number is the length of the message. No line has a secret in it.
///
/// peer: what the other end is called in messages, such as "example.org:443".
/// line: without a line end. Like peer, it is valid during the call only. The wording may change: it is for people.
/// user: what was given with the function.
///
/// It is called in the threads that use the socket, after OpenSSL has returned, during the call in which the message
/// was sent or received. It may call any function of this library, but on this socket none that reads, writes, closes
/// or does the handshake, which would wait for itself; and it returns normally: it may not raise an exception or call
/// longjmp.
pub type bgl_ssl_trace_t =
    Option<unsafe extern "C" fn(peer: *const c_char, line: *const c_char, user: *mut c_void)>;

/// What a socket or config is given.
///
/// Precondition: trace may be called with user until nothing uses what is returned.
pub unsafe fn trace_of(trace: bgl_ssl_trace_t, user: *mut c_void) -> Option<Trace> {
    let user = User(user);
    trace.map(|function| {
        Trace::new(move |peer, line| {
            let text = |text: &str| CString::new(text).unwrap_or_default();
            let (peer, line) = (text(peer), text(line));
            // SAFETY: the preconditions cover the function; both texts are NUL-terminated, and outlive the call.
            unsafe { function(peer.as_ptr(), line.as_ptr(), user.pointer()) }
        })
    })
}

/// Sets the function that receives a line for each message of the handshakes of a config's connections.
///
/// trace: NULL for none (the default). The function and user must stay usable until the config and everything that was
/// made with it is freed. Several threads may call it at the same time.
/// user: is passed on to the function; may be NULL.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread. See
/// SSL_set_msg_callback(3).
///
/// Precondition: config is NULL or live; trace is NULL or can be called with user.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_trace(
    config: *mut bgl_ssl_config_t,
    trace: bgl_ssl_trace_t,
    user: *mut c_void,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and function.
    unsafe {
        change(config, |config| {
            config.trace = trace_of(trace, user);
            Ok(())
        })
    }
}
