//! What OpenSSL calls while a connection over memory works: see `hooks`.

use crate::error::{Code, Result};
use crate::ossl::{
    bytes,
    ctx::Ctx,
    queue,
    session::{Session, rules::DEFAULT_LIFETIME},
    ssl::{
        extensions::{extension, first_host_name, first_session_id},
        messages,
        names::set_server_name_callback,
        ticket_key,
    },
    sys, versions,
};
use openssl_sys as ffi;
use std::{
    ffi::{c_int, c_long, c_uchar, c_void},
    ptr,
};

use super::{
    hooks::{Answer, Event, Hooks, with_hooks},
    protocols,
};

/// Makes a new context call the callbacks below, whichever connection it serves: each is an `Engine`, whose hooks outlive its
/// SSL, or one without hooks. Clients always offer NPN, where OpenSSL has it: what a context does cannot be changed safely
/// once connections use it.
pub fn attach(ctx: &mut Ctx) -> Result<()> {
    let ctx = ctx.as_ptr();
    let cache = ffi::SSL_SESS_CACHE_BOTH | ffi::SSL_SESS_CACHE_NO_INTERNAL | sys::SSL_SESS_CACHE_NO_AUTO_CLEAR;
    // SAFETY: the context is live; the callbacks have the types that OpenSSL asks for.
    unsafe {
        // A write may be repeated from another place; idle connections keep no buffers.
        ffi::SSL_CTX_set_mode(
            ctx,
            ffi::SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER as c_long | sys::SSL_MODE_RELEASE_BUFFERS,
        );
        // Reading returns after a session, before the text behind it.
        ffi::SSL_CTX_ctrl(ctx, sys::SSL_CTRL_CLEAR_MODE, ffi::SSL_MODE_AUTO_RETRY, ptr::null_mut());
        versions::ctx_set_options(ctx, sys::SSL_OP_NO_RENEGOTIATION | sys::SSL_OP_NO_COMPRESSION);
        ffi::SSL_CTX_set_session_cache_mode(ctx, cache);
        ffi::SSL_CTX_sess_set_new_cb(ctx, Some(new_session));
        ffi::SSL_CTX_sess_set_get_cb(ctx, Some(get_session));
        sys::SSL_CTX_set_session_ticket_cb(ctx, None, Some(decrypted_ticket), ptr::null_mut());
        sys::SSL_CTX_set_cert_verify_callback(ctx, Some(verify), ptr::null_mut());
        ffi::SSL_CTX_set_client_hello_cb(ctx, Some(client_hello), ptr::null_mut());
        set_server_name_callback(ctx, server_name);
        sys::SSL_CTX_set_alpn_select_cb(ctx, Some(protocols::select_alpn), ptr::null_mut());
        #[cfg(npn)]
        sys::SSL_CTX_set_next_protos_advertised_cb(ctx, Some(protocols::advertise_npn), ptr::null_mut());
        #[cfg(npn)]
        sys::SSL_CTX_set_next_proto_select_cb(ctx, Some(protocols::select_npn), ptr::null_mut());
        queue::clear();
        queue::check(versions::set_ticket_key_callback(ctx, ticket_keys), Code::Internal, "cannot set ticket keys")
    }
}

/// Gives OpenSSL the keys of a ticket.
unsafe extern "C" fn ticket_keys(
    ssl: *mut ffi::SSL,
    name: *mut c_uchar,
    iv: *mut c_uchar,
    cipher: *mut ffi::EVP_CIPHER_CTX,
    mac: *mut sys::TicketMac,
    encrypts: c_int,
) -> c_int {
    // SAFETY: OpenSSL passes a live SSL of an `Engine`, or one without hooks; live contexts, a name of 16 bytes and space
    // for an IV.
    unsafe {
        with_hooks(ssl, ticket_key::FAILED, |hooks| {
            let keys = &*hooks.ticket_keys;
            ticket_key::give(keys, DEFAULT_LIFETIME, ssl, (name, iv), (cipher, mac), encrypts)
        })
    }
}

/// Beginning and end of handshakes.
pub unsafe extern "C" fn info(ssl: *const ffi::SSL, what: c_int, _: c_int) {
    // SAFETY: OpenSSL passes a live SSL of an `Engine`, or one without hooks.
    unsafe {
        with_hooks(ssl, (), |hooks| {
            let wanted = hooks.wanted.get().info;
            hooks.note(wanted && what & sys::SSL_CB_HANDSHAKE_START != 0, || Event::HandshakeStart);
            hooks.note(wanted && what & sys::SSL_CB_HANDSHAKE_DONE != 0, || Event::HandshakeDone);
        });
    }
}

/// Verifies the peer, and lets the handshake go on: the owner asks afterwards what was found.
unsafe extern "C" fn verify(ctx: *mut ffi::X509_STORE_CTX, _: *mut c_void) -> c_int {
    // SAFETY: OpenSSL passes a live store context, whose ex_data leads to the live SSL of an `Engine`, or to one without
    // hooks.
    unsafe {
        let ssl: *mut ffi::SSL =
            ffi::X509_STORE_CTX_get_ex_data(ctx, sys::SSL_get_ex_data_X509_STORE_CTX_idx()).cast();
        let verdict = with_hooks(ssl, sys::X509_V_ERR_UNSPECIFIED, |hooks| {
            let verdict = hooks.trust.borrow().verify(ctx, ssl, hooks.expected.borrow().as_ref());
            hooks.verdict.set(Some(verdict));
            verdict
        });
        ffi::X509_STORE_CTX_set_error(ctx, verdict);
    }
    1
}

/// A session that the owner may keep. OpenSSL keeps its own reference.
unsafe extern "C" fn new_session(ssl: *mut ffi::SSL, session: *mut ffi::SSL_SESSION) -> c_int {
    // SAFETY: OpenSSL passes a live SSL of an `Engine`, or one without hooks, and a live session.
    unsafe {
        with_hooks(ssl, (), |hooks| {
            if hooks.wanted.get().new_session {
                if let Some(session) = Session::from_borrowed(session) {
                    hooks.note_session(session.id(), session.der());
                }
            }
        });
    }
    0
}

/// Hands out the session that the owner loaded, if it is the one that the client wants.
unsafe extern "C" fn get_session(
    ssl: *mut ffi::SSL,
    id: *const c_uchar,
    len: c_int,
    copy: *mut c_int,
) -> *mut ffi::SSL_SESSION {
    // SAFETY: OpenSSL passes a live SSL of an `Engine`, or one without hooks, `len` readable bytes and a live flag. The
    // reference becomes OpenSSL's.
    unsafe {
        *copy = 0;
        let id = bytes(id, len);
        with_hooks(ssl, ptr::null_mut(), |hooks| {
            let session = hooks.loaded.borrow_mut().take_if(|session| session.id() == id);
            let session = session.filter(|session| hooks.trust.borrow().covers(session));
            session.map_or(ptr::null_mut(), Session::into_raw)
        })
    }
}

/// Lets a client resume by a ticket only what a full handshake would come to.
unsafe extern "C" fn decrypted_ticket(
    ssl: *mut ffi::SSL,
    session: *mut ffi::SSL_SESSION,
    _: *const c_uchar,
    _: usize,
    status: c_int,
    _: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL passes a live SSL of an `Engine`, or one without hooks, and a live session where it has decrypted one.
    unsafe {
        with_hooks(ssl, sys::SSL_TICKET_RETURN_IGNORE_RENEW, |hooks| {
            let covered = || {
                let session = Session::from_borrowed(session);
                session.is_some_and(|session| hooks.trust.borrow().covers(&session))
            };
            match status {
                sys::SSL_TICKET_SUCCESS if covered() => sys::SSL_TICKET_RETURN_USE,
                sys::SSL_TICKET_SUCCESS_RENEW if covered() => sys::SSL_TICKET_RETURN_USE_RENEW,
                // A full handshake, and another ticket at its end.
                _ => sys::SSL_TICKET_RETURN_IGNORE_RENEW,
            }
        })
    }
}

/// Reads the client's hello before OpenSSL acts upon it, and stops the handshake where the owner has to be asked.
unsafe extern "C" fn client_hello(ssl: *mut ffi::SSL, _: *mut c_int, _: *mut c_void) -> c_int {
    // SAFETY: OpenSSL passes a live SSL of an `Engine`, or one without hooks, in the state in which its hello may be read.
    unsafe {
        with_hooks(ssl, ffi::SSL_CLIENT_HELLO_ERROR, |hooks| {
            let first = !hooks.greeted.replace(true);
            let looking = first && look_up_session(ssl, hooks);
            if first {
                ask_for_server_name(ssl, hooks);
            }
            if looking || hooks.asking.get() {
                return ffi::SSL_CLIENT_HELLO_RETRY;
            }
            // Before OpenSSL looks for a session: what it may find depends on the context.
            if switch_context(ssl, hooks) { ffi::SSL_CLIENT_HELLO_SUCCESS } else { ffi::SSL_CLIENT_HELLO_ERROR }
        })
    }
}

/// Goes on with the context that the owner has chosen: its certificate, ciphers, CAs, versions and options, and the
/// sessions of its scope only. False on failure.
///
/// # Safety
/// Called from `client_hello`.
unsafe fn switch_context(ssl: *mut ffi::SSL, hooks: &Hooks) -> bool {
    let answer = hooks.answer.borrow();
    let Some(Answer::Switch(ctx, trust)) = &*answer else {
        return true;
    };
    hooks.trust.replace(trust.clone());
    let ctx = ctx.as_ptr();
    // SAFETY: the preconditions cover the SSL, to which OpenSSL adds a reference to the live context.
    unsafe {
        if ffi::SSL_set_SSL_CTX(ssl, ctx).is_null() || !trust.mark(ssl) {
            return false;
        }
        let options = ffi::SSL_CTX_get_options(ctx) as sys::Options;
        sys::SSL_clear_options(ssl, !options);
        sys::SSL_set_options(ssl, options);
        versions::copy_version_bounds(ctx, ssl)
    }
}

/// # Safety
/// Called from `client_hello`.
unsafe fn ask_for_server_name(ssl: *mut ffi::SSL, hooks: &Hooks) {
    // SAFETY: the preconditions cover it.
    let name = unsafe { extension(ssl, sys::TLSEXT_TYPE_SERVER_NAME) }.and_then(first_host_name);
    hooks.server_name.replace(name.map(<[u8]>::to_vec));
    if let Some(name) = name.filter(|_| hooks.wanted.get().server_name) {
        hooks.asking.set(true);
        hooks.note(true, || Event::ServerName(name.to_vec()));
    }
}

/// # Safety
/// Called from `client_hello`.
unsafe fn look_up_session(ssl: *mut ffi::SSL, hooks: &Hooks) -> bool {
    if !hooks.wanted.get().session_lookup {
        return false;
    }
    let mut id: *const c_uchar = ptr::null();
    // SAFETY: the preconditions cover it; OpenSSL lends `len` bytes.
    let (legacy, psk) = unsafe {
        let len = ffi::SSL_client_hello_get0_session_id(ssl, &mut id);
        (bytes(id, c_int::try_from(len).unwrap_or(0)), extension(ssl, sys::TLSEXT_TYPE_PSK))
    };
    // TLS 1.3 has its ids among the pre-shared keys; its other field of that name is filled with noise.
    let id = psk.map_or(Some(legacy), first_session_id).filter(|id| !id.is_empty());
    hooks.note(id.is_some(), || Event::SessionLookup(id.unwrap_or_default().to_vec()));
    id.is_some()
}

/// Acknowledges the client's server name, or not, as the owner has answered.
unsafe extern "C" fn server_name(ssl: *mut ffi::SSL, alert: *mut c_int, _: *mut c_void) -> c_int {
    // SAFETY: OpenSSL passes a live SSL of an `Engine`, or one without hooks, and a live alert.
    unsafe {
        with_hooks(ssl, ffi::SSL_TLSEXT_ERR_ALERT_FATAL, |hooks| {
            let answer = hooks.answer.borrow();
            match &*answer {
                None if ffi::SSL_get_servername(ssl, sys::TLSEXT_NAMETYPE_HOST_NAME).is_null() => {
                    ffi::SSL_TLSEXT_ERR_NOACK
                }
                None | Some(Answer::Own | Answer::Switch(..)) => ffi::SSL_TLSEXT_ERR_OK,
                Some(Answer::NotAcknowledged) => ffi::SSL_TLSEXT_ERR_NOACK,
                Some(Answer::Refused) => {
                    *alert = sys::SSL_AD_UNRECOGNIZED_NAME;
                    ffi::SSL_TLSEXT_ERR_ALERT_FATAL
                }
            }
        })
    }
}

/// Keeps the hellos: they say why two ends have nothing in common.
pub unsafe extern "C" fn message(
    written: c_int,
    _: c_int,
    kind: c_int,
    data: *const c_void,
    len: usize,
    ssl: *mut ffi::SSL,
    _: *mut c_void,
) {
    // SAFETY: OpenSSL passes a live SSL and `len` readable bytes.
    unsafe { with_hooks(ssl, (), |hooks| messages::note(&hooks.messages, written == 1, kind, data, len, ssl)) }
}
