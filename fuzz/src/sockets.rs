//! Sockets over functions in memory, made and asked.

use crate::{
    Handle, TLS_1_2, ask, bgl_ssl_certificate_free, bgl_ssl_certificate_from_mem, bgl_ssl_certificate_list_free,
    bgl_ssl_config_new, bgl_ssl_config_set_alpn, bgl_ssl_config_set_certificate, bgl_ssl_config_set_hostname,
    bgl_ssl_config_set_protocol, bgl_ssl_private_key_free, bgl_ssl_private_key_from_mem, pki,
    wire::{End, IO, Io, Shared, user},
};
use std::{
    cell::RefCell,
    ffi::{c_char, c_void},
    ptr,
    rc::Rc,
};

unsafe extern "C" {
    pub fn bgl_ssl_config_set_ca_certificates(config: Handle, list: *const Handle, count: usize) -> i32;
    pub fn bgl_ssl_config_add_host(config: Handle, names: *const c_char, host: Handle) -> i32;
    pub fn bgl_ssl_config_set_lazy_handshake(config: Handle, lazy: bool) -> i32;
    pub fn bgl_ssl_config_set_trace(
        config: Handle,
        trace: Option<unsafe extern "C" fn(*const c_char, *const c_char, *mut c_void)>,
        user: *mut c_void,
    ) -> i32;
    pub fn bgl_ssl_upgrade_client_io(
        config: Handle,
        io: *const Io,
        user: Handle,
        name: *const c_char,
        n: usize,
    ) -> Handle;
    pub fn bgl_ssl_upgrade_server_io(config: Handle, io: *const Io, user: Handle, n: usize) -> Handle;
    pub fn bgl_ssl_upgrade_client_socket(config: Handle, outer: Handle, name: *const c_char, n: usize) -> Handle;
    pub fn bgl_ssl_upgrade_server_socket(config: Handle, outer: Handle, n: usize) -> Handle;
    pub fn bgl_ssl_socket_set_nonblocking(socket: Handle, on: bool) -> i32;
    pub fn bgl_ssl_socket_handshake(socket: Handle) -> i32;
    pub fn bgl_ssl_socket_read(socket: Handle, buf: *mut u8, len: usize, n: *mut usize) -> i32;
    pub fn bgl_ssl_socket_read_now(socket: Handle, buf: *mut u8, len: usize, n: *mut usize, more: *mut bool)
    -> i32;
    pub fn bgl_ssl_socket_write(socket: Handle, buf: *const u8, len: usize, n: *mut usize) -> i32;
    pub fn bgl_ssl_socket_shutdown(socket: Handle) -> i32;
    pub fn bgl_ssl_socket_shutdown_read(socket: Handle) -> i32;
    pub fn bgl_ssl_socket_close(socket: Handle) -> i32;
    pub fn bgl_ssl_socket_pending(socket: Handle) -> usize;
    pub fn bgl_ssl_socket_timeout(socket: Handle) -> i64;
    pub fn bgl_ssl_socket_hello(socket: Handle, hello: *mut Handle) -> i32;
    pub fn bgl_ssl_socket_refuse(socket: Handle, alert: i32) -> i32;
    pub fn bgl_ssl_socket_serves_host(socket: Handle, host: *const c_char) -> bool;
    pub fn bgl_ssl_hello_server_name(hello: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_hello_psk_identity_count(hello: Handle) -> usize;
    pub fn bgl_ssl_hello_psk_identity(hello: Handle, index: usize, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_hello_raw(hello: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_hello_fingerprint(hello: Handle, kind: *const c_char, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_hello_free(hello: Handle);
    pub fn bgl_ssl_socket_alpn(socket: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_socket_server_name(socket: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_socket_verify_error(socket: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_socket_staple(socket: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_socket_peer_certificate(socket: Handle) -> Handle;
    pub fn bgl_ssl_socket_peer_chain(socket: Handle) -> Handle;
    pub fn bgl_ssl_socket_verified_chain(socket: Handle) -> Handle;
    pub fn bgl_ssl_socket_session(socket: Handle) -> Handle;
    pub fn bgl_ssl_socket_set_session(socket: Handle, session: Handle) -> i32;
    pub fn bgl_ssl_socket_session_reused(socket: Handle) -> bool;
    pub fn bgl_ssl_socket_export(
        socket: Handle,
        label: *const c_char,
        context: *const c_void,
        context_len: usize,
        out: *mut u8,
        len: usize,
    ) -> i32;
    pub fn bgl_ssl_socket_channel_binding(socket: Handle, kind: i32, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_session_free(session: Handle);
}

/// A config of either role. It traces, since tracing reads what peers send.
pub fn config(server: bool, tls12: bool) -> Handle {
    let (cert, key, root) = (pki("good.pem"), pki("good.key"), pki("root.pem"));
    // SAFETY: the lengths are the vectors'; each handle is freed once, but the config, which is the caller's.
    unsafe {
        let config = bgl_ssl_config_new();
        if server {
            let cert = bgl_ssl_certificate_from_mem(cert.as_ptr(), cert.len(), 0);
            let key = bgl_ssl_private_key_from_mem(key.as_ptr(), key.len(), 0, ptr::null());
            assert_eq!(bgl_ssl_config_set_certificate(config, cert, key), 0);
            bgl_ssl_certificate_free(cert);
            bgl_ssl_private_key_free(key);
        } else {
            let root = bgl_ssl_certificate_from_mem(root.as_ptr(), root.len(), 0);
            assert_eq!(bgl_ssl_config_set_ca_certificates(config, &root, 1), 0);
            bgl_ssl_certificate_free(root);
            assert_eq!(bgl_ssl_config_set_hostname(config, c"localhost".as_ptr()), 0);
        }
        if tls12 {
            assert_eq!(bgl_ssl_config_set_protocol(config, TLS_1_2), 0);
        }
        let names = [c"h2".as_ptr(), c"http/1.1".as_ptr()];
        assert_eq!(bgl_ssl_config_set_alpn(config, names.as_ptr(), names.len()), 0);
        assert_eq!(bgl_ssl_config_set_lazy_handshake(config, true), 0);
        assert_eq!(bgl_ssl_config_set_trace(config, Some(see), ptr::null_mut()), 0);
        config
    }
}

unsafe extern "C" fn see(peer: *const c_char, line: *const c_char, _: *mut c_void) {
    // SAFETY: both are texts.
    let line = unsafe { (std::ffi::CStr::from_ptr(peer), std::ffi::CStr::from_ptr(line)).1 };
    assert!(
        line.to_bytes().iter().all(|byte| !byte.is_ascii_control()),
        "a line that changes a terminal: {line:?}"
    );
}

/// A socket over functions, which does not block, and its end of the wire.
pub fn open(config: Handle, server: bool) -> (Handle, Shared) {
    let end = Rc::new(RefCell::new(End::default()));
    // SAFETY: the config is live.
    let socket = unsafe {
        if server {
            bgl_ssl_upgrade_server_io(config, &IO, user(&end), 0)
        } else {
            bgl_ssl_upgrade_client_io(config, &IO, user(&end), ptr::null(), 0)
        }
    };
    assert!(!socket.is_null());
    (socket, end)
}

/// What one has written is what the other reads.
pub fn carry(from: &Shared, to: &Shared) -> bool {
    let (mut from, mut to) = (from.borrow_mut(), to.borrow_mut());
    let news = !from.outgoing.is_empty() || from.shut != to.ended;
    to.incoming.extend(from.outgoing.drain(..));
    to.ended = from.shut;
    news
}

/// What a socket can be asked at any time.
pub fn question_socket(socket: Handle) {
    for getter in
        [bgl_ssl_socket_alpn, bgl_ssl_socket_server_name, bgl_ssl_socket_verify_error, bgl_ssl_socket_staple]
    {
        ask(getter, socket);
    }
    let mut out = [0; 64];
    // SAFETY: the handle is live; what is given is freed once.
    unsafe {
        bgl_ssl_socket_pending(socket);
        bgl_ssl_socket_timeout(socket);
        bgl_ssl_socket_serves_host(socket, c"localhost".as_ptr());
        bgl_ssl_socket_session_reused(socket);
        bgl_ssl_socket_export(socket, c"EXPORTER-x".as_ptr(), ptr::null(), 0, out.as_mut_ptr(), out.len());
        for kind in 1..4 {
            bgl_ssl_socket_channel_binding(socket, kind, out.as_mut_ptr(), out.len());
        }
        bgl_ssl_certificate_free(bgl_ssl_socket_peer_certificate(socket));
        bgl_ssl_certificate_list_free(bgl_ssl_socket_peer_chain(socket));
        bgl_ssl_certificate_list_free(bgl_ssl_socket_verified_chain(socket));
        bgl_ssl_session_free(bgl_ssl_socket_session(socket));
    }
}

/// Asks for a client's hello, and the hello for all it has.
pub fn hello(socket: Handle) {
    let mut hello = ptr::null_mut();
    // SAFETY: the handles are live; the hello is freed once.
    unsafe {
        bgl_ssl_socket_hello(socket, &mut hello);
        if hello.is_null() {
            return;
        }
        ask(bgl_ssl_hello_server_name, hello);
        ask(bgl_ssl_hello_raw, hello);
        let mut buffer = [0; 100];
        for kind in [c"ja4", c"ja4_r"] {
            bgl_ssl_hello_fingerprint(hello, kind.as_ptr(), buffer.as_mut_ptr(), buffer.len());
        }
        for index in 0..bgl_ssl_hello_psk_identity_count(hello).min(20) + 1 {
            bgl_ssl_hello_psk_identity(hello, index, buffer.as_mut_ptr(), buffer.len());
        }
        bgl_ssl_hello_free(hello);
    }
}
