//! What a config may demand of a peer's certificate beside chain, name and accepted list.

use crate::pki::{crl::Crls, pin::Pin};
use std::path::PathBuf;

pub use crate::ossl::verify::{dane::Record, requirements::StaplePolicy};

/// The demands. The default demands nothing, but honours stapled OCSP responses.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirements {
    /// The public keys one of which the peer's chain must hold; empty for any.
    pub pins: Vec<Pin>,
    /// How many CA certificates may be between the peer's certificate and the trusted one; None for OpenSSL's limit, 100.
    pub depth: Option<u8>,
    /// The time at which certificates must be valid, in seconds since 1970; None for now.
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
    /// The revocation lists that are looked at.
    pub crls: CrlSettings,
}

/// Where revocation lists come from, and how they are used.
#[derive(Clone, Debug, PartialEq)]
pub struct CrlSettings {
    /// Without any, none are looked at.
    pub sources: Vec<CrlSource>,
    /// Whether the CAs are looked for too, and not the peer's own certificate only.
    pub whole_chain: bool,
    /// Whether a certificate passes whose issuer has no list here.
    pub tolerate_missing: bool,
    /// Whether a list counts that is due to be replaced.
    pub tolerate_expired: bool,
}

/// A source of revocation lists.
#[derive(Clone, Debug, PartialEq)]
pub enum CrlSource {
    /// Lists that the program has given.
    Given(Crls),
    /// A file, or a directory of files, read again when it has changed.
    Place(PathBuf),
}

impl Requirements {
    /// Whether there is something that can only be looked at in a verified chain, and must not be passed over.
    pub fn need_a_chain(&self) -> bool {
        !self.crls.sources.is_empty() || !self.tlsa.is_empty() || self.staples == StaplePolicy::Require
    }

    /// Whether a chain must lead to a trusted CA: TLSA records can do without.
    pub fn need_cas(&self) -> bool {
        self.tlsa.is_empty() || self.tlsa.iter().any(Record::needs_cas)
    }
}

impl Default for Requirements {
    fn default() -> Requirements {
        Requirements {
            pins: Vec::new(),
            depth: None,
            time: None,
            strict: false,
            no_common_name: false,
            staples: StaplePolicy::Honour,
            tlsa: Vec::new(),
            tlsa_names: true,
            crls: CrlSettings {
                sources: Vec::new(),
                whole_chain: true,
                tolerate_missing: false,
                tolerate_expired: false,
            },
        }
    }
}
