//! Words that all layers share: which end, over what, and how far a step came.

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that connects.
    Client,
    /// The end that accepts.
    Server,
}

/// What is under TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A stream of bytes.
    Stream,
    /// Datagrams.
    Datagrams,
}

/// Whether the peer is asked for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// It is not asked, or the answer does not matter.
    No,
    /// It is asked, and may have none.
    Optional,
    /// It must have one.
    Required,
}

/// How a step that never waits went.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// It is done.
    Done(T),
    /// The peer must send something first.
    WantRead,
    /// The kernel must take something first.
    WantWrite,
    /// The peer has ended its half of the stream, with close_notify.
    Eof,
}

impl<T> Step<T> {
    /// The step with what `change` makes of its result, if it is done.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Step<U> {
        match self {
            Step::Done(result) => Step::Done(change(result)),
            Step::WantRead => Step::WantRead,
            Step::WantWrite => Step::WantWrite,
            Step::Eof => Step::Eof,
        }
    }

    /// The step that follows, if this one is done; else this one.
    pub fn and_then<U, E>(self, next: impl FnOnce(T) -> Result<Step<U>, E>) -> Result<Step<U>, E> {
        match self {
            Step::Done(result) => next(result),
            Step::WantRead => Ok(Step::WantRead),
            Step::WantWrite => Ok(Step::WantWrite),
            Step::Eof => Ok(Step::Eof),
        }
    }
}
