//! The names of OpenSSL's methods, as secure contexts take them, and the ends and versions that each means.

use crate::{
    error::{Code, Error, Result},
    ossl::ctx::Method,
    protocol::{Bounds, Protocol, Versions},
};

/// What a method name means.
#[derive(Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The ends of connections it allows.
    pub method: Method,
    /// The versions it allows.
    pub bounds: Bounds,
    /// Whether these are refused above OpenSSL's security level 0.
    pub legacy: bool,
}

/// What `name`, such as "default" or "TLSv1_2_server_method", means.
pub fn meaning(name: &str) -> Result<Meaning> {
    let unknown = || Error::argument(format!("method not supported: \"{name}\""));
    let (versions, method) = match name {
        "default" => ("TLS", Method::Tls),
        _ => {
            let stem = name.strip_suffix("_method").ok_or_else(unknown)?;
            match (stem.strip_suffix("_server"), stem.strip_suffix("_client")) {
                (Some(versions), _) => (versions, Method::TlsServer),
                (_, Some(versions)) => (versions, Method::TlsClient),
                _ => (stem, Method::Tls),
            }
        }
    };
    let protocol = match versions {
        "SSLv2" => Protocol::Sslv2,
        "SSLv3" => Protocol::Sslv3,
        "SSLv23" | "TLS" => Protocol::Sslv23,
        // Whatever OpenSSL and the system's policy let through.
        "TLSv1" => return Ok(Meaning { method, bounds: Bounds { min: 0, max: 0 }, legacy: false }),
        "TLSv1_1" => Protocol::Tlsv1_1,
        "TLSv1_2" => Protocol::Tlsv1_2,
        "TLSv1_3" => Protocol::Tlsv1_3,
        _ => return Err(unknown()),
    };
    let versions = Versions { protocol, min: None, max: None };
    let bounds = versions.bounds().map_err(|_| unsupported(name))?;
    Ok(Meaning { method, bounds, legacy: versions.is_legacy_only() })
}

/// The error for a method whose versions this OpenSSL does not speak.
pub fn unsupported(name: &str) -> Error {
    let openssl = crate::ossl::version().to_string_lossy();
    Error::new(Code::Unsupported, format!("method not supported: \"{name}\" by {openssl}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_three_methods() {
        for family in ["SSLv23", "TLSv1", "TLS", "TLSv1_1", "TLSv1_2", "TLSv1_3"] {
            for (end, method) in [("", Method::Tls), ("_server", Method::TlsServer), ("_client", Method::TlsClient)]
            {
                assert_eq!(
                    meaning(&format!("{family}{end}_method")).map(|meaning| meaning.method).ok(),
                    Some(method)
                );
            }
        }
    }

    #[test]
    fn sslv2_is_unsupported_rather_than_unknown() {
        assert_eq!(meaning("SSLv2_client_method").map_err(|error| error.code), Err(Code::Unsupported));
    }

    #[test]
    fn an_unknown_method_is_an_argument_error() {
        for name in ["", "default_method", "TLSv1", "TLSv9_method", "TLS_both_method", "_method"] {
            assert_eq!(meaning(name).map_err(|error| error.code), Err(Code::Argument));
        }
    }
}
