//! X.509 certificates: reference-counted, never changed.

pub mod crl;
pub mod details;
pub mod ids;
pub mod key;
pub mod names;
pub mod rejections;
pub mod spki;
pub mod store;

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_char, c_int, c_long, c_uint},
    ptr::{self, NonNull},
};

use super::{
    bio::{MemReader, MemWriter},
    der,
    pkey::Pkey,
    queue, sys,
};

/// One certificate. Cloning takes a further reference.
pub struct X509(NonNull<ffi::X509>);

// SAFETY: OpenSSL counts references atomically and locks the little it computes lazily in an X509.
unsafe impl Send for X509 {}
// SAFETY: likewise; nothing here changes a certificate.
unsafe impl Sync for X509 {}

impl Clone for X509 {
    fn clone(&self) -> X509 {
        // SAFETY: the certificate is live.
        unsafe { ffi::X509_up_ref(self.0.as_ptr()) };
        X509(self.0)
    }
}

impl Drop for X509 {
    fn drop(&mut self) {
        // SAFETY: one reference is ours.
        unsafe { ffi::X509_free(self.0.as_ptr()) }
    }
}

impl PartialEq for X509 {
    fn eq(&self, other: &X509) -> bool {
        // SAFETY: both are live.
        self.0 == other.0 || unsafe { ffi::X509_cmp(self.0.as_ptr(), other.0.as_ptr()) } == 0
    }
}

impl X509 {
    /// Takes over a reference; None for NULL.
    ///
    /// # Safety
    /// `x509` is NULL or a live certificate, one reference of which becomes ours.
    pub unsafe fn from_owned(x509: *mut ffi::X509) -> Option<X509> {
        NonNull::new(x509).map(X509)
    }

    /// Takes a further reference; None for NULL.
    ///
    /// # Safety
    /// `x509` is NULL or a live certificate.
    pub unsafe fn from_borrowed(x509: *mut ffi::X509) -> Option<X509> {
        let x509 = NonNull::new(x509)?;
        // SAFETY: the preconditions cover it.
        unsafe { ffi::X509_up_ref(x509.as_ptr()) };
        Some(X509(x509))
    }

    /// Takes further references of all certificates of a stack; none for NULL.
    ///
    /// # Safety
    /// `stack` is NULL or a live stack of certificates.
    pub unsafe fn from_borrowed_stack(stack: *const ffi::stack_st_X509) -> Vec<X509> {
        if stack.is_null() {
            return Vec::new();
        }
        // SAFETY: the preconditions cover the stack; the index is within it.
        unsafe {
            (0..sys::OPENSSL_sk_num(stack.cast()))
                .filter_map(|i| X509::from_borrowed(sys::OPENSSL_sk_value(stack.cast(), i).cast()))
                .collect()
        }
    }

    /// For OpenSSL's functions.
    pub fn as_ptr(&self) -> *mut ffi::X509 {
        self.0.as_ptr()
    }

    /// Reads DER.
    pub fn from_der(der: &[u8]) -> Result<X509> {
        let x509 = der::read(der, "certificate", |cursor, len| {
            // SAFETY: `cursor` points to `len` readable bytes; a new certificate, or NULL.
            unsafe { X509::from_owned(ffi::d2i_X509(ptr::null_mut(), cursor, len)) }
        });
        x509?.decoded()
    }

    /// The certificate that OpenSSL has just read, with its extensions decoded. OpenSSL decodes the key when it reads a
    /// certificate, and the extensions when they are first needed: once, and keeps for good what did not succeed for lack of
    /// memory. So it is done before anybody shares the certificate.
    pub fn decoded(self) -> Result<X509> {
        // malloc may have failed where it did no harm, and it may be that nothing has been told: reading it again shows.
        let certificate = if nothing_there().is_err() { self.read_again()? } else { self };
        queue::clear();
        // SAFETY: the certificate is live; the purpose -1 asks for the decoding only.
        if unsafe { sys::X509_check_purpose(certificate.as_ptr(), -1, 0) } != 1 {
            // Invalid extensions are for verification to report.
            nothing_there()?;
        }
        queue::clear();
        Ok(certificate)
    }

    fn read_again(&self) -> Result<X509> {
        let der = self.der_with_trust()?;
        let mut cursor = der.as_ptr();
        let len = c_long::try_from(der.len()).map_err(|_| Error::argument("too much data"))?;
        queue::clear();
        // SAFETY: `cursor` points to `len` readable bytes.
        let x509 = unsafe { sys::d2i_X509_AUX(ptr::null_mut(), &mut cursor, len) };
        // SAFETY: a new certificate, or NULL.
        let x509 = unsafe { X509::from_owned(x509) };
        nothing_there()?;
        x509.ok_or_else(|| Error::new(Code::Internal, "a certificate cannot be read again"))
    }

    /// DER with the settings of trust behind it, where there are some ("TRUSTED CERTIFICATE").
    pub fn der_with_trust(&self) -> Result<Vec<u8>> {
        queue::clear();
        let mut der: *mut u8 = ptr::null_mut();
        // SAFETY: the certificate is live; OpenSSL allocates the bytes.
        let len = unsafe { sys::i2d_X509_AUX(self.0.as_ptr(), &mut der) };
        queue::check(len, Code::Internal, "cannot write the certificate")?;
        // SAFETY: `der` holds `len` bytes that are ours.
        Ok(unsafe { super::take_bytes(der, len) })
    }

    /// How many bytes its DER has.
    pub fn der_len(&self) -> usize {
        // SAFETY: the certificate is live; without a place to write to OpenSSL only counts.
        let len = unsafe { ffi::i2d_X509(self.0.as_ptr(), ptr::null_mut()) };
        queue::clear();
        usize::try_from(len).unwrap_or(0)
    }

    /// Whether it is valid at a time, in seconds since 1970: an `X509_V_*` code, 0 if it is.
    pub fn validity_at(&self, now: i64) -> c_int {
        match (self.not_before(), self.not_after()) {
            (Ok(begin), _) if now < begin => sys::X509_V_ERR_CERT_NOT_YET_VALID,
            (Ok(_), Ok(end)) if now <= end => 0,
            (Ok(_), Ok(_)) => sys::X509_V_ERR_CERT_HAS_EXPIRED,
            _ => sys::X509_V_ERR_UNSPECIFIED,
        }
    }

    /// Reads the next certificate of a PEM text, be it OpenSSL's kind with settings of trust behind it ("TRUSTED
    /// CERTIFICATE"). None at its end.
    pub fn next_from_pem(pem: &MemReader<'_>) -> Result<Option<X509>> {
        queue::clear();
        // SAFETY: the BIO is live; the callback refuses to give a password rather than ask the terminal for one.
        let x509 = unsafe {
            let ask = Some(super::pkey::no_passphrase as sys::PassphraseCallback);
            sys::PEM_read_bio_X509_AUX(pem.as_ptr(), ptr::null_mut(), ask, ptr::null_mut())
        };
        // SAFETY: a new certificate, or NULL.
        if let Some(x509) = unsafe { X509::from_owned(x509) } {
            return x509.decoded().map(Some);
        }
        match queue::take() {
            Some(entry) if entry.is_pem_end() => Ok(None),
            entry => Err(queue::error_from(entry, Code::Config, "a PEM certificate is damaged")),
        }
    }

    /// The certificate as DER.
    pub fn der(&self) -> Result<Vec<u8>> {
        queue::clear();
        let mut der: *mut u8 = ptr::null_mut();
        // SAFETY: the certificate is live; OpenSSL allocates the bytes.
        let len = unsafe { ffi::i2d_X509(self.0.as_ptr(), &mut der) };
        queue::check(len, Code::Internal, "cannot write the certificate")?;
        // SAFETY: `der` holds `len` bytes that are ours.
        Ok(unsafe { super::take_bytes(der, len) })
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> Result<Vec<u8>> {
        let out = MemWriter::new()?;
        // SAFETY: both are live.
        let done = unsafe { ffi::PEM_write_bio_X509(out.as_ptr(), self.0.as_ptr()) };
        queue::check(done, Code::Internal, "cannot write the certificate")?;
        Ok(out.into_bytes())
    }

    /// The serial number in upper-case hexadecimal.
    pub fn serial(&self) -> Result<String> {
        queue::clear();
        // SAFETY: the certificate lends its number; the BIGNUM and the text that OpenSSL makes are freed here.
        unsafe {
            let number = ffi::ASN1_INTEGER_to_BN(ffi::X509_get_serialNumber(self.0.as_ptr()), ptr::null_mut());
            if number.is_null() {
                return Err(queue::error(Code::Internal, "cannot read the serial number"));
            }
            let hex = ffi::BN_bn2hex(number);
            ffi::BN_free(number);
            if hex.is_null() {
                return Err(queue::error(Code::NoMemory, "cannot write the serial number"));
            }
            let text = CStr::from_ptr(hex).to_string_lossy().into_owned();
            super::free(hex.cast());
            Ok(text)
        }
    }

    /// The digest, by OpenSSL's name for it, of the DER.
    pub fn digest(&self, name: &CStr) -> Result<Vec<u8>> {
        super::init()?;
        // SAFETY: a NUL-terminated name.
        let digest = unsafe { sys::EVP_get_digestbyname(name.as_ptr()) };
        if digest.is_null() {
            return Err(Error::argument(format!("no digest is named {}", name.to_string_lossy())));
        }
        let mut bytes = vec![0u8; ffi::EVP_MAX_MD_SIZE as usize];
        let mut len: c_uint = 0;
        // SAFETY: the buffer has space for the longest digest.
        let done = unsafe { sys::X509_digest(self.0.as_ptr(), digest, bytes.as_mut_ptr(), &mut len) };
        queue::check(done, Code::Unsupported, "cannot digest the certificate")?;
        bytes.truncate(len as usize);
        Ok(bytes)
    }

    /// From when it is valid, in seconds since 1970 (UTC).
    pub fn not_before(&self) -> Result<i64> {
        // SAFETY: the certificate lends its times.
        seconds(unsafe { sys::X509_get0_notBefore(self.0.as_ptr()) })
    }

    /// Until when it is valid, in seconds since 1970 (UTC).
    pub fn not_after(&self) -> Result<i64> {
        // SAFETY: the certificate lends its times.
        seconds(unsafe { sys::X509_get0_notAfter(self.0.as_ptr()) })
    }

    /// Whether `issuer` says that it has issued this certificate, and its key has signed it.
    pub fn is_signed_by(&self, issuer: &X509) -> bool {
        // SAFETY: both are live; the key is a reference of ours, or NULL, and freed here.
        let is_signed = unsafe {
            ffi::X509_check_issued(issuer.as_ptr(), self.as_ptr()) == 0 && {
                let key = ffi::X509_get_pubkey(issuer.as_ptr());
                let is_signed = !key.is_null() && ffi::X509_verify(self.as_ptr(), key) == 1;
                ffi::EVP_PKEY_free(key);
                is_signed
            }
        };
        queue::clear();
        is_signed
    }

    /// Whether `key` is the private key of this certificate.
    pub fn matches(&self, key: &Pkey) -> Result<bool> {
        queue::clear();
        // SAFETY: both are live.
        if unsafe { sys::X509_check_private_key(self.0.as_ptr(), key.as_ptr()) } == 1 {
            return Ok(true);
        }
        nothing_there().map(|()| false)
    }
}

/// What it means that OpenSSL found nothing: Ok if there is nothing, or nothing that makes sense; an error if it ran out of
/// memory while it looked.
pub(super) fn nothing_there() -> Result<()> {
    match queue::take() {
        Some(entry) if entry.is_out_of_memory() => Err(queue::error_from(Some(entry), Code::NoMemory, "")),
        _ => Ok(()),
    }
}

/// A time of a certificate or a revocation list, in seconds since 1970.
pub fn seconds(time: *const ffi::ASN1_TIME) -> Result<i64> {
    queue::clear();
    // SAFETY: an all-zero tm is a valid value to be overwritten.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: the time is live or NULL (which means now, and does not occur); `tm` is live.
    let done = unsafe { sys::ASN1_TIME_to_tm(time, &mut tm) };
    queue::check(done, Code::Config, "the certificate holds no valid time")?;
    Ok(seconds_of(&tm))
}

/// timegm(3) for a valid time, also beyond what a `time_t` of 32 bits can hold.
fn seconds_of(tm: &libc::tm) -> i64 {
    // Years begin in March here, so that the leap day is the last of its year.
    let (month, year) = (i64::from(tm.tm_mon + 10) % 12, i64::from(tm.tm_year) + 1900 - i64::from(tm.tm_mon < 2));
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = 365 * year + leap_days + (153 * month + 2) / 5 + i64::from(tm.tm_mday) - 1 - 719_468;
    ((days * 24 + i64::from(tm.tm_hour)) * 60 + i64::from(tm.tm_min)) * 60 + i64::from(tm.tm_sec)
}

/// The words for an `X509_V_*` code.
pub fn verify_text(code: c_int) -> String {
    // SAFETY: OpenSSL has a static text for every integer.
    let text =
        unsafe { super::static_text(ffi::X509_verify_cert_error_string(c_long::from(code)) as *const c_char) };
    text.map_or_else(String::new, |text| text.to_string_lossy().into_owned())
}

// Only there the system has all times.
#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_system() {
        // From the first to the last second that a certificate can name: the years 0 and 9999.
        for seconds in (-62_167_219_200..253_402_300_800_i64).step_by(86_399 * 11).chain([253_402_300_799]) {
            // SAFETY: the time is live, and `tm` is to be overwritten.
            let tm = unsafe {
                let mut tm = std::mem::zeroed();
                libc::gmtime_r(&raw const seconds, &raw mut tm);
                tm
            };
            assert_eq!(seconds_of(&tm), seconds);
        }
    }
}
