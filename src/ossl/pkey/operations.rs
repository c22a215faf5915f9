//! What keys do: sign, verify, agree on a secret, and come into being.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_int},
    ptr::{self, NonNull},
};

use super::Pkey;
use crate::ossl::{
    crypto::md::{Md, MdCtx},
    evp_sys, queue,
    secret::Secret,
};

/// How RSA pads.
#[derive(Clone, Copy)]
pub enum Padding {
    /// As the key says; PKCS#1 v1.5 if it says nothing.
    Default,
    /// PKCS#1 v1.5.
    Pkcs1,
    /// PSS, with so many bytes of salt; -1: as many as the digest has; -2: as many as fit, or as there are.
    Pss(c_int),
}

/// An operation with a key.
pub struct PkeyCtx(NonNull<ffi::EVP_PKEY_CTX>);

impl Drop for PkeyCtx {
    fn drop(&mut self) {
        // SAFETY: the context is ours.
        unsafe { ffi::EVP_PKEY_CTX_free(self.0.as_ptr()) }
    }
}

impl PkeyCtx {
    /// An operation with `key`.
    pub fn new(key: &Pkey) -> Result<PkeyCtx> {
        queue::clear();
        // SAFETY: the key is live; the context takes a reference of its own.
        PkeyCtx::from_owned(unsafe { ffi::EVP_PKEY_CTX_new(key.as_ptr(), ptr::null_mut()) })
    }

    /// An operation with keys of this kind (EVP_PKEY_EC and its like).
    pub fn of_kind(kind: c_int) -> Result<PkeyCtx> {
        crate::ossl::init()?;
        queue::clear();
        // SAFETY: no preconditions.
        PkeyCtx::from_owned(unsafe { ffi::EVP_PKEY_CTX_new_id(kind, ptr::null_mut()) })
    }

    fn from_owned(ctx: *mut ffi::EVP_PKEY_CTX) -> Result<PkeyCtx> {
        NonNull::new(ctx)
            .map(PkeyCtx)
            .ok_or_else(|| queue::error(Code::Unsupported, "this OpenSSL has no such keys"))
    }

    /// For OpenSSL's functions.
    pub fn as_ptr(&self) -> *mut ffi::EVP_PKEY_CTX {
        self.0.as_ptr()
    }

    /// Sets what openssl-pkeyutl(1) sets with -pkeyopt. Returns as OpenSSL does.
    pub fn set(&self, name: &CStr, value: &CStr) -> c_int {
        // SAFETY: the context is live, the texts NUL-terminated.
        unsafe { evp_sys::EVP_PKEY_CTX_ctrl_str(self.as_ptr(), name.as_ptr(), value.as_ptr()) }
    }

    /// Makes a key; `prepare` sets what is asked of it.
    pub fn generate(self, what: &str, prepare: impl FnOnce(&PkeyCtx) -> c_int) -> Result<Pkey> {
        queue::clear();
        // SAFETY: the context is live.
        queue::check(unsafe { ffi::EVP_PKEY_keygen_init(self.as_ptr()) }, Code::Unsupported, what)?;
        queue::check(prepare(&self), Code::Unsupported, what)?;
        let mut key = ptr::null_mut();
        // SAFETY: the context is live; a new key is stored.
        queue::check(unsafe { ffi::EVP_PKEY_keygen(self.as_ptr(), &mut key) }, Code::Config, what)?;
        // SAFETY: a new key, or NULL.
        unsafe { Pkey::from_owned(key) }.ok_or_else(|| queue::error(Code::Internal, what))
    }
}

/// Sets what a signature is made of, between its init and the operation.
fn prepare(ctx: &PkeyCtx, md: &Md, padding: Padding) -> Result<()> {
    // SAFETY: the context and the digest are live; OpenSSL does not change the digest.
    let done = unsafe { ffi::EVP_PKEY_CTX_set_signature_md(ctx.as_ptr(), md.as_ptr().cast_mut()) };
    let what = format!("the digest \"{}\" cannot be used with this key", md.name());
    queue::check(done, Code::Config, &what)?;
    let (pad, salt) = match padding {
        Padding::Default => return Ok(()),
        Padding::Pkcs1 => (ffi::RSA_PKCS1_PADDING, None),
        Padding::Pss(salt) => (ffi::RSA_PKCS1_PSS_PADDING, Some(salt)),
    };
    // SAFETY: the context is live.
    let done = unsafe { ffi::EVP_PKEY_CTX_set_rsa_padding(ctx.as_ptr(), pad) };
    queue::check(done, Code::Config, "the padding cannot be used with this key")?;
    let Some(salt) = salt else {
        return Ok(());
    };
    // SAFETY: the context is live.
    let done = unsafe { ffi::EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx.as_ptr(), salt) };
    queue::check(done, Code::Config, &format!("the salt length {salt} cannot be used with this key"))
}

const CANNOT_SIGN: &str = "cannot sign with this key";
const CANNOT_SIGN_MESSAGE: &str = "cannot sign a message with this key and digest";

/// The size that a signature by `key` needs at most.
fn signature_size(key: &Pkey) -> usize {
    // SAFETY: the key is live.
    usize::try_from(unsafe { ffi::EVP_PKEY_size(key.as_ptr()) }).unwrap_or(0)
}

/// Keys that sign whole messages only.
fn refuse_one_shot(key: &Pkey) -> Result<()> {
    // SAFETY: the key is live.
    match unsafe { ffi::EVP_PKEY_id(key.as_ptr()) } {
        ffi::EVP_PKEY_ED25519 | ffi::EVP_PKEY_ED448 => Err(Error::new(
            Code::Unsupported,
            "an Ed25519 or Ed448 key is for whole messages, without a digest: see bgl_ssl_sign_message",
        )),
        _ => Ok(()),
    }
}

/// Signs a digest that was made with `md`.
pub fn sign(key: &Pkey, md: &Md, padding: Padding, digest: &[u8]) -> Result<Vec<u8>> {
    let ctx = begin_sign(key, md, padding)?;
    let mut signature = vec![0; signature_size(key)];
    let mut len = signature.len();
    // SAFETY: `signature` is writable for `len` bytes, `digest` readable for its length.
    let done = unsafe {
        ffi::EVP_PKEY_sign(ctx.as_ptr(), signature.as_mut_ptr(), &mut len, digest.as_ptr(), digest.len())
    };
    queue::check(done, Code::Config, CANNOT_SIGN)?;
    signature.truncate(len);
    Ok(signature)
}

/// The size that the signature of a digest needs at most, if the key suits.
pub fn digest_signature_size(key: &Pkey, md: &Md, padding: Padding) -> Result<usize> {
    begin_sign(key, md, padding).map(|_| signature_size(key))
}

fn begin_sign(key: &Pkey, md: &Md, padding: Padding) -> Result<PkeyCtx> {
    refuse_one_shot(key)?;
    let ctx = PkeyCtx::new(key)?;
    // SAFETY: the context is live.
    queue::check(unsafe { ffi::EVP_PKEY_sign_init(ctx.as_ptr()) }, Code::Config, CANNOT_SIGN)?;
    prepare(&ctx, md, padding)?;
    Ok(ctx)
}

/// Whether this is `key`'s signature of a digest that was made with `md`.
pub fn verify(key: &Pkey, md: &Md, padding: Padding, digest: &[u8], signature: &[u8]) -> Result<bool> {
    refuse_one_shot(key)?;
    let ctx = PkeyCtx::new(key)?;
    // SAFETY: the context is live.
    let done = unsafe { ffi::EVP_PKEY_verify_init(ctx.as_ptr()) };
    queue::check(done, Code::Config, "cannot verify with this key")?;
    prepare(&ctx, md, padding)?;
    // SAFETY: both are readable for their lengths.
    let verified = unsafe {
        ffi::EVP_PKEY_verify(ctx.as_ptr(), signature.as_ptr(), signature.len(), digest.as_ptr(), digest.len())
    };
    queue::clear();
    Ok(verified == 1)
}

fn md_or_null(md: Option<&Md>) -> *const ffi::EVP_MD {
    md.map_or(ptr::null(), Md::as_ptr)
}

/// Signs a whole message, without a digest where the algorithm brings its own.
pub fn sign_message(key: &Pkey, md: Option<&Md>, message: &[u8]) -> Result<Vec<u8>> {
    let ctx = begin_sign_message(key, md)?;
    let mut signature = vec![0; signature_size(key)];
    let mut len = signature.len();
    // SAFETY: `signature` is writable for `len` bytes, `message` readable for its length.
    let done = unsafe {
        ffi::EVP_DigestSign(ctx.as_ptr(), signature.as_mut_ptr(), &mut len, message.as_ptr(), message.len())
    };
    queue::check(done, Code::Config, CANNOT_SIGN_MESSAGE)?;
    signature.truncate(len);
    Ok(signature)
}

/// The size that the signature of a message needs at most, if key and digest suit one another.
pub fn message_signature_size(key: &Pkey, md: Option<&Md>) -> Result<usize> {
    begin_sign_message(key, md).map(|_| signature_size(key))
}

fn begin_sign_message(key: &Pkey, md: Option<&Md>) -> Result<MdCtx> {
    let ctx = MdCtx::empty()?;
    let null = ptr::null_mut();
    // SAFETY: all are live or NULL.
    let done =
        unsafe { ffi::EVP_DigestSignInit(ctx.as_ptr(), ptr::null_mut(), md_or_null(md), null, key.as_ptr()) };
    queue::check(done, Code::Config, CANNOT_SIGN_MESSAGE)?;
    Ok(ctx)
}

/// Whether this is `key`'s signature of a whole message.
pub fn verify_message(key: &Pkey, md: Option<&Md>, message: &[u8], signature: &[u8]) -> Result<bool> {
    let ctx = MdCtx::empty()?;
    let null = ptr::null_mut();
    // SAFETY: all are live or NULL.
    let done =
        unsafe { ffi::EVP_DigestVerifyInit(ctx.as_ptr(), ptr::null_mut(), md_or_null(md), null, key.as_ptr()) };
    queue::check(done, Code::Config, "cannot verify a message with this key and digest")?;
    // SAFETY: both are readable for their lengths.
    let verified = unsafe {
        ffi::EVP_DigestVerify(ctx.as_ptr(), signature.as_ptr(), signature.len(), message.as_ptr(), message.len())
    };
    queue::clear();
    Ok(verified == 1)
}

/// The secret that `own`, a private key, shares with `peer`, a public one.
pub fn derive(own: &Pkey, peer: &Pkey) -> Result<Secret> {
    let ctx = PkeyCtx::new(own)?;
    let what = "cannot agree on a secret with this public key";
    // SAFETY: the context is live.
    let done = unsafe { ffi::EVP_PKEY_derive_init(ctx.as_ptr()) };
    queue::check(done, Code::Config, "cannot agree on a secret with this key")?;
    // SAFETY: both are live; the context takes a reference of its own.
    queue::check(unsafe { ffi::EVP_PKEY_derive_set_peer(ctx.as_ptr(), peer.as_ptr()) }, Code::Config, what)?;
    let mut len = 0;
    // SAFETY: NULL asks for the length.
    let done = unsafe { ffi::EVP_PKEY_derive(ctx.as_ptr(), ptr::null_mut(), &mut len) };
    queue::check(done, Code::Config, what)?;
    let mut secret = vec![0; len];
    // SAFETY: `secret` is writable for `len` bytes.
    let done = unsafe { ffi::EVP_PKEY_derive(ctx.as_ptr(), secret.as_mut_ptr(), &mut len) };
    queue::check(done, Code::Config, what)?;
    secret.truncate(len);
    Ok(Secret::new(secret))
}
