//! What may be demanded of a peer's certificate beside a chain to a trusted CA and its name.

use openssl_sys as ffi;
use std::ffi::{c_int, c_ulong};

use super::{spki, sys, x509::X509};

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
#[derive(Clone, Debug, Default)]
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
}

impl Requirements {
    /// The time by which certificates are judged, in seconds since 1970.
    pub fn now(&self) -> i64 {
        self.time.unwrap_or_else(super::now)
    }

    /// Tells a store context what to demand of the chain.
    ///
    /// # Safety
    /// `ctx` is live and initialised, and has not verified yet.
    pub unsafe fn prepare(&self, ctx: *mut ffi::X509_STORE_CTX) {
        // SAFETY: the caller vouches for the context, which lends its parameters.
        unsafe {
            let param = sys::X509_STORE_CTX_get0_param(ctx);
            if let Some(depth) = self.depth {
                ffi::X509_VERIFY_PARAM_set_depth(param, depth);
            }
            if let Some(time) = self.time {
                ffi::X509_VERIFY_PARAM_set_time(param, time as libc::time_t);
            }
            let flags: c_ulong = if self.strict { sys::X509_V_FLAG_X509_STRICT } else { 0 };
            if flags != 0 {
                ffi::X509_VERIFY_PARAM_set_flags(param, flags);
            }
        }
    }

    /// Whether one of these certificates has a pinned key, or no key is pinned. A key that cannot be read is none of them.
    pub fn has_pinned_key(&self, certificates: &[X509]) -> bool {
        let is_pinned =
            |certificate: &X509| certificate.spki_digest().is_ok_and(|digest| self.pins.contains(&digest));
        self.pins.is_empty() || certificates.iter().any(is_pinned)
    }
}
