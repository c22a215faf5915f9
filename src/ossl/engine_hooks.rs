//! What OpenSSL tells and asks a connection of the engine while it works. Nothing foreign is called from here: what
//! happens is noted, a question stops the handshake, and the connection's owner hears of both after OpenSSL has
//! returned. So its answer may raise, re-enter the connection or close it as it likes.

use openssl_sys as ffi;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    ffi::{c_int, c_long, c_uchar, c_uint, c_void},
    panic::{self, AssertUnwindSafe},
    ptr,
    sync::OnceLock,
};

use super::{
    ctx::Ctx,
    engine_trust::{Expected, Trust},
    session::Session,
    ssl::names::{alpn_names, set_server_name_callback},
    sys,
};

/// What the owner may want to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A handshake has begun.
    HandshakeStart,
    /// A handshake is done.
    HandshakeDone,
    /// A client asks for this name, and the handshake waits to be told which context serves it.
    ServerName(Vec<u8>),
    /// There is a session to keep: its id, and the session itself.
    NewSession(Vec<u8>, Vec<u8>),
    /// A client wants to resume the session of this id, which may be loaded now.
    SessionLookup(Vec<u8>),
}

/// Which kinds of events are kept. Questions are asked only if the caller can answer them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Beginning and end of handshakes.
    pub info: bool,
    /// Server names.
    pub server_name: bool,
    /// New sessions.
    pub new_session: bool,
    /// Session look-ups.
    pub session_lookup: bool,
    /// Steps stop where there are events, before data is moved.
    pub stops: bool,
}

/// Which context serves the name that a client asks for.
pub enum Answer {
    /// The connection's own.
    Own,
    /// The connection's own, and the client is not told that its name was understood.
    NotAcknowledged,
    /// None: the handshake fails.
    Refused,
    /// This one, and whom its connections trust.
    Switch(Ctx, Trust),
}

/// What the trampolines share with the connection. They reach it through the SSL's ex_data.
pub struct Hooks {
    /// Whom the peer must be.
    pub trust: RefCell<Trust>,
    /// Whose certificate the peer must present, if that was said.
    pub expected: RefCell<Option<Expected>>,
    /// What the verification of the peer's chain found, once it has run: an `X509_V_*` code.
    pub verdict: Cell<Option<c_int>>,
    pub wanted: Cell<Wanted>,
    pub events: RefCell<VecDeque<Event>>,
    /// The client's hello has been looked at.
    greeted: Cell<bool>,
    /// The handshake waits for `answer`.
    pub asking: Cell<bool>,
    pub answer: RefCell<Option<Answer>>,
    /// The name in the client's hello.
    pub server_name: RefCell<Option<Vec<u8>>>,
    /// Length-prefixed names, best first.
    pub protocols: RefCell<Vec<u8>>,
    /// A client that offers only others is refused.
    pub strict_protocols: Cell<bool>,
    /// What a client chose by NPN among what both have.
    pub npn_chosen: RefCell<Option<Vec<u8>>>,
    /// The session for the next look-up.
    pub loaded: RefCell<Option<Session>>,
    pub panicked: Cell<bool>,
}

impl Hooks {
    pub fn new(trust: Trust) -> Hooks {
        Hooks {
            trust: RefCell::new(trust),
            expected: RefCell::default(),
            verdict: Cell::default(),
            wanted: Cell::default(),
            events: RefCell::default(),
            greeted: Cell::default(),
            asking: Cell::default(),
            answer: RefCell::default(),
            server_name: RefCell::default(),
            protocols: RefCell::default(),
            strict_protocols: Cell::default(),
            npn_chosen: RefCell::default(),
            loaded: RefCell::default(),
            panicked: Cell::default(),
        }
    }

    fn note(&self, wanted: bool, event: impl FnOnce() -> Event) {
        if wanted {
            self.events.borrow_mut().push_back(event());
        }
    }
}

/// Makes a new context call the trampolines below, whichever connection it serves. Clients always offer NPN, where
/// OpenSSL has it: what a context does cannot be changed safely once connections use it.
pub fn attach(ctx: &mut Ctx) {
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
        sys::ctx_set_options(ctx, sys::SSL_OP_NO_RENEGOTIATION | sys::SSL_OP_NO_COMPRESSION);
        ffi::SSL_CTX_set_session_cache_mode(ctx, cache);
        ffi::SSL_CTX_sess_set_new_cb(ctx, Some(new_session));
        ffi::SSL_CTX_sess_set_get_cb(ctx, Some(get_session));
        sys::SSL_CTX_set_session_ticket_cb(ctx, None, Some(decrypted_ticket), ptr::null_mut());
        sys::SSL_CTX_set_cert_verify_callback(ctx, Some(verify), ptr::null_mut());
        ffi::SSL_CTX_set_client_hello_cb(ctx, Some(client_hello), ptr::null_mut());
        set_server_name_callback(ctx, server_name);
        sys::SSL_CTX_set_alpn_select_cb(ctx, Some(select_alpn), ptr::null_mut());
        #[cfg(npn)]
        sys::SSL_CTX_set_next_protos_advertised_cb(ctx, Some(advertise_npn), ptr::null_mut());
        #[cfg(npn)]
        sys::SSL_CTX_set_next_proto_select_cb(ctx, Some(select_npn), ptr::null_mut());
    }
}

/// Where the SSL's ex_data has its Hooks.
pub fn index() -> c_int {
    static INDEX: OnceLock<c_int> = OnceLock::new();
    *INDEX.get_or_init(|| {
        // SAFETY: no callbacks.
        unsafe { ffi::CRYPTO_get_ex_new_index(ffi::CRYPTO_EX_INDEX_SSL, 0, ptr::null_mut(), None, None, None) }
    })
}

/// Runs the body of a callback with the connection's hooks. A panic must not unwind through OpenSSL: it is noted.
///
/// # Safety
/// `ssl` is live; what our index of it holds is NULL or the address of Hooks that outlive it.
unsafe fn with_hooks<T>(ssl: *const ffi::SSL, otherwise: T, body: impl FnOnce(&Hooks) -> T) -> T {
    // SAFETY: the caller vouches for it.
    let Some(hooks) = (unsafe { ffi::SSL_get_ex_data(ssl, index()).cast::<Hooks>().as_ref() }) else {
        return otherwise;
    };
    panic::catch_unwind(AssertUnwindSafe(|| body(hooks))).unwrap_or_else(|_| {
        hooks.panicked.set(true);
        otherwise
    })
}

/// Beginning and end of handshakes.
pub unsafe extern "C" fn info(ssl: *const ffi::SSL, what: c_int, _: c_int) {
    // SAFETY: OpenSSL passes a live SSL, which is one of ours.
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
    // SAFETY: OpenSSL passes a live store context, whose ex_data leads to its live SSL.
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
    // SAFETY: OpenSSL passes a live SSL and a live session.
    unsafe {
        with_hooks(ssl, (), |hooks| {
            if hooks.wanted.get().new_session {
                if let Some(session) = Session::from_borrowed(session) {
                    hooks.note(true, || Event::NewSession(session.id(), session.der()));
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
    // SAFETY: OpenSSL passes a live SSL, `len` readable bytes and a live flag. The reference becomes OpenSSL's.
    unsafe {
        *copy = 0;
        let id = super::bytes(id, len);
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
    // SAFETY: OpenSSL passes a live SSL, and a live session where it has decrypted one.
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
    // SAFETY: OpenSSL passes a live SSL, in the state in which its hello may be read.
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
    // SAFETY: the caller vouches for the SSL, to which OpenSSL adds a reference to the live context.
    unsafe {
        if ffi::SSL_set_SSL_CTX(ssl, ctx).is_null() || !trust.mark(ssl) {
            return false;
        }
        let options = ffi::SSL_CTX_get_options(ctx) as sys::Options;
        sys::SSL_clear_options(ssl, !options);
        sys::SSL_set_options(ssl, options);
        sys::copy_version_bounds(ctx, ssl)
    }
}

/// # Safety
/// Called from `client_hello`.
unsafe fn ask_for_server_name(ssl: *mut ffi::SSL, hooks: &Hooks) {
    // SAFETY: the caller vouches for it.
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
    // SAFETY: the caller vouches for it; OpenSSL lends `len` bytes.
    let (legacy, psk) = unsafe {
        let len = ffi::SSL_client_hello_get0_session_id(ssl, &mut id);
        (super::bytes(id, c_int::try_from(len).unwrap_or(0)), extension(ssl, sys::TLSEXT_TYPE_PSK))
    };
    // TLS 1.3 has its ids among the pre-shared keys; its other field of that name is filled with noise.
    let id = psk.map_or(Some(legacy), first_session_id).filter(|id| !id.is_empty());
    hooks.note(id.is_some(), || Event::SessionLookup(id.unwrap_or_default().to_vec()));
    id.is_some()
}

/// The body of an extension of the client's hello.
///
/// # Safety
/// Called from `client_hello`; the bytes live until it returns.
unsafe fn extension<'a>(ssl: *mut ffi::SSL, kind: c_uint) -> Option<&'a [u8]> {
    let (mut data, mut len): (*const c_uchar, usize) = (ptr::null(), 0);
    // SAFETY: the caller vouches for it; OpenSSL lends `len` bytes.
    unsafe {
        let found = ffi::SSL_client_hello_get0_ext(ssl, kind, &mut data, &mut len) == 1;
        found.then(|| super::bytes(data, c_int::try_from(len).unwrap_or(0)))
    }
}

/// The name in a server_name extension (RFC 6066): a list of pairs of type (0: host name) and name.
fn first_host_name(extension: &[u8]) -> Option<&[u8]> {
    let (list, _) = prefixed(extension)?;
    let (&kind, rest) = list.split_first()?;
    let (name, _) = prefixed(rest)?;
    (kind == 0 && !name.is_empty() && !name.contains(&0)).then_some(name)
}

/// The first identity in a pre_shared_key extension (RFC 8446) that has the length of a session id.
fn first_session_id(extension: &[u8]) -> Option<&[u8]> {
    const LENGTH: usize = 32;
    const TICKET_AGE: usize = 4;
    let (mut identities, _) = prefixed(extension)?;
    while let Some((identity, rest)) = prefixed(identities) {
        if identity.len() == LENGTH {
            return Some(identity);
        }
        identities = rest.get(TICKET_AGE..)?;
    }
    None
}

/// What follows a length of two bytes, and the rest.
fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Acknowledges the client's server name, or not, as the owner has answered.
unsafe extern "C" fn server_name(ssl: *mut ffi::SSL, alert: *mut c_int, _: *mut c_void) -> c_int {
    // SAFETY: OpenSSL passes a live SSL and a live alert.
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

/// Chooses, on a server, the first of its own protocols that the client offers (RFC 7301); without one in common the
/// connection goes on without a protocol, as by NPN, or the client gets the alert no_application_protocol.
unsafe extern "C" fn select_alpn(
    ssl: *mut ffi::SSL,
    out: *mut *const c_uchar,
    out_len: *mut c_uchar,
    offered: *const c_uchar,
    offered_len: c_uint,
    _: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL passes a live SSL, `offered_len` readable bytes and live out-pointers. What is chosen is a part
    // of what was offered, which lives until OpenSSL has copied it.
    unsafe {
        let offered = super::bytes(offered, c_int::try_from(offered_len).unwrap_or(0));
        with_hooks(ssl, ffi::SSL_TLSEXT_ERR_NOACK, |hooks| {
            let ours = hooks.protocols.borrow();
            let chosen = alpn_names(&ours).find_map(|our| alpn_names(offered).find(|their| *their == our));
            match chosen {
                None if hooks.strict_protocols.get() => ffi::SSL_TLSEXT_ERR_ALERT_FATAL,
                None => ffi::SSL_TLSEXT_ERR_NOACK,
                Some(name) => {
                    *out = name.as_ptr();
                    *out_len = name.len() as c_uchar;
                    ffi::SSL_TLSEXT_ERR_OK
                }
            }
        })
    }
}

/// Tells a client by NPN what the server has.
#[cfg(npn)]
unsafe extern "C" fn advertise_npn(
    ssl: *mut ffi::SSL,
    out: *mut *const c_uchar,
    out_len: *mut c_uint,
    _: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL passes a live SSL and live out-pointers. The names live as long as the hooks, and are set only
    // while OpenSSL does nothing with the SSL.
    unsafe {
        with_hooks(ssl, ffi::SSL_TLSEXT_ERR_NOACK, |hooks| {
            let ours = hooks.protocols.borrow();
            if ours.is_empty() {
                return ffi::SSL_TLSEXT_ERR_NOACK;
            }
            *out = ours.as_ptr();
            *out_len = ours.len() as c_uint;
            ffi::SSL_TLSEXT_ERR_OK
        })
    }
}

/// Chooses, on a client, the first of the server's protocols that it has, too; where there is none, its own first one
/// is sent, which is no agreement.
#[cfg(npn)]
unsafe extern "C" fn select_npn(
    ssl: *mut ffi::SSL,
    out: *mut *mut c_uchar,
    out_len: *mut c_uchar,
    offered: *const c_uchar,
    offered_len: c_uint,
    _: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL passes a live SSL, `offered_len` readable bytes and live out-pointers. What is chosen lives until
    // OpenSSL has copied it: it is static, or as in `advertise_npn`, or a part of what was offered.
    unsafe {
        let offered = super::bytes(offered, c_int::try_from(offered_len).unwrap_or(0));
        with_hooks(ssl, ffi::SSL_TLSEXT_ERR_ALERT_FATAL, |hooks| {
            let ours = hooks.protocols.borrow();
            let common = alpn_names(offered).find(|their| alpn_names(&ours).any(|our| our == *their));
            let sent = common.or_else(|| alpn_names(&ours).next()).unwrap_or(b"http/1.1");
            hooks.npn_chosen.replace(common.map(<[u8]>::to_vec));
            *out = sent.as_ptr().cast_mut();
            *out_len = sent.len() as c_uchar;
            ffi::SSL_TLSEXT_ERR_OK
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_name_is_found_in_its_extension() {
        assert_eq!(first_host_name(b"\x00\x06\x00\x00\x03a.b"), Some(&b"a.b"[..]));
    }

    #[test]
    fn a_cut_extension_has_no_host_name() {
        let whole = b"\x00\x06\x00\x00\x03a.b";
        assert!((0..whole.len()).all(|n| first_host_name(&whole[..n]).is_none()));
    }

    #[test]
    fn a_host_name_with_a_nul_is_none() {
        assert_eq!(first_host_name(b"\x00\x06\x00\x00\x03a\x00b"), None);
    }

    #[test]
    fn the_identity_of_the_length_of_a_session_id_is_found_behind_a_ticket() {
        let mut list = b"\x00\x01T\x00\x00\x00\x00\x00\x20".to_vec();
        list.extend([7; 32]);
        list.extend([0; 4]);
        let mut extension = (list.len() as u16).to_be_bytes().to_vec();
        extension.extend(list);
        assert_eq!(first_session_id(&extension), Some(&[7; 32][..]));
    }
}
