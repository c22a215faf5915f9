//! Providers of OpenSSL 3: modules that bring algorithms, and keys that are elsewhere.

use crate::error::{Code, Error, Result};
use std::{
    ffi::CStr,
    sync::atomic::{AtomicU64, Ordering},
};

#[cfg(ossl300)]
use openssl_sys as ffi;
#[cfg(ossl300)]
use std::ptr;

/// How many times a provider was loaded here.
static LOADED: AtomicU64 = AtomicU64::new(0);

/// What decides which algorithms OpenSSL has for an SSL_CTX that is made now. Contexts keep those that they were made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithms {
    loaded: u64,
    /// The program may have chosen this without us.
    fips: bool,
}

impl Algorithms {
    /// As they are now.
    pub fn now() -> Algorithms {
        Algorithms { loaded: LOADED.load(Ordering::SeqCst), fips: is_fips() }
    }

    /// Whether they are those of FIPS modules only.
    pub fn are_fips(self) -> bool {
        self.fips
    }
}

/// Loads a provider for the whole process, and never unloads it; those that OpenSSL would load by itself stay.
#[cfg(ossl300)]
pub fn load(name: &CStr) -> Result<()> {
    use super::queue;
    super::init()?;
    queue::clear();
    // SAFETY: NULL stands for the default library context; the name is NUL-terminated; 1 keeps the others.
    let provider = unsafe { ffi::OSSL_PROVIDER_try_load(ptr::null_mut(), name.as_ptr(), 1) };
    if provider.is_null() {
        let what = format!("the provider \"{}\" cannot be loaded", name.to_string_lossy());
        let entry = queue::take();
        return Err(Error { code: Code::Unsupported, ..queue::error_from(entry, Code::Unsupported, &what) });
    }
    queue::clear();
    LOADED.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// Whether a provider is loaded.
#[cfg(ossl300)]
pub fn is_loaded(name: &CStr) -> bool {
    // SAFETY: as above.
    super::init().is_ok() && unsafe { super::sys::OSSL_PROVIDER_available(ptr::null_mut(), name.as_ptr()) == 1 }
}

/// Whether algorithms are taken from FIPS modules only.
#[cfg(ossl300)]
pub fn is_fips() -> bool {
    // SAFETY: as above.
    super::init().is_ok() && unsafe { ffi::EVP_default_properties_is_fips_enabled(ptr::null_mut()) == 1 }
}

/// Takes algorithms from FIPS modules only, or from any.
#[cfg(ossl300)]
pub fn set_fips(fips: bool) -> Result<()> {
    use super::queue;
    if fips {
        load(c"fips")?;
        // It has what is no algorithm: to read and write keys.
        load(c"base")?;
    }
    queue::clear();
    // SAFETY: as above.
    let done = unsafe { ffi::EVP_default_properties_enable_fips(ptr::null_mut(), fips.into()) };
    queue::check(done, Code::Unsupported, "OpenSSL cannot be confined to FIPS modules")
}

#[cfg(not(ossl300))]
fn unsupported() -> Error {
    Error::new(Code::Unsupported, "providers are of OpenSSL 3: this one has none")
}

/// Loads a provider.
#[cfg(not(ossl300))]
pub fn load(_: &CStr) -> Result<()> {
    Err(unsupported())
}

/// Whether a provider is loaded.
#[cfg(not(ossl300))]
pub fn is_loaded(_: &CStr) -> bool {
    false
}

/// Whether algorithms are taken from FIPS modules only.
#[cfg(not(ossl300))]
pub fn is_fips() -> bool {
    false
}

/// Takes algorithms from FIPS modules only, or from any.
#[cfg(not(ossl300))]
pub fn set_fips(fips: bool) -> Result<()> {
    if fips { Err(unsupported()) } else { Ok(()) }
}
