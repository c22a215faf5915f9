//! Why two ends have nothing in common: what each of them offers, in names, and short enough for a message.

use crate::{ossl::sys, text, types::Role};
use std::ffi::c_int;

use super::{
    fingerprint::is_grease,
    message::Hello,
    names::{self, protocol, unnamed},
    server::ServerHello,
};

/// What is known of the two ends.
pub struct Ends<'a> {
    /// Which end this is.
    pub role: Role,
    /// The hello of the client, be it this end or the other.
    pub client: Option<Hello>,
    /// What the server has chosen.
    pub chosen: Option<ServerHello>,
    /// What this end has, in the form of a hello.
    pub own: Option<Hello>,
    /// The lowest and the highest version that this end allows; 0 for no limit.
    pub own_versions: (c_int, c_int),
    /// The application protocols of this end.
    pub own_alpn: Vec<Vec<u8>>,
    /// The type of a server's own key.
    pub own_key: Option<String>,
    /// The name of a cipher suite.
    pub cipher_name: &'a dyn Fn(u16) -> Option<String>,
}

/// What they may not agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Versions,
    Ciphers,
    Groups,
    SignatureAlgorithms,
    Protocols,
    ServerName,
}

use Topic::*;

/// How long the lists become together, in bytes, and each of them.
const LONGEST_LISTS: usize = 600;
const LONGEST_LIST: usize = 200;

/// Values of the signalling kind among cipher suites: of renegotiation (RFC 5746) and of fallback (RFC 7507).
const SIGNALS: [u16; 2] = [0x00ff, 0x5600];

/// What may be the matter.
pub struct Topics(&'static [Topic]);

impl Topics {
    /// Where a handshake failed for this reason of OpenSSL's SSL library, or for an alert of the peer's (-1: none). None
    /// where what the ends offer has nothing to do with it.
    pub fn of(reason: Option<c_int>, alert: i32) -> Option<Topics> {
        of_alert(alert).or(reason.and_then(of_reason)).map(Topics)
    }

    /// What the two ends offer; None if nothing is known.
    pub fn explain(&self, ends: &Ends<'_>) -> Option<String> {
        let parts = match ends.role {
            Role::Client => Lists::new(ends, self.0.len()).of_client(self.0),
            Role::Server => of_server(self.0, ends),
        };
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// The alerts of RFC 8446, section 6, that stand for a disagreement.
fn of_alert(alert: i32) -> Option<&'static [Topic]> {
    match alert {
        // handshake_failure, insufficient_security
        40 | 71 => Some(&[Versions, Ciphers, Groups, SignatureAlgorithms]),
        // protocol_version
        70 => Some(&[Versions]),
        // unrecognized_name
        112 => Some(&[ServerName]),
        // no_application_protocol
        120 => Some(&[Protocols]),
        _ => None,
    }
}

fn of_reason(reason: c_int) -> Option<&'static [Topic]> {
    match reason {
        sys::SSL_R_NO_SHARED_CIPHER => Some(&[Ciphers]),
        sys::SSL_R_UNSUPPORTED_PROTOCOL
        | sys::SSL_R_WRONG_SSL_VERSION
        | sys::SSL_R_VERSION_TOO_LOW
        | sys::SSL_R_VERSION_TOO_HIGH => Some(&[Versions]),
        sys::SSL_R_NO_SUITABLE_KEY_SHARE | sys::SSL_R_NO_SHARED_GROUPS => Some(&[Groups]),
        sys::SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM
        | sys::SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS
        | sys::SSL_R_WRONG_SIGNATURE_TYPE => Some(&[SignatureAlgorithms]),
        sys::SSL_R_NO_APPLICATION_PROTOCOL => Some(&[Protocols]),
        _ => None,
    }
}

fn of_server(topics: &[Topic], ends: &Ends<'_>) -> Vec<String> {
    let Some(client) = &ends.client else { return Vec::new() };
    let own = ends.own.as_ref().filter(|_| topics.contains(&Ciphers));
    if !own.is_some_and(|own| suites(own).any(|number| client.ciphers.contains(&number))) {
        return Lists::new(ends, 2 * topics.len()).of_both(topics, client);
    }
    let topics = if topics == [Ciphers] { &[Ciphers, Groups, SignatureAlgorithms] } else { topics };
    let mut parts = Lists::new(ends, 2 * topics.len()).of_both(topics, client);
    let key = ends.own_key.as_ref().map_or_else(String::new, |key| format!("the server's {key} key, "));
    parts.push(format!("cipher suites that both have do not fit {key}the groups or the signature algorithms"));
    parts
}

/// Makes lists.
struct Lists<'a> {
    ends: &'a Ends<'a>,
    /// How long each becomes at most, in bytes.
    longest: usize,
}

impl Lists<'_> {
    /// For so many lists in one message.
    fn new<'a>(ends: &'a Ends<'a>, count: usize) -> Lists<'a> {
        Lists { ends, longest: (LONGEST_LISTS / count.max(1)).min(LONGEST_LIST) }
    }

    fn of_client(&self, topics: &[Topic]) -> Vec<String> {
        let Some(own) = &self.ends.client else { return Vec::new() };
        let offers: Vec<String> = topics
            .iter()
            .map(|topic| match topic {
                Versions => self.own_versions(),
                topic => self.offered(*topic, own),
            })
            .collect();
        let mut parts = vec![format!("this client offers {}", offers.join(", "))];
        if topics == [ServerName] {
            parts = vec![format!("this client asks for {}", offers.join(", "))];
        }
        if let (Some(chosen), true) = (&self.ends.chosen, topics.contains(&Versions)) {
            parts.push(format!("the server has chosen {}", names::version(chosen.version)));
        }
        parts
    }

    /// What the client offers, and what this server has.
    fn of_both(&self, topics: &[Topic], client: &Hello) -> Vec<String> {
        let both = |topic: &Topic| {
            let theirs = self.offered(*topic, client);
            let ours = match topic {
                Versions => self.own_versions(),
                Protocols => self.list(self.ends.own_alpn.iter().map(|name| protocol(name))),
                ServerName => return format!("the client asks for {theirs}"),
                topic => match &self.ends.own {
                    Some(own) => self.numbers(*topic, own),
                    None => return format!("the client offers {theirs}"),
                },
            };
            format!("the client offers {theirs}, this server has {ours}")
        };
        topics.iter().map(both).collect()
    }

    /// What a hello offers, with a word for the kind of thing.
    fn offered(&self, topic: Topic, hello: &Hello) -> String {
        match topic {
            Versions => self.versions(hello),
            Ciphers => format!("cipher suites {}", self.numbers(topic, hello)),
            Groups => format!("groups {}", self.numbers(topic, hello)),
            SignatureAlgorithms => format!("signature algorithms {}", self.numbers(topic, hello)),
            Protocols => format!("protocols {}", self.list(hello.alpn.iter().map(|name| protocol(name)))),
            ServerName => match &hello.server_name {
                Some(name) => format!("the host \"{}\"", name.escape_debug()),
                None => "no host by name".to_string(),
            },
        }
    }

    fn numbers(&self, topic: Topic, hello: &Hello) -> String {
        let cipher = |number: u16| (self.ends.cipher_name)(number).unwrap_or_else(|| unnamed(number));
        let signature_algorithm = names::signature_algorithm;
        match topic {
            Ciphers => self.list(suites(hello).map(cipher)),
            Groups => self.list(real(&hello.groups).map(names::group)),
            _ => self.list(real(&hello.signature_algorithms).map(signature_algorithm)),
        }
    }

    fn versions(&self, hello: &Hello) -> String {
        if hello.versions.is_empty() {
            return format!("{} and older", names::version(hello.legacy_version));
        }
        self.list(real(&hello.versions).map(names::version))
    }

    fn own_versions(&self) -> String {
        let name = |number: c_int| u16::try_from(number).map_or_else(|_| number.to_string(), names::version);
        match self.ends.own_versions {
            (0, 0) => "every version that OpenSSL has".to_string(),
            (min, 0) => format!("{} and newer", name(min)),
            (0, max) => format!("{} and older", name(max)),
            (min, max) if min == max => format!("{} only", name(min)),
            (min, max) => format!("{} to {}", name(min), name(max)),
        }
    }

    fn list(&self, names: impl Iterator<Item = String>) -> String {
        text::list(names, " ", self.longest)
    }
}

/// The cipher suites that a hello offers.
fn suites(hello: &Hello) -> impl Iterator<Item = u16> + '_ {
    real(&hello.ciphers).filter(|number| !SIGNALS.contains(number))
}

/// The numbers that mean something.
fn real(numbers: &[u16]) -> impl Iterator<Item = u16> + '_ {
    numbers.iter().copied().filter(|number| !is_grease(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(ciphers: &[u16]) -> Hello {
        Hello { ciphers: ciphers.to_vec(), legacy_version: 0x303, ..Hello::default() }
    }

    fn ends(role: Role, client: Hello, own: Hello) -> Ends<'static> {
        Ends {
            role,
            client: Some(client),
            chosen: None,
            own: Some(own),
            own_versions: (0x303, 0),
            own_alpn: vec![b"h2".to_vec()],
            own_key: Some("EC".to_string()),
            cipher_name: &|number| (number == 0x1301).then(|| "TLS_AES_128_GCM_SHA256".to_string()),
        }
    }

    fn explained(reason: Option<c_int>, alert: i32, ends: &Ends<'_>) -> Option<String> {
        Topics::of(reason, alert)?.explain(ends)
    }

    #[test]
    fn a_server_lists_both_sides() {
        let ends = ends(Role::Server, hello(&[0x0a0a, 0x2f, 0xff]), hello(&[0x1301]));
        assert_eq!(
            explained(Some(sys::SSL_R_NO_SHARED_CIPHER), -1, &ends).unwrap(),
            "the client offers cipher suites 0x002f, this server has TLS_AES_128_GCM_SHA256"
        );
    }

    #[test]
    fn a_signal_among_the_cipher_suites_is_none_that_both_have() {
        let ends = ends(Role::Server, hello(&[0x2f, 0xff]), hello(&[0x1301, 0xff]));
        assert_eq!(
            explained(Some(sys::SSL_R_NO_SHARED_CIPHER), -1, &ends).unwrap(),
            "the client offers cipher suites 0x002f, this server has TLS_AES_128_GCM_SHA256"
        );
    }

    #[test]
    fn a_server_that_shares_a_cipher_says_what_else_can_be_wrong() {
        let ends = ends(Role::Server, hello(&[0x1301]), hello(&[0x1301]));
        let text = explained(Some(sys::SSL_R_NO_SHARED_CIPHER), -1, &ends).unwrap();
        assert!(text.contains("do not fit the server's EC key"), "{text}");
        assert!(text.contains("the client offers groups (none)"), "{text}");
    }

    #[test]
    fn a_client_lists_what_it_offered() {
        let mut client = hello(&[0x1301]);
        client.alpn = vec![b"imap".to_vec(), b"\0".to_vec()];
        let ends = ends(Role::Client, client, Hello::default());
        assert_eq!(explained(None, 120, &ends).unwrap(), "this client offers protocols imap \\0");
        assert!(
            explained(None, 40, &ends).unwrap().starts_with("this client offers TLS 1.2 and newer, cipher suites")
        );
    }

    #[test]
    fn other_failures_are_not_explained() {
        let ends = ends(Role::Client, hello(&[]), hello(&[]));
        assert_eq!(explained(Some(1), 42, &ends), None);
        assert_eq!(explained(None, -1, &ends), None);
    }

    #[test]
    fn the_longest_lists_fit_into_a_message() {
        let all: Vec<u16> = (0x1000..0x1fff).collect();
        let mut client = hello(&all);
        client.groups = all.clone();
        client.signature_algorithms = all.clone();
        client.versions = all.clone();
        client.alpn = vec![vec![0xff; 255]; 200];
        let ends = ends(Role::Server, client.clone(), client);
        for alert in [40, 70, 120] {
            let text = explained(None, alert, &ends).unwrap();
            assert!(text.len() < 960, "{}", text.len());
            assert!(text.contains(" more") || text.contains(" too long to show"), "{text}");
        }
        let text = explained(Some(sys::SSL_R_NO_SHARED_CIPHER), -1, &ends).unwrap();
        assert!(text.len() < 960, "{}", text.len());
    }
}
