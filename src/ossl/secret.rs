//! Bytes that must not be left in memory that was given back: sessions, keys, passphrases.

use std::{ffi::CStr, fmt, ops::Deref};

use super::cleanse;

/// Such bytes. They are overwritten when they are dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes bytes over. What they were copied from is the caller's to overwrite.
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(bytes)
    }

    /// A text with its NUL.
    pub fn of_text(text: &CStr) -> Secret {
        Secret(text.to_bytes_with_nul().to_vec())
    }

    /// The text that these bytes are, if they are one with its NUL.
    pub fn as_text(&self) -> Option<&CStr> {
        CStr::from_bytes_with_nul(&self.0).ok()
    }
}

impl Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // What was behind a shorter text as well.
        self.0.resize(self.0.capacity(), 0);
        cleanse(&mut self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secret bytes", self.0.len())
    }
}
