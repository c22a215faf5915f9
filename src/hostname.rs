//! What a host is called, and what follows from it: DNS names are verified and sent as SNI, addresses are verified
//! as addresses and never sent (RFC 6066, section 3).

use crate::{
    error::{Error, Result},
    posix,
};
use std::{
    ffi::CString,
    net::{IpAddr, Ipv6Addr},
};

/// A peer's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hostname {
    /// A DNS name, without a final dot.
    Name(CString),
    /// An address.
    Ip(IpAddr),
}

impl Hostname {
    /// Reads "example.org", "127.0.0.1", "127.1", "::1", "[::1]" or "fe80::1%eth0". What is neither a DNS name nor an
    /// address as getaddrinfo(3) takes it is an error: OpenSSL would compare it with certificates in some way.
    pub fn parse(text: &str) -> Result<Hostname> {
        if text.is_empty() {
            return Err(Error::argument("the host name is empty"));
        }
        if let Some(ip) = ipv6(strip_brackets(text)) {
            return Ok(Hostname::Ip(ip.into()));
        }
        // getaddrinfo(3) takes the old forms for addresses, so they are no names of DNS.
        if let Some(ip) = posix::inet_aton(text) {
            return Ok(Hostname::Ip(ip.into()));
        }
        if !text.is_ascii() {
            return Err(Error::argument(format!(
                "the host name \"{text}\" is not ASCII: give its A-label (xn--...), RFC 5890"
            )));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let refused = || Error::argument(format!("\"{}\" is no host name", text.escape_debug()));
        if !is_dns_name(name) {
            return Err(refused());
        }
        CString::new(name).map(Hostname::Name).map_err(|_| refused())
    }
}

/// "[::1]" without its brackets; anything else, such as "[example.org]", as it is.
pub fn strip_brackets(text: &str) -> &str {
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.filter(|address| ipv6(address).is_some()).unwrap_or(text)
}

/// An IPv6 address. A zone ("%eth0") says how to reach it, and is no part of what a certificate names.
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let is_zone = |zone: &str| !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_graphic() && byte != b']');
    address.parse().ok().filter(|_| zone.is_none_or(is_zone))
}

/// Whether a text without a final dot is a DNS name (RFC 1035, 2.3.1, with the underscores that are in use). A text of
/// numbers only looks like an address, and is never a name: neither "127.0.0.1." nor "1.2.3.4.5".
fn is_dns_name(name: &str) -> bool {
    const LONGEST: usize = 253;
    const LONGEST_LABEL: usize = 63;
    let is_label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= LONGEST
        && name.split('.').all(is_label)
        && !name.split('.').all(is_number)
        && posix::inet_aton(name).is_none()
}

/// Whether inet_aton(3) could take a label for a number: decimal, octal or hexadecimal.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<String> {
        match Hostname::parse(text) {
            Ok(Hostname::Name(name)) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        }
    }

    fn ip(text: &str) -> Option<IpAddr> {
        match Hostname::parse(text) {
            Ok(Hostname::Ip(ip)) => Some(ip),
            _ => None,
        }
    }

    #[test]
    fn names_keep_their_case_and_lose_a_final_dot() {
        assert_eq!(name("Example.COM.").as_deref(), Some("Example.COM"));
        assert_eq!(name("xn--bcher-kva.example").as_deref(), Some("xn--bcher-kva.example"));
        assert_eq!(name("_https.a-b").as_deref(), Some("_https.a-b"));
        assert_eq!(name("1.example").as_deref(), Some("1.example"));
    }

    #[test]
    fn addresses_are_addresses_in_every_form() {
        for text in ["127.0.0.1", "127.1", "0x7f.1", "2130706433"] {
            assert_eq!(ip(text), Some("127.0.0.1".parse().unwrap()), "{text}");
        }
        for text in ["::1", "[::1]", "0:0:0:0:0:0:0:1", "::1%lo", "[::1%lo]"] {
            assert_eq!(ip(text), Some("::1".parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn everything_else_is_an_error() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = vec!["abcdefg"; 32].join(".");
        let wrong = [
            "",
            ".",
            "..",
            ".com",
            "example.com..",
            "a..b",
            "a b",
            " a",
            "a ",
            "a\t",
            "a\nb",
            "a\u{7f}",
            "a\0b",
            "*.example.com",
            "a*.example.com",
            "a/b",
            "a:443",
            "a@b",
            "%",
            "a%b",
            "[]",
            "[a]",
            "[example.com]",
            "[127.0.0.1]",
            "[::1].",
            "[::1]:443",
            "::1.",
            "::1%",
            "1.2.3.4%lo",
            "127.0.0.1.",
            "127.1.",
            "1.2.3.4.5",
            "256.256.256.256",
            "0x7f.",
            "1.2.3.4:443",
            "b\u{fc}cher.example",
            "a,b",
            "a\\b",
            "a'b",
            "a+b",
            "a?",
            &long_label,
            &long_name,
        ];
        for text in wrong {
            assert!(Hostname::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn brackets_come_off_addresses_only() {
        assert_eq!([strip_brackets("[::1]"), strip_brackets("[a]")], ["::1", "[a]"]);
    }
}
