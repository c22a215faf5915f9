//! What a server's connection has before its handshake: the hello, as far as it has come.

use crate::{
    error::{Code, Error, Result},
    hello::{Fragments, Hello, Progress, Records},
    types::Medium,
};
use std::sync::Arc;

/// What has come, and what it is.
pub struct Opening {
    bytes: Bytes,
    /// The hello, or why there is none; None until that is known.
    pub found: Option<Result<Arc<Hello>>>,
    /// Whether the program has asked for the hello.
    pub is_wanted: bool,
}

enum Bytes {
    Stream(Records),
    Datagrams { fragments: Fragments, is_cookie_verified: bool },
}

/// What OpenSSL has to read once more.
pub enum Replay {
    /// The beginning of a stream.
    Stream(Vec<u8>),
    /// Datagrams. The cookie of the first of them has been verified, if there is one.
    Datagrams { verified: Option<Vec<u8>>, others: Vec<Vec<u8>> },
}

impl Opening {
    /// Nothing yet.
    pub fn new(medium: Medium) -> Opening {
        let bytes = match medium {
            Medium::Stream => Bytes::Stream(Records::default()),
            Medium::Datagrams => Bytes::Datagrams { fragments: Fragments::default(), is_cookie_verified: false },
        };
        Opening { bytes, found: None, is_wanted: false }
    }

    /// A datagram whose cookie has been verified comes first.
    pub fn begin_with(&mut self, hello: &[u8]) {
        if let Bytes::Datagrams { fragments, is_cookie_verified } = &mut self.bytes {
            *is_cookie_verified = true;
            let progress = fragments.begin(hello);
            self.note(progress);
        }
    }

    /// Takes in what has come.
    pub fn add(&mut self, bytes: &[u8]) {
        let progress = match &mut self.bytes {
            Bytes::Stream(records) => records.add(bytes),
            // What else is sent in the client's name changes nothing.
            Bytes::Datagrams { .. } if self.found.is_some() => return,
            Bytes::Datagrams { fragments, .. } => fragments.add(bytes),
        };
        self.note(progress);
    }

    fn note(&mut self, progress: Progress) {
        let datagrams = matches!(self.bytes, Bytes::Datagrams { .. });
        self.found = match progress {
            Progress::Incomplete => None,
            Progress::Complete(message) => Some(Hello::of(message, datagrams).map(Arc::new)),
            Progress::Foreign => Some(Err(foreign())),
        };
    }

    /// Nothing more will come.
    pub fn end(&mut self) {
        self.found.get_or_insert_with(|| Err(foreign()));
    }

    /// The hello, if it is one.
    pub fn hello(&self) -> Option<&Arc<Hello>> {
        self.found.as_ref().and_then(|found| found.as_ref().ok())
    }

    /// The record of a fatal alert: in the clear, as all of the handshake is so far.
    pub fn alert(&self, alert: u8) -> Vec<u8> {
        match &self.bytes {
            Bytes::Stream(_) => vec![21, 3, 3, 0, 2, 2, alert],
            Bytes::Datagrams { fragments, .. } => {
                // The number of the record is that of the hello: those before it were used in the exchange of cookies.
                let number = fragments.first().and_then(|hello| hello.get(3..11)).unwrap_or(&[0; 8]);
                [&[21, 0xfe, 0xfd], number, &[0, 2, 2, alert]].concat()
            }
        }
    }

    /// What OpenSSL has to read once more.
    pub fn into_replay(self) -> Replay {
        match self.bytes {
            Bytes::Stream(records) => Replay::Stream(records.into_stream()),
            Bytes::Datagrams { fragments, is_cookie_verified } => {
                let mut others = fragments.into_datagrams();
                let verified = (is_cookie_verified && !others.is_empty()).then(|| others.remove(0));
                Replay::Datagrams { verified, others }
            }
        }
    }
}

/// The failure of a client that begins with something else.
pub fn foreign() -> Error {
    Error::new(Code::Protocol, "the client has not begun with a hello of TLS")
}
