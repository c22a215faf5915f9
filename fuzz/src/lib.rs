//! What the fuzzers share: the C API as C programs see it, and the test certificates.

use std::{
    env,
    ffi::{CString, c_char, c_int, c_long, c_void},
    fs::{self, File},
    io::Write,
    os::fd::{AsRawFd, FromRawFd},
    path::PathBuf,
};

pub mod sockets;
pub mod wire;

// Its symbols are what the declarations below mean.
pub use bglssl::ffi::status::{
    BGL_SSL_E_ARGUMENT as E_ARGUMENT, BGL_SSL_E_CONFIG as E_CONFIG, BGL_SSL_E_IO as E_IO, BGL_SSL_EOF as EOF,
    BGL_SSL_WANT_READ as WANT_READ, BGL_SSL_WANT_WRITE as WANT_WRITE,
    protocol::{BGLSSL_DTLSV1 as DTLS, BGLSSL_TLSV1_2 as TLS_1_2, BGLSSL_TLSV1_3 as TLS_1_3},
};

pub type Handle = *mut c_void;

unsafe extern "C" {
    pub fn bgl_ssl_certificate_from_mem(data: *const u8, len: usize, format: i32) -> Handle;
    pub fn bgl_ssl_certificate_list_from_mem(data: *const u8, len: usize) -> Handle;
    pub fn bgl_ssl_certificate_list_length(list: Handle) -> usize;
    pub fn bgl_ssl_certificate_list_get(list: Handle, index: usize) -> Handle;
    pub fn bgl_ssl_certificate_list_free(list: Handle);
    pub fn bgl_ssl_certificate_free(certificate: Handle);
    pub fn bgl_ssl_certificate_subject(certificate: Handle) -> *const c_char;
    pub fn bgl_ssl_certificate_subject_name(certificate: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_certificate_issuer_name(certificate: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_certificate_subject_lines(certificate: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_certificate_issuer_lines(certificate: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_certificate_serial(certificate: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_certificate_alt_name_count(certificate: Handle) -> usize;
    pub fn bgl_ssl_certificate_alt_name(certificate: Handle, index: usize, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_certificate_alt_names(certificate: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_certificate_modulus(certificate: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_certificate_exponent(certificate: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_certificate_valid_from(certificate: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_certificate_valid_to(certificate: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_certificate_pem(certificate: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_certificate_der(certificate: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_certificate_not_before(certificate: Handle) -> i64;
    pub fn bgl_ssl_certificate_not_after(certificate: Handle) -> i64;
    pub fn bgl_ssl_certificate_equal(a: Handle, b: Handle) -> bool;
    pub fn bgl_ssl_certificate_ext_key_usage_count(certificate: Handle) -> usize;
    pub fn bgl_ssl_certificate_ext_key_usage(certificate: Handle, index: usize, buf: *mut u8, size: usize)
    -> usize;
    pub fn bgl_ssl_private_key_from_mem(data: *const u8, len: usize, format: i32, pass: *const c_char) -> Handle;
    pub fn bgl_ssl_private_key_free(key: Handle);
    pub fn bgl_ssl_private_key_equal(a: Handle, b: Handle) -> bool;
    pub fn bgl_ssl_pkcs12_from_mem(
        data: *const u8,
        len: usize,
        pass: *const c_char,
        key: *mut Handle,
        certificate: *mut Handle,
        chain: *mut Handle,
    ) -> i32;
    pub fn bgl_ssl_ctx_init(method: *const c_char) -> Handle;
    pub fn bgl_ssl_ctx_free(ctx: Handle);
    pub fn bgl_ssl_ctx_add_crl(ctx: Handle, pem: *const u8, off: usize, len: usize) -> i32;
    pub fn bgl_ssl_ctx_add_ca_cert(ctx: Handle, pem: *const u8, off: usize, len: usize) -> i32;
    pub fn bgl_ssl_ctx_set_cert(ctx: Handle, pem: *const u8, off: usize, len: usize) -> i32;
    pub fn bgl_ssl_ctx_set_key(ctx: Handle, pem: *const u8, off: usize, len: usize, pass: *const c_char) -> i32;
    pub fn bgl_load_pkcs12(ctx: Handle, pfx: *const u8, len: usize, pass: *const c_char) -> i32;
    pub fn bgl_ssl_config_new() -> Handle;
    pub fn bgl_ssl_config_free(config: Handle);
    pub fn bgl_ssl_config_set_protocol(config: Handle, protocol: i32) -> i32;
    pub fn bgl_ssl_config_set_hostname(config: Handle, name: *const c_char) -> i32;
    pub fn bgl_ssl_config_set_server_name(config: Handle, name: *const c_char) -> i32;
    pub fn bgl_ssl_config_set_alpn(config: Handle, names: *const *const c_char, count: usize) -> i32;
    pub fn bgl_ssl_config_set_certificate(config: Handle, certificate: Handle, key: Handle) -> i32;
    pub fn bgl_ssl_listen(
        config: Handle,
        name: *const c_char,
        port: c_int,
        backlog: c_int,
        family: c_int,
    ) -> Handle;
    pub fn bgl_ssl_server_accept(server: Handle, timeout: i64, out: *mut Handle) -> i32;
    pub fn bgl_ssl_server_port(server: Handle) -> c_int;
    pub fn bgl_ssl_socket_free(socket: Handle);
    pub fn bgl_ssl_connection_init(
        ctx: Handle,
        server: bool,
        ask: bool,
        name: *const c_char,
        reject: bool,
    ) -> Handle;
    pub fn bgl_ssl_connection_free(connection: Handle);
    pub fn bgl_ssl_connection_set_hostname(connection: Handle, name: *const c_char) -> i32;
    pub fn bgl_ssl_connection_set_npn_protos(connection: Handle, names: *const u8, len: usize) -> i32;
    pub fn bgl_ssl_connection_want_events(connection: Handle, kinds: c_int) -> i32;
    pub fn bgl_ssl_connection_next_event(connection: Handle) -> c_int;
    pub fn bgl_ssl_connection_answer_server_name(connection: Handle, ctx: Handle, acknowledge: bool) -> i32;
    pub fn bgl_ssl_connection_server_name(connection: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_connection_get_negotiated_protocol(connection: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_connection_start(connection: Handle) -> c_int;
    pub fn bgl_ssl_connection_read(connection: Handle, buf: *mut u8, off: usize, len: usize) -> c_long;
    pub fn bgl_ssl_connection_write(connection: Handle, buf: *const u8, off: usize, len: usize) -> c_long;
    pub fn bgl_ssl_connection_clear_in(connection: Handle, buf: *const u8, off: usize, len: usize) -> c_long;
    pub fn bgl_ssl_connection_clear_out(connection: Handle, buf: *mut u8, off: usize, len: usize) -> c_long;
    pub fn bgl_ssl_connection_status(connection: Handle) -> i32;
    pub fn bgl_ssl_connection_err(connection: Handle, buf: *mut u8, size: usize) -> usize;
    pub fn bgl_ssl_connection_init_finishedp(connection: Handle) -> bool;
    pub fn bgl_ssl_connection_verify_error(connection: Handle) -> *const c_char;
    pub fn bgl_ssl_connection_set_session(connection: Handle, session: *const u8, len: usize) -> i32;
    pub fn bgl_ssl_connection_load_session(connection: Handle, session: *const u8, len: usize) -> i32;
    pub fn bgl_ssl_error_string() -> *const c_char;
}

/// A file of the tests' PKI, in the directory of BGLSSL_TEST_PKI.
pub fn pki(file: &str) -> Vec<u8> {
    let directory = env::var_os("BGLSSL_TEST_PKI").expect("BGLSSL_TEST_PKI names the tests' certificates");
    fs::read(PathBuf::from(directory).join(file)).expect(file)
}

/// A file that is nowhere but in memory.
pub struct MemoryFile(File);

impl MemoryFile {
    /// With this content.
    pub fn new(content: &[u8]) -> MemoryFile {
        unsafe extern "C" {
            fn memfd_create(name: *const c_char, flags: u32) -> c_int;
        }
        // SAFETY: the name is a text, and the descriptor nobody else's.
        let mut file = unsafe { File::from_raw_fd(memfd_create(c"fuzz".as_ptr(), 1)) };
        file.write_all(content).expect("space in memory");
        MemoryFile(file)
    }

    /// Where others find it.
    pub fn path(&self) -> CString {
        CString::new(format!("/proc/self/fd/{}", self.0.as_raw_fd())).unwrap_or_default()
    }
}

/// The text up to its first NUL.
pub fn text(bytes: &[u8]) -> CString {
    CString::new(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).unwrap_or_default()
}

/// Splits a byte off.
pub fn first(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

/// A function that fills a buffer and returns what it has to say in full.
pub type Getter = unsafe extern "C" fn(Handle, *mut u8, usize) -> usize;

/// Asks with space for everything, for a part, and for nothing.
pub fn ask(getter: Getter, handle: Handle) {
    for size in [0, 1, 17, 4096, 70000] {
        let mut buffer = vec![0xaa; size];
        // SAFETY: the buffer has this space, and the handle is live.
        unsafe { getter(handle, buffer.as_mut_ptr(), size) };
    }
}

/// All questions that a certificate answers.
pub fn examine(certificate: Handle) {
    // SAFETY: the handle is live.
    unsafe {
        for getter in [
            bgl_ssl_certificate_subject_name as Getter,
            bgl_ssl_certificate_issuer_name,
            bgl_ssl_certificate_subject_lines,
            bgl_ssl_certificate_issuer_lines,
            bgl_ssl_certificate_serial,
            bgl_ssl_certificate_alt_names,
            bgl_ssl_certificate_modulus,
            bgl_ssl_certificate_exponent,
            bgl_ssl_certificate_valid_from,
            bgl_ssl_certificate_valid_to,
            bgl_ssl_certificate_pem,
        ] {
            ask(getter, certificate);
        }
        bgl_ssl_certificate_subject(certificate);
        bgl_ssl_certificate_not_before(certificate);
        bgl_ssl_certificate_not_after(certificate);
        let mut buffer = [0; 300];
        for index in 0..bgl_ssl_certificate_alt_name_count(certificate).min(100) + 1 {
            bgl_ssl_certificate_alt_name(certificate, index, buffer.as_mut_ptr(), buffer.len());
        }
        for index in 0..bgl_ssl_certificate_ext_key_usage_count(certificate).min(100) + 1 {
            bgl_ssl_certificate_ext_key_usage(certificate, index, buffer.as_mut_ptr(), buffer.len());
        }
        let len = bgl_ssl_certificate_der(certificate, std::ptr::null_mut(), 0);
        let mut der = vec![0; len];
        bgl_ssl_certificate_der(certificate, der.as_mut_ptr(), len);
        let again = bgl_ssl_certificate_from_mem(der.as_ptr(), len, 2);
        assert!(
            again.is_null() || bgl_ssl_certificate_equal(certificate, again),
            "another certificate from its DER"
        );
        bgl_ssl_certificate_free(again);
    }
}

/// A context that presents the PKI's good certificate and trusts its root.
pub fn context() -> Handle {
    let (cert, key, root) = (pki("good.pem"), pki("good.key"), pki("root.pem"));
    // SAFETY: the lengths are the vectors'.
    unsafe {
        let ctx = bgl_ssl_ctx_init(c"default".as_ptr());
        assert!(!ctx.is_null());
        assert_eq!(bgl_ssl_ctx_set_cert(ctx, cert.as_ptr(), 0, cert.len()), 0);
        assert_eq!(bgl_ssl_ctx_set_key(ctx, key.as_ptr(), 0, key.len(), std::ptr::null()), 0);
        assert_eq!(bgl_ssl_ctx_add_ca_cert(ctx, root.as_ptr(), 0, root.len()), 0);
        ctx
    }
}

/// What a connection can be asked at any time.
pub fn question(connection: Handle) {
    for getter in [
        bgl_ssl_connection_err as Getter,
        bgl_ssl_connection_server_name,
        bgl_ssl_connection_get_negotiated_protocol,
    ] {
        ask(getter, connection);
    }
    // SAFETY: the handle is live.
    unsafe {
        bgl_ssl_connection_verify_error(connection);
        bgl_ssl_connection_init_finishedp(connection);
        bgl_ssl_error_string();
    }
}
