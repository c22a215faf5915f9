//! What DTLS has beside TLS: retransmission timers, the MTU, the verified first hello, records.

use crate::{
    error::{Code, Result},
    ossl::{bio_backend::BioBackend, queue, sys},
    types::{ClientAuth, Role, Step},
};
use openssl_sys as ffi;
use std::{
    ffi::{c_int, c_long, c_uchar, c_uint},
    ptr,
    time::Duration,
};

use super::{
    connection::Ssl,
    hooks::{guarded, hooks},
};

/// The most that one record carries (RFC 6347, section 4.1).
pub const MAX_RECORD: usize = 16 * 1024;

/// The most that a message may have without certificates; OpenSSL takes up to one record all the same.
const SHORT_MESSAGE: c_long = 16 * 1024;

/// The longest time between two retransmissions (RFC 6347, section 4.2.4.1).
const LONGEST_TIMER: Duration = Duration::from_secs(60);

/// OpenSSL takes a timer that has less than this left for one that has expired.
const EXPIRED_EARLY: Duration = Duration::from_millis(15);

impl<B: BioBackend> Ssl<B> {
    /// Begins the server's side with a client hello whose cookie has been verified, and which is what the transport will
    /// read next. False if OpenSSL cannot read it.
    pub fn begin_with_verified_hello(&mut self) -> Result<bool> {
        self.hooks().dtls.cookie_verified.set(true);
        queue::clear();
        // SAFETY: the SSL is live and has our BIO; the address is ours. The hello is not empty, so OpenSSL reads it
        // and nothing from the network, and sends nothing.
        let begun = unsafe {
            let address = sys::BIO_ADDR_new();
            if address.is_null() {
                return Err(queue::error(Code::NoMemory, "cannot make an address"));
            }
            // OpenSSL reads the hello once more in the handshake: it is reported then.
            sys::SSL_set_msg_callback(self.ptr(), None);
            let result = sys::DTLSv1_listen(self.ptr(), address);
            sys::BIO_ADDR_free(address);
            result == 1
        };
        self.watch_messages();
        queue::clear();
        Ok(begun)
    }

    /// Sets the time until the first retransmission; each further one takes twice as long.
    pub fn set_first_timer(&mut self, first: Duration) {
        let micros = c_uint::try_from(first.as_micros()).unwrap_or(c_uint::MAX);
        self.hooks().dtls.first_timer.set(micros.clamp(1, LONGEST_TIMER.as_micros() as c_uint));
        // SAFETY: the SSL is live; the callback has the type that OpenSSL asks for.
        unsafe { sys::DTLS_set_timer_cb(self.ptr(), Some(timer_callback)) }
    }

    /// Lets the connection survive records that fail authentication, as RFC 6347, section 4.1.2.7, asks for. OpenSSL
    /// discards them, except those of CBC ciphers with encrypt-then-MAC: each of these, sent by anybody, would be fatal.
    pub fn tolerate_forged_records(&mut self) {
        // SAFETY: the SSL is live.
        unsafe { sys::SSL_set_options(self.ptr(), sys::SSL_OP_NO_ENCRYPT_THEN_MAC) };
    }

    /// Refuses long messages of the peer's handshake where it has no certificates to send. OpenSSL keeps up to ten messages
    /// that come too early, each in as much memory as its first fragment says that it needs.
    pub fn expect_short_messages(&mut self) {
        if self.role() == Role::Server && self.hooks().policy.client_auth == ClientAuth::No {
            // SAFETY: the SSL is live.
            unsafe { ffi::SSL_ctrl(self.ptr(), sys::SSL_CTRL_SET_MAX_CERT_LIST, SHORT_MESSAGE, ptr::null_mut()) };
        }
    }

    /// How long it is until something must be sent again; None if nothing must.
    pub fn retransmission(&self) -> Option<Duration> {
        if self.failed || self.has_ended {
            return None;
        }
        let mut left = libc::timeval { tv_sec: 0, tv_usec: 0 };
        // SAFETY: the SSL is live, `left` writable.
        let running =
            unsafe { ffi::SSL_ctrl(self.ptr(), sys::DTLS_CTRL_GET_TIMEOUT, 0, (&raw mut left).cast()) } == 1;
        let seconds = Duration::from_secs(u64::try_from(left.tv_sec).unwrap_or(0));
        let left = seconds + Duration::from_micros(u64::try_from(left.tv_usec).unwrap_or(0));
        // A microsecond later there is less than that left.
        let left = left.saturating_sub(EXPIRED_EARLY - Duration::from_micros(1));
        // OpenSSL goes by the wall clock: where that was set back, more seems to be left than the timer ever had.
        let longest =
            Duration::from_micros(self.hooks().dtls.latest_timer.get().into()).saturating_sub(EXPIRED_EARLY);
        running.then(|| left.min(longest))
    }

    /// Sends again what is due. Fails once OpenSSL gives up.
    pub fn retransmit(&mut self) -> Result<()> {
        // To ask first costs less than to find out by trying.
        if self.deferred_error.is_some() || self.retransmission().is_none_or(|left| !left.is_zero()) {
            return Ok(());
        }
        queue::clear();
        self.transport().reset_read_budget();
        // SAFETY: the SSL is live.
        let result = unsafe { ffi::SSL_ctrl(self.ptr(), sys::DTLS_CTRL_HANDLE_TIMEOUT, 0, ptr::null_mut()) };
        if result >= 0 {
            return Ok(());
        }
        match self.outcome(result as c_int, ()) {
            // The kernel took nothing: what was to be sent is lost, and comes again.
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Limits what goes into one datagram to so many bytes, which is what the path is believed to take. A `fixed` limit is
    /// never changed by OpenSSL.
    pub fn limit_datagrams(&mut self, payload: usize, fixed: bool) {
        let payload = c_long::try_from(payload).unwrap_or(c_long::MAX);
        // SAFETY: the SSL is live. OpenSSL refuses what is too small, and keeps what it had.
        unsafe {
            if fixed {
                sys::SSL_set_options(self.ptr(), sys::SSL_OP_NO_QUERY_MTU);
            } else {
                sys::SSL_clear_options(self.ptr(), sys::SSL_OP_NO_QUERY_MTU);
            }
            ffi::SSL_ctrl(self.ptr(), sys::SSL_CTRL_SET_MTU, payload, ptr::null_mut());
        }
    }

    /// The most that one record can carry over this path; 0 before the handshake.
    pub fn record_limit(&self) -> usize {
        // SAFETY: the SSL is live.
        unsafe { sys::DTLS_get_data_mtu(self.ptr()) }.min(MAX_RECORD)
    }

    /// The length of a record that has arrived, and can be read without the network; 0 if there is none.
    pub fn pending_record(&mut self) -> usize {
        if self.pending() == 0 {
            return 0;
        }
        match self.peek(&mut [0; MAX_RECORD]) {
            Ok(Step::Done(n)) => n,
            Ok(_) => 0,
            Err(error) => {
                self.deferred_error = Some(error);
                0
            }
        }
    }

    /// Reads a record and returns its length. If that is more than `buffer` has, the record stays, still to be read.
    pub fn read_record(&mut self, buffer: &mut [u8]) -> Result<Step<usize>> {
        // No record is as long as this.
        const UNKNOWN: usize = usize::MAX;
        let step = self.call(|ssl| {
            if buffer.len() < MAX_RECORD {
                let (result, _) = ssl.raw_peek(&mut [0]);
                // That is this record, and others where some came before the handshake's end.
                if result <= 0 || !(1..=buffer.len()).contains(&ssl.decrypted()) {
                    return (result, UNKNOWN);
                }
            }
            ssl.raw_read(buffer)
        })?;
        if step == Step::Done(UNKNOWN) { self.read_if_it_fits(buffer) } else { Ok(step) }
    }

    /// Reads a record whose length is only known once all of it has been read.
    fn read_if_it_fits(&mut self, buffer: &mut [u8]) -> Result<Step<usize>> {
        match self.peek(&mut [0; MAX_RECORD])? {
            Step::Done(len) if len <= buffer.len() => self.read(buffer),
            step => Ok(step),
        }
    }

    /// Reads the next record without taking it.
    pub fn peek(&mut self, buffer: &mut [u8]) -> Result<Step<usize>> {
        self.call(|ssl| ssl.raw_peek(buffer))
    }

    fn raw_peek(&mut self, buffer: &mut [u8]) -> (c_int, usize) {
        let mut n = 0;
        // SAFETY: `buffer` is writable for its length.
        let result = unsafe { sys::SSL_peek_ex(self.ptr(), buffer.as_mut_ptr().cast(), buffer.len(), &mut n) };
        (result, n)
    }
}

/// Whether the client's cookie is good: the listener has found out before.
pub unsafe extern "C" fn cookie_callback(ssl: *mut ffi::SSL, _: *const c_uchar, _: c_uint) -> c_int {
    // SAFETY: OpenSSL passes a live SSL.
    let hooks = unsafe { hooks(ssl) };
    hooks.map_or(0, |hooks| guarded(hooks, 0, || c_int::from(hooks.dtls.cookie_verified.get())))
}

/// The time until the next retransmission after one that took `previous` microseconds, or 0 for the first; longer by
/// what OpenSSL cuts off.
unsafe extern "C" fn timer_callback(ssl: *mut ffi::SSL, previous: c_uint) -> c_uint {
    const EARLY: c_uint = EXPIRED_EARLY.as_micros() as c_uint;
    // SAFETY: OpenSSL passes a live SSL.
    let hooks = unsafe { hooks(ssl) };
    let first = hooks.map_or(1_000_000, |hooks| hooks.dtls.first_timer.get());
    let time = match previous.saturating_sub(EARLY) {
        0 => first,
        previous => previous.saturating_mul(2).min(LONGEST_TIMER.as_micros() as c_uint),
    };
    let time = time + EARLY;
    if let Some(hooks) = hooks {
        hooks.dtls.latest_timer.set(time);
    }
    time
}
