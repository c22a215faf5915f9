//! OCSP (RFC 6960): requests, and what a response says of a certificate.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{
    ffi::c_int,
    ptr::{self, NonNull},
};

use crate::ossl::{
    der,
    lent_stack::LentStack,
    queue, sys,
    x509::{self, X509, store::Store},
};

/// What a response says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is not revoked, as far as the responder knew; until when that holds, in seconds since 1970.
    Good { until: i64 },
    /// It is revoked.
    Revoked,
    /// The responder does not know it.
    Unknown,
}

/// How far clocks may be apart, in seconds.
const SKEW: i64 = 300;
/// How old a response may be that does not say when the next one is due, in seconds.
const MAX_AGE: i64 = 7 * 24 * 3600;

/// Declares a type that owns one of OpenSSL's objects.
macro_rules! owned {
    ($name:ident, $object:ty, $free:path) => {
        struct $name(NonNull<$object>);

        impl $name {
            /// Takes over a new object; None for NULL.
            fn from_owned(object: *mut $object) -> Option<$name> {
                NonNull::new(object).map($name)
            }

            fn as_ptr(&self) -> *mut $object {
                self.0.as_ptr()
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: the object is ours.
                unsafe { $free(self.as_ptr()) }
            }
        }
    };
}

owned!(Response, ffi::OCSP_RESPONSE, ffi::OCSP_RESPONSE_free);
owned!(Basic, ffi::OCSP_BASICRESP, ffi::OCSP_BASICRESP_free);
owned!(Request, ffi::OCSP_REQUEST, ffi::OCSP_REQUEST_free);
owned!(CertId, ffi::OCSP_CERTID, ffi::OCSP_CERTID_free);

/// The object, or what OpenSSL says of why there is none.
fn made<T>(object: Option<T>, what: &str) -> Result<T> {
    object.ok_or_else(|| queue::error(Code::Config, what))
}

impl CertId {
    fn of(leaf: &X509, issuer: &X509, digest: *const ffi::EVP_MD) -> Result<CertId> {
        // SAFETY: the certificates are live; the digest is static, or NULL for SHA-1.
        let id = unsafe { ffi::OCSP_cert_to_id(digest, leaf.as_ptr(), issuer.as_ptr()) };
        made(CertId::from_owned(id), "the certificate cannot be named in OCSP")
    }
}

/// A request for the status of `leaf`, which `issuer` has issued, in DER.
pub fn request(leaf: &X509, issuer: &X509) -> Result<Vec<u8>> {
    queue::clear();
    // SAFETY: no preconditions.
    let request = made(Request::from_owned(unsafe { ffi::OCSP_REQUEST_new() }), "cannot make an OCSP request")?;
    let id = CertId::of(leaf, issuer, ptr::null())?;
    // SAFETY: both are live; the request takes the name over if it succeeds.
    let added = unsafe { ffi::OCSP_request_add0_id(request.as_ptr(), id.as_ptr()) };
    if added.is_null() {
        return Err(queue::error(Code::NoMemory, "cannot make an OCSP request"));
    }
    std::mem::forget(id);
    let mut der: *mut u8 = ptr::null_mut();
    // SAFETY: the request is live; OpenSSL allocates the bytes.
    let len = unsafe { ffi::i2d_OCSP_REQUEST(request.as_ptr(), &mut der) };
    queue::check(len, Code::NoMemory, "cannot write the OCSP request")?;
    // SAFETY: `der` holds `len` bytes that are ours.
    Ok(unsafe { crate::ossl::take_bytes(der, len) })
}

/// What a response in DER says of `leaf`. An error if it says nothing that can be relied on: it must be signed by the issuer
/// itself, or by a responder to whom the issuer has given a certificate for that purpose, and be of the time `now`, in
/// seconds since 1970.
pub fn status_of(response: &[u8], leaf: &X509, issuer: &X509, now: i64) -> Result<Status> {
    crate::ossl::init()?;
    queue::clear();
    let basic = parse(response)?;
    check_signature(&basic, issuer, now)?;
    find(&basic, leaf, issuer, now)
}

fn parse(response: &[u8]) -> Result<Basic> {
    let parsed = der::read(response, "OCSP response", |cursor, len| {
        // SAFETY: `cursor` points to `len` readable bytes; a new response, or NULL.
        Response::from_owned(unsafe { ffi::d2i_OCSP_RESPONSE(ptr::null_mut(), cursor, len) })
    })?;
    // SAFETY: the response is live.
    let status = unsafe { ffi::OCSP_response_status(parsed.as_ptr()) };
    if status != ffi::OCSP_RESPONSE_STATUS_SUCCESSFUL {
        return Err(Error::new(Code::Config, format!("the OCSP responder reports an error (status {status})")));
    }
    // SAFETY: likewise; the result is a new reference.
    made(
        Basic::from_owned(unsafe { ffi::OCSP_response_get1_basic(parsed.as_ptr()) }),
        "the OCSP response is not a basic one",
    )
}

/// With no flags OpenSSL looks whether the signer may sign; the only certificate that it trusts here is the issuer's.
fn check_signature(basic: &Basic, issuer: &X509, now: i64) -> Result<()> {
    let mut store = Store::new()?;
    store.add(issuer)?;
    let stack = LentStack::new([issuer.as_ptr()].into_iter())
        .ok_or_else(|| queue::error(Code::NoMemory, "cannot check the OCSP response"))?;
    // SAFETY: the store is live, and the stack holds a borrowed certificate that outlives it.
    let done = unsafe {
        let param = sys::X509_STORE_get0_param(store.as_ptr());
        ffi::X509_VERIFY_PARAM_set_flags(param, sys::X509_V_FLAG_PARTIAL_CHAIN);
        ffi::X509_VERIFY_PARAM_set_time(param, now as libc::time_t);
        ffi::OCSP_basic_verify(basic.as_ptr(), stack.as_ptr(), store.as_ptr(), 0)
    };
    if done == 1 {
        return Ok(());
    }
    Err(queue::error(Code::Verify, "the OCSP response is not signed by the certificate's issuer"))
}

fn find(basic: &Basic, leaf: &X509, issuer: &X509, now: i64) -> Result<Status> {
    // SAFETY: the digests are static.
    let digests = unsafe { [ffi::EVP_sha1(), ffi::EVP_sha256(), ffi::EVP_sha384(), ffi::EVP_sha512()] };
    for digest in digests {
        let id = CertId::of(leaf, issuer, digest)?;
        let (mut status, mut reason): (c_int, c_int) = (-1, -1);
        let (mut revoked_at, mut this, mut next) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: response and name are live; the times are lent by the response.
        let found = unsafe {
            ffi::OCSP_resp_find_status(
                basic.as_ptr(),
                id.as_ptr(),
                &mut status,
                &mut reason,
                &mut revoked_at,
                &mut this,
                &mut next,
            )
        };
        if found != 1 {
            continue;
        }
        let until = until(this, next, now)?;
        return Ok(match status {
            ffi::V_OCSP_CERTSTATUS_GOOD => Status::Good { until },
            ffi::V_OCSP_CERTSTATUS_REVOKED => Status::Revoked,
            _ => Status::Unknown,
        });
    }
    queue::clear();
    Err(Error::new(Code::Verify, "the OCSP response is for another certificate"))
}

/// Until when an answer holds that was made at `this` and is to be replaced at `next`, which may be NULL. An error if it does
/// not hold at the time `now`.
fn until(this: *const ffi::ASN1_GENERALIZEDTIME, next: *const ffi::ASN1_GENERALIZEDTIME, now: i64) -> Result<i64> {
    let not_of_this_time = || Error::new(Code::Verify, "the OCSP response is not of this time");
    if this.is_null() {
        return Err(not_of_this_time());
    }
    let made = x509::seconds(this.cast())?;
    let end = if next.is_null() { made.saturating_add(MAX_AGE) } else { x509::seconds(next.cast())? };
    if made > now.saturating_add(SKEW) || end < now.saturating_sub(SKEW) || end < made {
        return Err(not_of_this_time());
    }
    Ok(end)
}

impl X509 {
    /// Where the issuer answers OCSP requests about the certificate; empty if it does not say.
    pub fn ocsp_url(&self) -> Vec<u8> {
        queue::clear();
        // SAFETY: the certificate is live; the stack of texts is ours.
        unsafe {
            let urls = ffi::X509_get1_ocsp(self.as_ptr()).cast::<std::ffi::c_void>();
            let first = if urls.is_null() { ptr::null_mut() } else { sys::OPENSSL_sk_value(urls, 0) };
            let url = if first.is_null() {
                Vec::new()
            } else {
                std::ffi::CStr::from_ptr(first.cast()).to_bytes().to_vec()
            };
            sys::X509_email_free(urls);
            queue::clear();
            url
        }
    }

    /// Whether the certificate demands that its status is stapled (RFC 7633). One whose extension cannot be read does.
    pub fn demands_staple(&self) -> bool {
        queue::clear();
        let mut place = -1;
        loop {
            // SAFETY: the certificate is live and lends the extension, and that its bytes.
            let features = unsafe {
                place = ffi::X509_get_ext_by_NID(self.as_ptr(), sys::NID_TLSFEATURE, place);
                if place < 0 {
                    return false;
                }
                let value = ffi::X509_EXTENSION_get_data(ffi::X509_get_ext(self.as_ptr(), place));
                let value = value as *const ffi::ASN1_STRING;
                crate::ossl::bytes(ffi::ASN1_STRING_get0_data(value), sys::ASN1_STRING_length(value))
            };
            if features_demand_staple(features) {
                return true;
            }
        }
    }
}

/// Whether a SEQUENCE OF INTEGER holds the number of "status_request". What cannot be read to its end may hold it.
fn features_demand_staple(features: &[u8]) -> bool {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 2;
    const STATUS_REQUEST: u8 = 5;
    let Some((SEQUENCE, mut rest, [])) = der::element(features) else { return true };
    while !rest.is_empty() {
        match der::element(rest) {
            Some((INTEGER, [STATUS_REQUEST] | [0, 0..=0x7f, ..], _)) => return true,
            Some((INTEGER, [_, ..], behind)) => rest = behind,
            _ => return true,
        }
    }
    false
}
