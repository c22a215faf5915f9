//! Application data over TLS: as a stream of bytes, or as records of DTLS. Nothing here waits, reads the clock or takes a lock.

pub mod dtls;
pub mod gathering;
pub mod idle_timer;
pub mod read_strategy;
pub mod record_ramp;
pub mod registration;
pub mod tls_stream;
pub mod unreported_writes;

use crate::{
    config::Config,
    error::{Error, Result},
    net::deadline::{Deadline, Limit},
    ossl::ssl::dtls::MAX_RECORD,
    types::{Medium, Step},
};
use dtls::Dtls;
use read_strategy::ReadStrategy;
use std::time::{Duration, Instant};
use tls_stream::TlsStream;
use unreported_writes::WriteProgress;

use super::Tls;

/// How long a close waits for the close_notify of a peer over datagrams: it may be lost, or never be sent, and nothing that
/// was written depends on it. While the peer may still need a message of the handshake again, only the close limit holds.
const CLOSE_NOTIFY_LIMIT: Duration = Duration::from_millis(200);

/// What a connection has beside its TLS state.
pub enum Channel {
    /// Over a stream.
    Stream(TlsStream),
    /// Over datagrams.
    Datagram(Box<Dtls>),
}

/// How a connection waits for the peer's end once all is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// In the background, until the end of the stream: unread bytes would turn the close into a reset.
    InBackground,
    /// In the call, for the peer's close_notify, and no longer than this, if there is a limit.
    InCall(Limit),
}

impl Channel {
    /// For a new connection.
    pub fn new(medium: Medium, tls: &mut Tls, config: &Config, now: Instant) -> Channel {
        match medium {
            Medium::Stream => Channel::Stream(TlsStream::new(config.records.is_dynamic)),
            Medium::Datagrams => Channel::Datagram(Box::new(Dtls::new(tls, config, now))),
        }
    }

    /// The state of DTLS; None over a stream.
    pub fn dtls(&mut self) -> Option<&mut Dtls> {
        match self {
            Channel::Stream(_) => None,
            Channel::Datagram(dtls) => Some(dtls),
        }
    }

    /// What is due before a step on the connection.
    pub fn before_step(&mut self, tls: &mut Tls) -> Result<()> {
        match self {
            Channel::Stream(_) => Ok(()),
            Channel::Datagram(dtls) => dtls.before_step(tls),
        }
    }

    /// The outcome of a step, in the light of what it brought.
    pub fn after_step<T>(&mut self, tls: &mut Tls, outcome: Result<Step<T>>, now: Instant) -> Result<Step<T>> {
        match self {
            Channel::Stream(_) => outcome,
            Channel::Datagram(dtls) => dtls.after_step(tls, outcome, now),
        }
    }

    /// Reads application data.
    pub fn read(&mut self, tls: &mut Tls, buffer: &mut [u8], blocks: bool, now: Instant) -> Result<Step<usize>> {
        match self {
            Channel::Stream(stream) => stream.read(tls, buffer, blocks),
            Channel::Datagram(dtls) => dtls.read(tls, buffer, now),
        }
    }

    /// Writes application data: over a stream `all` of it, or a part; over datagrams one record.
    pub fn write(
        &mut self,
        tls: &mut Tls,
        data: &[u8],
        progress: &mut WriteProgress,
        all: bool,
        deadline: Deadline,
        now: Instant,
    ) -> Result<Step<()>> {
        match self {
            Channel::Stream(stream) => stream.write(tls, data, progress, all, deadline, now),
            Channel::Datagram(dtls) => dtls.write(tls, data, &mut progress.written),
        }
    }

    /// How many bytes a read would give without the network.
    pub fn pending(&mut self, tls: &mut Tls) -> usize {
        match self {
            Channel::Stream(_) => tls.pending(),
            Channel::Datagram(_) => tls.pending_record(),
        }
    }

    /// No read follows for now: idle connections hold no buffers.
    pub fn release_buffers(&mut self, tls: &mut Tls) {
        match self {
            Channel::Stream(stream) => stream.release_buffers(tls),
            Channel::Datagram(_) => {}
        }
    }

    /// A read waits, in this library. True if the wait is for several records, and shall last no longer than
    /// `GATHERING_TIME`.
    pub fn gathers(&mut self, tls: &mut Tls, now: Instant) -> bool {
        match self {
            Channel::Stream(stream) => stream.gathers(tls, now),
            Channel::Datagram(_) => false,
        }
    }

    /// A read waits, outside of this library, for the descriptor or for `GATHERING_TIME`. True if for the latter, after which
    /// there are several records.
    pub fn gathers_elsewhere(&mut self, now: Instant) -> bool {
        match self {
            Channel::Stream(stream) => stream.gathers_elsewhere(now),
            Channel::Datagram(_) => false,
        }
    }

    /// The policy for reads.
    pub fn reads(&self) -> &ReadStrategy {
        match self {
            Channel::Stream(stream) => stream.reads(),
            Channel::Datagram(dtls) => dtls.reads(),
        }
    }

    /// Hands what is left to the kernel. Ok(true) if nothing is left.
    pub fn flush(&mut self, tls: &mut Tls) -> Result<bool> {
        match self {
            Channel::Stream(stream) => stream.flush(tls),
            Channel::Datagram(_) => tls.transport().flush().map_err(|error| Error::io(&error)),
        }
    }

    /// Flushes where the end of the stream follows at once, which sends the last bytes. Ok(true) if nothing else is left.
    pub fn flush_before_fin(&mut self, tls: &mut Tls) -> Result<bool> {
        match self {
            Channel::Stream(stream) => stream.flush_before_fin(tls),
            Channel::Datagram(_) => self.flush(tls),
        }
    }

    /// Whether application data is still to be handed to the kernel.
    pub fn has_unsent_data(&self) -> bool {
        match self {
            Channel::Stream(stream) => stream.has_unsent_data(),
            Channel::Datagram(_) => false,
        }
    }

    /// Whether the connection has ended without a TLS failure.
    pub fn is_over(&self) -> bool {
        match self {
            Channel::Stream(_) => false,
            Channel::Datagram(dtls) => dtls.is_over(),
        }
    }

    /// Whether a time has passed that ends the connection.
    pub fn has_timed_out(&self, tls: &Tls, now: Instant) -> bool {
        match self {
            Channel::Stream(_) => false,
            Channel::Datagram(dtls) => dtls.idle_timeout_exceeded(tls, now).is_some(),
        }
    }

    /// When the connection has something to do although nothing comes.
    pub fn next_timeout(&self, tls: &Tls, now: Instant) -> Deadline {
        match self {
            Channel::Stream(_) => Deadline::NEVER,
            Channel::Datagram(dtls) => dtls.next_timeout(tls, now),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, tls: &mut Tls, now: Instant) -> Result<()> {
        match self {
            Channel::Stream(_) => Ok(()),
            Channel::Datagram(dtls) => dtls.handle_timeout(tls, now),
        }
    }

    /// How to wait for the peer's end once all is sent. None if nothing is to be expected; `has_failed`: of a connection
    /// that has ended with an error.
    pub fn drain(&mut self, tls: &mut Tls, has_failed: bool) -> Option<Drain> {
        match self {
            Channel::Stream(_) => Some(Drain::InBackground),
            Channel::Datagram(dtls) => {
                let is_expected = !has_failed && tls.is_handshaken() && !dtls.is_unreachable(tls);
                let limit = Some(CLOSE_NOTIFY_LIMIT).filter(|_| dtls.is_peer_established(tls));
                is_expected.then_some(Drain::InCall(limit))
            }
        }
    }

    /// Ends a server's registration of the peer. True if the descriptor stays in use, by another connection.
    pub fn end_registration(&mut self) -> bool {
        match self {
            Channel::Stream(_) => false,
            Channel::Datagram(dtls) => dtls.end_registration(),
        }
    }

    /// The most that one write can carry; None over a stream.
    pub fn record_limit(&mut self, tls: &mut Tls) -> Option<usize> {
        self.dtls().map(|dtls| dtls.record_limit(tls).min(MAX_RECORD))
    }
}
