//! Sessions as bytes: what a client reads them from is a file or a database, which may be damaged, or worse. A digest guards
//! them, so the inputs are given theirs.
#![no_main]
use bglssl_fuzz::*;
use std::{
    ffi::{c_char, c_void},
    ptr,
    sync::OnceLock,
    thread,
};

unsafe extern "C" {
    fn bgl_ssl_config_insecure_verify_none(config: Handle) -> i32;
    fn bgl_ssl_connect(config: Handle, host: *const c_char, port: i32, family: i32) -> Handle;
    fn bgl_ssl_socket_write(socket: Handle, data: *const u8, len: usize, written: *mut usize) -> i32;
    fn bgl_ssl_socket_read(socket: Handle, data: *mut u8, len: usize, read: *mut usize) -> i32;
    fn bgl_ssl_socket_session(socket: Handle) -> Handle;
    fn bgl_ssl_session_export(session: Handle, buf: *mut c_void, size: usize) -> usize;
    fn bgl_ssl_session_import(config: Handle, host: *const c_char, data: *const c_void, len: usize) -> Handle;
    fn bgl_ssl_session_expiry(session: Handle) -> i64;
    fn bgl_ssl_session_free(session: Handle);
    fn bgl_ssl_hash_init(name: *const c_char) -> Handle;
    fn bgl_ssl_hash_update(hash: Handle, data: *const u8, len: usize) -> i32;
    fn bgl_ssl_hash_digest(hash: Handle, buf: *mut u8, size: usize) -> usize;
    fn bgl_ssl_hash_free(hash: Handle);
    fn bgl_ssl_server_free(server: Handle);
}

const DIGEST: usize = 32;

/// A client's config, and the bytes of a session of it.
struct Setting {
    config: usize,
    bytes: Vec<u8>,
}

fn exported(session: Handle) -> Vec<u8> {
    // SAFETY: the session is live; the buffer has the space.
    unsafe {
        let mut bytes = vec![0; bgl_ssl_session_export(session, ptr::null_mut(), 0)];
        assert_eq!(bgl_ssl_session_export(session, bytes.as_mut_ptr().cast(), bytes.len()), bytes.len());
        bytes
    }
}

fn setting() -> Setting {
    let (pem, key) = (pki("good.pem"), pki("good.key"));
    // SAFETY: the lengths are the vectors'; each handle is freed once.
    unsafe {
        let theirs = bgl_ssl_config_new();
        let certificate = bgl_ssl_certificate_from_mem(pem.as_ptr(), pem.len(), 0);
        let key = bgl_ssl_private_key_from_mem(key.as_ptr(), key.len(), 0, ptr::null());
        assert_eq!(bgl_ssl_config_set_certificate(theirs, certificate, key), 0);
        bgl_ssl_certificate_free(certificate);
        bgl_ssl_private_key_free(key);
        let server = bgl_ssl_listen(theirs, c"127.0.0.1".as_ptr(), 0, 1, 2);
        bgl_ssl_config_free(theirs);
        let (port, address) = (bgl_ssl_server_port(server), server as usize);
        let thread = thread::spawn(move || {
            let (mut socket, mut byte, mut n) = (ptr::null_mut(), 0, 0);
            assert_eq!(bgl_ssl_server_accept(address as Handle, 10_000_000, &mut socket), 0);
            assert_eq!(bgl_ssl_socket_read(socket, &mut byte, 1, &mut n), 0);
            assert_eq!(bgl_ssl_socket_write(socket, &byte, 1, &mut n), 0);
            bgl_ssl_socket_read(socket, &mut byte, 1, &mut n);
            bgl_ssl_socket_free(socket);
        });
        let config = bgl_ssl_config_new();
        bgl_ssl_config_insecure_verify_none(config);
        let socket = bgl_ssl_connect(config, c"127.0.0.1".as_ptr(), port, 2);
        let (mut byte, mut n) = (0, 0);
        assert_eq!(bgl_ssl_socket_write(socket, &byte, 1, &mut n), 0);
        assert_eq!(bgl_ssl_socket_read(socket, &mut byte, 1, &mut n), 0);
        let session = bgl_ssl_socket_session(socket);
        let bytes = exported(session);
        bgl_ssl_session_free(session);
        bgl_ssl_socket_free(socket);
        thread.join().unwrap();
        bgl_ssl_server_free(server);
        Setting { config: config as usize, bytes }
    }
}

fn with_digest(mut bytes: Vec<u8>) -> Vec<u8> {
    // SAFETY: the lengths are the slices'; the handle is freed once.
    unsafe {
        let hash = bgl_ssl_hash_init(c"SHA256".as_ptr());
        bgl_ssl_hash_update(hash, bytes.as_ptr(), bytes.len());
        let mut digest = [0; DIGEST];
        assert_eq!(bgl_ssl_hash_digest(hash, digest.as_mut_ptr(), DIGEST), DIGEST);
        bgl_ssl_hash_free(hash);
        bytes.extend(digest);
    }
    bytes
}

fn import(config: usize, bytes: &[u8]) {
    // SAFETY: the length is the slice's; the handle is freed once.
    unsafe {
        let session =
            bgl_ssl_session_import(config as Handle, c"127.0.0.1".as_ptr(), bytes.as_ptr().cast(), bytes.len());
        if !session.is_null() {
            bgl_ssl_session_expiry(session);
            exported(session);
            bgl_ssl_session_free(session);
        }
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static SETTING: OnceLock<Setting> = OnceLock::new();
    let setting = SETTING.get_or_init(setting);
    let (how, rest) = first(data);
    if how == 0 {
        return import(setting.config, rest);
    }
    // A good session, a part of which is something else.
    let (place, rest) = rest.split_at(rest.len().min(2));
    let place = place.iter().fold(0, |sum, byte| sum * 256 + usize::from(*byte));
    let good = &setting.bytes[..setting.bytes.len() - DIGEST];
    let (before, after) = good.split_at(place % good.len());
    let after = if how % 2 == 0 { after } else { after.get(rest.len()..).unwrap_or_default() };
    import(setting.config, &with_digest([before, rest, after].concat()));
});
