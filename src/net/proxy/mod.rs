//! Proxies: which one a connection goes through, and what is sent to it. Nothing here waits, or moves bytes.

use crate::{
    error::{Code, Error, Result},
    net::connect::host_port,
};
use std::{fmt, net::IpAddr, sync::Arc};

pub mod choice;
mod exceptions;
mod http;
mod socks;
mod url;

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// CONNECT of HTTP.
    Http,
    /// CONNECT of HTTP over TLS.
    Https,
    /// SOCKS 5, which gets an address.
    Socks5,
    /// SOCKS 5, which gets the name.
    Socks5h,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Socks5 => "socks5",
            Scheme::Socks5h => "socks5h",
        }
    }
}

/// Who asks a proxy for a connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: Vec<u8>,
    /// May be empty.
    pub password: Vec<u8>,
}

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Its host; an address of IPv6 has no brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user's name and password, as it gets them.
    pub credentials: Option<Credentials>,
}

impl Proxy {
    /// Identifies it, and the user as whom it is used.
    pub fn identity(&self) -> Vec<u8> {
        let credentials = self.credentials.as_ref();
        let of = |part: fn(&Credentials) -> &Vec<u8>| credentials.map(part);
        format!("{self} {:?} {:?}", of(|its| &its.user), of(|its| &its.password)).into_bytes()
    }
}

/// Without the credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), host_port(&self.host, self.port))
    }
}

/// What a proxy shall connect to.
#[derive(Clone, Debug)]
pub struct Target {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Target {
    fn host_port(&self) -> String {
        host_port(&self.host, self.port)
    }

    /// Its address, if that is what its name is.
    fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// Asking a proxy for a connection.
pub struct Negotiation {
    /// What is to be sent.
    outgoing: Vec<u8>,
    answer: Answer,
}

enum Answer {
    Http(http::Answer),
    Socks(socks::Answer),
}

impl Negotiation {
    /// With `proxy` for a connection to `target`; at `address`, if the proxy gets an address.
    pub fn new(proxy: &Arc<Proxy>, target: &Target, address: Option<IpAddr>) -> Result<Negotiation> {
        match proxy.scheme {
            Scheme::Http | Scheme::Https => Ok(Negotiation {
                outgoing: http::request(proxy, target)?,
                answer: Answer::Http(http::Answer::default()),
            }),
            Scheme::Socks5 | Scheme::Socks5h => {
                let answer = socks::Answer::new(proxy.clone(), target, address)?;
                Ok(Negotiation { outgoing: answer.greeting(), answer: Answer::Socks(answer) })
            }
        }
    }

    /// What is to be sent next.
    pub fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    /// So much of it has been sent.
    pub fn sent(&mut self, count: usize) {
        self.outgoing.drain(..count.min(self.outgoing.len()));
    }

    /// Takes in what the proxy says. True once there is a connection.
    pub fn received(&mut self, bytes: &[u8]) -> Result<bool> {
        let (is_done, rest) = match &mut self.answer {
            Answer::Http(answer) => answer.add(bytes)?,
            Answer::Socks(answer) => answer.add(bytes, &mut self.outgoing)?,
        };
        if is_done && rest > 0 {
            // The server says nothing before the client does, so these are none of its bytes.
            let message = format!("it has sent {rest} bytes behind its answer, before TLS has begun");
            return Err(Error::new(Code::Protocol, message));
        }
        Ok(is_done)
    }

    /// The proxy says nothing more.
    pub fn ended(&self) -> Error {
        match &self.answer {
            Answer::Http(answer) => answer.ended(),
            Answer::Socks(_) => closed(),
        }
    }
}

fn closed() -> Error {
    Error {
        sys_errno: libc::ECONNRESET,
        ..Error::new(Code::Io, "it has closed the connection instead of an answer")
    }
}

/// A proxy's refusal.
fn refused(errno: i32, message: String) -> Error {
    Error { sys_errno: errno, ..Error::new(Code::Io, message) }
}

/// What a proxy says, for a message.
fn quoted(text: &[u8]) -> String {
    const LONGEST: usize = 200;
    let text = String::from_utf8_lossy(text.get(..LONGEST).unwrap_or(text));
    format!("\"{}\"", text.trim().escape_debug())
}
