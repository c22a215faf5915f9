//! What the bytes of a stream go through. Nothing here waits.

use crate::{error::Error, posix};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

/// What a stream's buffers are emptied into, and filled from.
pub enum Carrier {
    /// A connected descriptor, which is read and written in place.
    Descriptor {
        /// The descriptor.
        fd: Arc<OwnedFd>,
        /// Whether the program has no descriptor of this connection, so that no other code depends on its options.
        is_ours_alone: bool,
    },
    /// The driver, which moves the bytes outside of the lock.
    Pumped(Box<Pumped>),
    /// None: the socket is closed.
    Closed,
}

/// What the driver has in hand, and how moving bytes has failed.
#[derive(Default)]
pub struct Pumped {
    /// How many bytes a thread has taken out to send them, if one has.
    pub(super) sending: Option<usize>,
    pub(super) receive_error: Option<Error>,
    pub(super) send_error: Option<Error>,
}

impl Carrier {
    fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        match self {
            Carrier::Descriptor { fd, .. } => Ok(fd.as_fd()),
            Carrier::Pumped(_) => Err(io::ErrorKind::WouldBlock.into()),
            Carrier::Closed => Err(posix::bad_descriptor()),
        }
    }

    /// Sends as much of `data` as is taken at once; `before_fin` where `send_fin` follows.
    pub fn send(&self, data: &[u8], before_fin: bool) -> io::Result<usize> {
        let fd = self.fd()?;
        if before_fin { posix::send_before_end(fd, data) } else { posix::send(fd, data) }
    }

    /// Receives what is there. 0 is the end of the stream.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fd().and_then(|fd| posix::recv(fd, buffer))
    }

    /// Receives what is there, and into the free space of `more` what there is beyond `buffer`. 0 is the end of the stream.
    pub fn recv_ahead(&self, buffer: &mut [u8], more: &mut Vec<u8>) -> io::Result<usize> {
        self.fd().and_then(|fd| posix::recv_ahead(fd, buffer, more))
    }

    /// Whether there is something to receive, and not merely the end of the stream.
    pub fn has_input(&self) -> bool {
        self.fd().and_then(|fd| posix::peek(fd, &mut [0])).is_ok_and(|count| count > 0)
    }

    /// Whether the driver moves the bytes.
    pub fn is_pumped(&self) -> bool {
        matches!(self, Carrier::Pumped(_))
    }

    fn pumped(&self) -> Option<&Pumped> {
        match self {
            Carrier::Pumped(pumped) => Some(pumped),
            Carrier::Descriptor { .. } | Carrier::Closed => None,
        }
    }

    /// The first failure of a receive, where an errno does not say it all.
    pub fn receive_error(&self) -> Option<&Error> {
        self.pumped()?.receive_error.as_ref()
    }

    /// The first failure of a send, where an errno does not say it all.
    pub fn send_error(&self) -> Option<&Error> {
        self.pumped()?.send_error.as_ref()
    }

    /// How many bytes are neither sent nor in the buffer.
    pub fn in_transit(&self) -> usize {
        self.pumped().and_then(|pumped| pumped.sending).unwrap_or(0)
    }

    /// How many bytes at most `report_readable_from` may be asked for. 0: the carrier reports each byte.
    pub fn max_low_water(&self) -> usize {
        match self {
            // A quarter is what the system can hold at least, whatever size the segments have. Others than Linux are not known
            // to report a buffer that is full.
            Carrier::Descriptor { fd, is_ours_alone: true } if cfg!(target_os = "linux") => {
                posix::receive_buffer_size(fd.as_fd()).unwrap_or(0) / 4
            }
            _ => 0,
        }
    }

    /// Has the system report the descriptor as readable only once so many bytes have been received, or the stream has ended.
    /// Where that is the case already, it is reported again.
    pub fn report_readable_from(&self, bytes: usize) -> io::Result<()> {
        self.fd().and_then(|fd| posix::set_receive_low_water(fd, bytes))
    }

    /// Whether the peer has ended its half, where our reading half is shut down and receiving does not show it.
    pub fn peer_has_ended(&self) -> bool {
        self.fd().map_or(true, posix::peer_has_ended)
    }

    /// Ends the reading half, which wakes the threads that wait for bytes.
    pub fn shut_reading(&self) {
        // Fails only if the connection has ended already, which wakes them too.
        let _ = self.fd().and_then(posix::shutdown_read);
    }

    /// Ends our half of the stream.
    pub fn send_fin(&self) {
        // Fails only if the connection has ended already.
        let _ = self.fd().and_then(|fd| posix::shutdown(fd, false));
    }
}
