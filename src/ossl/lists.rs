//! What this OpenSSL offers: names of TLS ciphers, of EVP ciphers and of digests.

use crate::error::Result;
use std::ffi::{CStr, c_int, c_void};

use super::{ssl, sys};

/// The TLS cipher suites that a connection with default settings offers, best first.
pub fn tls_ciphers() -> Result<Vec<String>> {
    let ctx = ssl::context::new(false)?;
    Ok(ctx.cipher_names().into_iter().map(text).collect())
}

/// The ciphers that EVP knows by name, sorted.
pub fn evp_ciphers() -> Result<Vec<String>> {
    names(sys::OBJ_NAME_TYPE_CIPHER_METH)
}

/// The digests that EVP knows by name, sorted.
pub fn evp_digests() -> Result<Vec<String>> {
    names(sys::OBJ_NAME_TYPE_MD_METH)
}

fn names(kind: c_int) -> Result<Vec<String>> {
    super::init()?;
    let mut names: Vec<String> = Vec::new();
    // SAFETY: the callback gets the address of `names`, which outlives the call.
    unsafe { sys::OBJ_NAME_do_all_sorted(kind, collect, (&raw mut names).cast()) };
    names.sort();
    names.dedup();
    Ok(names)
}

unsafe extern "C" fn collect(entry: *const sys::ObjName, names: *mut c_void) {
    // SAFETY: OpenSSL passes a live entry with a NUL-terminated name, and the address that `names` gave it.
    unsafe {
        let names = &mut *names.cast::<Vec<String>>();
        names.push(text(CStr::from_ptr((*entry).name)));
    }
}

fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}
