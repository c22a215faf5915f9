//! What may be demanded of a peer's certificate beside a chain to a trusted CA and its name.

use openssl_sys as ffi;
use std::{
    ffi::{c_int, c_ulong},
    sync::Arc,
};

use super::dane::Record;
use crate::ossl::{
    lent_stack::LentStack,
    sys,
    x509::{X509, crl::Crl, spki, store},
};

/// What a client makes of stapled responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StaplePolicy {
    /// It asks for none, and looks at none.
    #[default]
    Ignore,
    /// It asks for one. One that is there must be good; a certificate that demands one must have one.
    Honour,
    /// There must be one, and it must be good.
    Require,
}

/// What is wrong with a staple.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadStaple {
    /// There is none, and there must be one.
    Missing,
    /// The certificate is revoked.
    Revoked,
    /// The response says nothing that can be relied on, for this reason.
    Unusable(String),
}

impl BadStaple {
    /// The `X509_V_*` code.
    pub fn verify_result(&self) -> c_int {
        match self {
            BadStaple::Revoked => sys::X509_V_ERR_CERT_REVOKED,
            BadStaple::Missing | BadStaple::Unusable(_) => sys::X509_V_ERR_OCSP_VERIFY_NEEDED,
        }
    }

    /// A sentence for people.
    pub fn message(&self) -> String {
        match self {
            BadStaple::Missing => "the server has stapled no OCSP response, and one is demanded".to_string(),
            BadStaple::Revoked => "the peer's certificate is revoked, says the stapled OCSP response".to_string(),
            BadStaple::Unusable(why) => format!("the stapled OCSP response cannot be relied on: {why}"),
        }
    }
}

/// The demands. The default demands nothing.
#[derive(Clone, Default)]
pub struct Requirements {
    /// The digests of public keys, one of which the chain must hold; empty for any.
    pub pins: Vec<[u8; spki::LEN]>,
    /// How many CA certificates may be between the peer's certificate and the trusted one.
    pub depth: Option<c_int>,
    /// The time at which certificates must be valid, in seconds since 1970, instead of now.
    pub time: Option<i64>,
    /// Whether certificates must keep to the letter of RFC 5280.
    pub strict: bool,
    /// Whether the CommonName never stands in for a DNS name.
    pub no_common_name: bool,
    /// What is made of stapled OCSP responses.
    pub staples: StaplePolicy,
    /// The records one of which the server must be like; empty for any.
    pub tlsa: Vec<Record>,
    /// Whether the name counts, too, for a server whose own certificate or key a record names.
    pub tlsa_names: bool,
    /// The revocation lists that must not name the certificates.
    pub crls: Option<CrlCheck>,
}

impl Requirements {
    /// Those that say how a chain is verified, without those that only some peers meet.
    pub fn for_chain_only(&self) -> Requirements {
        let Requirements { depth, time, strict, no_common_name, .. } = *self;
        Requirements { depth, time, strict, no_common_name, ..Requirements::default() }
    }
}

/// Revocation lists, and how they are used.
#[derive(Clone)]
pub struct CrlCheck {
    pub lists: Arc<Vec<Crl>>,
    /// Identifies these lists.
    pub digest: Vec<u8>,
    /// When the first of the lists is due to be replaced, in seconds since 1970.
    pub next_update: Option<i64>,
    /// Whether the CAs are looked for too, and not the peer's own certificate only.
    pub whole_chain: bool,
    /// Whether a certificate passes whose issuer has no list here.
    pub tolerate_missing: bool,
    /// Whether a list counts that is due to be replaced.
    pub tolerate_expired: bool,
}

impl CrlCheck {
    /// # Safety
    /// `ctx` is live and initialised, and does not outlive what is returned; the lists outlive that.
    unsafe fn lend(&self, ctx: *mut ffi::X509_STORE_CTX) -> Option<LentStack> {
        type Tolerate = unsafe extern "C" fn(c_int, *mut ffi::X509_STORE_CTX) -> c_int;
        let tolerate: Tolerate = match (self.tolerate_missing, self.tolerate_expired) {
            (false, false) => tolerate::<false, false>,
            (true, false) => tolerate::<true, false>,
            (false, true) => tolerate::<false, true>,
            (true, true) => tolerate::<true, true>,
        };
        // SAFETY: the preconditions cover the context; the stack borrows the lists.
        unsafe {
            let stack = LentStack::new(self.lists.iter().map(Crl::as_ptr))?;
            sys::X509_STORE_CTX_set0_crls(ctx, stack.as_ptr());
            sys::X509_STORE_CTX_set_verify_cb(ctx, Some(tolerate));
            Some(stack)
        }
    }
}

/// OpenSSL calls this with what it has found.
///
/// # Safety
/// `ctx` is live.
unsafe extern "C" fn tolerate<const MISSING: bool, const EXPIRED: bool>(
    fine: c_int,
    ctx: *mut ffi::X509_STORE_CTX,
) -> c_int {
    if fine != 0 {
        return fine;
    }
    // SAFETY: OpenSSL passes a live context, and calls this from it.
    unsafe {
        match ffi::X509_STORE_CTX_get_error(ctx) {
            sys::X509_V_ERR_UNABLE_TO_GET_CRL if MISSING => (),
            _ if store::lacks_list_of_anchor(ctx) => (),
            sys::X509_V_ERR_CRL_HAS_EXPIRED if EXPIRED => (),
            _ => return fine,
        }
        ffi::X509_STORE_CTX_set_error(ctx, 0);
    }
    1
}

impl Requirements {
    /// The time at which certificates must be valid, in seconds since 1970.
    pub fn now(&self) -> i64 {
        self.time.unwrap_or_else(crate::ossl::now)
    }

    /// Sets what a store context demands of the chain. None if memory ran out; else what must live until it has
    /// verified.
    ///
    /// # Safety
    /// `ctx` is live and initialised, and has not verified yet.
    pub unsafe fn prepare(&self, ctx: *mut ffi::X509_STORE_CTX) -> Option<Option<LentStack>> {
        let mut flags: c_ulong = if self.strict { sys::X509_V_FLAG_X509_STRICT } else { 0 };
        // SAFETY: the preconditions cover the context, which lends its parameters.
        unsafe {
            let param = sys::X509_STORE_CTX_get0_param(ctx);
            if let Some(depth) = self.depth {
                ffi::X509_VERIFY_PARAM_set_depth(param, depth);
            }
            if let Some(time) = self.time {
                ffi::X509_VERIFY_PARAM_set_time(param, time as libc::time_t);
            }
            let mut lent = None;
            if let Some(crls) = &self.crls {
                flags |= sys::X509_V_FLAG_CRL_CHECK;
                flags |= if crls.whole_chain { sys::X509_V_FLAG_CRL_CHECK_ALL } else { 0 };
                lent = Some(crls.lend(ctx)?);
            }
            if flags != 0 {
                ffi::X509_VERIFY_PARAM_set_flags(param, flags);
            }
            Some(lent)
        }
    }

    /// Until when a chain holds that expires at this time: a list that is due may name it.
    pub fn holds_until(&self, expires: Option<i64>) -> Option<i64> {
        [expires, self.next_list()].into_iter().flatten().min()
    }

    /// Until when what is wrong with a chain stays the same, if its next certificate expires at this time. A list that is
    /// overdue is wrong already.
    pub fn stays_until(&self, next_expiry: Option<i64>, now: i64) -> Option<i64> {
        [next_expiry, self.next_list().filter(|due| *due >= now)].into_iter().flatten().min()
    }

    /// When the next revocation list is due, where that matters.
    fn next_list(&self) -> Option<i64> {
        self.crls.as_ref().filter(|crls| !crls.tolerate_expired)?.next_update
    }

    /// Whether one of these certificates has a pinned key, or no key is pinned. A key that cannot be read is none of them.
    pub fn has_pinned_key(&self, certificates: &[X509]) -> bool {
        let is_pinned =
            |certificate: &X509| certificate.spki_digest().is_ok_and(|digest| self.pins.contains(&digest));
        self.pins.is_empty() || certificates.iter().any(is_pinned)
    }
}
