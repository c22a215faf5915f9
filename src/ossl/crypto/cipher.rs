//! Symmetric ciphers: EVP_CIPHER by name, and texts in the making.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_int, c_ulong, c_void},
    ptr::{self, NonNull},
};

use super::md::Md;
use crate::ossl::{evp_sys, queue, secret::Secret};

/// The most that a cipher gives beyond what it takes in one step.
pub const SLACK: usize = 32;

/// A cipher algorithm. OpenSSL's are static.
pub struct Cipher {
    cipher: NonNull<ffi::EVP_CIPHER>,
    name: String,
}

// SAFETY: an EVP_CIPHER is never changed.
unsafe impl Send for Cipher {}
// SAFETY: likewise.
unsafe impl Sync for Cipher {}

/// Which steps a cipher needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Key, initialisation vector, text.
    Plain,
    /// Key, initialisation vector, and the text in one piece: OpenSSL would start again with each piece (XTS).
    OneShot,
    /// With additional data and a tag.
    Aead,
    /// With additional data and a tag, for a message in one piece whose length must be known first (CCM).
    AeadOneShot,
}

impl Kind {
    /// Whether there are additional data and a tag.
    pub fn is_aead(self) -> bool {
        matches!(self, Kind::Aead | Kind::AeadOneShot)
    }
}

impl Cipher {
    /// The cipher that OpenSSL knows by this name. Whether it can be used shows in `CipherCtx::new`.
    pub fn by_name(name: &CStr) -> Result<Cipher> {
        crate::ossl::init()?;
        queue::clear();
        let text = name.to_string_lossy().into_owned();
        // SAFETY: the name is NUL-terminated; the result is static or NULL.
        let cipher = unsafe { ffi::EVP_get_cipherbyname(name.as_ptr()) };
        match NonNull::new(cipher.cast_mut()) {
            Some(cipher) => Ok(Cipher { cipher, name: text }),
            None => Err(Error::argument(format!("OpenSSL knows no cipher \"{text}\""))),
        }
    }

    /// The name by which it was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn flags(&self) -> c_ulong {
        // SAFETY: the cipher is static.
        unsafe { ffi::EVP_CIPHER_flags(self.cipher.as_ptr()) }
    }

    /// Which steps it needs. Fails for what has other steps than these (key wrapping, what TLS uses inside).
    pub fn kind(&self) -> Result<Kind> {
        let flags = self.flags();
        let aead = flags & evp_sys::EVP_CIPH_FLAG_AEAD_CIPHER != 0;
        match flags & ffi::EVP_CIPH_MODE {
            evp_sys::EVP_CIPH_GCM_MODE | evp_sys::EVP_CIPH_OCB_MODE => Ok(Kind::Aead),
            evp_sys::EVP_CIPH_CCM_MODE => Ok(Kind::AeadOneShot),
            evp_sys::EVP_CIPH_STREAM_CIPHER if aead && self.is_chacha20_poly1305() => Ok(Kind::Aead),
            evp_sys::EVP_CIPH_STREAM_CIPHER
            | evp_sys::EVP_CIPH_ECB_MODE
            | evp_sys::EVP_CIPH_CBC_MODE
            | evp_sys::EVP_CIPH_CFB_MODE
            | evp_sys::EVP_CIPH_OFB_MODE
            | evp_sys::EVP_CIPH_CTR_MODE
                if !aead =>
            {
                Ok(Kind::Plain)
            }
            evp_sys::EVP_CIPH_XTS_MODE if !aead => Ok(Kind::OneShot),
            _ => Err(Error::new(Code::Unsupported, format!("the cipher \"{}\" is not for general use", self.name))),
        }
    }

    /// Whether it is ChaCha20-Poly1305, whose initialisation vector has 12 bytes.
    pub fn is_chacha20_poly1305(&self) -> bool {
        // SAFETY: the cipher is static.
        unsafe { ffi::EVP_CIPHER_nid(self.cipher.as_ptr()) == evp_sys::NID_CHACHA20_POLY1305 }
    }

    /// Whether it is in OCB mode, whose tag's length is set before the key.
    fn is_ocb(&self) -> bool {
        self.flags() & ffi::EVP_CIPH_MODE == evp_sys::EVP_CIPH_OCB_MODE
    }

    /// The length of its key in bytes; the usual one if it takes others, too.
    pub fn key_size(&self) -> usize {
        // SAFETY: the cipher is static.
        usize::try_from(unsafe { ffi::EVP_CIPHER_key_length(self.cipher.as_ptr()) }).unwrap_or(0)
    }

    /// Whether it takes keys of other lengths.
    pub fn takes_any_key_size(&self) -> bool {
        self.flags() & evp_sys::EVP_CIPH_VARIABLE_LENGTH != 0
    }

    /// The length of its initialisation vector in bytes; the usual one if it takes others, too.
    pub fn iv_size(&self) -> usize {
        // SAFETY: the cipher is static.
        usize::try_from(unsafe { ffi::EVP_CIPHER_iv_length(self.cipher.as_ptr()) }).unwrap_or(0)
    }

    /// Key and initialisation vector from a password, with one round of MD5 and no salt.
    pub fn key_from_password(&self, password: &[u8]) -> Result<(Secret, Vec<u8>)> {
        queue::clear();
        let md5 = Md::by_name(c"MD5")?;
        let len = c_int::try_from(password.len()).map_err(|_| Error::argument("a password of more than 2 GB"))?;
        let (mut key, mut iv) = (vec![0; evp_sys::EVP_MAX_KEY_LENGTH], vec![0; evp_sys::EVP_MAX_IV_LENGTH]);
        // SAFETY: `key` and `iv` have space for the longest that there are; the password is readable for its length.
        let size = unsafe {
            ffi::EVP_BytesToKey(
                self.cipher.as_ptr(),
                md5.as_ptr(),
                ptr::null(),
                password.as_ptr(),
                len,
                1,
                key.as_mut_ptr(),
                iv.as_mut_ptr(),
            )
        };
        if size <= 0 {
            return Err(md5.unusable());
        }
        key.truncate(self.key_size());
        iv.truncate(self.iv_size());
        Ok((Secret::new(key), iv))
    }

    fn unusable(&self) -> Error {
        queue::error(Code::Unsupported, &format!("the cipher \"{}\" cannot be used in this OpenSSL", self.name))
    }
}

/// Whether this OpenSSL decrypts with the cipher of this name: it may know the name and have no provider for it.
pub fn can_decrypt(name: &CStr) -> bool {
    let usable = Cipher::by_name(name).and_then(|cipher| CipherCtx::empty()?.prepare(&cipher, false));
    usable.is_ok()
}

/// A text in the making.
pub struct CipherCtx(NonNull<ffi::EVP_CIPHER_CTX>);

// SAFETY: nothing in an EVP_CIPHER_CTX belongs to a thread; it is changed through `&mut` only.
unsafe impl Send for CipherCtx {}

impl Drop for CipherCtx {
    fn drop(&mut self) {
        // SAFETY: the context is ours; OpenSSL overwrites the key in it.
        unsafe { ffi::EVP_CIPHER_CTX_free(self.0.as_ptr()) }
    }
}

impl CipherCtx {
    /// Ready for the text. `tag_size` is how long the tag of an AEAD cipher is.
    pub fn new(cipher: &Cipher, key: &[u8], iv: &[u8], tag_size: usize, encrypt: bool) -> Result<CipherCtx> {
        let mut ctx = CipherCtx::empty()?;
        ctx.prepare(cipher, encrypt)?;
        let what = format!("the key and the initialisation vector cannot be used with \"{}\"", cipher.name);
        let kind = cipher.kind()?;
        if kind.is_aead() {
            ctx.control(evp_sys::EVP_CTRL_AEAD_SET_IVLEN, iv.len(), ptr::null_mut(), &what)?;
        }
        if kind == Kind::AeadOneShot || cipher.is_ocb() {
            ctx.control(evp_sys::EVP_CTRL_AEAD_SET_TAG, tag_size, ptr::null_mut(), &what)?;
        }
        let key_size = c_int::try_from(key.len()).map_err(|_| Error::argument("a key of more than 2 GB"))?;
        if cipher.takes_any_key_size() {
            // SAFETY: the context is live.
            let done = unsafe { ffi::EVP_CIPHER_CTX_set_key_length(ctx.0.as_ptr(), key_size) };
            queue::check(done, Code::Argument, &what)?;
        }
        let done = ctx.init(None, Some(key), Some(iv), encrypt);
        queue::check(done, Code::Config, &what)?;
        Ok(ctx)
    }

    fn empty() -> Result<CipherCtx> {
        crate::ossl::init()?;
        queue::clear();
        // SAFETY: no preconditions.
        let ctx = NonNull::new(unsafe { ffi::EVP_CIPHER_CTX_new() });
        ctx.map(CipherCtx).ok_or_else(|| queue::error(Code::NoMemory, "cannot make a cipher"))
    }

    /// Chooses the cipher, without a key.
    fn prepare(&mut self, cipher: &Cipher, encrypt: bool) -> Result<()> {
        if self.init(Some(cipher), None, None, encrypt) == 1 { Ok(()) } else { Err(cipher.unusable()) }
    }

    fn init(&mut self, cipher: Option<&Cipher>, key: Option<&[u8]>, iv: Option<&[u8]>, encrypt: bool) -> c_int {
        let cipher = cipher.map_or(ptr::null_mut(), |cipher| cipher.cipher.as_ptr());
        let key = key.map_or(ptr::null(), <[u8]>::as_ptr);
        let iv = iv.map_or(ptr::null(), <[u8]>::as_ptr);
        // SAFETY: the context is live; key and vector are NULL, or as long as was set for the cipher in it.
        unsafe { ffi::EVP_CipherInit_ex(self.0.as_ptr(), cipher, ptr::null_mut(), key, iv, c_int::from(encrypt)) }
    }

    fn control(&mut self, command: c_int, number: usize, data: *mut c_void, what: &str) -> Result<()> {
        let number = c_int::try_from(number).map_err(|_| Error::argument(what))?;
        // SAFETY: the context is live; `data` is NULL or has `number` bytes.
        let done = unsafe { ffi::EVP_CIPHER_CTX_ctrl(self.0.as_ptr(), command, number, data) };
        queue::check(done, Code::Argument, what)
    }

    /// Whether the last block is padded, which is the default.
    pub fn set_padding(&mut self, padding: bool) -> Result<()> {
        // SAFETY: the context is live.
        let done = unsafe { ffi::EVP_CIPHER_CTX_set_padding(self.0.as_ptr(), c_int::from(padding)) };
        queue::check(done, Code::Internal, "cannot set the padding")
    }

    /// Announces the length of the one piece (CCM).
    pub fn set_length(&mut self, len: usize) -> Result<()> {
        self.step(ptr::null_mut(), ptr::null(), len, Code::Config, "cannot set the length").map(|_| ())
    }

    /// Takes additional data in.
    pub fn aad(&mut self, data: &[u8]) -> Result<()> {
        let what = "cannot take additional data";
        self.step(ptr::null_mut(), data.as_ptr(), data.len(), Code::Config, what).map(|_| ())
    }

    /// Takes a piece of text in and gives what there is of the other text: `out` has space for SLACK bytes more than
    /// `data`. Returns how many there were.
    pub fn update(&mut self, data: &[u8], out: &mut [u8], code: Code, what: &str) -> Result<usize> {
        if out.len() < data.len().saturating_add(SLACK) {
            return Err(Error::new(Code::Internal, "too little space for a cipher's output"));
        }
        self.step(out.as_mut_ptr(), data.as_ptr(), data.len(), code, what)
    }

    fn step(&mut self, out: *mut u8, data: *const u8, len: usize, code: Code, what: &str) -> Result<usize> {
        queue::clear();
        let len = c_int::try_from(len).ok().filter(|len| *len <= c_int::MAX - SLACK as c_int);
        let len = len.ok_or_else(|| Error::argument("a piece of text of 2 GB or more"))?;
        let mut written: c_int = 0;
        // SAFETY: `data` is NULL or readable for `len` bytes, `out` NULL or writable for SLACK more.
        let done = unsafe { ffi::EVP_CipherUpdate(self.0.as_ptr(), out, &mut written, data, len) };
        queue::check(done, code, what)?;
        Ok(usize::try_from(written).unwrap_or(0))
    }

    /// Ends the text: `out` has space for SLACK bytes. Returns how many there were.
    pub fn finish(&mut self, out: &mut [u8; SLACK], code: Code, what: &str) -> Result<usize> {
        queue::clear();
        let mut written: c_int = 0;
        // SAFETY: `out` has space for the longest block that there is.
        let done = unsafe { evp_sys::EVP_CipherFinal_ex(self.0.as_ptr(), out.as_mut_ptr(), &mut written) };
        queue::check(done, code, what)?;
        Ok(usize::try_from(written).unwrap_or(0))
    }

    /// The tag of what was encrypted.
    pub fn tag(&mut self, size: usize) -> Result<Vec<u8>> {
        queue::clear();
        let mut tag = vec![0; size];
        self.control(evp_sys::EVP_CTRL_AEAD_GET_TAG, size, tag.as_mut_ptr().cast(), "cannot get the tag")?;
        Ok(tag)
    }

    /// The tag that what is decrypted must have.
    pub fn set_tag(&mut self, tag: &[u8]) -> Result<()> {
        queue::clear();
        let mut tag = tag.to_vec();
        self.control(evp_sys::EVP_CTRL_AEAD_SET_TAG, tag.len(), tag.as_mut_ptr().cast(), "cannot set the tag")
    }
}
