//! Connections without a socket.

// In the order of the header.
pub mod settings;

pub mod io;

pub mod callbacks;
pub mod events;

pub mod info;
pub mod sessions;

use crate::{
    engine::connection::{Connection, Event},
    error::Result,
    types::Role,
};
use std::{
    ffi::{c_char, c_int, c_void},
    ptr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::ffi::{
    convert,
    engine::secure_context::bgl_ssl_ctx_t,
    guard,
    handle::{self, Handle},
    status::bgl_ssl_status_t,
};

/// A TLS connection without a socket: ciphertext and plaintext go in and out through its functions, in pieces of any
/// size. It never waits. Only one thread at a time may use it, although the handle is `const`: a call during a call of
/// another thread fails with BGL_SSL_E_STATE. Callbacks run between OpenSSL's calls, with no lock held: they may call
/// anything, also on their own connection, close and free it. They must return: a language whose callbacks can raise or
/// escape uses events instead (bgl_ssl_connection_next_event).
pub struct bgl_ssl_connection_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_connection_t {
    type Rust = ConnectionHandle;
    const TAG: u64 = 0x4247_4c53_434f_4e4e;
    const NOUN: &'static str = "connection";
}

/// What the handle points to.
pub struct ConnectionHandle {
    connection: Connection,
    callbacks: Mutex<Callbacks>,
    /// The event that was taken last.
    event: Mutex<Option<Event>>,
}

/// Reports that a handshake starts (what is 0) or is done (what is 1).
pub type bgl_ssl_info_callback_t =
    Option<unsafe extern "C" fn(connection: *mut bgl_ssl_connection_t, what: c_int, user: *mut c_void)>;

/// Chooses a server's context by the name that the client asks for: returns the one to switch to, of which the
/// connection takes a reference: its certificate, CAs, revocation lists, ciphers, versions, options and session id
/// context hold from then on, and sessions made in another context are not resumed. Or returns NULL for the
/// connection's own, in which case the name is not acknowledged. To refuse the client, call
/// bgl_ssl_connection_refuse_server_name and return NULL. The name lives until the callback returns.
pub type bgl_ssl_sni_context_callback_t = Option<
    unsafe extern "C" fn(
        connection: *mut bgl_ssl_connection_t,
        name: *const c_char,
        user: *mut c_void,
    ) -> *const bgl_ssl_ctx_t,
>;

/// Hands out a new session: its id, and the session serialized. On a client with TLS 1.3 this happens after the
/// handshake, while bgl_ssl_connection_clear_out reads. Both live until the callback returns.
pub type bgl_ssl_newsession_callback_t = Option<
    unsafe extern "C" fn(
        connection: *mut bgl_ssl_connection_t,
        id: *const c_void,
        id_len: usize,
        session: *const c_void,
        session_len: usize,
        user: *mut c_void,
    ),
>;

/// Asks for the session of an id that a client wants to resume: hand it over with bgl_ssl_connection_load_session, or
/// return without.
pub type bgl_ssl_session_lookup_callback_t = Option<
    unsafe extern "C" fn(
        connection: *mut bgl_ssl_connection_t,
        id: *const c_void,
        id_len: usize,
        user: *mut c_void,
    ),
>;

/// A callback and what it is called with.
#[derive(Clone, Copy)]
struct Callback<F> {
    function: F,
    user: *mut c_void,
}

#[derive(Clone, Copy)]
struct Callbacks {
    info: Callback<bgl_ssl_info_callback_t>,
    sni_context: Callback<bgl_ssl_sni_context_callback_t>,
    newsession: Callback<bgl_ssl_newsession_callback_t>,
    session_lookup: Callback<bgl_ssl_session_lookup_callback_t>,
}

// SAFETY: the preconditions cover functions and user pointers in whatever thread uses the connection.
unsafe impl Send for Callbacks {}

impl Callbacks {
    const NONE: Callbacks = Callbacks {
        info: Callback { function: None, user: ptr::null_mut() },
        sni_context: Callback { function: None, user: ptr::null_mut() },
        newsession: Callback { function: None, user: ptr::null_mut() },
        session_lookup: Callback { function: None, user: ptr::null_mut() },
    };

    fn take(&self, event: &Event) -> bool {
        match event {
            Event::HandshakeStart | Event::HandshakeDone => self.info.function.is_some(),
            Event::ServerName(_) => self.sni_context.function.is_some(),
            Event::NewSession(..) => self.newsession.function.is_some(),
            Event::SessionLookup(_) => self.session_lookup.function.is_some(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `body` on a connection; `otherwise` on failure.
///
/// Precondition: connection is NULL or live.
unsafe fn with_connection<T>(
    connection: *const bgl_ssl_connection_t,
    otherwise: T,
    body: impl FnOnce(&Connection) -> Result<T>,
) -> T {
    // SAFETY: the precondition covers the handle.
    guard::or(otherwise, || unsafe { handle::with(connection, |handle| body(&handle.connection)) })
}

/// The same for a body that makes no system call.
///
/// Precondition: connection is NULL or live.
unsafe fn in_memory<T>(
    connection: *const bgl_ssl_connection_t,
    otherwise: T,
    body: impl FnOnce(&Connection) -> Result<T>,
) -> T {
    // SAFETY: the precondition covers the handle.
    guard::or_in_memory(otherwise, || unsafe { handle::with(connection, |handle| body(&handle.connection)) })
}

/// Runs `body` on a connection, for functions that return a status.
///
/// Precondition: connection is NULL or live.
unsafe fn status_of(
    connection: *const bgl_ssl_connection_t,
    body: impl FnOnce(&Connection) -> Result<()>,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(connection, |handle| body(&handle.connection)) })
}

/// Makes a connection.
///
/// ctx: the secure context; it may be closed and freed while the connection lives.
/// isserver: which end it is.
/// request_cert: on servers, whether the client is asked for a certificate.
/// server_name: on clients, the name to send as SNI; NULL or "" for none. Ignored on servers.
/// reject_unauthorized: on servers that ask for a certificate, whether a client without one is refused.
///
/// No handshake fails because of what is wrong with the peer's certificate: ask bgl_ssl_connection_verify_error after
/// it. Both ends refuse to renegotiate: a peer that tries is answered with the alert no_renegotiation, and the
/// connection goes on.
///
/// Returns a connection, to be freed with bgl_ssl_connection_free, or NULL: BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if the
/// context is closed, BGL_SSL_E_CONFIG if it is for the other end only. A server whose context has no private key for
/// its certificate fails in the handshake; a client sends no certificate then. Never blocks; any thread.
///
/// Precondition: ctx is NULL or live; server_name is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_init(
    ctx: *const bgl_ssl_ctx_t,
    isserver: bool,
    request_cert: bool,
    server_name: *const c_char,
    reject_unauthorized: bool,
) -> *mut bgl_ssl_connection_t {
    guard::or(ptr::null_mut(), || {
        let role = if isserver { Role::Server } else { Role::Client };
        // SAFETY: the precondition covers handle and text.
        let connection = unsafe {
            let name =
                if server_name.is_null() { None } else { Some(convert::c_text(server_name, "server name")?) };
            handle::with(ctx, |ctx| Connection::new(ctx, role, request_cert, name, reject_unauthorized))?
        };
        let (callbacks, event) = (Mutex::new(Callbacks::NONE), Mutex::new(None));
        Ok(handle::share(ConnectionHandle { connection, callbacks, event }))
    })
}

/// Frees what the connection holds, without a message to the peer. The last status, error text and shutdown flags can
/// still be asked for; events are lost.
///
/// Returns BGL_SSL_OK, also a second time, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if another thread uses it. Never
/// blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_close(connection: *const bgl_ssl_connection_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { status_of(connection, Connection::close) }
}

/// Frees a connection. Takes NULL; returns nothing, never fails, never blocks. If called from a callback, the
/// connection is freed when the step has returned.
///
/// Precondition: connection is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_free(connection: *mut bgl_ssl_connection_t) {
    // SAFETY: the precondition covers the handle.
    unsafe {
        // Ends a step in progress at once.
        guard::quietly(|| {
            let _ = handle::with(connection, |handle| handle.connection.close());
        });
        handle::release(connection);
    }
}
