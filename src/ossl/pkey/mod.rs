//! Private keys: reference-counted, never changed. OpenSSL is never allowed to ask the terminal for a passphrase.

pub mod operations;
pub mod public_key;

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, CString, c_char, c_int, c_long, c_void},
    ptr::{self, NonNull},
};

use super::{bio::MemReader, crypto::cipher, queue, sys, versions};

/// One private key. Cloning takes a further reference.
pub struct Pkey(NonNull<ffi::EVP_PKEY>);

// SAFETY: OpenSSL counts references atomically and locks what it computes lazily in an EVP_PKEY.
unsafe impl Send for Pkey {}
// SAFETY: likewise; nothing here changes a key.
unsafe impl Sync for Pkey {}

impl Clone for Pkey {
    fn clone(&self) -> Pkey {
        // SAFETY: the key is live.
        unsafe { ffi::EVP_PKEY_up_ref(self.0.as_ptr()) };
        Pkey(self.0)
    }
}

impl Drop for Pkey {
    fn drop(&mut self) {
        // SAFETY: one reference is ours.
        unsafe { ffi::EVP_PKEY_free(self.0.as_ptr()) }
    }
}

impl PartialEq for Pkey {
    fn eq(&self, other: &Pkey) -> bool {
        // SAFETY: both are live.
        let equal = self.0 == other.0 || unsafe { versions::pkey_eq(self.0.as_ptr(), other.0.as_ptr()) } == 1;
        queue::clear();
        equal
    }
}

/// What the passphrase callback is given, and what it notes.
pub(super) struct Asked<'a> {
    /// The passphrase, if there is one.
    pub passphrase: Option<&'a CStr>,
    /// Whether OpenSSL has asked.
    pub asked: bool,
}

impl Pkey {
    /// Takes over a reference; None for NULL.
    ///
    /// # Safety
    /// `key` is NULL or a live key, one reference of which becomes ours.
    pub unsafe fn from_owned(key: *mut ffi::EVP_PKEY) -> Option<Pkey> {
        NonNull::new(key).map(Pkey)
    }

    /// The name of its type, such as "RSA" or "EC".
    pub fn type_name(&self) -> String {
        // SAFETY: the key is live and lends the name, or NULL.
        unsafe { super::static_text(versions::pkey_type_name(self.0.as_ptr())) }
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// For OpenSSL's functions.
    pub fn as_ptr(&self) -> *mut ffi::EVP_PKEY {
        self.0.as_ptr()
    }

    /// Reads the first private key of a PEM text.
    pub fn from_pem(pem: &[u8], passphrase: Option<&CStr>) -> Result<Pkey> {
        let reader = MemReader::new(pem)?;
        let key = read(passphrase, "no PEM private key", |callback, user| {
            // SAFETY: the BIO is live; `user` is what `callback` expects.
            unsafe { ffi::PEM_read_bio_PrivateKey(reader.as_ptr(), ptr::null_mut(), Some(callback), user) }
        });
        match key {
            Err(error) if error.code == Code::Config && passphrase.is_some() => check_own_form(pem).and(Err(error)),
            key => key,
        }
    }

    /// Reads DER: PKCS#8, encrypted or not, or the traditional form of an algorithm.
    pub fn from_der(der: &[u8], passphrase: Option<&CStr>) -> Result<Pkey> {
        let len = c_long::try_from(der.len()).map_err(|_| Error::argument("too much data"))?;
        super::init()?;
        queue::clear();
        let mut cursor = der.as_ptr();
        // SAFETY: `cursor` points to `len` readable bytes.
        let plain = unsafe { ffi::d2i_AutoPrivateKey(ptr::null_mut(), &mut cursor, len) };
        // SAFETY: a new key, or NULL.
        if let Some(key) = unsafe { Pkey::from_owned(plain) } {
            queue::clear();
            return Ok(key);
        }
        let reader = MemReader::new(der)?;
        read(passphrase, "no DER private key", |callback, user| {
            // SAFETY: the BIO is live; `user` is what `callback` expects.
            unsafe { sys::d2i_PKCS8PrivateKey_bio(reader.as_ptr(), ptr::null_mut(), Some(callback), user) }
        })
    }
}

fn read(
    passphrase: Option<&CStr>,
    what: &str,
    call: impl FnOnce(sys::PassphraseCallback, *mut c_void) -> *mut ffi::EVP_PKEY,
) -> Result<Pkey> {
    queue::clear();
    let mut asked = Asked { passphrase, asked: false };
    let key = call(give_passphrase, (&raw mut asked).cast());
    // SAFETY: a new key, or NULL.
    match unsafe { Pkey::from_owned(key) } {
        Some(key) => {
            queue::clear();
            Ok(key)
        }
        None => {
            let entry = queue::take();
            let what = match (asked.asked, passphrase) {
                (true, None) => {
                    return Err(queue::unasked(entry, "the private key is encrypted and no passphrase was given"));
                }
                (true, Some(_)) if entry.as_ref().is_some_and(queue::Entry::is_unsupported) => OLD_CIPHER,
                (true, Some(_)) => "the private key cannot be decrypted: is the passphrase right?",
                (false, _) => what,
            };
            Err(queue::error_from(entry, Code::Config, what))
        }
    }
}

const OLD_CIPHER: &str = "the private key is encrypted with an old cipher that this OpenSSL lacks";

/// Fails if the first encrypted key of a PEM text in an algorithm's own form names a cipher that cannot be used: OpenSSL 3
/// fails without saying so.
fn check_own_form(pem: &[u8]) -> Result<()> {
    let lines = pem.split(|byte| matches!(byte, b'\n' | b'\r'));
    let Some(name) = lines.filter_map(|line| line.strip_prefix(b"DEK-Info: ")).next() else {
        return Ok(());
    };
    let name = name.split(|byte| *byte == b',').next().unwrap_or_default();
    match CString::new(name).map(|name| cipher::can_decrypt(&name)) {
        Ok(true) => Ok(()),
        _ => Err(Error::new(Code::Config, format!("{OLD_CIPHER}: {}", String::from_utf8_lossy(name)))),
    }
}

/// The passphrase callback: `user` is an Asked.
pub(super) unsafe extern "C" fn give_passphrase(
    buffer: *mut c_char,
    size: c_int,
    _writing: c_int,
    user: *mut c_void,
) -> c_int {
    // SAFETY: `read` passes its Asked, which outlives the call.
    let asked = unsafe { &mut *user.cast::<Asked<'_>>() };
    asked.asked = true;
    let Some(passphrase) = asked.passphrase.map(CStr::to_bytes) else {
        return -1;
    };
    // SAFETY: OpenSSL passes `size` writable bytes.
    let buffer = unsafe { super::bytes_mut(buffer.cast(), size) };
    match buffer.get_mut(..passphrase.len()) {
        Some(to) => {
            to.copy_from_slice(passphrase);
            passphrase.len() as c_int
        }
        None => -1,
    }
}

/// The passphrase callback for what is never encrypted: refuses.
pub unsafe extern "C" fn no_passphrase(_: *mut c_char, _: c_int, _: c_int, _: *mut c_void) -> c_int {
    -1
}
