//! Why a peer's certificate is refused, in numbers and in words.

use crate::error::{Code, Error};
use std::ffi::c_int;

use super::{fault, requirements::BadStaple};
use crate::ossl::{
    sys,
    x509::{self, X509, names::is_name_mismatch},
};

/// Why a peer's certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its chain or its name: an `X509_V_*` code, and what is known of the certificate at fault, in words.
    Chain(c_int, String),
    /// It is not among the accepted ones.
    NotAccepted,
    /// None of the public keys is pinned.
    NotPinned,
    /// What the server has stapled.
    Staple(BadStaple),
    /// For two reasons.
    Both(Box<(Refusal, Refusal)>),
    /// The program does not want it.
    ByProgram,
}

impl Refusal {
    /// Its chain or its name, for this reason; and the certificate at fault, where one is known.
    pub fn chain(reason: c_int, at_fault: Option<&X509>) -> Refusal {
        Refusal::Chain(reason, at_fault.map_or_else(String::new, |at_fault| fault::describe(reason, at_fault)))
    }

    /// This one, with what else there is to say.
    pub fn and(self, further: Option<Refusal>) -> Refusal {
        match further {
            Some(further) => Refusal::Both(Box::new((self, further))),
            None => self,
        }
    }

    /// Whether what the server has stapled is a reason.
    pub fn is_for_staple(&self) -> bool {
        match self {
            Refusal::Staple(_) => true,
            Refusal::Both(both) => both.0.is_for_staple() || both.1.is_for_staple(),
            _ => false,
        }
    }

    /// The `X509_V_*` code.
    pub fn verify_result(&self) -> c_int {
        match self {
            Refusal::Chain(reason, _) => *reason,
            Refusal::NotAccepted | Refusal::NotPinned => sys::X509_V_ERR_CERT_REJECTED,
            Refusal::Staple(bad) => bad.verify_result(),
            // Neither of the two: a program that accepts the one does not know of the other.
            Refusal::Both(_) => sys::X509_V_ERR_UNSPECIFIED,
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
            Refusal::Both(both) => {
                let (first, second) = (both.0.error(name), both.1.error(name));
                (Code::Verify, format!("{}; {}", first.message, second.message))
            }
            Refusal::ByProgram => (Code::Verify, "the program has refused the peer's certificate".to_string()),
            Refusal::Chain(reason, names) if is_name_mismatch(*reason) => {
                (Code::Name, format!("the peer's certificate is not for \"{name}\"{names}"))
            }
            Refusal::Chain(sys::X509_V_ERR_OUT_OF_MEM, _) => {
                (Code::NoMemory, "memory ran out while the peer's certificate was verified".to_string())
            }
            Refusal::Chain(reason, fault) => {
                (Code::Verify, format!("certificate verify failed: {}{fault}", x509::verify_text(*reason)))
            }
        };
        Error { verify_result, reason: x509::verify_text(verify_result), ..Error::new(code, message) }
    }
}
