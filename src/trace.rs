//! The function of the program that receives the messages of connections, line by line.

use std::{fmt, sync::Arc};

type Tell = dyn Fn(&str, &str) + Send + Sync;

/// Called for each line: with the peer, and the line.
#[derive(Clone)]
pub struct Trace(Arc<Tell>);

impl Trace {
    /// Lines go to `tell`.
    pub fn new(tell: impl Fn(&str, &str) + Send + Sync + 'static) -> Trace {
        Trace(Arc::new(tell))
    }

    /// Passes the lines on. No lock that the program can wait for may be held.
    pub fn tell(&self, peer: impl fmt::Display, lines: &[String]) {
        let peer = peer.to_string();
        for line in lines {
            (self.0)(&peer, line);
        }
    }
}
