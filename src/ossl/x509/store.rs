//! X509_STORE: certificates to trust. Built by one owner; afterwards any number of connections verify with it.

use crate::error::{Code, Result};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, OsString, c_int},
    os::unix::ffi::OsStringExt,
    ptr::{self, NonNull},
};

use super::{X509, rejections};
use crate::ossl::{queue, sys};

/// A store. Its setters take `&mut self`; what OpenSSL adds during verification (certificates that it finds in
/// directories) is under the store's own lock.
pub struct Store(NonNull<ffi::X509_STORE>);

// SAFETY: OpenSSL counts references atomically, and locks the objects of a store.
unsafe impl Send for Store {}
// SAFETY: likewise; the list of places to look in changes only through `&mut self`.
unsafe impl Sync for Store {}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: one reference is ours.
        unsafe { ffi::X509_STORE_free(self.0.as_ptr()) }
    }
}

impl Store {
    /// An empty store.
    pub fn new() -> Result<Store> {
        crate::ossl::init()?;
        queue::clear();
        // SAFETY: no preconditions.
        let store = NonNull::new(unsafe { ffi::X509_STORE_new() });
        store.map(Store).ok_or_else(|| queue::error(Code::NoMemory, "cannot make an X509_STORE"))
    }

    /// Takes a further reference.
    ///
    /// # Safety
    /// `store` is live.
    pub unsafe fn from_borrowed(store: *mut ffi::X509_STORE) -> Store {
        // SAFETY: the preconditions cover it; a live store is not NULL.
        unsafe {
            sys::X509_STORE_up_ref(store);
            Store(NonNull::new_unchecked(store))
        }
    }

    /// For OpenSSL's functions.
    pub fn as_ptr(&self) -> *mut ffi::X509_STORE {
        self.0.as_ptr()
    }

    /// Adds a certificate.
    pub fn add(&mut self, certificate: &X509) -> Result<()> {
        queue::clear();
        // SAFETY: both are live; the store takes a reference of its own.
        let done = unsafe { ffi::X509_STORE_add_cert(self.as_ptr(), certificate.as_ptr()) };
        queue::check(done, Code::Config, "a CA certificate cannot be used")
    }

    /// Adds certificates. A rejection counts wherever it is in the list.
    pub fn add_all(&mut self, certificates: &[X509]) -> Result<()> {
        rejections::shared(certificates)?.iter().try_for_each(|certificate| self.add(certificate))
    }

    /// Adds directories, separated by colons, whose files are named by the hashes of subjects (c_rehash(1)). OpenSSL
    /// reads a file when a chain needs it.
    pub fn add_directories(&mut self, paths: &CStr) -> Result<()> {
        queue::clear();
        // SAFETY: the store is live and owns the look-up; the text is NUL-terminated and only read.
        let done = unsafe {
            let lookup = ffi::X509_STORE_add_lookup(self.as_ptr(), ffi::X509_LOOKUP_hash_dir());
            if lookup.is_null() {
                return Err(queue::error(Code::NoMemory, "cannot add a directory of CA certificates"));
            }
            let (command, pem) = (sys::X509_L_ADD_DIR, sys::X509_FILETYPE_PEM);
            ffi::X509_LOOKUP_ctrl(lookup, command, paths.as_ptr(), pem, ptr::null_mut())
        };
        queue::check(done, Code::Config, "cannot add a directory of CA certificates")
    }
}

/// The file and the directories where this OpenSSL looks for CA certificates if the environment says nothing.
pub fn default_places() -> [OsString; 2] {
    // SAFETY: both are static texts.
    let texts = unsafe {
        [
            crate::ossl::static_text(sys::X509_get_default_cert_file()),
            crate::ossl::static_text(sys::X509_get_default_cert_dir()),
        ]
    };
    texts.map(|text| OsString::from_vec(text.map_or_else(Vec::new, |text| text.to_bytes().to_vec())))
}

/// Builds and checks the chain of a store context: an `X509_V_*` code, 0 only if a chain was built and is fine.
///
/// # Safety
/// `ctx` is live and initialised.
pub unsafe fn verify(ctx: *mut ffi::X509_STORE_CTX) -> c_int {
    // SAFETY: the preconditions cover it.
    unsafe {
        let trusted = sys::X509_verify_cert(ctx) == 1;
        let chain = ffi::X509_STORE_CTX_get0_chain(ctx);
        let built = !chain.is_null() && sys::OPENSSL_sk_num(chain.cast()) > 0;
        match ffi::X509_STORE_CTX_get_error(ctx) {
            // A failure that OpenSSL gives no reason for, such as an allocation's, is a failure.
            0 if !trusted || !built => sys::X509_V_ERR_UNSPECIFIED,
            reason => reason,
        }
    }
}

/// Whether what OpenSSL has just found is only that the anchor of the chain is in no list that its own issuer has signed. Where
/// the anchor is not self-signed, its issuer is in no chain, and need not be known: RFC 5280 (6.1) looks for the certificates
/// below the anchor.
///
/// # Safety
/// `ctx` is live, and calls its verify callback.
pub unsafe fn lacks_list_of_anchor(ctx: *mut ffi::X509_STORE_CTX) -> bool {
    // SAFETY: the preconditions cover the context, which lends its chain.
    unsafe {
        let is_about_list = matches!(
            ffi::X509_STORE_CTX_get_error(ctx),
            sys::X509_V_ERR_UNABLE_TO_GET_CRL
                | sys::X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER
                | sys::X509_V_ERR_CRL_SIGNATURE_FAILURE
                | sys::X509_V_ERR_KEYUSAGE_NO_CRL_SIGN
        );
        let chain = ffi::X509_STORE_CTX_get0_chain(ctx);
        if !is_about_list || chain.is_null() {
            return false;
        }
        let last = sys::OPENSSL_sk_num(chain.cast()) - 1;
        let anchor = sys::OPENSSL_sk_value(chain.cast(), last).cast::<ffi::X509>();
        ffi::X509_STORE_CTX_get_error_depth(ctx) == last
            && !anchor.is_null()
            && ffi::X509_get_extension_flags(anchor) & ffi::EXFLAG_SI == 0
    }
}

/// The certificate for which a store context's chain is refused, where OpenSSL says which.
///
/// # Safety
/// `ctx` is live.
pub unsafe fn at_fault(ctx: *mut ffi::X509_STORE_CTX) -> Option<X509> {
    // SAFETY: the preconditions cover the context, which lends the certificate, or NULL.
    unsafe { X509::from_borrowed(ffi::X509_STORE_CTX_get_current_cert(ctx)) }
}

/// When the first certificate of a store context's verified chain expires, in seconds since 1970.
///
/// # Safety
/// `ctx` is live.
pub unsafe fn chain_expires(ctx: *mut ffi::X509_STORE_CTX) -> Result<Option<i64>> {
    // SAFETY: the preconditions cover the context, which lends its chain.
    let chain = unsafe { X509::from_borrowed_stack(ffi::X509_STORE_CTX_get0_chain(ctx)) };
    let times = chain.iter().map(X509::not_after).collect::<Result<Vec<i64>>>()?;
    Ok(times.into_iter().min())
}

/// When the next certificate expires of a chain that need not be complete, nor good, in seconds since 1970.
///
/// # Safety
/// `ctx` is live.
pub unsafe fn next_expiry(ctx: *mut ffi::X509_STORE_CTX, now: i64) -> Option<i64> {
    // SAFETY: the caller guarantees the context, which lends its chain.
    let chain = unsafe { X509::from_borrowed_stack(ffi::X509_STORE_CTX_get0_chain(ctx)) };
    chain.iter().filter_map(|certificate| certificate.not_after().ok()).filter(|end| *end >= now).min()
}
