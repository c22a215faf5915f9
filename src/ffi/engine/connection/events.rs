//! Events, in place of callbacks.

use crate::{
    engine::connection::{Event, ServerNameAnswer},
    error::Error,
    ossl::engine::hooks::Wanted,
};
use std::ffi::{c_char, c_int, c_void};

use crate::ffi::{
    convert,
    engine::connection::{bgl_ssl_connection_t, lock, status_of, with_connection},
    engine::secure_context::bgl_ssl_ctx_t,
    guard, handle,
    status::bgl_ssl_status_t,
};

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
/// Stop steps when there are events, before any data is moved: for callers that may raise an exception then, and would
/// not learn how much data was moved. BGL_SSL_WANT_EVENT means: take the events and repeat the step.
pub const BGL_SSL_STOP_FOR_EVENTS: c_int = 16;

/// Chooses which events are kept for bgl_ssl_connection_next_event: for callers without callbacks.
///
/// kinds: the sum of BGL_SSL_WANT_..._EVENTS, and BGL_SSL_STOP_FOR_EVENTS if wanted.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the connection is closed or busy. Never blocks; any
/// thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_want_events(
    connection: *const bgl_ssl_connection_t,
    kinds: c_int,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe {
        status_of(connection, |connection| {
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
    // SAFETY: the precondition covers the handle.
    guard::status(|| unsafe {
        handle::with(connection, |handle| {
            let event = handle.connection.next_event(|_| true)?;
            let kind = match &event {
                None => BGL_SSL_EVENT_NONE,
                Some(Event::HandshakeStart) => BGL_SSL_EVENT_HANDSHAKE_START,
                Some(Event::HandshakeDone) => BGL_SSL_EVENT_HANDSHAKE_DONE,
                Some(Event::ServerName(_)) => BGL_SSL_EVENT_SERVER_NAME,
                Some(Event::NewSession(..)) => BGL_SSL_EVENT_NEW_SESSION,
                Some(Event::SessionLookup(_)) => BGL_SSL_EVENT_SESSION_LOOKUP,
            };
            *lock(&handle.event) = event;
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
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe {
        handle::with(connection, |handle| {
            let event = lock(&handle.event);
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
    // SAFETY: the precondition covers handle and buffer.
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
    // SAFETY: the precondition covers handle and buffer.
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
/// acknowledge: if ctx is NULL, whether the client's name is acknowledged.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if no name waits for an answer, or connection or context
/// is closed. Never blocks; any thread.
///
/// Precondition: connection and ctx are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_answer_server_name(
    connection: *const bgl_ssl_connection_t,
    ctx: *const bgl_ssl_ctx_t,
    acknowledge: bool,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    unsafe {
        status_of(connection, |connection| {
            connection.answer_server_name(match handle::borrow_optional(ctx)? {
                Some(ctx) => ServerNameAnswer::Context(ctx),
                None if acknowledge => ServerNameAnswer::Own,
                None => ServerNameAnswer::NotAcknowledged,
            })
        })
    }
}

/// Answers an event BGL_SSL_EVENT_SERVER_NAME, or from inside the callback: the handshake fails with the alert
/// unrecognized_name.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if no name waits for an answer, or the connection is
/// closed. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_refuse_server_name(
    connection: *const bgl_ssl_connection_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { status_of(connection, |connection| connection.answer_server_name(ServerNameAnswer::Refused)) }
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
    // SAFETY: the precondition covers handle and buffer.
    unsafe {
        with_connection(connection, 0, |connection| {
            convert::copy_text(&connection.server_name()?.unwrap_or_default(), buf, size)
        })
    }
}
