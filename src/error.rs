//! What can go wrong, and how it is reported: a stable category for programs, a sentence for people.

use std::{fmt, io};

/// The category of a failure: the negative status codes of the C API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    /// The caller passed something unusable.
    Argument = -1,
    /// The thing is not in a state in which this can be done.
    State = -2,
    /// Memory ran out.
    NoMemory = -3,
    /// The operating system refused: see the errno.
    Io = -4,
    /// A deadline passed.
    Timeout = -5,
    /// The peer vanished without close_notify.
    Truncated = -6,
    /// TLS failed, or the peer sent an alert.
    Protocol = -7,
    /// The peer's certificate was refused, or is missing.
    Verify = -8,
    /// The peer's certificate is for another name.
    Name = -9,
    /// Certificates, keys or settings are bad or do not fit together.
    Config = -10,
    /// This OpenSSL cannot do it.
    Unsupported = -11,
    /// The host name could not be resolved.
    Resolve = -12,
    /// A defect of this library or of OpenSSL.
    Internal = -13,
}

impl Code {
    /// The category that a negative status code names.
    pub fn from_status(status: i32) -> Option<Code> {
        use Code::{
            Argument, Config, Internal, Io, Name, NoMemory, Protocol, Resolve, State, Timeout, Truncated,
            Unsupported, Verify,
        };
        let all = [
            Argument,
            State,
            NoMemory,
            Io,
            Timeout,
            Truncated,
            Protocol,
            Verify,
            Name,
            Config,
            Unsupported,
            Resolve,
            Internal,
        ];
        all.into_iter().find(|code| *code as i32 == status)
    }
}

/// What was going on when it failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i32)]
pub enum Phase {
    /// Nothing on the network.
    #[default]
    None = 0,
    /// Looking a host name up.
    Resolve = 1,
    /// Connecting.
    Connect = 2,
    /// Waiting for a client.
    Accept = 3,
    /// The TLS handshake.
    Handshake = 4,
    /// Reading.
    Read = 5,
    /// Writing.
    Write = 6,
    /// Closing.
    Close = 7,
}

/// All details of a failure.
#[derive(Clone, Debug)]
pub struct Error {
    /// Its category.
    pub code: Code,
    /// What was going on.
    pub phase: Phase,
    /// One line: what failed, on what, why.
    pub message: String,
    /// The errno, or 0.
    pub sys_errno: i32,
    /// OpenSSL's packed error code, or 0.
    pub openssl_code: u64,
    /// OpenSSL's own words for it, or empty.
    pub reason: String,
    /// The `X509_V_*` code, or 0.
    pub verify_result: i32,
    /// The TLS alert that the peer sent, or -1.
    pub alert: i32,
}

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure of category `code`, described by `message`.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error {
            code,
            phase: Phase::None,
            message: message.into(),
            sys_errno: 0,
            openssl_code: 0,
            reason: String::new(),
            verify_result: 0,
            alert: -1,
        }
    }

    /// The caller passed something unusable.
    pub fn argument(message: impl Into<String>) -> Error {
        Error::new(Code::Argument, message)
    }

    /// A system call failed.
    pub fn io(error: &io::Error) -> Error {
        let errno = error.raw_os_error().unwrap_or(0);
        let code = match (error.kind(), errno) {
            (io::ErrorKind::TimedOut, 0) => Code::Timeout,
            (io::ErrorKind::OutOfMemory, _) => Code::NoMemory,
            _ => Code::Io,
        };
        let message = match errno {
            0 => error.to_string(),
            _ => crate::posix::errno_text(errno),
        };
        Error { sys_errno: errno, ..Error::new(code, message) }
    }

    /// A deadline of the caller's passed.
    pub fn timeout() -> Error {
        Error::new(Code::Timeout, "timed out")
    }

    /// Makes the failure one of `what` ("handshake with example.org:443"), in this phase.
    pub fn during(mut self, phase: Phase, what: impl fmt::Display) -> Error {
        if self.phase == Phase::None {
            self.phase = phase;
        }
        self.context(what)
    }

    /// Puts `what` before the message.
    pub fn context(mut self, what: impl fmt::Display) -> Error {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
