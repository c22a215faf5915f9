//! What is kept of a connection's messages: the hellos, until the handshake is complete, and what a trace tells of each
//! message, until it is fetched.

use std::{
    cell::{Cell, RefCell},
    mem,
};

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// How many messages are kept for a trace. One call of OpenSSL reads a bounded amount, but a peer may fill that with small
/// messages.
const MOST_EVENTS: usize = 256;

/// What is kept.
#[derive(Default)]
pub struct MessageLog {
    client_hello: RefCell<Vec<u8>>,
    server_hello: RefCell<Vec<u8>>,
    is_traced: Cell<bool>,
    events: RefCell<Vec<Event>>,
    left_out: Cell<usize>,
}

/// A message for a trace.
#[derive(Debug)]
pub struct Event {
    /// Whether this end has sent it.
    pub is_ours: bool,
    /// What it is.
    pub message: Message,
}

/// What a trace reports of a message. Nothing secret is kept.
#[derive(Debug)]
pub enum Message {
    /// Of the handshake: its type, its length without the header, and all of it if it is a hello.
    Handshake { kind: u8, len: usize, hello: Vec<u8> },
    /// An alert: its level, its description.
    Alert(u8, u8),
    /// The change to what was agreed on.
    ChangeCipherSpec,
}

impl MessageLog {
    /// Takes in a message of the handshake: its type and length, in four bytes, and its body. Only hellos are copied.
    pub fn note(&self, is_ours: bool, head: &[u8], body: &[u8]) {
        let Some(&kind) = head.first() else { return };
        let kept = match kind {
            CLIENT_HELLO => Some(&self.client_hello),
            SERVER_HELLO => Some(&self.server_hello),
            _ => None,
        };
        let whole = || [head, body].concat();
        if let Some(kept) = kept {
            kept.replace(whole());
        }
        let hello = || kept.map_or_else(Vec::new, |_| whole());
        self.trace(is_ours, || Message::Handshake { kind, len: body.len(), hello: hello() });
    }

    /// Takes in what is reported of a message.
    pub fn trace(&self, is_ours: bool, message: impl FnOnce() -> Message) {
        if !self.is_traced.get() {
            return;
        }
        let mut events = self.events.borrow_mut();
        if events.len() < MOST_EVENTS {
            events.push(Event { is_ours, message: message() });
        } else {
            self.left_out.set(self.left_out.get() + 1);
        }
    }

    /// Whether events are kept.
    pub fn is_traced(&self) -> bool {
        self.is_traced.get()
    }

    /// Keeps events, or no more.
    pub fn set_traced(&self, traced: bool) {
        self.is_traced.set(traced);
    }

    /// The events since the last call, and how many were left out.
    pub fn take_events(&self) -> (Vec<Event>, usize) {
        if !self.is_traced.get() {
            return (Vec::new(), 0);
        }
        (mem::take(&mut *self.events.borrow_mut()), self.left_out.take())
    }

    /// The latest hello of the client; empty if there was none.
    pub fn client_hello(&self) -> Vec<u8> {
        self.client_hello.borrow().clone()
    }

    /// The latest hello of the server; empty if there was none.
    pub fn server_hello(&self) -> Vec<u8> {
        self.server_hello.borrow().clone()
    }

    /// Drops the hellos.
    pub fn forget_hellos(&self) {
        self.client_hello.take();
        self.server_hello.take();
    }
}
