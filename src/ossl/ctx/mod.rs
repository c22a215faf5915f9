//! SSL_CTX: what connections of one configuration share.

mod ciphers;
pub mod groups;
pub mod key_log;
pub mod records;
pub mod value;

use crate::error::{Code, Result};
use openssl_sys as ffi;
use std::{
    collections::HashSet,
    ffi::{CStr, c_int},
    ptr::{self, NonNull},
};

use super::{
    pkey::Pkey,
    queue, sys, versions,
    x509::{X509, crl::Crl, store::Store},
};

/// A context. Its setters are called while it is being built; afterwards it is only read.
pub struct Ctx(NonNull<ffi::SSL_CTX>);

// SAFETY: OpenSSL counts references atomically and locks what connections share of a context.
unsafe impl Send for Ctx {}
// SAFETY: likewise; setters take `&mut self`.
unsafe impl Sync for Ctx {}

impl Drop for Ctx {
    fn drop(&mut self) {
        // SAFETY: one reference is ours.
        unsafe { ffi::SSL_CTX_free(self.0.as_ptr()) }
    }
}

/// What the connections of a context may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// TLS, either end.
    Tls,
    /// TLS, the end that connects.
    TlsClient,
    /// TLS, the end that accepts.
    TlsServer,
    /// DTLS, either end.
    Dtls,
}

impl Ctx {
    /// A context as OpenSSL makes it. OpenSSL tries its algorithms meanwhile, and does for good without one that there was no
    /// memory for; so a context that memory ran out for is made again, or not at all.
    pub fn bare(method: Method) -> Result<Ctx> {
        super::init()?;
        match Ctx::try_bare(method) {
            Err(error) if error.code == Code::NoMemory => Ctx::try_bare(method),
            made => made,
        }
    }

    fn try_bare(method: Method) -> Result<Ctx> {
        queue::clear();
        // SAFETY: the methods are static.
        let ctx = NonNull::new(unsafe {
            ffi::SSL_CTX_new(match method {
                Method::Tls => ffi::TLS_method(),
                Method::TlsClient => ffi::TLS_client_method(),
                Method::TlsServer => ffi::TLS_server_method(),
                Method::Dtls => ffi::DTLS_method(),
            })
        })
        .map(Ctx);
        let entry = queue::take();
        match (ctx, entry) {
            (Some(ctx), None) => Ok(ctx),
            (Some(ctx), Some(entry)) if !entry.is_out_of_memory() => Ok(ctx),
            (_, entry) => {
                let what = "OpenSSL cannot make an SSL_CTX; are its providers loaded?";
                Err(queue::error_from(entry, Code::Unsupported, what))
            }
        }
    }

    /// For OpenSSL's functions.
    pub fn as_ptr(&self) -> *mut ffi::SSL_CTX {
        self.0.as_ptr()
    }

    /// The lowest protocol version that the system's configuration allows (openssl.cnf), or 0 if it does not say.
    pub fn min_version(&self) -> c_int {
        // SAFETY: the context is live.
        unsafe { versions::get_min_proto_version(self.as_ptr()) as c_int }
    }

    /// Limits the protocol versions, given as OpenSSL's numbers; 0 leaves what the system's configuration says. False if
    /// this OpenSSL lacks them.
    pub fn set_versions(&mut self, min: c_int, max: c_int) -> bool {
        // SAFETY: the context is live.
        let done = unsafe {
            (min == 0 || versions::set_min_proto_version(self.as_ptr(), min) == 1)
                && (max == 0 || versions::set_max_proto_version(self.as_ptr(), max) == 1)
        };
        queue::clear();
        done
    }

    /// Whether a client hello can be made at all: OpenSSL takes version limits that it was built without, or that the
    /// system's policy forbids, and fails only in the handshake.
    pub fn can_begin_handshakes(&self) -> bool {
        !self.why_no_handshake_begins().is_some_and(|entry| entry.is_ssl_reason(sys::SSL_R_NO_PROTOCOLS_AVAILABLE))
    }

    /// Why a client cannot begin a handshake; None if it can.
    fn why_no_handshake_begins(&self) -> Option<queue::Entry> {
        // SAFETY: the context is live.
        unsafe { begin_handshake(self.as_ptr(), |_| ()) }
    }

    /// OpenSSL's security level: 0 allows what TLS 1.0 and 1.1 are made of.
    pub fn set_security_level(&mut self, level: c_int) {
        // SAFETY: the context is live.
        unsafe { ffi::SSL_CTX_set_security_level(self.as_ptr(), level) }
    }

    /// Sets the signature algorithms that are offered, accepted and used, as SSL_CTX_set1_sigalgs_list(3) has them.
    pub fn set_signature_algorithms(&mut self, list: &CStr) -> Result<()> {
        queue::clear();
        // SAFETY: the context is live, the text NUL-terminated and only read.
        let done = unsafe { ffi::SSL_CTX_set1_sigalgs_list(self.as_ptr(), list.as_ptr()) };
        queue::check(
            done as c_int,
            Code::Config,
            &format!("signature algorithms \"{}\" that OpenSSL cannot use", list.to_string_lossy()),
        )
    }

    /// Presents `leaf`, whose private key is `key`, followed by `intermediates`.
    pub fn use_certificate(&mut self, leaf: &X509, intermediates: &[X509], key: &Pkey) -> Result<()> {
        self.use_chain(leaf, intermediates)?;
        self.use_key(key)
    }

    /// Presents `leaf` followed by `intermediates`, once it has the key that belongs to it.
    pub fn use_chain(&mut self, leaf: &X509, intermediates: &[X509]) -> Result<()> {
        queue::clear();
        // SAFETY: all are live; the context takes references of its own.
        let done = unsafe { ffi::SSL_CTX_use_certificate(self.as_ptr(), leaf.as_ptr()) };
        queue::check(done, Code::Config, "the certificate cannot be used")?;
        for certificate in intermediates {
            // SAFETY: likewise; add1 takes a reference.
            let done = unsafe { versions::add1_chain_cert(self.as_ptr(), certificate.as_ptr()) };
            queue::check(done as c_int, Code::Config, "a certificate of the chain cannot be used")?;
        }
        Ok(())
    }

    /// Proves possession with `key`, which must belong to the certificate where there is one already.
    pub fn use_key(&mut self, key: &Pkey) -> Result<()> {
        if let Some(entry) = self.key_mismatch(key) {
            // OpenSSL checks this too, but 1.1.1 drops the certificate then.
            return Err(queue::error_from(Some(entry), Code::Config, "the private key cannot be used"));
        }
        self.use_own_key(key)
    }

    /// Proves possession with `key` of the certificate that has this type of key, to which it belongs, or will.
    pub fn use_own_key(&mut self, key: &Pkey) -> Result<()> {
        queue::clear();
        // SAFETY: both are live; the context takes a reference of its own.
        let done = unsafe { ffi::SSL_CTX_use_PrivateKey(self.as_ptr(), key.as_ptr()) };
        queue::check(done, Code::Config, "the private key cannot be used")
    }

    fn key_mismatch(&self, key: &Pkey) -> Option<queue::Entry> {
        queue::clear();
        // SAFETY: the context and the key are live; the certificate is borrowed for the check.
        let is_own = unsafe {
            let certificate = ffi::SSL_CTX_get0_certificate(self.as_ptr());
            certificate.is_null() || sys::X509_check_private_key(certificate, key.as_ptr()) == 1
        };
        if is_own { None } else { queue::take().filter(|entry| !entry.is_out_of_memory()) }
    }

    /// Trusts exactly these certificates, each as an anchor, whether it is self-signed or not. A rejection counts wherever
    /// it is in the list.
    pub fn trust(&mut self, anchors: &[X509]) -> Result<()> {
        self.store().add_all(anchors)?;
        // SAFETY: the context is live and lends its parameters.
        unsafe {
            let param = ffi::SSL_CTX_get0_param(self.as_ptr());
            ffi::X509_VERIFY_PARAM_set_flags(param, sys::X509_V_FLAG_PARTIAL_CHAIN);
        }
        Ok(())
    }

    /// Names these CAs to clients that are asked for a certificate, each once. A message has space for about 64 kB of
    /// names: where there are more, none are sent, and clients choose by themselves (RFC 5246, 7.4.4; RFC 8446, 4.2.4).
    pub fn name_cas_to_clients(&mut self, cas: &[X509]) -> Result<()> {
        const SPACE: usize = 60_000;
        let mut names = HashSet::new();
        let mut new = Vec::new();
        for ca in cas {
            if names.insert(ca.subject_der()?) {
                new.push(ca);
            }
        }
        if names.iter().map(|name| name.len() + 2).sum::<usize>() > SPACE {
            return Ok(());
        }
        queue::clear();
        for ca in new {
            // SAFETY: both are live; the context copies the name.
            let done = unsafe { ffi::SSL_CTX_add_client_CA(self.as_ptr(), ca.as_ptr()) };
            queue::check(done, Code::NoMemory, "a CA's name cannot be listed")?;
        }
        Ok(())
    }

    /// The store of certificates that the context trusts.
    pub fn store(&mut self) -> Store {
        // SAFETY: the context is live and lends its store, to which the caller gets a reference of its own.
        unsafe { Store::from_borrowed(ffi::SSL_CTX_get_cert_store(self.as_ptr())) }
    }

    /// The store of certificates that the context trusts, to verify with.
    pub fn trusted(&self) -> Store {
        // SAFETY: likewise.
        unsafe { Store::from_borrowed(ffi::SSL_CTX_get_cert_store(self.as_ptr())) }
    }

    /// The security level.
    pub fn security_level(&self) -> c_int {
        // SAFETY: the context is live.
        unsafe { sys::SSL_CTX_get_security_level(self.as_ptr()) }
    }

    /// A further reference to the same context.
    pub fn another(&self) -> Ctx {
        // SAFETY: the context is live.
        unsafe { ffi::SSL_CTX_up_ref(self.as_ptr()) };
        Ctx(self.0)
    }

    /// Presents no intermediates any more.
    pub fn clear_chain(&mut self) {
        // SAFETY: the context is live; no certificates are given.
        unsafe { ffi::SSL_CTX_ctrl(self.as_ptr(), sys::SSL_CTRL_CHAIN, 0, ptr::null_mut()) };
    }

    /// Whether it has a certificate to present, but no key that belongs to it.
    pub fn lacks_key(&self) -> bool {
        // SAFETY: the context is live; what it lends is only compared.
        unsafe {
            !ffi::SSL_CTX_get0_certificate(self.as_ptr()).is_null()
                && ffi::SSL_CTX_get0_privatekey(self.as_ptr()).is_null()
        }
    }

    /// Names no CAs to clients any more.
    pub fn name_no_cas_to_clients(&mut self) {
        // SAFETY: the context is live; NULL stands for no list.
        unsafe { ffi::SSL_CTX_set_client_CA_list(self.as_ptr(), ptr::null_mut()) }
    }

    /// Trusts a CA, which must be self-signed to end a chain.
    pub fn add_ca(&mut self, ca: &X509) -> Result<()> {
        queue::clear();
        // SAFETY: both are live; the store takes a reference of its own.
        let done = unsafe { ffi::X509_STORE_add_cert(ffi::SSL_CTX_get_cert_store(self.as_ptr()), ca.as_ptr()) };
        queue::check(done, Code::Config, "the CA certificate cannot be used")
    }

    /// Adds revocation lists, and demands one for each certificate of a chain.
    pub fn add_crls(&mut self, crls: &[Crl]) -> Result<()> {
        queue::clear();
        // SAFETY: the context is live and lends its store, which takes references of its own.
        unsafe {
            let store = ffi::SSL_CTX_get_cert_store(self.as_ptr());
            for crl in crls {
                queue::check(sys::X509_STORE_add_crl(store, crl.as_ptr()), Code::Config, "the CRL cannot be used")?;
            }
            ffi::X509_STORE_set_flags(store, sys::X509_V_FLAG_CRL_CHECK | sys::X509_V_FLAG_CRL_CHECK_ALL);
        }
        Ok(())
    }

    /// Sets option bits (`SSL_OP_*`) and says which are set now.
    pub fn set_options(&mut self, options: u64) -> u64 {
        // SAFETY: the context is live.
        unsafe { versions::ctx_set_options(self.as_ptr(), options) }
    }

    /// Servers go by their own order of cipher suites.
    pub fn prefer_own_ciphers(&mut self) {
        self.set_options(sys::SSL_OP_CIPHER_SERVER_PREFERENCE);
    }

    /// Sessions of one id context are not resumed in another. At most 32 bytes.
    pub fn set_session_id_context(&mut self, id: &[u8]) -> Result<()> {
        queue::clear();
        // SAFETY: `id` is readable for its length.
        let done = unsafe {
            ffi::SSL_CTX_set_session_id_context(self.as_ptr(), id.as_ptr(), id.len() as std::ffi::c_uint)
        };
        queue::check(done, Code::Internal, "cannot set the session id context")
    }
}

/// Begins the handshake of a client of a context, which `prepare` may change first, without a peer; its hello goes nowhere.
/// The error, if there is one.
///
/// # Safety
/// `ctx` is live, and so is what `prepare` leaves in the SSL, which is freed here.
pub(super) unsafe fn begin_handshake(
    ctx: *mut ffi::SSL_CTX,
    prepare: impl FnOnce(*mut ffi::SSL),
) -> Option<queue::Entry> {
    queue::clear();
    // SAFETY: the preconditions cover the context; the SSL owns both BIOs, and never touches a descriptor.
    unsafe {
        let ssl = ffi::SSL_new(ctx);
        if ssl.is_null() {
            return queue::take();
        }
        sys::SSL_set_bio(ssl, ffi::BIO_new(ffi::BIO_s_mem()), ffi::BIO_new(ffi::BIO_s_mem()));
        prepare(ssl);
        ffi::SSL_set_connect_state(ssl);
        ffi::SSL_do_handshake(ssl);
        ffi::SSL_free(ssl);
    }
    queue::take()
}
