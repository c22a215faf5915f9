//! Connections without a socket.

use crate::{
    certificate::Certificate,
    engine::connection::{Connection, Event, Outcome, ServerNameAnswer},
    error::{Error, Result},
    hostname::Hostname,
    ossl::{engine_hooks::Wanted, ssl::Role},
};
use std::{
    ffi::{CStr, c_char, c_int, c_long, c_void},
    ptr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::ffi::{
    certificate::{bgl_ssl_certificate_list_t, bgl_ssl_certificate_t},
    convert,
    engine::secure_context::{bgl_ssl_ctx_t, part},
    guard,
    handle::{self, Handle},
    status::{BGL_SSL_EOF, BGL_SSL_OK, BGL_SSL_WANT_EVENT, BGL_SSL_WANT_READ, bgl_ssl_status_t},
};

/// A TLS connection without a socket: ciphertext and plaintext go in and out through its functions, in pieces of any
/// size. It never waits. One thread at a time may use it, the handle being `const` or not: a call that comes while another
/// thread's is at work fails with BGL_SSL_E_STATE. Callbacks run between OpenSSL's calls, with no lock held: they may
/// call anything, also on their own connection, close and free it. They must return, though: a language whose callbacks
/// can raise or escape takes events instead (bgl_ssl_connection_next_event).
pub struct bgl_ssl_connection_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_connection_t {
    type Rust = Door;
    const TAG: u64 = 0x4247_4c53_434f_4e4e;
    const NOUN: &'static str = "connection";
}

/// What the handle points to.
pub struct Door {
    connection: Connection,
    callbacks: Mutex<Callbacks>,
    /// The event that was taken last.
    event: Mutex<Option<Event>>,
}

/// Tells that a handshake starts (what is 0) or is done (what is 1).
pub type bgl_ssl_info_callback_t =
    Option<unsafe extern "C" fn(connection: *mut bgl_ssl_connection_t, what: c_int, user: *mut c_void)>;

/// Chooses a server's context by the name that the client asks for: returns the one to switch to, of which the connection
/// takes a reference: its certificate, CAs, revocation lists, ciphers, versions, options and session id context hold from
/// then on, and sessions made in another context are not resumed. Or NULL for the connection's own, with no acknowledgement of the name. To refuse the client, call
/// bgl_ssl_connection_refuse_server_name and return NULL. The name lives until the callback returns.
pub type bgl_ssl_sni_context_callback_t = Option<
    unsafe extern "C" fn(
        connection: *mut bgl_ssl_connection_t,
        name: *const c_char,
        user: *mut c_void,
    ) -> *const bgl_ssl_ctx_t,
>;

/// Hands out a new session: its id, and the session serialized. On a client with TLS 1.3 this happens after the handshake,
/// while bgl_ssl_connection_clear_out reads. Both live until the callback returns.
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

// SAFETY: the callers vouch for their functions and user pointers in whatever thread uses the connection.
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

/// No event.
pub const BGL_SSL_EVENT_NONE: c_int = 0;
/// A handshake has started.
pub const BGL_SSL_EVENT_HANDSHAKE_START: c_int = 1;
/// A handshake is done.
pub const BGL_SSL_EVENT_HANDSHAKE_DONE: c_int = 2;
/// A client asks for a name (bgl_ssl_connection_server_name), and the handshake waits for
/// bgl_ssl_connection_answer_server_name or bgl_ssl_connection_refuse_server_name.
pub const BGL_SSL_EVENT_SERVER_NAME: c_int = 3;
/// There is a new session (bgl_ssl_connection_event_id, bgl_ssl_connection_event_session).
pub const BGL_SSL_EVENT_NEW_SESSION: c_int = 4;
/// A client wants to resume the session of an id (bgl_ssl_connection_event_id): load it, or not, before the next step.
pub const BGL_SSL_EVENT_SESSION_LOOKUP: c_int = 5;

/// Keep events of handshakes' starts and ends.
pub const BGL_SSL_WANT_INFO_EVENTS: c_int = 1;
/// Keep events of server names, and stop handshakes for the answer.
pub const BGL_SSL_WANT_SERVER_NAME_EVENTS: c_int = 2;
/// Keep events of new sessions.
pub const BGL_SSL_WANT_NEW_SESSION_EVENTS: c_int = 4;
/// Keep events of sessions that clients want to resume, and stop handshakes for them.
pub const BGL_SSL_WANT_SESSION_LOOKUP_EVENTS: c_int = 8;
/// Stop steps where there are events to look at, before any data is moved: for callers who may raise an exception then, and
/// would not hear how much was. BGL_SSL_WANT_EVENT means to take the events and repeat the step.
pub const BGL_SSL_STOP_FOR_EVENTS: c_int = 16;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `body` on a connection; `otherwise` on failure.
///
/// Precondition: connection is NULL or live.
unsafe fn or<T>(
    connection: *const bgl_ssl_connection_t,
    otherwise: T,
    body: impl FnOnce(&Connection) -> Result<T>,
) -> T {
    // SAFETY: the caller vouches for the handle.
    guard::or(otherwise, || unsafe { handle::with(connection, |door| body(&door.connection)) })
}

/// The same for functions that return a status.
///
/// Precondition: connection is NULL or live.
unsafe fn done(
    connection: *const bgl_ssl_connection_t,
    body: impl FnOnce(&Connection) -> Result<()>,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    guard::done(|| unsafe { handle::with(connection, |door| body(&door.connection)) })
}

/// Takes a step, and calls the callbacks about what happened in it, until it is done or has to wait for the caller.
///
/// Precondition: connection is NULL or live.
unsafe fn step<T>(
    connection: *const bgl_ssl_connection_t,
    mut body: impl FnMut(&Connection) -> Result<(Outcome, T)>,
) -> Result<(Outcome, T)> {
    // SAFETY: the caller vouches for the handle; a further reference keeps it alive if a callback frees it.
    unsafe {
        let reference = handle::hold(connection)?;
        let held = reference.as_ptr();
        loop {
            let (result, has_events) = handle::with(held, |door| {
                let result = body(&door.connection);
                Ok((result, door.connection.has_events()))
            })?;
            if has_events {
                deliver(held);
            }
            let waits = matches!(result, Ok((Outcome::WantEvent, _)));
            if !waits || !handle::with(held, |door| door.connection.must_stop()).is_ok_and(|must_stop| !must_stop) {
                return result;
            }
        }
    }
}

/// Calls the callbacks about events, in their order, up to one that has none. Nothing is locked meanwhile.
///
/// Precondition: connection is live, and stays so.
unsafe fn deliver(connection: *mut bgl_ssl_connection_t) {
    // SAFETY: the caller vouches for the handle.
    unsafe {
        while let Ok((callbacks, Some(event))) = handle::with(connection, |door| {
            let callbacks = *lock(&door.callbacks);
            door.connection.next_event(|event| callbacks.take(event)).map(|event| (callbacks, event))
        }) {
            call_back(connection, &callbacks, &event);
        }
    }
}

/// Precondition: connection is live, and stays so.
unsafe fn call_back(connection: *mut bgl_ssl_connection_t, callbacks: &Callbacks, event: &Event) {
    // SAFETY: the caller vouches for the handle, and whoever set a callback for that; bytes live until it returns.
    unsafe {
        match event {
            Event::HandshakeStart | Event::HandshakeDone => {
                if let Callback { function: Some(function), user } = callbacks.info {
                    function(connection, c_int::from(*event == Event::HandshakeDone), user);
                }
            }
            Event::ServerName(name) => {
                if let Callback { function: Some(function), user } = callbacks.sni_context {
                    let name: Vec<u8> = name.iter().copied().chain([0]).collect();
                    let context = function(connection, name.as_ptr().cast(), user);
                    answer(connection, context);
                }
            }
            Event::NewSession(id, session) => {
                if let Callback { function: Some(function), user } = callbacks.newsession {
                    let (session, session_len) = (session.as_ptr().cast(), session.len());
                    function(connection, id.as_ptr().cast(), id.len(), session, session_len, user);
                }
            }
            Event::SessionLookup(id) => {
                if let Callback { function: Some(function), user } = callbacks.session_lookup {
                    function(connection, id.as_ptr().cast(), id.len(), user);
                }
            }
        }
    }
}

/// Gives the callback's answer, unless the callback has refused the client, or closed the connection. An unusable context
/// refuses it, too.
///
/// Precondition: connection is live; context is NULL or live.
unsafe fn answer(connection: *mut bgl_ssl_connection_t, context: *const bgl_ssl_ctx_t) {
    // SAFETY: the caller vouches for the handles.
    unsafe {
        let given = handle::borrow_optional(context).and_then(|context| {
            let answer = context.map_or(ServerNameAnswer::NotAcknowledged, ServerNameAnswer::Context);
            handle::with(connection, |door| door.connection.answer_server_name(answer))
        });
        if given.is_err() {
            let refuse = |door: &Door| door.connection.answer_server_name(ServerNameAnswer::Refused);
            // Fails where the callback has answered, or closed the connection.
            let _ = handle::with(connection, refuse);
        }
    }
}

/// Makes a connection.
///
/// ctx: the secure context; it may be closed and freed while the connection lives.
/// isserver: which end it is.
/// request_cert: on servers, whether the client is asked for a certificate.
/// server_name: on clients, the name to send as SNI; NULL or "" for none. Ignored on servers.
/// reject_unauthorized: on servers that ask for a certificate, whether a client without one is refused.
///
/// No handshake fails because of what is wrong with the peer's certificate: ask bgl_ssl_connection_verify_error after it.
/// Both ends refuse to renegotiate: a peer that tries is answered with the alert no_renegotiation, and the connection goes
/// on.
///
/// Returns a connection, to be freed with bgl_ssl_connection_free, or NULL: BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if the
/// context is closed, BGL_SSL_E_CONFIG if it is for the other end only. A server whose context has no private key for its
/// certificate fails in the handshake; a client sends no certificate then.
/// Never blocks; any thread.
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
        // SAFETY: the caller vouches for handle and text.
        let connection = unsafe {
            let name =
                if server_name.is_null() { None } else { Some(convert::c_text(server_name, "server name")?) };
            handle::with(ctx, |ctx| Connection::new(ctx, role, request_cert, name, reject_unauthorized))?
        };
        let (callbacks, event) = (Mutex::new(Callbacks::NONE), Mutex::new(None));
        Ok(handle::share(Door { connection, callbacks, event }))
    })
}

/// Sets a callback, and keeps events of its kind or no longer.
///
/// Precondition: connection is NULL or live.
unsafe fn set_callback(
    connection: *const bgl_ssl_connection_t,
    want: impl FnOnce(&mut Wanted),
    set: impl FnOnce(&mut Callbacks),
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    guard::done(|| unsafe {
        handle::with(connection, |door| {
            door.connection.want(want)?;
            set(&mut lock(&door.callbacks));
            Ok(())
        })
    })
}

/// Sets what is called when a handshake starts and when it is done.
///
/// callback: NULL for none.
/// user: what it is called with.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the connection is closed or busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; callback and user stay usable as long as the connection is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_info_callback(
    connection: *const bgl_ssl_connection_t,
    callback: bgl_ssl_info_callback_t,
    user: *mut c_void,
) -> bgl_ssl_status_t {
    let want = |wanted: &mut Wanted| wanted.info = callback.is_some();
    // SAFETY: the caller vouches for handle and callback.
    unsafe { set_callback(connection, want, |callbacks| callbacks.info = Callback { function: callback, user }) }
}

/// Sets what is called on a server when the client asks for a name. The handshake waits for it.
///
/// callback: NULL for none: then every name is acknowledged.
/// user: what it is called with.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the connection is closed or busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; callback and user stay usable as long as the connection is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_sni_context_callback(
    connection: *const bgl_ssl_connection_t,
    callback: bgl_ssl_sni_context_callback_t,
    user: *mut c_void,
) -> bgl_ssl_status_t {
    let want = |wanted: &mut Wanted| wanted.server_name = callback.is_some();
    // SAFETY: the caller vouches for handle and callback.
    unsafe {
        set_callback(connection, want, |callbacks| callbacks.sni_context = Callback { function: callback, user })
    }
}

/// Sets what is called with each new session: on servers, to be found again by its id; on clients, to be resumed later.
///
/// callback: NULL for none.
/// user: what it is called with.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the connection is closed or busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; callback and user stay usable as long as the connection is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_newsession_callback(
    connection: *const bgl_ssl_connection_t,
    callback: bgl_ssl_newsession_callback_t,
    user: *mut c_void,
) -> bgl_ssl_status_t {
    let want = |wanted: &mut Wanted| wanted.new_session = callback.is_some();
    // SAFETY: the caller vouches for handle and callback.
    unsafe {
        set_callback(connection, want, |callbacks| callbacks.newsession = Callback { function: callback, user })
    }
}

/// Sets what is called on a server when the client wants to resume a session by its id. The handshake waits for it. A
/// client of TLS 1.3 may send an id that nobody ever gave it.
///
/// callback: NULL for none.
/// user: what it is called with.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the connection is closed or busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; callback and user stay usable as long as the connection is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_session_lookup_callback(
    connection: *const bgl_ssl_connection_t,
    callback: bgl_ssl_session_lookup_callback_t,
    user: *mut c_void,
) -> bgl_ssl_status_t {
    let want = |wanted: &mut Wanted| wanted.session_lookup = callback.is_some();
    // SAFETY: the caller vouches for handle and callback.
    unsafe {
        set_callback(connection, want, |callbacks| callbacks.session_lookup = Callback { function: callback, user })
    }
}

/// Chooses which events are kept for bgl_ssl_connection_next_event: for callers without callbacks.
///
/// kinds: the sum of BGL_SSL_WANT_..._EVENTS, and maybe BGL_SSL_STOP_FOR_EVENTS.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the connection is closed or busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_want_events(
    connection: *const bgl_ssl_connection_t,
    kinds: c_int,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    unsafe {
        done(connection, |connection| {
            if !(0..32).contains(&kinds) {
                return Err(Error::argument(format!("no kinds of events have the number {kinds}")));
            }
            connection.want(|wanted| {
                *wanted = Wanted {
                    info: kinds & BGL_SSL_WANT_INFO_EVENTS != 0,
                    server_name: kinds & BGL_SSL_WANT_SERVER_NAME_EVENTS != 0,
                    new_session: kinds & BGL_SSL_WANT_NEW_SESSION_EVENTS != 0,
                    session_lookup: kinds & BGL_SSL_WANT_SESSION_LOOKUP_EVENTS != 0,
                    stops: kinds & BGL_SSL_STOP_FOR_EVENTS != 0,
                }
            })
        })
    }
}

/// Takes the next event, in the order in which they happened. Take all of them after each of bgl_ssl_connection_start,
/// bgl_ssl_connection_clear_in and bgl_ssl_connection_clear_out; then repeat the step if bgl_ssl_connection_status is
/// BGL_SSL_WANT_EVENT.
///
/// Returns BGL_SSL_EVENT_..., BGL_SSL_EVENT_NONE if there is none, also once the connection is closed, or a negative
/// status on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_next_event(connection: *const bgl_ssl_connection_t) -> c_int {
    // SAFETY: the caller vouches for the handle.
    guard::status(|| unsafe {
        handle::with(connection, |door| {
            let event = door.connection.next_event(|_| true)?;
            let kind = match &event {
                None => BGL_SSL_EVENT_NONE,
                Some(Event::HandshakeStart) => BGL_SSL_EVENT_HANDSHAKE_START,
                Some(Event::HandshakeDone) => BGL_SSL_EVENT_HANDSHAKE_DONE,
                Some(Event::ServerName(_)) => BGL_SSL_EVENT_SERVER_NAME,
                Some(Event::NewSession(..)) => BGL_SSL_EVENT_NEW_SESSION,
                Some(Event::SessionLookup(_)) => BGL_SSL_EVENT_SESSION_LOOKUP,
            };
            *lock(&door.event) = event;
            Ok(kind)
        })
    })
}

/// Copies out a part of the event that was taken last.
///
/// Precondition: connection is NULL or live; buf is NULL or writable for size bytes.
unsafe fn event_part(
    connection: *const bgl_ssl_connection_t,
    buf: *mut c_void,
    size: usize,
    part: impl FnOnce(&Event) -> &[u8],
) -> usize {
    // SAFETY: the caller vouches for handle and buffer.
    guard::or(0, || unsafe {
        handle::with(connection, |door| {
            let event = lock(&door.event);
            convert::copy_bytes(event.as_ref().map(part).unwrap_or_default(), buf, size)
        })
    })
}

/// Copies out the session id of the event that was taken last: as many bytes as fit.
///
/// Returns the length of the whole id; 0 if the event has none, or on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_event_id(
    connection: *const bgl_ssl_connection_t,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the caller vouches for handle and buffer.
    unsafe {
        event_part(connection, buf, size, |event| match event {
            Event::NewSession(id, _) | Event::SessionLookup(id) => id,
            _ => &[],
        })
    }
}

/// Copies out the serialized session of the event that was taken last: as many bytes as fit. It holds secrets.
///
/// Returns the length of the whole session; 0 if the event has none, or on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_event_session(
    connection: *const bgl_ssl_connection_t,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the caller vouches for handle and buffer.
    unsafe {
        event_part(connection, buf, size, |event| match event {
            Event::NewSession(_, session) => session,
            _ => &[],
        })
    }
}

/// Answers an event BGL_SSL_EVENT_SERVER_NAME.
///
/// ctx: the context to switch to, of which the connection takes a reference; NULL for the connection's own.
/// acknowledge: for NULL, whether the client is told that its name was understood.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if no name waits for an answer, or connection or context is
/// closed. Never blocks; any thread.
///
/// Precondition: connection and ctx are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_answer_server_name(
    connection: *const bgl_ssl_connection_t,
    ctx: *const bgl_ssl_ctx_t,
    acknowledge: bool,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handles.
    unsafe {
        done(connection, |connection| {
            connection.answer_server_name(match handle::borrow_optional(ctx)? {
                Some(ctx) => ServerNameAnswer::Context(ctx),
                None if acknowledge => ServerNameAnswer::Own,
                None => ServerNameAnswer::NotAcknowledged,
            })
        })
    }
}

/// Answers an event BGL_SSL_EVENT_SERVER_NAME, or from inside the callback: the handshake fails, and the client hears that
/// the name is unknown.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if no name waits for an answer, or the connection is closed.
/// Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_refuse_server_name(
    connection: *const bgl_ssl_connection_t,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    unsafe { done(connection, |connection| connection.answer_server_name(ServerNameAnswer::Refused)) }
}

/// Copies out the server name: on clients the one that is sent, on servers the one that was received.
///
/// Returns the length of the whole name; 0 if there is none, or on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_server_name(
    connection: *const bgl_ssl_connection_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the caller vouches for handle and buffer.
    unsafe {
        or(connection, 0, |connection| {
            convert::copy_text(&connection.server_name()?.unwrap_or_default(), buf, size)
        })
    }
}

/// Makes bgl_ssl_connection_verify_error tell whether the peer's certificate is for this host, too: HOSTNAME_MISMATCH or
/// IP_ADDRESS_MISMATCH.
///
/// name: an ASCII DNS name (A-labels for others) or an IP address. Anything else, "" included, is BGL_SSL_E_ARGUMENT.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the handshake has begun, or the connection is closed or
/// busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; name is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_hostname(
    connection: *const bgl_ssl_connection_t,
    name: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for handle and text.
    unsafe {
        done(connection, |connection| connection.set_hostname(Hostname::parse(convert::text(name, "host name")?)?))
    }
}

/// Sets the application protocols that a client offers or a server prefers: by ALPN (RFC 7301) and, for TLS 1.2 and before
/// where OpenSSL has it, by NPN. Without one in common the connection goes on without a protocol, unless
/// bgl_ssl_connection_set_strict_alpn says otherwise.
///
/// With an OpenSSL that has NPN, clients offer it in TLS 1.2 also where no protocols are set: a server that speaks nothing
/// but NPN is answered with "http/1.1" then, as that draft demands an answer.
///
/// names: len bytes, not kept: each name, of 1 to 255 bytes, behind its length, best first, such as "\2h2\10http/1.1".
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the handshake has begun, or the connection is closed or
/// busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; names is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_npn_protos(
    connection: *const bgl_ssl_connection_t,
    names: *const c_void,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for handle and bytes.
    unsafe {
        done(connection, |connection| connection.set_protocols(convert::bytes(names, len, "protocol names")?))
    }
}

/// Says what a server does with a client whose ALPN offer has none of the protocols that were set, or to which none were
/// set: refuse it with the alert no_application_protocol, as RFC 7301 demands, or go on without a protocol, as node does.
///
/// strict: whether such a client is refused; false by default. Clients that offer nothing are never refused. No effect on
/// clients.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the handshake has begun, or the connection is closed or
/// busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_strict_alpn(
    connection: *const bgl_ssl_connection_t,
    strict: bool,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    unsafe { done(connection, |connection| connection.set_strict_protocols(strict)) }
}

/// Copies out the application protocol that ALPN, or NPN with a peer that still has only that, chose.
///
/// Returns the length of the whole name; 0 if none was chosen, or on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_get_negotiated_protocol(
    connection: *const bgl_ssl_connection_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the caller vouches for handle and buffer.
    unsafe {
        or(connection, 0, |connection| {
            convert::copy_text(&connection.negotiated_protocol()?.unwrap_or_default(), buf, size)
        })
    }
}

/// Takes a step of the handshake: with what was put in by bgl_ssl_connection_write, producing what is taken out by
/// bgl_ssl_connection_read.
///
/// Returns 1 once the handshake is done, 0 if it was done before, and -1 if it is not done yet or has failed:
/// bgl_ssl_connection_status tells. Runs callbacks. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_start(connection: *const bgl_ssl_connection_t) -> c_int {
    // SAFETY: the caller vouches for the handle.
    guard::or(-1, || unsafe {
        Ok(match step(connection, Connection::start)? {
            (Outcome::Done, stepped) => c_int::from(stepped),
            _ => -1,
        })
    })
}

/// Takes encrypted bytes out, to be sent to the peer.
///
/// buf: receives up to len bytes from buf[off] on.
///
/// Returns how many; -1 if there are none, or on failure (bgl_ssl_connection_enc_pending is 0 then). Never blocks; any
/// thread.
///
/// Precondition: connection is NULL or live; buf is NULL or writable for off + len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_read(
    connection: *const bgl_ssl_connection_t,
    buf: *mut c_void,
    off: usize,
    len: usize,
) -> c_long {
    // SAFETY: the caller vouches for handle and buffer.
    unsafe {
        or(connection, -1, |connection| {
            let buffer = part_mut(buf, off, len)?;
            let wanted = !buffer.is_empty();
            Ok(match connection.take_outgoing(buffer)? {
                0 if wanted => -1,
                n => n as c_long,
            })
        })
    }
}

/// Puts encrypted bytes in that came from the peer.
///
/// buf: the bytes buf[off] to buf[off + len - 1]; not kept.
///
/// Returns how many were taken: all, up to 2 GB at a time; -1 on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; buf is NULL or readable for off + len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_write(
    connection: *const bgl_ssl_connection_t,
    buf: *const c_void,
    off: usize,
    len: usize,
) -> c_long {
    // SAFETY: the caller vouches for handle and bytes.
    unsafe {
        or(connection, -1, |connection| {
            connection.put_incoming(part(buf, off, len, "buffer")?).map(|n| n as c_long)
        })
    }
}

/// Says that the peer's stream of encrypted bytes has ended: what is missing then is BGL_SSL_E_TRUNCATED rather than
/// BGL_SSL_WANT_READ.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the connection is closed or busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_write_eof(connection: *const bgl_ssl_connection_t) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    unsafe { done(connection, Connection::end_incoming) }
}

/// Encrypts plaintext; before that, takes a step of the handshake if it is not done yet.
///
/// buf: the bytes buf[off] to buf[off + len - 1]; not kept.
///
/// Returns how many were taken: all; -1 if the handshake is not done yet, or on failure: bgl_ssl_connection_status tells.
/// Runs callbacks, during which buf is not read. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; buf is NULL or readable for off + len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_clear_in(
    connection: *const bgl_ssl_connection_t,
    buf: *const c_void,
    off: usize,
    len: usize,
) -> c_long {
    // SAFETY: the caller vouches for handle and bytes.
    guard::or(-1, || unsafe {
        let step = step(connection, |connection| connection.clear_in(part(buf, off, len, "buffer")?))?;
        Ok(count(step))
    })
}

/// Decrypts what the peer sent; before that, takes a step of the handshake if it is not done yet.
///
/// buf: receives up to len bytes from buf[off] on.
///
/// Returns how many; 0 if the peer has ended its half of the stream; -1 if there is nothing yet, or on failure:
/// bgl_ssl_connection_status tells. Runs callbacks, during which buf is not written. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; buf is NULL or writable for off + len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_clear_out(
    connection: *const bgl_ssl_connection_t,
    buf: *mut c_void,
    off: usize,
    len: usize,
) -> c_long {
    // SAFETY: the caller vouches for handle and buffer.
    guard::or(-1, || unsafe {
        let step = step(connection, |connection| connection.clear_out(part_mut(buf, off, len)?))?;
        Ok(count(step))
    })
}

fn count(step: (Outcome, usize)) -> c_long {
    match step {
        (Outcome::Done, n) => n as c_long,
        (Outcome::Eof, _) => 0,
        _ => -1,
    }
}

/// The bytes of `buf` from `off` on, `len` of them.
///
/// Precondition: buf is NULL or writable for off + len bytes, used by nobody else, and outlives 'a.
unsafe fn part_mut<'a>(buf: *mut c_void, off: usize, len: usize) -> Result<&'a mut [u8]> {
    let end = off.checked_add(len).ok_or_else(|| Error::argument("the buffer has an impossible length"))?;
    // SAFETY: the caller vouches for the bytes.
    let whole = unsafe { convert::bytes_mut(buf, end, "buffer")? };
    Ok(whole.get_mut(off..).unwrap_or_default())
}

/// How many encrypted bytes wait to be taken out.
///
/// Returns their number; 0 on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_enc_pending(connection: *const bgl_ssl_connection_t) -> usize {
    // SAFETY: the caller vouches for the handle.
    unsafe { or(connection, 0, |connection| Ok(connection.buffered()?.0)) }
}

/// How many bytes that were put in have not been looked at yet.
///
/// Returns their number; 0 on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_clear_pending(connection: *const bgl_ssl_connection_t) -> usize {
    // SAFETY: the caller vouches for the handle.
    unsafe { or(connection, 0, |connection| Ok(connection.buffered()?.1)) }
}

/// Whether the handshake is done.
///
/// Returns false also once the connection is closed, and on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_init_finishedp(connection: *const bgl_ssl_connection_t) -> bool {
    // SAFETY: the caller vouches for the handle.
    unsafe { or(connection, false, Connection::is_handshaken) }
}

/// Sends close_notify (to be taken out by bgl_ssl_connection_read); called again, looks for the peer's.
///
/// Returns 0 once close_notify is sent, 1 once the peer's has come, too; -1 if neither can be done now, or on failure:
/// bgl_ssl_connection_status tells. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_shutdown(connection: *const bgl_ssl_connection_t) -> c_int {
    // SAFETY: the caller vouches for the handle.
    unsafe { or(connection, -1, Connection::shutdown) }
}

/// Frees what the connection holds; without a word to the peer. What it said last (status, err, shutdown flags, events not
/// taken aside) can still be asked.
///
/// Returns BGL_SSL_OK, also a second time, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if another thread uses it. Never blocks;
/// any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_close(connection: *const bgl_ssl_connection_t) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    unsafe { done(connection, Connection::close) }
}

/// Frees a connection. Takes NULL; returns nothing, never fails, never blocks. From inside a callback, the connection goes
/// once the step has returned.
///
/// Precondition: connection is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_free(connection: *mut bgl_ssl_connection_t) {
    // SAFETY: the caller vouches for the handle.
    unsafe {
        // Lets a step that is under way end at once.
        guard::quietly(|| {
            let _ = handle::with(connection, |door| door.connection.close());
        });
        handle::release(connection);
    }
}

/// How the last of bgl_ssl_connection_start, bgl_ssl_connection_clear_in, bgl_ssl_connection_clear_out and
/// bgl_ssl_connection_shutdown went.
///
/// Returns BGL_SSL_OK, BGL_SSL_WANT_READ, BGL_SSL_WANT_EVENT, BGL_SSL_EOF, BGL_SSL_E_PROTOCOL, BGL_SSL_E_TRUNCATED, or
/// another failure; BGL_SSL_E_ARGUMENT for NULL. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_status(connection: *const bgl_ssl_connection_t) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    guard::status(|| unsafe {
        handle::with(connection, |door| {
            Ok(match door.connection.last()? {
                Outcome::Done => BGL_SSL_OK,
                Outcome::WantRead => BGL_SSL_WANT_READ,
                Outcome::WantEvent => BGL_SSL_WANT_EVENT,
                Outcome::Eof => BGL_SSL_EOF,
                Outcome::Failed(code, _) => code as bgl_ssl_status_t,
            })
        })
    })
}

/// Copies out why that step failed, in one line. The peer's close_notify is no failure: the status is BGL_SSL_EOF then.
///
/// Returns the length of the whole text; 0 if nothing is wrong. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_err(
    connection: *const bgl_ssl_connection_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the caller vouches for handle and buffer.
    unsafe {
        or(connection, 0, |connection| {
            let text = match connection.last()? {
                Outcome::Failed(_, message) => message,
                _ => String::new(),
            };
            convert::copy_text(text.as_bytes(), buf, size)
        })
    }
}

/// Whether the peer's close_notify has come, as far as it has been read.
///
/// Returns false on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_received_shutdown(connection: *const bgl_ssl_connection_t) -> bool {
    // SAFETY: the caller vouches for the handle.
    unsafe { or(connection, false, |connection| Ok(connection.close_notifies()?.1)) }
}

/// Whether close_notify has been sent, as far as it has been taken out.
///
/// Returns false on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_sent_shutdown(connection: *const bgl_ssl_connection_t) -> bool {
    // SAFETY: the caller vouches for the handle.
    unsafe { or(connection, false, |connection| Ok(connection.close_notifies()?.0)) }
}

/// Offers, on a client, to resume a session; the server may refuse. The offer is left out, so that the handshake is a full
/// one, where that might end in another way than the one that made the session: the context has other CAs, revocation
/// lists, ciphers or options, the server name or host name is another, or a certificate of the peer's chain or a
/// revocation list has expired.
///
/// session: len bytes from bgl_ssl_connection_get_session or the new-session callback; not kept. Bytes behind the session
/// are ignored.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, also if that is no session, or BGL_SSL_E_STATE if the handshake has begun, or
/// the connection is closed or busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; session is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_session(
    connection: *const bgl_ssl_connection_t,
    session: *const c_void,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for handle and bytes.
    unsafe { done(connection, |connection| connection.set_session(convert::bytes(session, len, "session")?)) }
}

/// Copies out the session, serialized (ASN.1, DER): as many bytes as fit. It holds secrets. With TLS 1.3 it can be
/// resumed only once the server's ticket has come, which is when the new-session callback is called.
///
/// Returns the length of the whole session; 0 if there is none yet, or on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_get_session(
    connection: *const bgl_ssl_connection_t,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the caller vouches for handle and buffer.
    unsafe { or(connection, 0, |connection| convert::copy_bytes(&connection.session()?, buf, size)) }
}

/// Hands, on a server, a session to the look-up of the handshake, which takes it if the client wants the one of its id,
/// and a full handshake would accept the same client: context and connection demand the same of clients as when it was
/// made, and neither the client's chain nor a revocation list has expired. Tickets are looked at likewise.
///
/// session: len bytes from the new-session callback; not kept. Bytes behind the session are ignored. None at all takes
/// the one handed before away.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, also if that is no session, or BGL_SSL_E_STATE if the connection is closed or
/// busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; session is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_load_session(
    connection: *const bgl_ssl_connection_t,
    session: *const c_void,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for handle and bytes.
    unsafe { done(connection, |connection| connection.load_session(convert::bytes(session, len, "session")?)) }
}

/// Whether the connection resumed a session.
///
/// Returns false on failure, too. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_reused(connection: *const bgl_ssl_connection_t) -> bool {
    // SAFETY: the caller vouches for the handle.
    unsafe { or(connection, false, Connection::session_reused) }
}

/// The name of the cipher in use.
///
/// Returns a static text; NULL before there is one, and on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_get_current_cipher(
    connection: *const bgl_ssl_connection_t,
) -> *const c_char {
    // SAFETY: the caller vouches for the handle.
    unsafe { or(connection, ptr::null(), |connection| Ok(text(connection.cipher()?.map(|(name, _)| name)))) }
}

/// The lowest protocol version that has the cipher in use: not the negotiated one, which bgl_ssl_connection_protocol tells.
///
/// Returns a static text, such as "TLSv1.2"; NULL before there is a cipher, and on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_get_current_cipher_version(
    connection: *const bgl_ssl_connection_t,
) -> *const c_char {
    // SAFETY: the caller vouches for the handle.
    unsafe { or(connection, ptr::null(), |connection| Ok(text(connection.cipher()?.map(|(_, version)| version)))) }
}

/// The negotiated protocol version.
///
/// Returns a static text, such as "TLSv1.3"; NULL before there is one, and on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_protocol(connection: *const bgl_ssl_connection_t) -> *const c_char {
    // SAFETY: the caller vouches for the handle.
    unsafe { or(connection, ptr::null(), |connection| Ok(text(connection.protocol()?))) }
}

fn text(text: Option<&'static CStr>) -> *const c_char {
    text.map_or(ptr::null(), CStr::as_ptr)
}

/// What is wrong with the peer's certificate: to be asked after the handshake, before the peer is believed. A resumed
/// handshake tells what a full one would. Of several faults of a chain the last that OpenSSL finds is told, and the name
/// only where the chain is fine.
///
/// Returns NULL if it is fine, else a static text: the name of OpenSSL's constant without X509_V_ERR_, such as
/// "CERT_HAS_EXPIRED"; "UNABLE_TO_GET_ISSUER_CERT" if the peer has sent none; "OUT_OF_MEM" if the certificate could not be
/// verified for lack of memory; "INVALID_CALL" if this could not be found
/// out: the connection is NULL, closed or busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_verify_error(connection: *const bgl_ssl_connection_t) -> *const c_char {
    // SAFETY: the caller vouches for the handle.
    unsafe { or(connection, c"INVALID_CALL".as_ptr(), |connection| Ok(text(connection.verify_error()?))) }
}

/// The peer's certificate: see bgl_ssl_certificate_subject_lines, bgl_ssl_certificate_alt_names and its other functions.
///
/// Returns a certificate, to be freed with bgl_ssl_certificate_free, or NULL if the peer has sent none, and on failure:
/// BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_get_peer_certificate(
    connection: *const bgl_ssl_connection_t,
) -> *mut bgl_ssl_certificate_t {
    let share = |certificate: Option<Certificate>| certificate.map_or(ptr::null_mut(), handle::share);
    // SAFETY: the caller vouches for the handle.
    unsafe { or(connection, ptr::null_mut(), |connection| connection.peer_certificate().map(share)) }
}

/// The certificates that the peer sent, its own first.
///
/// Returns a list, maybe empty, to be freed with bgl_ssl_certificate_list_free, or NULL on failure: BGL_SSL_E_ARGUMENT,
/// BGL_SSL_E_STATE. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_peer_chain(
    connection: *const bgl_ssl_connection_t,
) -> *mut bgl_ssl_certificate_list_t {
    // SAFETY: the caller vouches for the handle.
    unsafe { or(connection, ptr::null_mut(), |connection| connection.peer_chain().map(handle::give)) }
}
