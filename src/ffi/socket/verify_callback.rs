//! The verify callback of a config.

use crate::{pki::certificate::Certificate, socket::Socket, verify::callback::VerifyCallback};
use std::{any::Any, ffi::c_void, sync::Arc};

use crate::ffi::{
    certificate::bgl_ssl_certificate_list_t,
    config::{bgl_ssl_config_t, change},
    handle,
    socket::bgl_ssl_socket_t,
    status::bgl_ssl_status_t,
    user::User,
};

/// Decides about a peer whose handshake is complete.
///
/// socket: the connection, for questions about it: valid during the call only, also where the program has the socket
/// under another pointer.
/// chain: the chain that was verified, the peer's certificate first and the trusted one last; where none was, what the
/// peer has sent; empty if it has shown no certificate. Valid during the call only.
/// verify_result: an X509_V_ERR_... number, 0 if nothing is wrong; where the config verifies no chain, what a
/// verification would have found. Where the chain is wrong, nothing after that fault was checked, not even
/// signatures.
/// user: what was given with the function.
///
/// Returns true to accept the peer, false to refuse it.
///
/// It is called in the thread that completes the handshake, before that call returns, and may take its time: time
/// limits do not interrupt it, and calls of other threads on this socket wait for it. It may call any function of this
/// library; on this socket those that read, write or do the handshake are BGL_SSL_E_STATE. It must return: it may not
/// raise an exception or call longjmp.
pub type bgl_ssl_verify_callback_t = Option<
    unsafe extern "C" fn(
        socket: *const bgl_ssl_socket_t,
        chain: *const bgl_ssl_certificate_list_t,
        verify_result: i32,
        user: *mut c_void,
    ) -> bool,
>;

/// Precondition: callback may be called with user until nothing uses what is returned.
unsafe fn callback_of(
    callback: bgl_ssl_verify_callback_t,
    user: *mut c_void,
    may_override: bool,
) -> Option<VerifyCallback> {
    let user = User(user);
    callback.map(|callback| {
        let decide = move |connection: Box<dyn Any>, chain: Vec<Certificate>, verify_result: i32| {
            let Some(socket) = Socket::in_callback(connection) else { return false };
            let (socket, chain) = (handle::give(socket), handle::give(chain));
            // SAFETY: the preconditions cover the function; both handles are live until they are freed here.
            unsafe {
                let accepted = callback(socket, chain, verify_result, user.pointer());
                handle::free::<bgl_ssl_certificate_list_t>(chain);
                handle::free::<bgl_ssl_socket_t>(socket);
                accepted
            }
        };
        VerifyCallback { decide: Arc::new(decide), may_override }
    })
}

/// Sets a function that may refuse peers whom the config accepts: it is called once a handshake is complete, full or
/// resumed, before the first byte of the program's. It cannot accept whom the config refuses, for whom it is not
/// called.
///
/// callback: NULL for none (the default). The function and user must stay usable until the config and everything that
/// was made with it is freed. Several threads may call it at the same time.
/// user: is passed on to the function; may be NULL.
///
/// A peer that is refused is BGL_SSL_E_VERIFY in the call that completes the handshake. For OpenSSL the handshake is
/// complete by then: a client has sent its own certificate already, and no alert is sent: the peer's reads are
/// BGL_SSL_E_TRUNCATED (datagrams: BGL_SSL_EOF).
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; callback is NULL or can be called with user.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_verify_callback(
    config: *mut bgl_ssl_config_t,
    callback: bgl_ssl_verify_callback_t,
    user: *mut c_void,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and function.
    unsafe {
        change(config, |config| {
            config.verify_callback = callback_of(callback, user, false);
            Ok(())
        })
    }
}

/// Sets a function that decides about peers in place of the config's verification, which reports to it what it has
/// found wrong: it may accept whom the config refuses. Otherwise as bgl_ssl_config_set_verify_callback, which it
/// replaces. A peer that shows no certificate where one is demanded is refused nevertheless. The function is asked
/// after the handshake: a client has sent its own certificate by then, also to a server whom the function refuses.
///
/// verify_result is one fault of the chain, the certificate's own times, the name, the pinned keys, the accepted list
/// or the staple, or X509_V_ERR_UNSPECIFIED (1) where several of these are wrong. Where it is the chain, nothing after
/// that fault was checked, not even signatures: a function should accept such a peer only by comparing the certificate
/// itself. A session of a peer that was accepted so is resumed until the next certificate of the chain expires.
///
/// callback: NULL for none. A function that always returns true makes connections that anybody can intercept.
/// user: is passed on to the function; may be NULL.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; callback is NULL or can be called with user.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_insecure_set_verify_override(
    config: *mut bgl_ssl_config_t,
    callback: bgl_ssl_verify_callback_t,
    user: *mut c_void,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and function.
    unsafe {
        change(config, |config| {
            config.verify_callback = callback_of(callback, user, true);
            Ok(())
        })
    }
}
