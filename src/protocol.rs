//! The protocol names and numbers of Bigloo's foreign interface, and the range of versions that each means.

use crate::{
    error::{Code, Error, Result},
    ossl::sys,
    text,
};
use std::ffi::{CStr, c_int};

/// A protocol by its foreign number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// SSL 2: no OpenSSL of today speaks it.
    Sslv2 = 1,
    /// SSL 3: most builds of OpenSSL lack it.
    Sslv3 = 2,
    /// The highest version that both sides have.
    Sslv23 = 3,
    /// The versions of `Sslv23`. Programs for Bigloo's own library mean any version of TLS by `tls` and `tlsv1`.
    Tls = 4,
    /// DTLS, over datagrams.
    Dtlsv1 = 5,
    /// TLS 1.1.
    Tlsv1_1 = 6,
    /// TLS 1.2.
    Tlsv1_2 = 7,
    /// TLS 1.3.
    Tlsv1_3 = 8,
    /// TLS 1.0.
    Tlsv1_0 = 9,
}

use Protocol::*;

/// Every name that stands for a protocol, the main one of each first.
const NAMES: [(&CStr, Protocol); 12] = [
    (c"sslv2", Sslv2),
    (c"sslv3", Sslv3),
    (c"sslv23", Sslv23),
    (c"ssl", Sslv23),
    (c"tls", Tls),
    (c"tlsv1", Tls),
    (c"dtls", Dtlsv1),
    (c"dtlsv1", Dtlsv1),
    (c"tlsv1_0", Tlsv1_0),
    (c"tlsv1_1", Tlsv1_1),
    (c"tlsv1_2", Tlsv1_2),
    (c"tlsv1_3", Tlsv1_3),
];

impl Protocol {
    /// The protocol of a foreign number.
    pub fn from_number(number: i32) -> Result<Protocol> {
        NAMES.iter().map(|(_, protocol)| *protocol).find(|protocol| *protocol as i32 == number).ok_or_else(|| {
            Error::argument(format!("no protocol has the number {number}: use one of the BGLSSL_... constants"))
        })
    }

    /// The protocol of a name, letter case ignored, and with a point for "_": OpenSSL writes "TLSv1.3".
    pub fn from_name(name: &str) -> Result<Protocol> {
        let usual = name.replace('.', "_");
        NAMES
            .iter()
            .find(|(known, _)| known.to_bytes().eq_ignore_ascii_case(usual.as_bytes()))
            .map(|(_, protocol)| *protocol)
            .ok_or_else(|| {
                let known = NAMES.iter().map(|(known, _)| known.to_string_lossy()).collect::<Vec<_>>().join(" ");
                let name = text::beginning(&name.escape_debug().to_string(), 100);
                Error::argument(format!("no protocol is named \"{name}\": the names are {known}"))
            })
    }

    /// Its main name.
    pub fn name(self) -> &'static str {
        self.c_name().to_str().unwrap_or_default()
    }

    /// Its main name, as a C string.
    pub fn c_name(self) -> &'static CStr {
        NAMES.iter().find(|(_, protocol)| *protocol == self).map_or(c"", |(name, _)| name)
    }

    /// Whether it runs over datagrams.
    pub fn is_datagram(self) -> bool {
        self == Dtlsv1
    }

    /// OpenSSL's number for the one version that it means; None if it means several, or is not known at all.
    fn version(self) -> Option<c_int> {
        match self {
            Sslv3 => Some(sys::SSL3_VERSION),
            Tlsv1_0 => Some(sys::TLS1_VERSION),
            Tlsv1_1 => Some(sys::TLS1_1_VERSION),
            Tlsv1_2 => Some(sys::TLS1_2_VERSION),
            Tlsv1_3 => Some(sys::TLS1_3_VERSION),
            Sslv2 | Sslv23 | Tls | Dtlsv1 => None,
        }
    }

    /// OpenSSL's number for the version of DTLS that was made from it.
    fn datagram_version(self) -> Option<c_int> {
        match self {
            Tlsv1_1 => Some(sys::DTLS1_VERSION),
            Tlsv1_2 => Some(sys::DTLS1_2_VERSION),
            _ => None,
        }
    }
}

/// The versions that a connection may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Versions {
    /// The protocol asked for.
    pub protocol: Protocol,
    /// A lower bound instead of the protocol's own.
    pub min: Option<Protocol>,
    /// An upper bound instead of the protocol's own.
    pub max: Option<Protocol>,
}

/// Versions in OpenSSL's numbers; 0 means whatever it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The lowest.
    pub min: c_int,
    /// The highest.
    pub max: c_int,
}

impl Versions {
    /// What this means to OpenSSL.
    pub fn bounds(&self) -> Result<Bounds> {
        let own = match self.protocol {
            Sslv2 => return Err(self.unsupported()),
            // RFC 8996 deprecates TLS 1.0 and 1.1: they are spoken where they are asked for by name.
            Sslv23 | Tls => Bounds { min: sys::TLS1_2_VERSION, max: 0 },
            Dtlsv1 => Bounds { min: sys::DTLS1_2_VERSION, max: 0 },
            other => {
                let version = other.version().unwrap_or(0);
                Bounds { min: version, max: version }
            }
        };
        let bounds = Bounds { min: self.bound(self.min, own.min)?, max: self.bound(self.max, own.max)? };
        if bounds.max != 0 && self.is_older(bounds.max, bounds.min) {
            return Err(Error::new(
                Code::Config,
                "the minimum protocol version (TLS 1.2 unless it is set) is above the maximum",
            ));
        }
        Ok(bounds)
    }

    /// Whether no version was asked for.
    pub fn is_default(&self) -> bool {
        matches!(self.protocol, Sslv23 | Tls) && self.min.is_none()
    }

    /// Whether only versions are left that OpenSSL refuses above security level 0, for their SHA-1 and MD5.
    pub fn is_legacy_only(&self) -> bool {
        let first_modern = if self.protocol.is_datagram() { sys::DTLS1_2_VERSION } else { sys::TLS1_2_VERSION };
        self.bounds().is_ok_and(|bounds| bounds.max != 0 && self.is_older(bounds.max, first_modern))
    }

    /// The numbers of DTLS count downwards.
    fn is_older(&self, a: c_int, b: c_int) -> bool {
        if self.protocol.is_datagram() { a > b } else { a < b }
    }

    fn bound(&self, given: Option<Protocol>, own: c_int) -> Result<c_int> {
        let Some(given) = given else {
            return Ok(own);
        };
        let version = if self.protocol.is_datagram() { given.datagram_version() } else { given.version() };
        version.ok_or_else(|| {
            let message = format!("{} is no version that can bound {}", given.name(), self.protocol.name());
            Error::new(Code::Config, message)
        })
    }

    /// The error for what this OpenSSL does not speak.
    pub fn unsupported(&self) -> Error {
        let names: Vec<&str> = match (self.min, self.max) {
            (None, None) => vec![self.protocol.name()],
            (min, max) => min.into_iter().chain(max).map(Protocol::name).collect(),
        };
        let version = crate::ossl::version().to_string_lossy();
        Error::new(Code::Unsupported, format!("{version} does not speak {}", names.join(" to ")))
    }
}
