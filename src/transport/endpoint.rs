//! What a socket was made over, and gives up when it is closed.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, Weak},
};

use super::{byte_stream::ByteStream, carrier::Carrier};

/// What is under a socket. Threads that wait on it hold a reference each.
#[derive(Clone)]
pub enum Endpoint {
    /// A connected descriptor. While there is a reference its number is not reused.
    Descriptor(Arc<OwnedFd>),
    /// A stream of the program's, or another TLS connection.
    Stream(Arc<dyn ByteStream>),
    /// A duplicate of a descriptor of the program's, whose options are the program's as well.
    Duplicate(Arc<OwnedFd>),
}

impl From<OwnedFd> for Endpoint {
    fn from(fd: OwnedFd) -> Endpoint {
        Endpoint::Descriptor(Arc::new(fd))
    }
}

/// An endpoint that a closed socket may have given up.
pub enum WeakEndpoint {
    /// A descriptor.
    Descriptor(Weak<OwnedFd>),
    /// A stream.
    Stream(Weak<dyn ByteStream>),
    /// A duplicate.
    Duplicate(Weak<OwnedFd>),
}

impl Endpoint {
    /// The descriptor whose readiness is that of this, if there is one.
    pub fn fd(self) -> Option<Arc<OwnedFd>> {
        match self {
            Endpoint::Descriptor(fd) | Endpoint::Duplicate(fd) => Some(fd),
            Endpoint::Stream(stream) => stream.fd(),
        }
    }

    /// What a stream over this goes through.
    pub fn carrier(&self) -> Carrier {
        match self {
            Endpoint::Descriptor(fd) => Carrier::Descriptor { fd: fd.clone(), is_ours_alone: true },
            Endpoint::Duplicate(fd) => Carrier::Descriptor { fd: fd.clone(), is_ours_alone: false },
            Endpoint::Stream(_) => Carrier::Pumped(Box::default()),
        }
    }

    /// A reference that does not keep it.
    pub fn downgrade(&self) -> WeakEndpoint {
        match self {
            Endpoint::Descriptor(fd) => WeakEndpoint::Descriptor(Arc::downgrade(fd)),
            Endpoint::Stream(stream) => WeakEndpoint::Stream(Arc::downgrade(stream)),
            Endpoint::Duplicate(fd) => WeakEndpoint::Duplicate(Arc::downgrade(fd)),
        }
    }
}

impl WeakEndpoint {
    /// The endpoint, unless it was given up.
    pub fn upgrade(&self) -> Option<Endpoint> {
        match self {
            WeakEndpoint::Descriptor(fd) => fd.upgrade().map(Endpoint::Descriptor),
            WeakEndpoint::Stream(stream) => stream.upgrade().map(Endpoint::Stream),
            WeakEndpoint::Duplicate(fd) => fd.upgrade().map(Endpoint::Duplicate),
        }
    }
}
