//! The sizes of a context's records.

use crate::error::{Code, Result};
use openssl_sys as ffi;
use std::{
    ffi::{c_int, c_long},
    ptr,
};

use super::Ctx;
use crate::ossl::{queue, sys};

impl Ctx {
    /// How many bytes of data a record carries at most: 512 to 16384.
    pub fn set_record_size(&mut self, size: usize) -> Result<()> {
        queue::clear();
        let (command, size) = (sys::SSL_CTRL_SET_MAX_SEND_FRAGMENT, size as c_long);
        // SAFETY: the context is live.
        let done = unsafe { ffi::SSL_CTX_ctrl(self.as_ptr(), command, size, ptr::null_mut()) };
        queue::check(done as c_int, Code::Config, "OpenSSL does not take the record size")
    }

    /// Makes clients ask servers for records of no more than so many bytes: 512, 1024, 2048 or 4096.
    pub fn set_max_fragment_length(&mut self, length: u16) -> Result<()> {
        // The numbers of RFC 6066 begin with 1, for 512.
        let mode = (length / 512).trailing_zeros() + 1;
        queue::clear();
        // SAFETY: the context is live.
        let done = unsafe { sys::SSL_CTX_set_tlsext_max_fragment_length(self.as_ptr(), mode as u8) };
        queue::check(done, Code::Config, "OpenSSL does not take the fragment length")
    }

    /// Pads records of TLS 1.3 to multiples of a block.
    pub fn set_padding(&mut self, block: usize) -> Result<()> {
        queue::clear();
        // SAFETY: the context is live.
        let done = unsafe { sys::SSL_CTX_set_block_padding(self.as_ptr(), block) };
        queue::check(done, Code::Config, "OpenSSL does not take the padding")
    }
}
