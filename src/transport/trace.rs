//! The lines of a trace: one for each message of a connection's handshake, and for each alert. No line has a secret in it.

use super::Tls;
use crate::{
    hello::{Hello, ServerHello, is_grease, names},
    ossl::{
        queue,
        ssl::message_log::{Event, Message},
    },
    text,
};

/// How long a list becomes at most, in bytes.
const LONGEST_LIST: usize = 200;

/// The lines about what has happened since the last call.
pub fn lines(tls: &Tls) -> Vec<String> {
    let (events, left_out) = tls.hooks().messages.take_events();
    let mut lines: Vec<String> = events.iter().map(|event| line(tls, event)).collect();
    if left_out > 0 {
        lines.push(format!("  and {left_out} messages more"));
    }
    lines
}

fn line(tls: &Tls, event: &Event) -> String {
    let direction = if event.is_ours { '>' } else { '<' };
    match &event.message {
        Message::Handshake { kind, len, hello } => match hello_line(tls, *kind, hello) {
            Some((name, says)) => format!("{direction} {name} {len}: {says}"),
            None => format!("{direction} {} {len}", name(*kind)),
        },
        Message::Alert(level, description) => {
            let level = if *level == 2 { "fatal" } else { "warning" };
            let text = queue::alert_description(*description);
            format!("{direction} alert: {level}, {text} ({description})")
        }
        Message::ChangeCipherSpec => format!("{direction} ChangeCipherSpec"),
    }
}

/// The name of a message of the handshake (RFC 8446, section 4; RFC 5246, section 7.4; RFC 6347, section 4.2.2).
fn name(kind: u8) -> String {
    let name = match kind {
        0 => "HelloRequest",
        1 => "ClientHello",
        2 => "ServerHello",
        3 => "HelloVerifyRequest",
        4 => "NewSessionTicket",
        5 => "EndOfEarlyData",
        8 => "EncryptedExtensions",
        11 => "Certificate",
        12 => "ServerKeyExchange",
        13 => "CertificateRequest",
        14 => "ServerHelloDone",
        15 => "CertificateVerify",
        16 => "ClientKeyExchange",
        20 => "Finished",
        22 => "CertificateStatus",
        24 => "KeyUpdate",
        25 => "CompressedCertificate",
        kind => return format!("message of type {kind}"),
    };
    name.to_string()
}

/// The name of a hello, and what it says.
fn hello_line(tls: &Tls, kind: u8, hello: &[u8]) -> Option<(String, String)> {
    match kind {
        1 => {
            let hello = Hello::parse(hello.to_vec(), tls.is_datagram()).ok()?;
            Some((name(kind), client_hello(&hello)))
        }
        2 => {
            let hello = ServerHello::parse(hello).ok()?;
            let cipher = tls.cipher_name(hello.cipher).unwrap_or_else(|| names::unnamed(hello.cipher));
            let group = hello.group.map_or_else(String::new, |group| format!(" {}", names::group(group)));
            let title = if hello.is_retry { "HelloRetryRequest".to_string() } else { name(kind) };
            Some((title, format!("{} {cipher}{group}", names::version(hello.version))))
        }
        _ => None,
    }
}

/// Host, application protocols, versions and groups, each in the order of the client.
fn client_hello(hello: &Hello) -> String {
    let real =
        |numbers: &[u16]| -> Vec<u16> { numbers.iter().copied().filter(|number| !is_grease(*number)).collect() };
    let list = |names: Vec<String>| match names.is_empty() {
        true => "-".to_string(),
        false => text::list(names.into_iter(), ",", LONGEST_LIST),
    };
    let host = hello.server_name.as_deref().map_or_else(|| "-".to_string(), |name| name.escape_debug().to_string());
    let alpn = list(hello.alpn.iter().map(|name| names::protocol(name)).collect());
    let versions = if hello.versions.is_empty() { vec![hello.legacy_version] } else { real(&hello.versions) };
    let versions = list(versions.into_iter().map(names::version).collect());
    let groups = list(real(&hello.groups).into_iter().map(names::group).collect());
    format!("{host} {alpn} {versions} {groups} {} cipher suites", real(&hello.ciphers).len())
}
