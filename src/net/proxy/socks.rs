//! SOCKS 5 (RFC 1928), with user and password (RFC 1929).

use crate::error::{Code, Error, Result};
use std::{net::IpAddr, sync::Arc};

use super::{Credentials, Proxy, Target, refused};

const VERSION: u8 = 5;
const PASSWORD_VERSION: u8 = 1;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// What the proxy has answered so far.
pub struct Answer {
    proxy: Arc<Proxy>,
    /// The request that follows once the proxy knows the user.
    request: Vec<u8>,
    incoming: Vec<u8>,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    Method,
    User,
    Reply,
}

impl Answer {
    /// Nothing yet.
    pub fn new(proxy: Arc<Proxy>, target: &Target, address: Option<IpAddr>) -> Result<Answer> {
        Ok(Answer { proxy, request: request(target, address)?, incoming: Vec::new(), stage: Stage::Method })
    }

    /// How it begins.
    pub fn greeting(&self) -> Vec<u8> {
        match &self.proxy.credentials {
            None => vec![VERSION, 1, NO_AUTHENTICATION],
            Some(_) => vec![VERSION, 2, NO_AUTHENTICATION, PASSWORD],
        }
    }

    /// Takes in more, and adds what is to be sent then. Whether it is whole, and how many bytes there are behind it.
    pub fn add(&mut self, bytes: &[u8], outgoing: &mut Vec<u8>) -> Result<(bool, usize)> {
        self.incoming.extend_from_slice(bytes);
        loop {
            match (self.stage, self.incoming.as_slice()) {
                (Stage::Method, [version, ..]) if *version != VERSION => return Err(not_socks(&self.incoming)),
                (Stage::Method, [_, method, ..]) => {
                    let method = *method;
                    self.authenticate(method, outgoing)?;
                    self.incoming.drain(..2);
                }
                (Stage::User, [version, ..]) if *version != PASSWORD_VERSION => {
                    return Err(not_socks(&self.incoming));
                }
                (Stage::User, [_, 0, ..]) => {
                    self.send_request(outgoing);
                    self.incoming.drain(..2);
                }
                (Stage::User, [_, _, ..]) => {
                    return Err(refused(libc::EACCES, "it refuses: the user or the password is wrong".into()));
                }
                (Stage::Reply, [version, ..]) if *version != VERSION => return Err(not_socks(&self.incoming)),
                (Stage::Reply, [_, code, ..]) if *code != 0 => return Err(refusal(*code)),
                (Stage::Reply, [_, _, _, kind, first, ..]) => {
                    let whole = 4 + address_length(*kind, *first)? + 2;
                    let behind = self.incoming.len().checked_sub(whole);
                    return Ok(behind.map_or((false, 0), |behind| (true, behind)));
                }
                _ => return Ok((false, 0)),
            }
            // The proxy speaks when it is asked.
            if !self.incoming.is_empty() {
                return Err(Error::new(Code::Protocol, "it has answered before it was asked"));
            }
        }
    }

    /// Continues as the authentication method requires that the proxy has chosen.
    fn authenticate(&mut self, method: u8, outgoing: &mut Vec<u8>) -> Result<()> {
        match (method, &self.proxy.credentials) {
            (NO_AUTHENTICATION, _) => self.send_request(outgoing),
            (PASSWORD, Some(credentials)) => {
                outgoing.extend(user_and_password(credentials));
                self.stage = Stage::User;
            }
            (NO_METHOD, None) => {
                return Err(refused(libc::EACCES, "it refuses: it wants a user and a password".into()));
            }
            (NO_METHOD, Some(_)) => {
                let message = "it refuses: it allows neither anonymous users nor users with a password";
                return Err(refused(libc::EACCES, message.into()));
            }
            (method, _) => {
                let message = format!("it has chosen the way {method} to learn the user, which was not offered");
                return Err(Error::new(Code::Protocol, message));
            }
        }
        Ok(())
    }

    fn send_request(&mut self, outgoing: &mut Vec<u8>) {
        outgoing.append(&mut self.request);
        self.stage = Stage::Reply;
    }
}

/// How many bytes an address of this kind has, whose first byte is `first`.
fn address_length(kind: u8, first: u8) -> Result<usize> {
    match kind {
        IPV4 => Ok(4),
        IPV6 => Ok(16),
        NAME => Ok(1 + usize::from(first)),
        kind => {
            let message = format!("its answer has an address of the kind {kind}, which SOCKS 5 has not");
            Err(Error::new(Code::Protocol, message))
        }
    }
}

fn request(target: &Target, address: Option<IpAddr>) -> Result<Vec<u8>> {
    let mut request = vec![VERSION, CONNECT, 0];
    match address.or_else(|| target.ip()) {
        Some(IpAddr::V4(ip)) => {
            request.push(IPV4);
            request.extend(ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            request.push(IPV6);
            request.extend(ip.octets());
        }
        None => {
            let length = u8::try_from(target.host.len()).ok().filter(|length| *length > 0);
            let length = length.ok_or_else(|| Error::argument("SOCKS 5 knows names of 1 to 255 bytes only"))?;
            request.extend([NAME, length]);
            request.extend(target.host.bytes());
        }
    }
    request.extend(target.port.to_be_bytes());
    Ok(request)
}

fn user_and_password(credentials: &Credentials) -> Vec<u8> {
    // The URL's parser has seen to the lengths.
    let mut message = vec![PASSWORD_VERSION, credentials.user.len() as u8];
    message.extend(&credentials.user);
    message.push(credentials.password.len() as u8);
    message.extend(&credentials.password);
    message
}

fn not_socks(bytes: &[u8]) -> Error {
    let speaks = match bytes.first() {
        Some(0 | 4) => "it speaks SOCKS 4, and not SOCKS 5".to_string(),
        Some(b'H') => "it speaks HTTP, and not SOCKS 5: its URL begins with http://".to_string(),
        Some(21 | 22) => "it speaks TLS, and not SOCKS 5".to_string(),
        first => {
            format!("it does not speak SOCKS 5: its answer begins with the byte {}", first.copied().unwrap_or(0))
        }
    };
    Error::new(Code::Protocol, speaks)
}

fn refusal(code: u8) -> Error {
    let (errno, reason) = match code {
        1 => (libc::ECONNREFUSED, "general failure"),
        2 => (libc::EACCES, "not allowed by its rules"),
        3 => (libc::ENETUNREACH, "network unreachable"),
        4 => (libc::EHOSTUNREACH, "host unreachable"),
        5 => (libc::ECONNREFUSED, "connection refused"),
        6 => (libc::ETIMEDOUT, "time to live expired"),
        7 => (libc::EOPNOTSUPP, "command not supported"),
        8 => (libc::EAFNOSUPPORT, "kind of address not supported"),
        _ => (libc::ECONNREFUSED, "unknown reason"),
    };
    refused(errno, format!("it refuses: {reason} (SOCKS reply {code})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str) -> Target {
        Target { host: host.into(), port: 443 }
    }

    /// What is sent after each of these answers, and what the last one comes to.
    fn talk(url: &str, host: &str, answers: &[&[u8]]) -> (Vec<Vec<u8>>, Result<(bool, usize)>) {
        let mut answer = Answer::new(Arc::new(Proxy::parse(url).unwrap()), &target(host), None).unwrap();
        let (mut sent, mut last) = (vec![answer.greeting()], Ok((false, 0)));
        for bytes in answers {
            let mut outgoing = Vec::new();
            last = answer.add(bytes, &mut outgoing);
            sent.push(outgoing);
        }
        (sent, last)
    }

    #[test]
    fn names_and_addresses_are_told_as_such() {
        let reply: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let (sent, last) = talk("socks5h://p", "a.org", &[&[5, 0], reply]);
        assert_eq!(sent[0], [5, 1, 0]);
        assert_eq!(sent[1], [&[5, 1, 0, 3, 5][..], b"a.org", &[1, 187]].concat());
        assert_eq!(last.unwrap(), (true, 0));
        let (sent, _) = talk("socks5h://p", "127.0.0.1", &[&[5, 0]]);
        assert_eq!(sent[1], [5, 1, 0, 1, 127, 0, 0, 1, 1, 187]);
        let (sent, _) = talk("socks5h://p", "::1", &[&[5, 0]]);
        assert_eq!(sent[1].len(), 22);
        assert!(
            Answer::new(Arc::new(Proxy::parse("socks5h://p").unwrap()), &target(&"x".repeat(256)), None).is_err()
        );
    }

    #[test]
    fn users_are_told_when_asked_for() {
        let (sent, _) = talk("socks5h://u:pw@p", "a", &[&[5, 2], &[1, 0]]);
        assert_eq!(sent[0], [5, 2, 0, 2]);
        assert_eq!(sent[1], [&[1, 1][..], b"u", &[2], b"pw"].concat());
        assert_eq!(sent[2][..3], [5, 1, 0]);
        let (_, last) = talk("socks5h://u:pw@p", "a", &[&[5, 2], &[1, 1]]);
        assert!(last.unwrap_err().message.contains("password is wrong"));
        let (_, last) = talk("socks5h://p", "a", &[&[5, 0xff]]);
        assert!(last.unwrap_err().message.contains("wants a user"));
        let (_, last) = talk("socks5h://p", "a", &[&[5, 2]]);
        assert_eq!(last.unwrap_err().code, Code::Protocol);
    }

    #[test]
    fn replies_are_told_in_words() {
        let message = |answers: &[&[u8]]| talk("socks5h://p", "a", answers).1.unwrap_err().message;
        assert!(message(&[&[5, 0], &[5, 2]]).contains("not allowed by its rules"));
        assert!(message(&[&[5, 0], &[5, 99]]).contains("99"));
        assert!(message(&[&[5, 0], &[5, 0, 0, 9, 0]]).contains("kind 9"));
        assert!(message(&[b"HTTP/1.1 400"]).contains("speaks HTTP"));
        assert!(message(&[&[4, 0]]).contains("SOCKS 4"));
        assert!(message(&[&[5, 0, 5, 0]]).contains("before it was asked"));
    }

    #[test]
    fn bytes_behind_the_reply_are_counted() {
        let reply = [5, 0, 0, 3, 2, b'a', b'b', 0, 1];
        let (_, last) = talk("socks5h://p", "a", &[&[5, 0], &[&reply[..], b"xy"].concat()]);
        assert_eq!(last.unwrap(), (true, 2));
        let single: Vec<&[u8]> = reply.chunks(1).collect();
        let all: Vec<&[u8]> = [&[&[5u8][..], &[0u8][..]], &single[..]].concat();
        let (_, last) = talk("socks5h://p", "a", &all);
        assert_eq!(last.unwrap(), (true, 0));
    }
}
