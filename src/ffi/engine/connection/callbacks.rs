//! Callbacks: setting them, and calling them between the steps of a connection.

use crate::{
    engine::{
        connection::{Event, Outcome, ServerNameAnswer},
        state::State,
    },
    error::Result,
    ossl::engine::hooks::Wanted,
};
use std::ffi::{c_int, c_void};

use crate::ffi::{
    engine::connection::{
        Callback, Callbacks, ConnectionHandle, bgl_ssl_connection_t, bgl_ssl_info_callback_t,
        bgl_ssl_newsession_callback_t, bgl_ssl_session_lookup_callback_t, bgl_ssl_sni_context_callback_t, lock,
    },
    engine::secure_context::bgl_ssl_ctx_t,
    guard, handle,
    status::bgl_ssl_status_t,
};

/// Takes a step, and calls the callbacks about what happened in it, until it is done or has to wait for the caller.
///
/// Precondition: connection is NULL or live.
pub(super) unsafe fn run_step<T>(
    connection: *const bgl_ssl_connection_t,
    mut body: impl FnMut(&mut State) -> Result<(Outcome, T)>,
) -> Result<(Outcome, T)> {
    let mut step = || {
        // SAFETY: the precondition covers the handle.
        unsafe { handle::with(connection, |handle| Ok(handle.connection.step(&mut body))) }
    };
    let (mut result, mut has_events) = step()?;
    let waits = |result: &Result<(Outcome, T)>| matches!(result, Ok((Outcome::WantEvent, _)));
    if !has_events && !waits(&result) {
        return result;
    }
    // SAFETY: the precondition covers the handle; a further reference keeps it alive if a callback frees it.
    unsafe {
        let reference = handle::hold(connection)?;
        let held = reference.as_ptr();
        loop {
            if has_events {
                dispatch_events(held);
            }
            if !waits(&result)
                || !handle::with(held, |handle| handle.connection.must_stop()).is_ok_and(|must_stop| !must_stop)
            {
                return result;
            }
            (result, has_events) = step()?;
        }
    }
}

/// Calls the callbacks about events, in their order, up to one that has none. Nothing is locked meanwhile.
///
/// Precondition: connection is live, and stays so.
unsafe fn dispatch_events(connection: *mut bgl_ssl_connection_t) {
    // SAFETY: the precondition covers the handle.
    unsafe {
        while let Ok((callbacks, Some(event))) = handle::with(connection, |handle| {
            let callbacks = *lock(&handle.callbacks);
            handle.connection.next_event(|event| callbacks.take(event)).map(|event| (callbacks, event))
        }) {
            invoke_callback(connection, &callbacks, &event);
        }
    }
}

/// Precondition: connection is live, and stays so.
unsafe fn invoke_callback(connection: *mut bgl_ssl_connection_t, callbacks: &Callbacks, event: &Event) {
    // SAFETY: the precondition covers the handle, and the setter's the callback; bytes live until it returns.
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

/// Gives the callback's answer, unless the callback has refused the client, or closed the connection. An unusable
/// context refuses it, too.
///
/// Precondition: connection is live; context is NULL or live.
unsafe fn answer(connection: *mut bgl_ssl_connection_t, context: *const bgl_ssl_ctx_t) {
    // SAFETY: the precondition covers the handles.
    unsafe {
        let given = handle::borrow_optional(context).and_then(|context| {
            let answer = context.map_or(ServerNameAnswer::NotAcknowledged, ServerNameAnswer::Context);
            handle::with(connection, |handle| handle.connection.answer_server_name(answer))
        });
        if given.is_err() {
            let refuse =
                |handle: &ConnectionHandle| handle.connection.answer_server_name(ServerNameAnswer::Refused);
            // Fails where the callback has answered, or closed the connection.
            let _ = handle::with(connection, refuse);
        }
    }
}

/// Sets a callback, and keeps events of its kind or no longer.
///
/// Precondition: connection is NULL or live.
unsafe fn set_callback(
    connection: *const bgl_ssl_connection_t,
    want: impl FnOnce(&mut Wanted),
    set: impl FnOnce(&mut Callbacks),
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe {
        handle::with(connection, |handle| {
            handle.connection.want(want)?;
            set(&mut lock(&handle.callbacks));
            Ok(())
        })
    })
}

/// Sets what is called when a handshake starts and when it is done.
///
/// callback: NULL for none.
/// user: what it is called with.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the connection is closed or busy. Never blocks; any
/// thread.
///
/// Precondition: connection is NULL or live; callback and user stay usable as long as the connection is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_info_callback(
    connection: *const bgl_ssl_connection_t,
    callback: bgl_ssl_info_callback_t,
    user: *mut c_void,
) -> bgl_ssl_status_t {
    let want = |wanted: &mut Wanted| wanted.info = callback.is_some();
    // SAFETY: the precondition covers handle and callback.
    unsafe { set_callback(connection, want, |callbacks| callbacks.info = Callback { function: callback, user }) }
}

/// Sets what is called on a server when the client asks for a name. The handshake waits for it.
///
/// callback: NULL for none: then every name is acknowledged.
/// user: what it is called with.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the connection is closed or busy. Never blocks; any
/// thread.
///
/// Precondition: connection is NULL or live; callback and user stay usable as long as the connection is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_sni_context_callback(
    connection: *const bgl_ssl_connection_t,
    callback: bgl_ssl_sni_context_callback_t,
    user: *mut c_void,
) -> bgl_ssl_status_t {
    let want = |wanted: &mut Wanted| wanted.server_name = callback.is_some();
    // SAFETY: the precondition covers handle and callback.
    unsafe {
        set_callback(connection, want, |callbacks| callbacks.sni_context = Callback { function: callback, user })
    }
}

/// Sets what is called with each new session: on servers, to be found again by its id; on clients, to be resumed later.
///
/// callback: NULL for none.
/// user: what it is called with.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the connection is closed or busy. Never blocks; any
/// thread.
///
/// Precondition: connection is NULL or live; callback and user stay usable as long as the connection is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_newsession_callback(
    connection: *const bgl_ssl_connection_t,
    callback: bgl_ssl_newsession_callback_t,
    user: *mut c_void,
) -> bgl_ssl_status_t {
    let want = |wanted: &mut Wanted| wanted.new_session = callback.is_some();
    // SAFETY: the precondition covers handle and callback.
    unsafe {
        set_callback(connection, want, |callbacks| callbacks.newsession = Callback { function: callback, user })
    }
}

/// Sets what is called on a server when the client wants to resume a session by its id. The handshake waits for it. A
/// client of TLS 1.3 may send an id that no server has issued.
///
/// callback: NULL for none.
/// user: what it is called with.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the connection is closed or busy. Never blocks; any
/// thread.
///
/// Precondition: connection is NULL or live; callback and user stay usable as long as the connection is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_session_lookup_callback(
    connection: *const bgl_ssl_connection_t,
    callback: bgl_ssl_session_lookup_callback_t,
    user: *mut c_void,
) -> bgl_ssl_status_t {
    let want = |wanted: &mut Wanted| wanted.session_lookup = callback.is_some();
    // SAFETY: the precondition covers handle and callback.
    unsafe {
        set_callback(connection, want, |callbacks| callbacks.session_lookup = Callback { function: callback, user })
    }
}
