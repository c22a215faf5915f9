//! The ciphers of a context.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::ffi::{CStr, CString};

use super::Ctx;
use crate::ossl::{queue, static_text, sys};

impl Ctx {
    /// Sets the ciphers of TLS 1.2 and before.
    pub fn set_cipher_list(&mut self, list: &CStr) -> Result<()> {
        queue::clear();
        // SAFETY: the context is live, the text NUL-terminated.
        let done = unsafe { ffi::SSL_CTX_set_cipher_list(self.as_ptr(), list.as_ptr()) };
        queue::check(done, Code::Config, &format!("cipher list \"{}\"", list.to_string_lossy()))
    }

    /// Sets the cipher suites of TLS 1.3. OpenSSL passes over a name that it does not know beside others, since 3.0 also one
    /// that is no name of a suite at all.
    pub fn set_cipher_suites(&mut self, suites: &CStr) -> Result<()> {
        let text = suites.to_string_lossy();
        if let Some(name) = text.split(':').map(str::trim).find(|name| !name.is_empty() && !is_suite(name)) {
            let message = format!("\"{name}\" is no cipher suite of TLS 1.3 that this OpenSSL knows");
            return Err(Error::new(Code::Config, message));
        }
        queue::clear();
        // SAFETY: the context is live, the text NUL-terminated.
        let done = unsafe { ffi::SSL_CTX_set_ciphersuites(self.as_ptr(), suites.as_ptr()) };
        queue::check(done, Code::Config, &format!("TLS 1.3 cipher suites \"{text}\""))
    }

    /// Whether one of the ciphers is for the highest version, which OpenSSL finds out in the handshake only, too.
    pub fn has_fitting_ciphers(&self) -> bool {
        !self.why_no_handshake_begins().is_some_and(|entry| entry.is_ssl_reason(sys::SSL_R_NO_CIPHERS_AVAILABLE))
    }

    /// The names of the ciphers of all versions, best first.
    pub fn cipher_names(&self) -> Vec<&'static CStr> {
        // SAFETY: the context is live and lends its stack of ciphers, whose names are static.
        unsafe {
            let stack = sys::SSL_CTX_get_ciphers(self.as_ptr());
            (0..sys::OPENSSL_sk_num(stack.cast()).max(0))
                .filter_map(|i| {
                    let cipher = sys::OPENSSL_sk_value(stack.cast(), i).cast_const().cast::<ffi::SSL_CIPHER>();
                    static_text(ffi::SSL_CIPHER_get_name(cipher))
                })
                .collect()
        }
    }
}

/// Whether it is the name of a suite of TLS 1.3. OpenSSL has no other names for those; to ciphers of earlier versions it gives
/// names of its own.
fn is_suite(name: &str) -> bool {
    let Ok(text) = CString::new(name) else { return false };
    // SAFETY: the text is NUL-terminated; the name that it gives is static.
    unsafe { static_text(sys::OPENSSL_cipher_name(text.as_ptr())) == Some(&text) }
}
