//! Keys and certificates from OSSL_STORE URIs: files, and what providers know of (tokens, TPMs).

use crate::error::{Code, Error, Result};
use std::{
    ffi::{CStr, OsStr, c_void},
    fs::{self, File},
    io,
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr,
};

use super::{
    pkey::{Asked, Pkey, give_passphrase},
    queue, sys,
    x509::X509,
};

/// How many objects one URI may have.
const MOST_OBJECTS: usize = 10_000;

/// What is at a URI.
#[derive(Default)]
pub struct Found {
    /// Private keys.
    pub keys: Vec<Pkey>,
    /// The certificates, in their order.
    pub certificates: Vec<X509>,
}

/// Frees OpenSSL's objects.
struct Open {
    store: *mut sys::StoreCtx,
    method: *mut sys::UiMethod,
}

impl Drop for Open {
    fn drop(&mut self) {
        // SAFETY: both are NULL or ours.
        unsafe {
            if !self.store.is_null() {
                sys::OSSL_STORE_close(self.store);
            }
            sys::UI_destroy_method(self.method);
        }
    }
}

/// All keys and certificates at a URI.
pub fn load(uri: &CStr, passphrase: Option<&CStr>) -> Result<Found> {
    if uri.is_empty() {
        return Err(Error::argument("the URI is empty"));
    }
    super::init()?;
    let mut asked = Asked { passphrase, asked: false };
    let user: *mut c_void = (&raw mut asked).cast();
    queue::clear();
    // SAFETY: the callback has the type that OpenSSL asks for. Without a method of ours it would ask the terminal.
    let method = unsafe { sys::UI_UTIL_wrap_read_pem_callback(Some(give_passphrase), 0) };
    let mut open = Open { store: ptr::null_mut(), method };
    if method.is_null() {
        return Err(queue::error(Code::NoMemory, "cannot ask for passphrases"));
    }
    // SAFETY: the text is NUL-terminated, the method live; `user` is what the callback expects, and outlives the store.
    open.store = unsafe { sys::OSSL_STORE_open(uri.as_ptr(), method, user, ptr::null(), ptr::null_mut()) };
    if open.store.is_null() {
        return Err(cannot_open(uri));
    }
    let mut found = Found::default();
    for _ in 0..MOST_OBJECTS {
        // SAFETY: the store is live; what it gives is freed in `take`.
        let object = unsafe { sys::OSSL_STORE_load(open.store) };
        if !object.is_null() {
            // SAFETY: the object is ours.
            unsafe { take(object, &mut found) };
            continue;
        }
        // SAFETY: the store is live. At its end it may call that an error, too.
        let (failed, ended) =
            unsafe { (sys::OSSL_STORE_error(open.store) != 0, sys::OSSL_STORE_eof(open.store) != 0) };
        let is_empty = found.keys.is_empty() && found.certificates.is_empty();
        if failed && (is_empty || !ended) {
            return Err(cannot_read(&asked));
        }
        if ended {
            break;
        }
    }
    if asked.asked && found.keys.is_empty() && found.certificates.is_empty() {
        return Err(cannot_read(&asked));
    }
    queue::clear();
    Ok(found)
}

/// # Safety
/// `object` is live, and ours.
unsafe fn take(object: *mut sys::StoreInfo, found: &mut Found) {
    // SAFETY: the preconditions cover it; the references that it gives are ours.
    unsafe {
        match sys::OSSL_STORE_INFO_get_type(object) {
            sys::OSSL_STORE_INFO_PKEY => {
                found.keys.extend(Pkey::from_owned(sys::OSSL_STORE_INFO_get1_PKEY(object)))
            }
            sys::OSSL_STORE_INFO_CERT => {
                found.certificates.extend(X509::from_owned(sys::OSSL_STORE_INFO_get1_CERT(object)));
            }
            _ => {}
        }
        sys::OSSL_STORE_INFO_free(object);
    }
}

fn cannot_open(uri: &CStr) -> Error {
    let entry = queue::take();
    let scheme = scheme(uri);
    // OpenSSL's reason may be that of a loader that it has tried afterwards.
    if scheme.as_deref().is_none_or(|scheme| scheme.eq_ignore_ascii_case("file"))
        && !entry.as_ref().is_some_and(queue::Entry::is_out_of_memory)
    {
        if let Err(error) = try_file(uri) {
            return Error::io(&error);
        }
    }
    match scheme {
        Some(scheme) if !has_loader(&scheme) => Error::new(
            Code::Unsupported,
            format!("no provider of this OpenSSL knows URIs that begin with \"{scheme}:\": is it loaded?"),
        ),
        _ => queue::error_from(entry, Code::Config, "cannot be opened"),
    }
}

/// Opens the file that a URI or a text without a scheme names.
fn try_file(uri: &CStr) -> io::Result<()> {
    let name = uri.to_bytes();
    let name = match name.split_at_checked(5) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"file:") => rest,
        _ => name,
    };
    // Two slashes begin the name of a host, which is this one.
    let name = if name.starts_with(b"//localhost/") { name.split_at("//localhost".len()).1 } else { name };
    let path = Path::new(OsStr::from_bytes(name));
    // A pipe would be waited for.
    if fs::metadata(path)?.is_file() {
        File::open(path)?;
    }
    Ok(())
}

fn cannot_read(asked: &Asked<'_>) -> Error {
    let what = match (asked.asked, asked.passphrase) {
        (true, None) => {
            return queue::unasked(queue::take(), "what is there is encrypted and no passphrase was given");
        }
        (true, Some(_)) => "what is there cannot be decrypted: is the passphrase right?",
        (false, _) => "cannot be read",
    };
    queue::error(Code::Config, what)
}

/// What is before the first colon, if that can be a scheme.
fn scheme(uri: &CStr) -> Option<String> {
    let text = uri.to_string_lossy();
    let (scheme, _) = text.split_once(':')?;
    let fits = scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    fits.then(|| scheme.to_string())
}

/// Whether URIs of a scheme can be opened, as far as OpenSSL says so beforehand.
#[cfg(ossl300)]
pub fn has_loader(scheme: &str) -> bool {
    let Ok(scheme) = std::ffi::CString::new(scheme) else { return false };
    if super::init().is_err() {
        return false;
    }
    // SAFETY: NULL stands for the default library context; what is fetched is ours.
    let known = unsafe {
        let loader = sys::OSSL_STORE_LOADER_fetch(ptr::null_mut(), scheme.as_ptr(), ptr::null());
        if !loader.is_null() {
            sys::OSSL_STORE_LOADER_free(loader);
        }
        !loader.is_null()
    };
    queue::clear();
    known
}

/// Whether URIs of a scheme can be opened, as far as OpenSSL says so beforehand.
#[cfg(not(ossl300))]
pub fn has_loader(scheme: &str) -> bool {
    scheme == "file"
}
