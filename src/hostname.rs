//! What a host is called, and what follows from it: DNS names are verified and sent as SNI, addresses are verified
//! as addresses and never sent (RFC 6066, section 3).

use crate::{
    error::{Error, Result},
    posix,
};
use std::{ffi::CString, net::IpAddr};

/// A peer's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hostname {
    /// A DNS name, without a final dot.
    Name(CString),
    /// An address.
    Ip(IpAddr),
}

impl Hostname {
    /// Reads "example.org", "127.0.0.1", "127.1", "::1", "[::1]" or "fe80::1%eth0".
    pub fn parse(text: &str) -> Result<Hostname> {
        if text.is_empty() {
            return Err(Error::argument("the host name is empty"));
        }
        let bare = strip_brackets(text);
        let without_zone = bare.split_once('%').map_or(bare, |(address, _)| address);
        if let Ok(ip) = without_zone.parse() {
            return Ok(Hostname::Ip(ip));
        }
        if !text.is_ascii() {
            return Err(Error::argument(format!(
                "the host name \"{text}\" is not ASCII: give its A-label (xn--...), RFC 5890"
            )));
        }
        // getaddrinfo(3) takes these for addresses, so they are none of DNS.
        if let Some(ip) = posix::inet_aton(text) {
            return Ok(Hostname::Ip(ip.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        // To OpenSSL a dot in front means any host below, and a star is, to some versions, a part of a name.
        if name.is_empty()
            || name.starts_with('.')
            || name.contains('*')
            || name.len() > 253
            || name.bytes().any(|byte| byte <= b' ' || byte == 0x7f)
        {
            return Err(Error::argument(format!("\"{}\" is no host name", text.escape_debug())));
        }
        let name = CString::new(name).map_err(|_| Error::argument("the host name holds a NUL"))?;
        Ok(Hostname::Name(name))
    }
}

/// "[::1]" without its brackets; anything else as it is.
pub fn strip_brackets(text: &str) -> &str {
    text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text)
}
