//! The hosts that are connected to without a proxy: what the environment's variable no_proxy says.

use crate::hostname;
use std::net::IpAddr;

/// A list of such hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exceptions(Vec<Exception>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    host: Pattern,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    All,
    /// A name, and all that end with it behind a dot.
    Domain(String),
    /// The addresses whose first so many bits are the same.
    Network(IpAddr, u32),
}

impl Exceptions {
    /// Reads a list that commas or white space separate. What is not understood matches nothing.
    pub fn parse(text: &str) -> Exceptions {
        let entries = text.split(|letter: char| letter == ',' || letter.is_whitespace());
        Exceptions(entries.filter_map(parse_entry).collect())
    }

    /// Whether a host is among them.
    pub fn include(&self, host: &str, port: u16) -> bool {
        let host = normalized(host);
        let ip = host.parse().ok();
        self.0
            .iter()
            .any(|exception| exception.port.is_none_or(|its| its == port) && exception.host.matches(&host, ip))
    }
}

fn normalized(host: &str) -> String {
    let host = hostname::strip_brackets(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn parse_entry(entry: &str) -> Option<Exception> {
    if entry.is_empty() {
        return None;
    }
    let whole = parse_pattern(entry).map(|host| Exception { host, port: None });
    whole.or_else(|| {
        let (host, port) = entry.rsplit_once(':')?;
        Some(Exception { host: parse_pattern(host)?, port: Some(port.parse().ok()?) })
    })
}

fn parse_pattern(text: &str) -> Option<Pattern> {
    if text == "*" {
        return Some(Pattern::All);
    }
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
        None => (text, None),
    };
    if let Ok(ip) = hostname::strip_brackets(address).parse::<IpAddr>() {
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        return (bits <= most).then_some(Pattern::Network(ip, bits));
    }
    let domain = text.strip_prefix('*').unwrap_or(text);
    let domain = normalized(domain.strip_prefix('.').unwrap_or(domain));
    let is_name = !domain.is_empty() && !domain.contains(['/', ':', '*']);
    is_name.then_some(Pattern::Domain(domain))
}

impl Pattern {
    fn matches(&self, host: &str, ip: Option<IpAddr>) -> bool {
        match self {
            Pattern::All => true,
            Pattern::Domain(domain) => {
                ip.is_none()
                    && host
                        .strip_suffix(domain.as_str())
                        .is_some_and(|front| front.is_empty() || front.ends_with('.'))
            }
            Pattern::Network(network, bits) => match (network, ip) {
                (IpAddr::V4(network), Some(IpAddr::V4(ip))) => {
                    (u32::from(*network) ^ u32::from(ip)).leading_zeros() >= *bits
                }
                (IpAddr::V6(network), Some(IpAddr::V6(ip))) => {
                    (u128::from(*network) ^ u128::from(ip)).leading_zeros() >= *bits
                }
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_with_what_is_below_them() {
        let list = Exceptions::parse("example.org, .Example.NET *.example.com.\tlocalhost");
        for host in ["example.org", "a.b.example.org", "EXAMPLE.ORG.", "example.net", "x.example.net", "localhost"]
        {
            assert!(list.include(host, 443), "{host}");
        }
        assert!(list.include("www.example.com", 443));
        for host in ["notexample.org", "example.orga", "org", "127.0.0.1", ""] {
            assert!(!list.include(host, 443), "{host}");
        }
    }

    #[test]
    fn addresses_match_by_network() {
        let list = Exceptions::parse("127.0.0.1,10.0.0.0/8,[::1],fd00::/8,0.0.0.0/40,1.2.3.4/x");
        for host in ["127.0.0.1", "10.255.0.1", "::1", "[::1]", "fdff::1"] {
            assert!(list.include(host, 443), "{host}");
        }
        for host in ["127.0.0.2", "11.0.0.1", "::2", "fe80::1", "1.2.3.4"] {
            assert!(!list.include(host, 443), "{host}");
        }
    }

    #[test]
    fn ports_narrow_entries_and_a_star_is_all() {
        let list = Exceptions::parse("a.org:8443,127.0.0.1:1,[::1]:2");
        assert!(list.include("a.org", 8443) && list.include("127.0.0.1", 1) && list.include("::1", 2));
        assert!(!list.include("a.org", 443) && !list.include("127.0.0.1", 2) && !list.include("::1", 1));
        assert!(Exceptions::parse("*").include("anything", 1));
        assert!(!Exceptions::parse("").include("anything", 1));
    }
}
