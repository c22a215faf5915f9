//! Protocol names and numbers.

use crate::protocol::Protocol;
use std::ffi::c_char;

use crate::ffi::{convert, guard};

/// SSL 2. No OpenSSL of today speaks it: BGL_SSL_E_UNSUPPORTED.
pub const BGLSSL_SSLV2: i32 = 1;
/// SSL 3. Hardly any OpenSSL speaks it: else BGL_SSL_E_UNSUPPORTED.
pub const BGLSSL_SSLV3: i32 = 2;
/// The highest version that both sides have, TLS 1.2 at least (RFC 8996). The default.
pub const BGLSSL_SSLV23: i32 = 3;
/// As BGLSSL_SSLV23: the highest version of TLS that both sides have, TLS 1.2 at least. TLS 1.0 and nothing
/// else is BGLSSL_TLSV1_0.
pub const BGLSSL_TLSV1: i32 = 4;
/// DTLS, over UDP.
pub const BGLSSL_DTLSV1: i32 = 5;
/// TLS 1.1 and nothing else. OpenSSL's security level becomes 0 for it, as nothing would work otherwise.
pub const BGLSSL_TLSV1_1: i32 = 6;
/// TLS 1.2 and nothing else.
pub const BGLSSL_TLSV1_2: i32 = 7;
/// TLS 1.3 and nothing else.
pub const BGLSSL_TLSV1_3: i32 = 8;
/// TLS 1.0 and nothing else. OpenSSL's security level becomes 0 for it, as nothing would work otherwise.
pub const BGLSSL_TLSV1_0: i32 = 9;

/// The number of a protocol's name, letter case ignored: sslv2, sslv3, sslv23 (or ssl), tls (or tlsv1), tlsv1_0,
/// tlsv1_1, tlsv1_2, tlsv1_3, dtls (or dtlsv1). "TLSv1.2" is tlsv1_2, too.
///
/// Returns a BGLSSL_... number, or 0 for any other name (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: name is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_protocol_number(name: *const c_char) -> i32 {
    guard::or(0, || {
        // SAFETY: the precondition covers the text.
        let name = unsafe { convert::text(name, "protocol name")? };
        Protocol::from_name(name).map(|protocol| protocol as i32)
    })
}

/// The main name of a protocol, such as "tlsv1_2".
///
/// protocol: a BGLSSL_... number.
///
/// Returns a static text, or NULL for any other number (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_protocol_name(protocol: i32) -> *const c_char {
    guard::or(std::ptr::null(), || Ok(Protocol::from_number(protocol)?.c_name().as_ptr()))
}
