//! What is kept of a connection's messages until its handshake is complete.

use std::cell::RefCell;

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// What is kept.
#[derive(Default)]
pub struct MessageLog {
    client_hello: RefCell<Vec<u8>>,
    server_hello: RefCell<Vec<u8>>,
}

impl MessageLog {
    /// Takes in a message: type, length in three bytes, body.
    pub fn note(&self, message: &[u8]) {
        let kept = match message.first() {
            Some(&CLIENT_HELLO) => &self.client_hello,
            Some(&SERVER_HELLO) => &self.server_hello,
            _ => return,
        };
        kept.replace(message.to_vec());
    }

    /// The latest hello of the client; empty if there was none.
    pub fn client_hello(&self) -> Vec<u8> {
        self.client_hello.borrow().clone()
    }

    /// The latest hello of the server; empty if there was none.
    pub fn server_hello(&self) -> Vec<u8> {
        self.server_hello.borrow().clone()
    }

    /// Drops all.
    pub fn forget(&self) {
        self.client_hello.take();
        self.server_hello.take();
    }
}
