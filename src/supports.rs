//! What the OpenSSL in use can do: asked of OpenSSL itself, by trying.

use crate::{
    error::{Error, Result},
    ossl::{provider, ssl, uri},
    protocol::{Protocol, Versions},
};
use std::ffi::CString;

/// Whether a feature is there. Features are "protocol:NAME", "group:NAME", "signature-algorithm:NAME", "cipher:NAME",
/// "provider:NAME", "store:SCHEME".
pub fn supports(feature: &str) -> Result<bool> {
    let unknown = || {
        Error::argument(format!(
            "\"{feature}\" is no feature: protocol:, group:, signature-algorithm:, cipher:, provider: or store: and a name was \
             expected"
        ))
    };
    let (kind, name) = feature.split_once(':').ok_or_else(unknown)?;
    // A list is not a name.
    if name.is_empty() || name.contains(|letter: char| !letter.is_ascii_alphanumeric() && !"-_.+".contains(letter))
    {
        return Err(unknown());
    }
    let text = CString::new(name).map_err(|_| unknown())?;
    let mut ctx = ssl::context::new(false)?;
    match kind {
        "protocol" => supports_protocol(name),
        "group" => Ok(ctx.set_groups(&text).is_ok()),
        "signature-algorithm" => Ok(ctx.set_signature_algorithms(&text).is_ok()),
        "cipher" if name.starts_with("TLS_") => Ok(ctx.set_cipher_suites(&text).is_ok()),
        // OpenSSL takes names of groups of ciphers, such as "ALL", in the same place.
        "cipher" => Ok(ctx.set_cipher_list(&text).is_ok() && ctx.cipher_names().contains(&text.as_c_str())),
        "provider" => Ok(provider::is_loaded(&text)),
        "store" => Ok(uri::has_loader(name)),
        _ => Err(unknown()),
    }
}

fn supports_protocol(name: &str) -> Result<bool> {
    let Ok(protocol) = Protocol::from_name(name) else { return Ok(false) };
    let versions = Versions { protocol, min: None, max: None };
    let Ok(bounds) = versions.bounds() else { return Ok(false) };
    let datagram = protocol.is_datagram();
    let mut ctx = ssl::context::new(datagram)?;
    if versions.is_legacy_only() {
        ctx.set_security_level(0);
    }
    Ok(ctx.set_versions(bounds.min, bounds.max) && (datagram || ctx.can_begin_handshakes()))
}
