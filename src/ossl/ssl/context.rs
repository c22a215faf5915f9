//! SSL_CTX for sockets: with the callbacks of this directory.

use crate::{
    error::{Code, Result},
    ossl::{
        ctx::{Ctx, Method},
        queue, sys, versions,
    },
};
use openssl_sys as ffi;
use std::{ffi::c_long, ptr};

use super::{dtls, messages, names, resumption, session_end, staple, ticket_key, verify};

/// A context for sockets: streams (TLS) or datagrams (DTLS), either end.
pub fn new(datagram: bool) -> Result<Ctx> {
    let mut ctx = Ctx::bare(if datagram { Method::Dtls } else { Method::Tls })?;
    // A write takes one record at a time, from wherever the caller has the rest; idle connections keep no buffers.
    let mode = ffi::SSL_MODE_ENABLE_PARTIAL_WRITE | ffi::SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER;
    // SAFETY: the context is live; the callbacks have the types that OpenSSL asks for.
    unsafe {
        ffi::SSL_CTX_set_mode(ctx.as_ptr(), mode as c_long | sys::SSL_MODE_RELEASE_BUFFERS);
        versions::ctx_set_options(ctx.as_ptr(), sys::SSL_OP_NO_RENEGOTIATION | sys::SSL_OP_NO_COMPRESSION);
        // Tickets carry sessions, or a store of ours has them. OpenSSL's own cache would keep 20480 of them, with the
        // certificates of clients.
        // OpenSSL reports clients' new sessions.
        let cache =
            ffi::SSL_SESS_CACHE_CLIENT | ffi::SSL_SESS_CACHE_NO_INTERNAL | sys::SSL_SESS_CACHE_NO_AUTO_CLEAR;
        ffi::SSL_CTX_set_session_cache_mode(ctx.as_ptr(), cache);
        ffi::SSL_CTX_sess_set_new_cb(ctx.as_ptr(), Some(resumption::callback));
        sys::SSL_CTX_set_cert_verify_callback(ctx.as_ptr(), Some(verify::verify_callback), ptr::null_mut());
        sys::SSL_CTX_set_alpn_select_cb(ctx.as_ptr(), Some(names::alpn_callback), ptr::null_mut());
        ffi::SSL_CTX_set_client_hello_cb(ctx.as_ptr(), Some(names::client_hello_callback), ptr::null_mut());
        names::acknowledge_server_names(ctx.as_ptr());
        let done = versions::set_ticket_key_callback(ctx.as_ptr(), ticket_key::callback);
        queue::check(done, Code::Internal, "cannot set the keys of tickets")?;
        let prepare = Some(session_end::before_ticket as sys::TicketGenerationCallback);
        let decide = Some(session_end::ticket_callback as sys::TicketCallback);
        let done = sys::SSL_CTX_set_session_ticket_cb(ctx.as_ptr(), prepare, decide, ptr::null_mut());
        queue::check(done, Code::Internal, "cannot look at session tickets")?;
        staple::handle(ctx.as_ptr());
        if datagram {
            sys::SSL_CTX_set_cookie_verify_cb(ctx.as_ptr(), Some(dtls::cookie_callback));
        }
    }
    messages::keep_offer(&mut ctx)?;
    Ok(ctx)
}
