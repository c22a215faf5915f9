//! The facts of a connection in one value, for programs that log or count.

use crate::ossl::ssl::algorithms::CipherNumbers;
use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use super::Socket;

/// What a connection has come to; empty texts and zeros before the handshake is complete.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Application data that reads have returned.
    pub bytes_read: u64,
    /// Application data that writes have taken.
    pub bytes_written: u64,
    /// From the making of the socket to the end of the handshake.
    pub handshake_time: Option<Duration>,
    /// The protocol's number on the wire.
    pub protocol_number: u16,
    /// The protocol's name.
    pub protocol: String,
    /// The cipher in numbers.
    pub cipher: CipherNumbers,
    /// The cipher's name.
    pub cipher_name: String,
    /// The group of the key agreement.
    pub group: String,
    /// How we signed.
    pub signature: String,
    /// How the peer signed.
    pub peer_signature: String,
    /// Whether a session was resumed.
    pub is_session_reused: bool,
}

impl Socket {
    /// What the connection has come to.
    pub fn facts(&self) -> Facts {
        let driver = &self.0.driver;
        let mut facts = Facts {
            bytes_read: driver.counts.read.load(Relaxed),
            bytes_written: driver.counts.written.load(Relaxed),
            ..Facts::default()
        };
        let Some(info) = driver.info() else { return facts };
        let text =
            |text: Option<&std::ffi::CStr>| text.map_or_else(String::new, |text| text.to_string_lossy().into());
        facts.handshake_time = Some(info.completed.saturating_duration_since(driver.counts.begun));
        facts.protocol = text(info.protocol);
        facts.cipher_name = text(info.cipher);
        facts.is_session_reused = info.is_session_reused;
        let state = driver.lock();
        facts.protocol_number = state.tls.protocol_number();
        facts.cipher = state.tls.cipher_numbers();
        facts.group = state.tls.group();
        facts.signature = state.tls.signature();
        facts.peer_signature = state.tls.peer_signature();
        facts
    }
}
