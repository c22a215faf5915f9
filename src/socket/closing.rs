//! Closing as a state machine: flush, then the end of the stream, then the peer's end. Its steps never wait.

use crate::{error::Error, net::deadline::Deadline, posix::Readiness, transport::channel::Drain, types::Step};
use std::{
    io,
    time::{Duration, Instant},
};

use super::state::{Lifecycle, SocketState};

/// Space for bytes that are discarded. Mostly there are none or few: more space would only displace the processor's cache.
const SCRATCH: usize = 1024;

/// How many pieces one step discards, so that a peer that never stops cannot keep the lock.
const PIECES: usize = 64;

/// How long closing a connection takes at most whose handshake is not complete: only an alert can be lost.
const ALERT_LIMIT: Duration = Duration::from_millis(200);

/// What a step of closing asks for.
pub enum CloseAction {
    /// A further step once the descriptor is ready, or the deadline has passed.
    Wait(Readiness, Deadline),
    /// To take what the peer still sends in the background, and then to close.
    Linger(Deadline),
    /// To close in the background, as `Linger`, a connection that the program has shut down by its descriptor, so that the
    /// end of the stream says nothing of the peer. The error is that of `Close`.
    LingerAfterShutdown(Deadline, Option<Error>),
    /// To close the descriptor. The error, if there is one, says that something that was written is lost.
    Close(Option<Error>),
}

impl SocketState {
    /// The next step of closing a connection whose handshake is complete or not, with `limit` for all of it.
    pub fn close_step(&mut self, is_handshaken: bool, limit: Duration, now: Instant) -> CloseAction {
        if self.lifecycle == Lifecycle::Open && !self.begin_closing(is_handshaken, limit, now) {
            return CloseAction::Close(None);
        }
        if let Lifecycle::Flushing(deadline) = self.lifecycle {
            match self.channel.flush_before_fin(&mut self.tls) {
                Ok(true) => {
                    self.tls.transport().send_fin();
                    self.lifecycle = Lifecycle::Draining(deadline);
                }
                Ok(false) if deadline.has_passed_at(now) => return CloseAction::Close(Some(Error::timeout())),
                Ok(false) => return CloseAction::Wait(Readiness::WRITE, deadline),
                Err(error) => {
                    let is_shut = error.sys_errno == libc::EPIPE
                        && matches!(self.channel.drain(&mut self.tls, true), Some(Drain::InBackground));
                    let lost = Some(error).filter(|_| self.channel.has_unsent_data());
                    return match is_shut {
                        // By the peer, which ends it at once, or by the program: then what it wrote before is on its way.
                        true => CloseAction::LingerAfterShutdown(deadline, lost),
                        false => CloseAction::Close(lost),
                    };
                }
            }
        }
        let Lifecycle::Draining(deadline) = self.lifecycle else {
            return CloseAction::Close(None);
        };
        let Some(drain) = self.channel.drain(&mut self.tls, self.failure.is_some()) else {
            return CloseAction::Close(None);
        };
        if !self.discard_input() {
            return CloseAction::Close(None);
        }
        match drain {
            Drain::InBackground => CloseAction::Linger(deadline),
            Drain::InCall(limit) => {
                let deadline = deadline.or_sooner(Deadline::starting(now, limit));
                self.lifecycle = Lifecycle::Draining(deadline);
                // An unfinished drain loses nothing that was written.
                if deadline.has_passed_at(now) {
                    CloseAction::Close(None)
                } else {
                    CloseAction::Wait(Readiness::READ, deadline)
                }
            }
        }
    }

    /// When closing ends: what it has been given, or `limit` from `now` if it has not begun.
    pub fn closing_deadline(&self, limit: Duration, now: Instant) -> Deadline {
        self.lifecycle.close_ends().unwrap_or_else(|| Deadline::starting(now, Some(limit)))
    }

    /// Sends close_notify. False if the peer has received nothing yet: then there is nothing to close.
    fn begin_closing(&mut self, is_handshaken: bool, limit: Duration, now: Instant) -> bool {
        if is_handshaken && self.failure.is_none() {
            // Without it the peer sees a truncation, which is then what happened.
            let _ = self.close_notify();
        }
        if !is_handshaken && !self.tls.transport().has_sent() {
            self.lifecycle = Lifecycle::Ending(Deadline::starting(now, Some(limit)));
            return false;
        }
        let limit = if is_handshaken { limit } else { limit.min(ALERT_LIMIT) };
        self.lifecycle = Lifecycle::Flushing(Deadline::starting(now, Some(limit)));
        true
    }

    /// Discards what the peer has sent. False once it will send no more.
    fn discard_input(&mut self) -> bool {
        let mut scratch = [0; SCRATCH];
        for _ in 0..PIECES {
            let status = self.tls.status();
            if status.eof || status.recv_errno != 0 || self.tls.received_close_notify() {
                return false;
            }
            let more = if self.tls.has_failed() || !self.tls.is_handshaken() {
                let transport = self.tls.transport();
                transport.end_records();
                match transport.recv(&mut scratch) {
                    Ok(_) => continue,
                    Err(error) => error.kind() == io::ErrorKind::WouldBlock,
                }
            } else {
                match self.tls.read(&mut scratch) {
                    Ok(Step::Done(_)) => continue,
                    Ok(Step::WantRead | Step::WantWrite) => true,
                    Ok(Step::Eof) => false,
                    // TLS has ended, but there may be bytes.
                    Err(_) => continue,
                }
            };
            return more;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        ossl::ssl::{connection::Ssl, context, hooks::PeerPolicy},
        transport::{Transport, channel::Channel},
        types::{ClientAuth, Medium, Role},
    };
    use std::os::{fd::OwnedFd, unix::net::UnixStream};

    const LIMIT: Duration = Duration::from_secs(2);

    /// A client that has sent its hello, or not, and the descriptor of its peer.
    fn client(has_begun: bool, now: Instant) -> (SocketState, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let policy = PeerPolicy {
            client_auth: ClientAuth::No,
            chain: false,
            may_be_overridden: false,
            accepted: None,
            further: Default::default(),
        };
        let transport = Transport::new(Medium::Stream, &OwnedFd::from(ours).into()).unwrap();
        let mut tls = Ssl::new(&context::new(false).unwrap(), transport, Role::Client, policy, Vec::new()).unwrap();
        if has_begun {
            assert_eq!(tls.handshake().unwrap(), Step::WantRead);
        }
        let channel = Channel::new(Medium::Stream, &mut tls, &Config::default(), now);
        (SocketState::new(tls, channel, None), theirs)
    }

    #[test]
    fn a_connection_that_has_not_begun_is_closed_at_once() {
        let now = Instant::now();
        let (mut state, _peer) = client(false, now);
        assert!(matches!(state.close_step(false, LIMIT, now), CloseAction::Close(None)));
    }

    #[test]
    fn a_connection_in_its_handshake_lingers_for_the_alert_only() {
        let now = Instant::now();
        let (mut state, _peer) = client(true, now);
        let CloseAction::Linger(end) = state.close_step(false, LIMIT, now) else { panic!("no lingering") };
        assert_eq!(end.remaining_at(now), Some(ALERT_LIMIT));
        assert!(matches!(state.lifecycle, Lifecycle::Draining(_)));
    }

    #[test]
    fn nothing_lingers_once_the_peer_has_closed() {
        let now = Instant::now();
        let (mut state, peer) = client(true, now);
        drop(peer);
        assert!(matches!(state.close_step(false, LIMIT, now), CloseAction::Close(None)));
    }

    #[test]
    fn what_the_kernel_does_not_take_is_waited_for_and_then_given_up() {
        let now = Instant::now();
        let (mut state, _peer) = client(true, now);
        // As if the hello had been larger than the kernel's buffer.
        let Transport::Stream(stream) = state.tls.transport() else { panic!("no stream") };
        while stream.unsent() == 0 {
            stream.write(&[0; 64 * 1024]).unwrap();
        }
        assert!(matches!(state.close_step(false, LIMIT, now), CloseAction::Wait(Readiness::WRITE, _)));
        let CloseAction::Close(Some(error)) = state.close_step(false, LIMIT, now + ALERT_LIMIT) else {
            panic!("no failure")
        };
        assert_eq!(error.code, crate::error::Code::Timeout);
    }
}
