//! A server's access to a connection that it has handed out, which the program may not be reading.

use std::{
    os::fd::BorrowedFd,
    sync::{Arc, Weak},
    time::Instant,
};

use crate::socket::{driver::Driver, state::Lifecycle};

pub use crate::transport::channel::registration::PeerActivity;

/// Weak reference through which the server services an established connection.
#[derive(Clone)]
pub struct ConnectionMonitor(Weak<Driver>);

impl ConnectionMonitor {
    /// Watches a connection.
    pub fn new(driver: &Arc<Driver>) -> ConnectionMonitor {
        ConnectionMonitor(Arc::downgrade(driver))
    }

    /// Does what the peer needs although the program may not read: answers a peer that repeats its handshake, and notices
    /// one that restarts.
    pub fn service(&self) -> PeerActivity {
        let Some(driver) = self.0.upgrade() else { return PeerActivity::Over };
        let mut state = driver.lock();
        let state = &mut *state;
        let has_failed = state.failure.is_some();
        let Some(dtls) = state.channel.dtls().filter(|_| state.lifecycle == Lifecycle::Open) else {
            return PeerActivity::Over;
        };
        dtls.service(&mut state.tls, has_failed, Instant::now()).unwrap_or_else(|error| {
            // The program's next call returns it.
            state.fail(error);
            PeerActivity::Over
        })
    }

    /// Ends the connection, and the peer's registration, if the peer is silent for longer than it may.
    pub fn close_if_idle(&self) {
        let Some(driver) = self.0.upgrade() else { return };
        let mut state = driver.lock();
        let state = &mut *state;
        let Some(dtls) = state.channel.dtls().filter(|_| state.lifecycle == Lifecycle::Open) else { return };
        if let Err(error) = dtls.check_idle(&mut state.tls, Instant::now()) {
            state.fail(error);
            state.channel.end_registration();
        }
    }

    /// Runs `body` on the descriptor; None once closed.
    pub fn with_fd<T>(&self, body: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        self.0.upgrade()?.with_fd(body)
    }
}
