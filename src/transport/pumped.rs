//! A stream whose bytes are moved by the driver, outside of the lock: what it takes out of the buffers and brings into them.

use crate::{
    byte_queue::ByteQueue,
    error::{Error, Result},
    types::Step,
};
use std::{io, mem};

use super::{carrier::Carrier, stream::StreamTransport};

/// What there is to send.
pub enum Sending {
    /// There is nothing to send.
    Nothing,
    /// Another thread is sending, and will send what has been added meanwhile.
    Busy,
    /// This, which comes back through `finish_external_send`.
    Batch(ByteQueue),
}

/// Whether the driver may bring bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiving {
    /// It may, and `finish_pumped_receive` follows.
    Started,
    /// Another thread is doing that, or nothing is to be received.
    Busy,
    /// There is something already: bytes, the end, or a failure.
    Unneeded,
}

impl StreamTransport {
    /// Takes out what is to be sent, for a thread that sends it outside of the lock.
    pub fn start_external_send(&mut self) -> Sending {
        let Carrier::Pumped(pumped) = &mut self.carrier else { return Sending::Nothing };
        if pumped.sending.is_some() {
            return Sending::Busy;
        }
        if self.outgoing.is_empty() {
            return Sending::Nothing;
        }
        pumped.sending = Some(self.outgoing.len());
        Sending::Batch(mem::take(&mut self.outgoing))
    }

    /// Puts back what was not sent, with the reason.
    pub fn finish_external_send(&mut self, mut batch: ByteQueue, outcome: &Result<Step<usize>>) {
        let Carrier::Pumped(pumped) = &mut self.carrier else { return };
        pumped.sending = None;
        match outcome {
            Ok(Step::Done(n)) => batch.advance(*n),
            Ok(Step::WantRead | Step::WantWrite) => {}
            Ok(Step::Eof) => return self.send_failed(&io::Error::from_raw_os_error(libc::EPIPE)),
            Err(error) => {
                pumped.send_error.get_or_insert_with(|| error.clone());
                return self.send_failed(&io::Error::from_raw_os_error(errno_of(error)));
            }
        }
        if self.send_errno == 0 {
            self.outgoing.put_before(batch);
        }
    }

    /// Leaves receiving to the caller.
    pub fn start_pumped_receive(&mut self) -> Receiving {
        if !self.incoming.is_empty() || self.eof || self.recv_errno != 0 {
            Receiving::Unneeded
        } else if self.external_receive_pending || self.reading_shut || !self.carrier.is_pumped() {
            Receiving::Busy
        } else {
            self.external_receive_pending = true;
            Receiving::Started
        }
    }

    /// Takes over what was received, which is at the beginning of `bytes`, or why there is nothing.
    pub fn finish_pumped_receive(&mut self, outcome: &Result<Step<usize>>, mut bytes: Vec<u8>) {
        let received = match outcome {
            Ok(Step::Done(n)) => Ok((*n).min(bytes.len())),
            Ok(Step::Eof) => Ok(0),
            Ok(Step::WantRead | Step::WantWrite) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => {
                if let Carrier::Pumped(pumped) = &mut self.carrier {
                    pumped.receive_error.get_or_insert_with(|| error.clone());
                }
                Err(io::Error::from_raw_os_error(errno_of(error)))
            }
        };
        self.external_receive_pending = false;
        // How it failed has been recorded. There was nothing before it.
        if let Ok(n) = self.record_receive(received, &bytes) {
            bytes.truncate(n);
            self.incoming = bytes.into();
        }
    }
}

fn errno_of(error: &Error) -> i32 {
    if error.sys_errno == 0 { libc::EIO } else { error.sys_errno }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> StreamTransport {
        StreamTransport::new(Carrier::Pumped(Box::default()))
    }

    fn batch(stream: &mut StreamTransport) -> ByteQueue {
        match stream.start_external_send() {
            Sending::Batch(batch) => batch,
            _ => panic!("nothing to send"),
        }
    }

    #[test]
    fn one_thread_sends_and_what_it_cannot_send_stays_before_what_was_added() {
        let mut stream = stream();
        stream.write(b"abc").unwrap();
        let taken = batch(&mut stream);
        stream.write(b"def").unwrap();
        assert!(matches!(stream.start_external_send(), Sending::Busy));
        assert_eq!(stream.unsent(), 6);
        assert!(!stream.flush().unwrap());
        stream.finish_external_send(taken, &Ok(Step::Done(1)));
        let taken = batch(&mut stream);
        assert_eq!(taken.rest(), b"bcdef");
        stream.finish_external_send(taken, &Ok(Step::Done(5)));
        assert!(stream.flush().unwrap());
        assert!(matches!(stream.start_external_send(), Sending::Nothing));
    }

    #[test]
    fn a_failed_send_is_told_once_everything_before_is_read() {
        let mut stream = stream();
        stream.write(b"abc").unwrap();
        let taken = batch(&mut stream);
        stream.finish_external_send(taken, &Err(Error::timeout()));
        assert!(stream.flush().is_err());
        assert_eq!(stream.start_pumped_receive(), Receiving::Started);
        stream.finish_pumped_receive(&Ok(Step::Done(2)), b"xyz".to_vec());
        assert_eq!(stream.start_pumped_receive(), Receiving::Unneeded);
        assert_eq!(stream.receive(&mut [0; 4]).unwrap(), 2);
    }

    #[test]
    fn the_end_and_failures_stay() {
        let mut stream = stream();
        assert_eq!(stream.start_pumped_receive(), Receiving::Started);
        assert_eq!(stream.start_pumped_receive(), Receiving::Busy);
        stream.finish_pumped_receive(&Ok(Step::WantRead), Vec::new());
        assert_eq!(stream.receive(&mut [0; 4]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(stream.start_pumped_receive(), Receiving::Started);
        stream.finish_pumped_receive(&Ok(Step::Eof), vec![0; 4]);
        assert_eq!(stream.receive(&mut [0; 4]).unwrap(), 0);
        assert_eq!(stream.start_pumped_receive(), Receiving::Unneeded);
    }
}
