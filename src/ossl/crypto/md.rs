//! Digests: EVP_MD by name, and digests in the making.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_int, c_uint},
    ptr::{self, NonNull},
};

use crate::ossl::{evp_sys, queue};

/// A digest algorithm.
pub struct Md {
    md: NonNull<ffi::EVP_MD>,
    name: String,
    /// Whether it is ours to free.
    #[cfg(ossl300)]
    fetched: bool,
}

// SAFETY: an EVP_MD is never changed; its references are counted atomically.
unsafe impl Send for Md {}
// SAFETY: likewise.
unsafe impl Sync for Md {}

impl Md {
    /// The digest that OpenSSL knows by this name. Whether it can be used shows in `MdCtx::new`.
    pub fn by_name(name: &CStr) -> Result<Md> {
        crate::ossl::init()?;
        queue::clear();
        let text = name.to_string_lossy().into_owned();
        // SAFETY: the name is NUL-terminated; the result is static or NULL.
        let md = unsafe { ffi::EVP_get_digestbyname(name.as_ptr()) };
        if let Some(md) = NonNull::new(md.cast_mut()) {
            #[cfg(ossl300)]
            return Ok(Md { md, name: text, fetched: false });
            #[cfg(not(ossl300))]
            return Ok(Md { md, name: text });
        }
        // Some are known to the providers alone.
        #[cfg(ossl300)]
        {
            // SAFETY: the name is NUL-terminated; the result is a new reference or NULL.
            let md = unsafe { ffi::EVP_MD_fetch(ptr::null_mut(), name.as_ptr(), ptr::null()) };
            let entry = queue::take().filter(queue::Entry::is_out_of_memory);
            if let Some(md) = NonNull::new(md) {
                let md = Md { md, name: text.clone(), fetched: true };
                // The providers' "NULL" digests nothing.
                if md.is_extendable() || md.stated_size() > 0 {
                    return Ok(md);
                }
            } else if entry.is_some() {
                return Err(queue::error_from(entry, Code::NoMemory, ""));
            }
        }
        Err(Error::argument(format!("OpenSSL knows no digest \"{text}\"")))
    }

    /// For OpenSSL's functions.
    pub fn as_ptr(&self) -> *const ffi::EVP_MD {
        self.md.as_ptr()
    }

    /// The name by which it was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn stated_size(&self) -> c_int {
        // SAFETY: the digest is live.
        unsafe { ffi::EVP_MD_size(self.as_ptr()) }
    }

    /// The length of its digests in bytes. OpenSSL 3.4 and later leave that of the SHAKEs open: then it is half the
    /// capacity of the sponge, as it was before.
    pub fn size(&self) -> usize {
        // SAFETY: the digest is live.
        let block = unsafe { ffi::EVP_MD_block_size(self.as_ptr()) };
        match usize::try_from(self.stated_size()) {
            Ok(size) if size > 0 => size,
            _ => usize::try_from((200 - block) / 2).unwrap_or(0),
        }
    }

    /// Whether it gives as many bytes as one asks for.
    pub fn is_extendable(&self) -> bool {
        // SAFETY: the digest is live.
        unsafe { evp_sys::EVP_MD_flags(self.as_ptr()) & evp_sys::EVP_MD_FLAG_XOF != 0 }
    }

    /// The failure that this digest cannot be used, with OpenSSL's reason.
    pub fn unusable(&self) -> Error {
        queue::error(Code::Unsupported, &format!("the digest \"{}\" cannot be used in this OpenSSL", self.name))
    }
}

#[cfg(ossl300)]
impl Drop for Md {
    fn drop(&mut self) {
        if self.fetched {
            // SAFETY: the reference is ours.
            unsafe { ffi::EVP_MD_free(self.md.as_ptr()) }
        }
    }
}

/// A digest in the making.
pub struct MdCtx(NonNull<ffi::EVP_MD_CTX>);

// SAFETY: nothing in an EVP_MD_CTX belongs to a thread; it is changed through `&mut` only.
unsafe impl Send for MdCtx {}

impl Drop for MdCtx {
    fn drop(&mut self) {
        // SAFETY: the context is ours.
        unsafe { ffi::EVP_MD_CTX_free(self.0.as_ptr()) }
    }
}

impl MdCtx {
    /// A context for nothing yet.
    pub fn empty() -> Result<MdCtx> {
        crate::ossl::init()?;
        queue::clear();
        // SAFETY: no preconditions.
        let ctx = unsafe { ffi::EVP_MD_CTX_new() };
        NonNull::new(ctx).map(MdCtx).ok_or_else(|| queue::error(Code::NoMemory, "cannot make an EVP_MD_CTX"))
    }

    /// The digest of no bytes yet.
    pub fn new(md: &Md) -> Result<MdCtx> {
        let ctx = MdCtx::empty()?;
        // SAFETY: both are live; the context takes a reference of its own where there is one to take.
        match unsafe { ffi::EVP_DigestInit_ex(ctx.as_ptr(), md.as_ptr(), ptr::null_mut()) } {
            1 => Ok(ctx),
            _ => Err(md.unusable()),
        }
    }

    /// For OpenSSL's functions.
    pub fn as_ptr(&self) -> *mut ffi::EVP_MD_CTX {
        self.0.as_ptr()
    }

    /// A further context with the same bytes behind it.
    pub fn try_clone(&self) -> Result<MdCtx> {
        let copy = MdCtx::empty()?;
        // SAFETY: both are live.
        let done = unsafe { ffi::EVP_MD_CTX_copy_ex(copy.as_ptr(), self.as_ptr()) };
        queue::check(done, Code::Internal, "cannot copy a digest")?;
        Ok(copy)
    }

    /// Takes in more bytes.
    pub fn update(&mut self, data: &[u8]) -> Result<()> {
        queue::clear();
        // SAFETY: `data` is readable for its length.
        let done = unsafe { ffi::EVP_DigestUpdate(self.as_ptr(), data.as_ptr().cast(), data.len()) };
        queue::check(done, Code::Internal, "cannot digest")
    }

    /// Fills `out` with the digest: `md.size()` bytes, or as many as one likes if it is extendable.
    pub fn finish(self, md: &Md, out: &mut [u8]) -> Result<()> {
        queue::clear();
        if md.is_extendable() {
            // SAFETY: `out` is writable for its length.
            let done = unsafe { ffi::EVP_DigestFinalXOF(self.as_ptr(), out.as_mut_ptr(), out.len()) };
            return queue::check(done, Code::Internal, "cannot digest");
        }
        if out.len() < md.size() {
            return Err(Error::argument("too little space for the digest"));
        }
        let mut len: c_uint = 0;
        // SAFETY: `out` has space for the digest.
        let done = unsafe { ffi::EVP_DigestFinal_ex(self.as_ptr(), out.as_mut_ptr(), &mut len) };
        queue::check(done, Code::Internal, "cannot digest")
    }
}

/// The SHA-256 digest of some bytes.
pub fn sha256(data: &[u8]) -> Result<[u8; 32]> {
    let md = Md::by_name(c"SHA256")?;
    let mut ctx = MdCtx::new(&md)?;
    ctx.update(data)?;
    let mut digest = [0; 32];
    ctx.finish(&md, &mut digest)?;
    Ok(digest)
}
