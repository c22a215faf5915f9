//! The messages of a connection, as OpenSSL reports them: the hellos are kept until the handshake is complete,
//! because they say why two ends have nothing in common, and others for a trace.

use crate::{
    ossl::{
        bio_backend::BioBackend,
        bytes,
        ctx::{begin_handshake, value::CtxValue},
        queue, static_text, sys, versions,
        x509::X509,
    },
    types::Role,
};
use openssl_sys as ffi;
use std::{
    ffi::{c_int, c_uchar, c_void},
    ptr,
    sync::OnceLock,
};

use super::{
    connection::Ssl,
    handle::SslHandle,
    hooks::{guarded, hooks},
    message_log::{Message, MessageLog},
};

/// The space for the messages of an offer over datagrams, which is never sent.
const OFFER_MTU: std::ffi::c_long = 16 * 1024;

/// The hello that a client of the context sends: what any end of it has to offer. Empty if there can be none.
static OFFER: CtxValue<OnceLock<Vec<u8>>> = CtxValue::new();

impl<B: BioBackend> Ssl<B> {
    /// Keeps the hellos from now on.
    pub(super) fn watch_messages(&mut self) {
        // SAFETY: the SSL is live; the callback has the type that OpenSSL asks for.
        unsafe { sys::SSL_set_msg_callback(self.ptr(), Some(message_callback)) }
    }

    /// The handshake is complete: nothing more is kept, unless it is for a trace.
    pub(super) fn forget_messages(&mut self) {
        self.hooks().messages.forget_hellos();
        if !self.hooks().messages.is_traced() {
            // SAFETY: the SSL is live.
            unsafe { sys::SSL_set_msg_callback(self.ptr(), None) }
        }
    }

    /// Keeps what a trace reports of each message, or no more.
    pub fn set_traced(&mut self, traced: bool) {
        self.hooks().messages.set_traced(traced);
        if traced {
            self.watch_messages();
        }
    }
}

/// What an end has to offer.
impl<H> SslHandle<H> {
    /// The hello that says what this end has to offer: what a client of its context would send. Empty if there can be none.
    pub fn own_offer(&self) -> Vec<u8> {
        // SAFETY: the SSL is live, and with it its context.
        unsafe {
            let make = || make_offer(ffi::SSL_get_SSL_CTX(self.ptr()));
            OFFER.of(self.ptr()).map_or_else(make, |offer| offer.get_or_init(make).clone())
        }
    }

    /// OpenSSL's name of a cipher suite.
    pub fn cipher_name(&self, number: u16) -> Option<String> {
        // SAFETY: the SSL is live; ciphers and their names are static.
        unsafe {
            let cipher = sys::SSL_CIPHER_find(self.ptr(), number.to_be_bytes().as_ptr());
            if cipher.is_null() {
                return None;
            }
            static_text(ffi::SSL_CIPHER_get_name(cipher)).map(|name| name.to_string_lossy().into_owned())
        }
    }

    /// The lowest and the highest version that the settings allow, in OpenSSL's numbers; 0 for no limit.
    pub fn version_bounds(&self) -> (c_int, c_int) {
        // SAFETY: the SSL is live.
        unsafe { versions::version_bounds(self.ptr()) }
    }

    /// The type of a server's key, such as "EC"; None if it has none.
    pub fn own_key_type(&self) -> Option<String> {
        // SAFETY: the SSL is live and lends the certificate, whose key has a static name.
        unsafe {
            let certificate = ffi::SSL_get_certificate(self.ptr());
            if self.role() == Role::Client || certificate.is_null() {
                return None;
            }
            X509::from_borrowed(certificate)?.key_type().ok()
        }
    }
}

/// Gives a context the place for its offer, which is made when a failure first needs it.
pub fn keep_offer(ctx: &mut crate::ossl::ctx::Ctx) -> crate::error::Result<()> {
    OFFER.attach(ctx, OnceLock::new())
}

/// The hello that a client of a context would send.
///
/// # Safety
/// `ctx` is live.
unsafe fn make_offer(ctx: *mut ffi::SSL_CTX) -> Vec<u8> {
    let mut hello: Vec<u8> = Vec::new();
    let to = (&raw mut hello).cast();
    // SAFETY: the preconditions cover the context; the SSL is live, and freed before `hello` goes.
    unsafe {
        begin_handshake(ctx, |ssl| {
            // A context whose connections only accept begins none.
            if ffi::SSL_get_ssl_method(ssl) == ffi::TLS_server_method() {
                ffi::SSL_set_ssl_method(ssl, ffi::TLS_method());
            }
            sys::SSL_set_options(ssl, sys::SSL_OP_NO_QUERY_MTU);
            ffi::SSL_ctrl(ssl, sys::SSL_CTRL_SET_MTU, OFFER_MTU, ptr::null_mut());
            sys::SSL_set_msg_callback(ssl, Some(offer_callback));
            ffi::SSL_ctrl(ssl, sys::SSL_CTRL_SET_MSG_CALLBACK_ARG, 0, to);
        });
    }
    // How it ends is not asked for: OpenSSL may have left more than one error.
    queue::clear();
    hello
}

unsafe extern "C" fn offer_callback(
    written: c_int,
    _: c_int,
    kind: c_int,
    data: *const c_void,
    len: usize,
    ssl: *mut ffi::SSL,
    hello: *mut c_void,
) {
    // SAFETY: OpenSSL passes a live SSL and `len` readable bytes, and the argument that was set.
    let (message, hello) = unsafe { (message(ssl, kind, data, len), hello.cast::<Vec<u8>>().as_mut()) };
    if let (1, Some((head, body)), Some(hello)) = (written, message, hello) {
        *hello = [head, body].concat();
    }
}

unsafe extern "C" fn message_callback(
    written: c_int,
    _: c_int,
    kind: c_int,
    data: *const c_void,
    len: usize,
    ssl: *mut ffi::SSL,
    _: *mut c_void,
) {
    // SAFETY: OpenSSL passes a live SSL and `len` readable bytes.
    let Some(hooks) = (unsafe { hooks(ssl) }) else { return };
    guarded(hooks, 0, || {
        // SAFETY: likewise.
        unsafe { note(&hooks.messages, written == 1, kind, data, len, ssl) };
        1
    });
}

/// Adds a message that OpenSSL reports to a log.
///
/// # Safety
/// `ssl` is live; `data` is readable for `len` bytes.
pub unsafe fn note(
    log: &MessageLog,
    is_ours: bool,
    kind: c_int,
    data: *const c_void,
    len: usize,
    ssl: *const ffi::SSL,
) {
    // SAFETY: the preconditions cover both.
    let (message, other) = unsafe { (message(ssl, kind, data, len), other_message(kind, data, len)) };
    if let Some((head, body)) = message {
        log.note(is_ours, head, body);
    }
    if let Some(other) = other {
        log.trace(is_ours, || other);
    }
}

/// What a trace reports of a message that belongs to no handshake.
///
/// # Safety
/// `data` is readable for `len` bytes.
unsafe fn other_message(kind: c_int, data: *const c_void, len: usize) -> Option<Message> {
    // SAFETY: the preconditions cover it.
    match (kind, unsafe { bytes(data.cast::<c_uchar>(), c_int::try_from(len).ok()?) }) {
        (sys::SSL3_RT_ALERT, &[level, description]) => Some(Message::Alert(level, description)),
        (sys::SSL3_RT_CHANGE_CIPHER_SPEC, _) => Some(Message::ChangeCipherSpec),
        _ => None,
    }
}

/// A message of a handshake: its type and length, in four bytes, and its body. None for all else, and for a part of one.
///
/// # Safety
/// `ssl` is live; `data` is readable for `len` bytes for as long as 'a lasts.
unsafe fn message<'a>(
    ssl: *const ffi::SSL,
    kind: c_int,
    data: *const c_void,
    len: usize,
) -> Option<(&'a [u8], &'a [u8])> {
    if kind != sys::SSL3_RT_HANDSHAKE {
        return None;
    }
    // SAFETY: the preconditions cover both.
    let (bytes, is_datagram) =
        unsafe { (bytes(data.cast::<c_uchar>(), c_int::try_from(len).ok()?), sys::SSL_is_dtls(ssl) == 1) };
    let (head, rest) = bytes.split_at_checked(4)?;
    let declared = head.iter().skip(1).fold(0, |len, byte| len << 8 | usize::from(*byte));
    let body = if is_datagram { rest.get(MESSAGE_HEADER_REST..)? } else { rest };
    (body.len() == declared).then_some((head, body))
}

/// What the header of a message has in DTLS beyond that in TLS: its number, and which part of the message follows.
const MESSAGE_HEADER_REST: usize = 8;
