//! What a certificate at fault says of itself, as far as that explains the fault.

use crate::{
    error::Result,
    ossl::{
        sys,
        x509::{
            X509,
            names::{Party, is_name_mismatch},
        },
    },
    text,
};
use std::ffi::c_int;

/// How long a name, and a list of names, become in a message, in bytes.
const LONGEST_NAME: usize = 160;
const LONGEST_LIST: usize = 300;

/// What follows the words for an `X509_V_*` code.
pub fn describe(reason: c_int, certificate: &X509) -> String {
    let subject = || name(certificate, Party::Subject);
    match reason {
        reason if is_name_mismatch(reason) => {
            format!(": it is for {}", hosts(certificate))
        }
        sys::X509_V_ERR_CERT_HAS_EXPIRED => {
            format!(": {}{}", subject(), time(", valid until ", certificate.valid_to()))
        }
        sys::X509_V_ERR_CERT_NOT_YET_VALID => {
            format!(": {}{}", subject(), time(", valid from ", certificate.valid_from()))
        }
        sys::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
        | sys::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        | sys::X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE => {
            let issuer = name(certificate, Party::Issuer);
            format!(": {} is signed by {issuer}, which is neither trusted nor among what was sent", subject())
        }
        _ => format!(": {}", subject()),
    }
}

fn name(certificate: &X509, party: Party) -> String {
    let name = certificate.name_text(party).unwrap_or_default();
    format!("\"{}\"", text::beginning(&String::from_utf8_lossy(&name), LONGEST_NAME))
}

fn time(words: &str, time: Result<Vec<u8>>) -> String {
    time.map_or_else(|_| String::new(), |time| format!("{words}{}", String::from_utf8_lossy(&time)))
}

/// The hosts that a certificate is for, as many as a message holds.
fn hosts(certificate: &X509) -> String {
    let names = certificate.alt_names().unwrap_or_default();
    let has_dns = names.iter().any(|name| name.kind == "DNS");
    let common_name =
        if has_dns { Vec::new() } else { certificate.common_name(Party::Subject).unwrap_or_default() };
    let common_name = (!common_name.is_empty()).then(|| String::from_utf8_lossy(&common_name).into_owned());
    let hosts = names.iter().filter(|name| matches!(name.kind, "DNS" | "IP")).map(|name| name.value_text());
    text::list(hosts.chain(common_name).map(|host| host.escape_debug().to_string()), ", ", LONGEST_LIST)
}
