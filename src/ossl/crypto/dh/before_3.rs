//! Diffie-Hellman by the interfaces of OpenSSL 1.1.1, which OpenSSL 3 deprecates.

use crate::error::{Code, Result};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_int},
    ptr::{self, NonNull},
};

use super::group::Group;
use crate::ossl::{crypto::bn::Bn, evp_sys, queue, secret::Secret};

/// OpenSSL's key.
struct Key(NonNull<ffi::DH>);

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the key is ours.
        unsafe { ffi::DH_free(self.0.as_ptr()) }
    }
}

impl Key {
    fn from_owned(dh: *mut ffi::DH) -> Result<Key> {
        NonNull::new(dh).map(Key).ok_or_else(|| queue::error(Code::NoMemory, "cannot make a Diffie-Hellman key"))
    }

    fn new() -> Result<Key> {
        crate::ossl::init()?;
        queue::clear();
        // SAFETY: no preconditions.
        Key::from_owned(unsafe { ffi::DH_new() })
    }

    fn of_group(group: &Group) -> Result<Key> {
        let key = Key::new()?;
        let (p, g) = (group.p.try_clone()?.into_ptr(), group.g.try_clone()?.into_ptr());
        let q = group.q.as_ref().map(Bn::try_clone).transpose()?.map_or(ptr::null_mut(), Bn::into_ptr);
        // SAFETY: the key is live and takes the numbers over; it refuses none if p and g are there.
        let done = unsafe { ffi::DH_set0_pqg(key.0.as_ptr(), p, q, g) };
        queue::check(done, Code::Internal, "cannot set a group")?;
        Ok(key)
    }

    fn group(&self) -> Result<Group> {
        let (mut p, mut q, mut g) = (ptr::null(), ptr::null(), ptr::null());
        // SAFETY: the key is live and lends its numbers, which are copied.
        unsafe {
            ffi::DH_get0_pqg(self.0.as_ptr(), &mut p, &mut q, &mut g);
            let q = if q.is_null() { None } else { Some(copy(q)?) };
            Ok(Group { p: copy(p)?, q, g: copy(g)? })
        }
    }
}

/// # Safety
/// `bn` is live.
unsafe fn copy(bn: *const ffi::BIGNUM) -> Result<Bn> {
    // SAFETY: the preconditions cover it; a new number or NULL.
    unsafe { Bn::from_owned(ffi::BN_dup(bn)) }
}

/// A new group with a safe prime of so many bits.
pub fn generate_group(bits: c_int, generator: c_int) -> Result<Group> {
    let key = Key::new()?;
    // SAFETY: the key is live.
    let done = unsafe { ffi::DH_generate_parameters_ex(key.0.as_ptr(), bits, generator, ptr::null_mut()) };
    let what = format!("cannot make a Diffie-Hellman group of {bits} bits with the generator {generator}");
    queue::check(done, Code::Argument, &what)?;
    key.group()
}

/// The group that OpenSSL knows by this name.
pub fn named_group(name: &CStr) -> Result<Option<Group>> {
    crate::ossl::init()?;
    // SAFETY: the name is NUL-terminated; a new key or NULL.
    let dh = unsafe { evp_sys::DH_new_by_nid(evp_sys::OBJ_sn2nid(name.as_ptr())) };
    queue::clear();
    if dh.is_null() {
        return Ok(None);
    }
    // OpenSSL 1.1.1 knows groups with safe primes only, and does not know the order.
    let mut group = Key::from_owned(dh)?.group()?;
    group.q = Some(group.p.less_one()?.half()?);
    Ok(Some(group))
}

/// A new public and private key.
pub fn generate_key(group: &Group) -> Result<(Bn, Bn)> {
    let key = Key::of_group(group)?;
    // SAFETY: the key is live.
    let done = unsafe { ffi::DH_generate_key(key.0.as_ptr()) };
    queue::check(done, Code::Config, "cannot make a Diffie-Hellman key")?;
    let (mut public, mut private) = (ptr::null(), ptr::null());
    // SAFETY: the key is live and lends its numbers, which are copied.
    unsafe {
        ffi::DH_get0_key(key.0.as_ptr(), &mut public, &mut private);
        Ok((copy(public)?, copy(private)?))
    }
}

/// The secret shared with `peer`, with its leading zeros.
pub fn derive(group: &Group, public: &Bn, private: &Bn, peer: &Bn) -> Result<Secret> {
    let key = Key::of_group(group)?;
    let (public, private) = (public.try_clone()?.into_ptr(), private.try_clone()?.into_ptr());
    // SAFETY: the key is live and takes the numbers over; it refuses none if the public key is there.
    let done = unsafe { ffi::DH_set0_key(key.0.as_ptr(), public, private) };
    queue::check(done, Code::Internal, "cannot set a key")?;
    let mut secret = vec![0; group.p.size()];
    // SAFETY: `secret` has space for as many bytes as the prime has.
    let len = unsafe { evp_sys::DH_compute_key_padded(secret.as_mut_ptr(), peer.as_ptr(), key.0.as_ptr()) };
    queue::check(len, Code::Config, "cannot agree on a secret with this public key")?;
    Ok(Secret::new(secret))
}
