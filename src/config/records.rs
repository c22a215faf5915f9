//! How large the records of a stream are.

/// The sizes; the default is OpenSSL's, full records without padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// How many bytes of application data a record carries at most; None for 16384.
    pub size: Option<usize>,
    /// Whether the first records after a pause are small, so that each is in a packet of its own.
    pub is_dynamic: bool,
    /// What a client asks the server to send at most in one record (RFC 6066, section 4): 512, 1024, 2048 or 4096; None to ask
    /// for nothing.
    pub max_fragment_length: Option<u16>,
    /// What the length of each record of TLS 1.3 is padded to a multiple of; 0 for no padding.
    pub padding: usize,
}
