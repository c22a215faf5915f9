//! Why a peer's certificate is refused, in numbers and in words.

use crate::error::{Code, Error};
use std::ffi::c_int;

use super::{requirements::BadStaple, sys, x509};

/// Why a peer's certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its chain or its name: an `X509_V_*` code.
    Chain(c_int),
    /// It is not among the accepted ones.
    NotAccepted,
    /// None of the public keys is pinned.
    NotPinned,
    /// What the server has stapled.
    Staple(BadStaple),
    /// The program does not want it.
    ByProgram,
}

impl Refusal {
    /// The `X509_V_*` code.
    pub fn verify_result(&self) -> c_int {
        match self {
            Refusal::Chain(reason) => *reason,
            Refusal::NotAccepted | Refusal::NotPinned => sys::X509_V_ERR_CERT_REJECTED,
            Refusal::Staple(bad) => bad.verify_result(),
            Refusal::ByProgram => sys::X509_V_ERR_APPLICATION_VERIFICATION,
        }
    }

    /// The failure. `name` is the one that the certificate must be for.
    pub fn error(&self, name: &str) -> Error {
        let verify_result = self.verify_result();
        let (code, message) = match self {
            Refusal::NotAccepted => {
                (Code::Verify, "the peer's certificate is not among the accepted ones".to_string())
            }
            Refusal::NotPinned => {
                (Code::Verify, "none of the peer's public keys is among the pinned ones".to_string())
            }
            Refusal::Staple(bad) => (Code::Verify, bad.message()),
            Refusal::ByProgram => (Code::Verify, "the program has refused the peer's certificate".to_string()),
            Refusal::Chain(sys::X509_V_ERR_HOSTNAME_MISMATCH | sys::X509_V_ERR_IP_ADDRESS_MISMATCH) => {
                (Code::Name, format!("the peer's certificate is not for \"{name}\""))
            }
            Refusal::Chain(sys::X509_V_ERR_OUT_OF_MEM) => {
                (Code::NoMemory, "memory ran out while the peer's certificate was verified".to_string())
            }
            Refusal::Chain(reason) => {
                (Code::Verify, format!("certificate verify failed: {}", x509::verify_text(*reason)))
            }
        };
        Error { verify_result, reason: x509::verify_text(verify_result), ..Error::new(code, message) }
    }
}
