//! The names in a certificate: subject, issuer, alternative names, and whether it is for a given one.

use crate::error::{Code, Result};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_int, c_uint, c_void},
    net::IpAddr,
    ptr,
};

use super::{X509, nothing_there};
use crate::ossl::{bio::MemWriter, bytes, queue, sys, take_bytes};

/// Whether an `X509_V_*` code says that a certificate is for another host.
pub fn is_name_mismatch(code: c_int) -> bool {
    matches!(code, sys::X509_V_ERR_HOSTNAME_MISMATCH | sys::X509_V_ERR_IP_ADDRESS_MISMATCH)
}

/// Whose name of a certificate.
#[derive(Clone, Copy)]
pub enum Party {
    /// Whom it certifies.
    Subject,
    /// Who signed it.
    Issuer,
}

/// One of a certificate's further names.
pub struct AltName {
    /// "DNS", "IP", "EMAIL", "URI".
    pub kind: &'static str,
    /// The raw value: text, or 4 or 16 bytes of address.
    pub value: Vec<u8>,
}

impl AltName {
    /// The value as text, an address in its usual notation.
    pub fn value_text(&self) -> String {
        match self.kind {
            "IP" => ip_text(&self.value),
            _ => String::from_utf8_lossy(&self.value).into_owned(),
        }
    }
}

fn ip_text(octets: &[u8]) -> String {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return IpAddr::from(v4).to_string();
    }
    match <[u8; 16]>::try_from(octets) {
        Ok(v6) => IpAddr::from(v6).to_string(),
        Err(_) => format!("<{} octets>", octets.len()),
    }
}

impl X509 {
    /// Whether it is for a DNS name: an `X509_V_*` code, 0 if it is.
    pub fn is_for_name(&self, name: &CStr, by_common_name: bool) -> c_int {
        let Some(mut flags) = self.name_flags() else {
            return sys::X509_V_ERR_UNSPECIFIED;
        };
        if !by_common_name {
            flags |= ffi::X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
        }
        // SAFETY: the certificate is live, the text NUL-terminated; 0 stands for its whole length.
        let found = unsafe { ffi::X509_check_host(self.as_ptr(), name.as_ptr(), 0, flags, ptr::null_mut()) };
        name_result(found, sys::X509_V_ERR_HOSTNAME_MISMATCH)
    }

    /// Whether it is for an address: an `X509_V_*` code, 0 if it is.
    pub fn is_for_ip(&self, ip: IpAddr) -> c_int {
        let octets = match ip {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        // SAFETY: the certificate is live, the octets are readable for their length.
        let found = unsafe { ffi::X509_check_ip(self.as_ptr(), octets.as_ptr(), octets.len(), 0) };
        name_result(found, sys::X509_V_ERR_IP_ADDRESS_MISMATCH)
    }

    /// The flags for matching a name: the CommonName counts only where there are no DNS names. OpenSSL would let it count
    /// also where it could not read them for lack of memory. None if they cannot be read.
    fn name_flags(&self) -> Option<c_uint> {
        const FLAGS: c_uint = ffi::X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
        // SAFETY: the certificate is live.
        if unsafe { ffi::X509_get_ext_by_NID(self.as_ptr(), ffi::NID_subject_alt_name, -1) } < 0 {
            return Some(FLAGS);
        }
        let names = self.general_names().ok().flatten()?;
        let has_dns = names.iter().any(|name| name.kind == "DNS");
        Some(if has_dns { FLAGS | ffi::X509_CHECK_FLAG_NEVER_CHECK_SUBJECT } else { FLAGS })
    }

    fn name(&self, party: Party) -> *mut ffi::X509_NAME {
        // SAFETY: the certificate is live and lends its names.
        unsafe {
            match party {
                Party::Subject => ffi::X509_get_subject_name(self.as_ptr()),
                Party::Issuer => ffi::X509_get_issuer_name(self.as_ptr()),
            }
        }
    }

    /// The subject's name in DER, by which issuers are found.
    pub fn subject_der(&self) -> Result<Vec<u8>> {
        queue::clear();
        let mut der: *mut u8 = ptr::null_mut();
        // SAFETY: the name is lent by the live certificate; OpenSSL allocates the bytes.
        let len = unsafe { ffi::i2d_X509_NAME(self.name(Party::Subject), &mut der) };
        queue::check(len, Code::Internal, "cannot write the name")?;
        // SAFETY: `der` holds `len` bytes that are ours.
        Ok(unsafe { take_bytes(der, len) })
    }

    /// The last, most specific, CommonName, as UTF-8 whatever its encoding, with whatever NULs it holds; empty if there is
    /// none, or none that can be decoded.
    pub fn common_name(&self, party: Party) -> Result<Vec<u8>> {
        queue::clear();
        let name = self.name(party);
        let mut last = -1;
        loop {
            // SAFETY: the name is live.
            let next = unsafe { ffi::X509_NAME_get_index_by_NID(name, ffi::NID_commonName, last) };
            if next < 0 {
                break;
            }
            last = next;
        }
        if last < 0 {
            return Ok(Vec::new());
        }
        // SAFETY: the index is within the name; the entry lives as long as the name.
        let value = unsafe { ffi::X509_NAME_ENTRY_get_data(ffi::X509_NAME_get_entry(name, last) as *mut _) };
        utf8(value as *const ffi::ASN1_STRING)
    }

    /// The whole distinguished name in the form of RFC 2253, as UTF-8.
    pub fn name_text(&self, party: Party) -> Result<Vec<u8>> {
        let out = MemWriter::new()?;
        let flags = sys::XN_FLAG_RFC2253 & !sys::ASN1_STRFLGS_ESC_MSB;
        // SAFETY: both are live.
        let done = unsafe { sys::X509_NAME_print_ex(out.as_ptr(), self.name(party), 0, flags) };
        if done < 0 {
            return Err(queue::error(Code::Internal, "cannot write the name"));
        }
        Ok(out.into_bytes())
    }

    /// The names of its subjectAltName extension that are DNS names, addresses or URIs. None for an extension that cannot
    /// be decoded; an error if memory ran out.
    pub fn alt_names(&self) -> Result<Vec<AltName>> {
        Ok(self.general_names()?.unwrap_or_default())
    }

    /// The alternative names; None if the extension is missing or cannot be decoded.
    fn general_names(&self) -> Result<Option<Vec<AltName>>> {
        queue::clear();
        // SAFETY: the certificate is live; the stack that OpenSSL makes is freed with its elements below.
        let stack: *mut c_void = unsafe {
            ffi::X509_get_ext_d2i(self.as_ptr(), ffi::NID_subject_alt_name, ptr::null_mut(), ptr::null_mut())
        };
        let mut names = Vec::new();
        if stack.is_null() {
            return nothing_there().map(|()| None);
        }
        // SAFETY: a live stack of GENERAL_NAMEs; each is popped, read and freed once, then the stack itself.
        unsafe {
            loop {
                let name = sys::OPENSSL_sk_pop(stack).cast::<ffi::GENERAL_NAME>();
                if name.is_null() {
                    break;
                }
                names.extend(alt_name(name));
                ffi::GENERAL_NAME_free(name);
            }
            sys::OPENSSL_sk_free(stack);
        }
        names.reverse();
        Ok(Some(names))
    }
}

/// # Safety
/// `name` is a live GENERAL_NAME.
unsafe fn alt_name(name: *mut ffi::GENERAL_NAME) -> Option<AltName> {
    let mut kind: c_int = -1;
    // SAFETY: the preconditions cover the name; for these kinds its value is an ASN1_STRING.
    unsafe {
        let value = sys::GENERAL_NAME_get0_value(name, &mut kind);
        let kind = match kind {
            ffi::GEN_EMAIL => "EMAIL",
            ffi::GEN_DNS => "DNS",
            ffi::GEN_URI => "URI",
            ffi::GEN_IPADD => "IP",
            _ => return None,
        };
        let value = value as *const ffi::ASN1_STRING;
        let bytes = bytes(ffi::ASN1_STRING_get0_data(value), sys::ASN1_STRING_length(value));
        Some(AltName { kind, value: bytes.to_vec() })
    }
}

fn utf8(text: *const ffi::ASN1_STRING) -> Result<Vec<u8>> {
    let mut bytes: *mut u8 = ptr::null_mut();
    // SAFETY: the text is live or NULL; OpenSSL allocates the bytes.
    let len = unsafe { if text.is_null() { -1 } else { ffi::ASN1_STRING_to_UTF8(&mut bytes, text as *mut _) } };
    if len < 0 {
        return nothing_there().map(|()| Vec::new());
    }
    // SAFETY: `bytes` holds `len` bytes that are ours.
    Ok(unsafe { take_bytes(bytes, len) })
}

/// The `X509_V_*` code for what X509_check_host and X509_check_ip return.
fn name_result(found: c_int, mismatch: c_int) -> c_int {
    queue::clear();
    match found {
        1 => 0,
        0 => mismatch,
        _ => sys::X509_V_ERR_OUT_OF_MEM,
    }
}
