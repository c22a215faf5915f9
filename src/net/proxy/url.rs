//! The URLs of proxies.

use crate::{
    error::{Code, Error, Result},
    hostname::Hostname,
};

use super::{Credentials, Proxy, Scheme};

const SUPPORTED: &str = "use http, https, socks5 or socks5h";

impl Proxy {
    /// Reads "http://user:password@host:port", where all but the host may be missing. Errors do not show the credentials.
    pub fn parse(url: &str) -> Result<Proxy> {
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) => (parse_scheme(scheme)?, rest),
            None => (Scheme::Http, url),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if !matches!(path, "" | "/") {
            return Err(Error::argument("the proxy's URL has something behind its host and port"));
        }
        let (credentials, address) = match authority.rsplit_once('@') {
            Some((credentials, address)) => (parse_credentials(credentials, scheme)?, address),
            None => (None, authority),
        };
        let (host, port) = parse_address(address)?;
        let port = port.unwrap_or(match scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Socks5 | Scheme::Socks5h => 1080,
        });
        Ok(Proxy { scheme, host, port, credentials })
    }
}

fn parse_scheme(name: &str) -> Result<Scheme> {
    match name.to_ascii_lowercase().as_str() {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        "socks5" => Ok(Scheme::Socks5),
        "socks5h" => Ok(Scheme::Socks5h),
        _ => {
            // What is no scheme may be the user and the password.
            let is_scheme = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'));
            let quoted = if is_scheme { name.get(..name.len().min(20)) } else { None };
            let message = match quoted {
                Some(quoted) => format!("proxies by \"{quoted}://\" are not supported: {SUPPORTED}"),
                None => format!("the proxy's URL begins with no scheme: {SUPPORTED}"),
            };
            Err(Error::new(Code::Unsupported, message))
        }
    }
}

fn parse_credentials(text: &str, scheme: Scheme) -> Result<Option<Credentials>> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let (user, password) = (decode(user)?, decode(password)?);
    if user.is_empty() && password.is_empty() {
        return Ok(None);
    }
    match scheme {
        Scheme::Http | Scheme::Https if user.contains(&b':') => Err(Error::argument(
            "the name of the proxy's user has a colon, which HTTP Basic authentication does not allow",
        )),
        Scheme::Socks5 | Scheme::Socks5h if !(1..=255).contains(&user.len()) || password.len() > 255 => Err(
            Error::argument("the proxy's user must have 1 to 255 bytes, and the password 255 at most (SOCKS 5)"),
        ),
        _ => Ok(Some(Credentials { user, password })),
    }
}

/// Decodes "%41". Lines that a proxy would take for its own, and NULs, are refused.
fn decode(text: &str) -> Result<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let digits = [bytes.next(), bytes.next()].map(|digit| char::from(digit.unwrap_or(0)).to_digit(16));
                let [Some(high), Some(low)] = digits else {
                    return Err(Error::argument(
                        "the proxy's user or password has a \"%\" without two digits behind it",
                    ));
                };
                (high << 4 | low) as u8
            }
            byte => byte,
        };
        if matches!(byte, b'\r' | b'\n' | 0) {
            return Err(Error::argument("the proxy's user or password has a line feed or a NUL in it"));
        }
        decoded.push(byte);
    }
    Ok(decoded)
}

/// "host", "host:port", "[::1]", "[::1]:port".
pub fn parse_address(text: &str) -> Result<(String, Option<u16>)> {
    // Where the "@" is missing, what is behind the first colon may be a password.
    let shown = text.split(':').next().unwrap_or_default().escape_debug();
    let malformed = || Error::argument(format!("the proxy's URL has no host or a wrong one: \"{shown}\""));
    let (host, port) = match text.strip_prefix('[') {
        Some(inside) => {
            let (host, behind) = inside.split_once(']').ok_or_else(malformed)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| malformed())?;
            let port = if behind.is_empty() { None } else { Some(behind.strip_prefix(':').ok_or_else(malformed)?) };
            (host, port)
        }
        None => match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(Error::argument("an IPv6 address in the proxy's URL needs brackets: [::1]"));
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    Hostname::parse(host).map_err(|_| malformed())?;
    let port = match port {
        None | Some("") => None,
        Some(port) => {
            let number =
                port.parse::<u16>().ok().filter(|number| *number > 0 && port.bytes().all(|b| b.is_ascii_digit()));
            Some(number.ok_or_else(|| Error::argument("the proxy's port is not between 1 and 65535"))?)
        }
    };
    Ok((host.to_string(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> (Scheme, String, u16, Option<(String, String)>) {
        let proxy = Proxy::parse(url).unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let credentials = proxy.credentials.map(|found| (text(found.user), text(found.password)));
        (proxy.scheme, proxy.host, proxy.port, credentials)
    }

    #[test]
    fn urls_have_parts_that_may_be_missing() {
        assert_eq!(parse("proxy"), (Scheme::Http, "proxy".into(), 80, None));
        assert_eq!(parse("HTTPS://proxy/"), (Scheme::Https, "proxy".into(), 443, None));
        assert_eq!(parse("socks5://[::1]"), (Scheme::Socks5, "::1".into(), 1080, None));
        assert_eq!(parse("socks5h://[::1]:9"), (Scheme::Socks5h, "::1".into(), 9, None));
        let credentials = Some(("a@b".into(), "p:/%".into()));
        assert_eq!(parse("http://a%40b:p%3a%2F%25@h:3128"), (Scheme::Http, "h".into(), 3128, credentials));
        assert_eq!(parse("http://u@h").3, Some(("u".into(), String::new())));
        assert_eq!(parse("http://@h").3, None);
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        let long = format!("socks5://{}:x@h", "u".repeat(256));
        for url in [
            "",
            "http://",
            "http://:80",
            "http://h:0",
            "http://h:65536",
            "http://h:+1",
            "http://::1:80",
            "http://[::1",
            "http://[::1]80",
            "http://[h]",
            "http://h/x",
            "http://h?x",
            "http://a b",
            "http://u:secret%0d@h",
            "http://u:secret%0A@h",
            "http://u%00:secret@h",
            "http://u:secret%4@h",
            "http://u:secret%zz@h",
            "http://u%3a:secret@h",
            "http://u:secret@",
            "http://bob smith:secret",
            "bob smith:secret",
            "http://[bob:secret",
            "http://u:secret@h:x",
            "socks5://:secret@h",
            &long,
        ] {
            let Err(error) = Proxy::parse(url) else { panic!("{url}") };
            assert_eq!(error.code, Code::Argument, "{url}");
            assert!(!error.message.contains("secret"), "{}", error.message);
        }
        for url in ["bob:secret://y@proxy:3128", "bob secret://y", "s\u{e9}cret://h"] {
            let Err(error) = Proxy::parse(url) else { panic!("{url}") };
            assert_eq!(error.code, Code::Unsupported, "{url}");
            assert!(!error.message.contains("cret"), "{}", error.message);
        }
        for url in ["socks4://h", "socks4a://h", "socks://h", "ftp://h", "://h"] {
            assert_eq!(Proxy::parse(url).err().map(|error| error.code), Some(Code::Unsupported), "{url}");
        }
    }
}
