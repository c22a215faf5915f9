//! DANE (RFC 6698, RFC 7671): TLSA records that say which certificates or keys a server may have.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::ptr;

use crate::ossl::{
    ctx::{Ctx, Method},
    queue, sys,
};

/// The usage of records that name the server's own certificate or key, without any CA (DANE-EE).
const END_ENTITY: u8 = 3;

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// 0: a CA of a chain to a trusted one; 1: the certificate of such a chain; 2: a CA that need not be trusted; 3: the
    /// certificate.
    pub usage: u8,
    /// 0: the certificate; 1: its public key.
    pub selector: u8,
    /// 0: the whole of it; 1: its SHA-256; 2: its SHA-512.
    pub matching: u8,
    /// What it must be.
    pub data: Vec<u8>,
}

impl Record {
    /// Whether the record says something only beside a chain to a trusted CA.
    pub fn needs_cas(&self) -> bool {
        self.usage < 2
    }

    /// Fails for a record that OpenSSL cannot use.
    pub fn check(&self) -> Result<()> {
        /// Frees an SSL.
        struct Scratch(*mut ffi::SSL);
        impl Drop for Scratch {
            fn drop(&mut self) {
                // SAFETY: it is ours, or NULL.
                unsafe { ffi::SSL_free(self.0) }
            }
        }
        let mut ctx = Ctx::bare(Method::Tls)?;
        ctx.enable_dane()?;
        // SAFETY: the context is live.
        let ssl = Scratch(unsafe { ffi::SSL_new(ctx.as_ptr()) });
        if ssl.0.is_null() {
            return Err(queue::error(Code::NoMemory, "cannot check a TLSA record"));
        }
        // SAFETY: the SSL is live.
        unsafe { enable(ssl.0, std::slice::from_ref(self)) }
    }
}

impl Ctx {
    /// Lets connections of this context have records.
    pub fn enable_dane(&mut self) -> Result<()> {
        queue::clear();
        // SAFETY: the context is live.
        let done = unsafe { sys::SSL_CTX_dane_enable(self.as_ptr()) };
        queue::check(done, Code::NoMemory, "cannot use TLSA records")
    }
}

/// Demands that the server of a connection is as one of these records says. Its name is looked at elsewhere.
///
/// # Safety
/// `ssl` is live, before its handshake, and of a context with `enable_dane`.
pub unsafe fn enable(ssl: *mut ffi::SSL, records: &[Record]) -> Result<()> {
    queue::clear();
    // SAFETY: the preconditions cover the SSL; without a name none is sent or compared.
    let done = unsafe { sys::SSL_dane_enable(ssl, ptr::null()) };
    queue::check(done, Code::NoMemory, "cannot use TLSA records")?;
    for Record { usage, selector, matching, data } in records {
        // SAFETY: likewise; the data are readable for their length, and copied.
        let added = unsafe { sys::SSL_dane_tlsa_add(ssl, *usage, *selector, *matching, data.as_ptr(), data.len()) };
        if added <= 0 {
            let what = format!("the TLSA record \"{usage} {selector} {matching} ...\" cannot be used");
            let entry = queue::take();
            return Err(match entry {
                // A usage or kind of match that this OpenSSL does not know leaves no error.
                None => Error::argument(what),
                entry => queue::error_from(entry, Code::Argument, &what),
            });
        }
    }
    Ok(())
}

/// Whether the peer that was verified last was found by a record of its own certificate or key, without any CA.
///
/// # Safety
/// `ssl` is live.
pub unsafe fn matched_end_entity(ssl: *mut ffi::SSL) -> bool {
    let (mut usage, mut selector, mut matching) = (0, 0, 0);
    // SAFETY: the preconditions cover the SSL; the data are not asked for.
    let depth = unsafe {
        sys::SSL_get0_dane_tlsa(ssl, &mut usage, &mut selector, &mut matching, ptr::null_mut(), ptr::null_mut())
    };
    depth >= 0 && usage == END_ENTITY
}
