//! Diffie-Hellman by the keys of OpenSSL 3 and later.

use crate::error::{Code, Result};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_int},
    ptr::{self, NonNull},
};

use super::group::Group;
use crate::ossl::{
    crypto::bn::Bn,
    evp_sys,
    pkey::{
        Pkey,
        operations::{self, PkeyCtx},
    },
    queue,
    secret::Secret,
};

/// Parameters in the making.
struct Builder(NonNull<ffi::OSSL_PARAM_BLD>);

impl Drop for Builder {
    fn drop(&mut self) {
        // SAFETY: the builder is ours.
        unsafe { ffi::OSSL_PARAM_BLD_free(self.0.as_ptr()) }
    }
}

fn of_dh() -> Result<PkeyCtx> {
    PkeyCtx::of_kind(ffi::EVP_PKEY_DH)
}

/// A key of this group; without any numbers, just the group.
fn key(group: &Group, public: Option<&Bn>, private: Option<&Bn>) -> Result<Pkey> {
    crate::ossl::init()?;
    queue::clear();
    let out_of_memory = || queue::error(Code::NoMemory, "cannot make a key");
    // SAFETY: no preconditions.
    let builder = NonNull::new(unsafe { ffi::OSSL_PARAM_BLD_new() }).map(Builder).ok_or_else(out_of_memory)?;
    let numbers = [
        (c"p", Some(&group.p)),
        (c"q", group.q.as_ref()),
        (c"g", Some(&group.g)),
        (c"pub", public),
        (c"priv", private),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            // SAFETY: the builder is live; it copies the number when the parameters are made, before its end.
            let done = unsafe { ffi::OSSL_PARAM_BLD_push_BN(builder.0.as_ptr(), name.as_ptr(), number.as_ptr()) };
            queue::check(done, Code::NoMemory, "cannot make a key")?;
        }
    }
    let selection = match (public, private) {
        (_, Some(_)) => ffi::EVP_PKEY_KEYPAIR,
        (Some(_), None) => ffi::EVP_PKEY_PUBLIC_KEY,
        (None, None) => ffi::EVP_PKEY_KEY_PARAMETERS,
    };
    let ctx = of_dh()?;
    let mut key = ptr::null_mut();
    // SAFETY: all are live; the parameters are freed here, the key is a new one or NULL.
    let (key, done) = unsafe {
        let parameters = ffi::OSSL_PARAM_BLD_to_param(builder.0.as_ptr());
        if parameters.is_null() {
            return Err(out_of_memory());
        }
        let mut done = ffi::EVP_PKEY_fromdata_init(ctx.as_ptr());
        if done == 1 {
            done = ffi::EVP_PKEY_fromdata(ctx.as_ptr(), &mut key, selection, parameters);
        }
        ffi::OSSL_PARAM_free(parameters);
        (Pkey::from_owned(key), done)
    };
    queue::check(done, Code::Config, "these numbers are no Diffie-Hellman key")?;
    key.ok_or_else(out_of_memory)
}

/// A number of a key; None if it has no such.
fn number(key: &Pkey, name: &CStr) -> Result<Option<Bn>> {
    let mut bn = ptr::null_mut();
    // SAFETY: the key is live, the name NUL-terminated; a new number is stored.
    let done = unsafe { ffi::EVP_PKEY_get_bn_param(key.as_ptr(), name.as_ptr(), &mut bn) };
    queue::clear();
    // SAFETY: a new number on success.
    if done == 1 { unsafe { Bn::from_owned(bn).map(Some) } } else { Ok(None) }
}

fn needed(key: &Pkey, name: &CStr) -> Result<Bn> {
    number(key, name)?.ok_or_else(|| queue::error(Code::Internal, "the key lacks a number"))
}

fn group_of(key: &Pkey) -> Result<Group> {
    Ok(Group { p: needed(key, c"p")?, q: number(key, c"q")?, g: needed(key, c"g")? })
}

/// A new group with a safe prime of so many bits.
pub fn generate_group(bits: c_int, generator: c_int) -> Result<Group> {
    let what = format!("cannot make a Diffie-Hellman group of {bits} bits with the generator {generator}");
    let ctx = of_dh()?;
    let mut key = ptr::null_mut();
    // SAFETY: the context is live; a new key is stored.
    let done = unsafe {
        match () {
            () if ffi::EVP_PKEY_paramgen_init(ctx.as_ptr()) != 1 => 0,
            () if ffi::EVP_PKEY_CTX_set_dh_paramgen_prime_len(ctx.as_ptr(), bits) != 1 => 0,
            () if ffi::EVP_PKEY_CTX_set_dh_paramgen_generator(ctx.as_ptr(), generator) != 1 => 0,
            () => ffi::EVP_PKEY_paramgen(ctx.as_ptr(), &mut key),
        }
    };
    // SAFETY: a new key, or NULL.
    let key = unsafe { Pkey::from_owned(key) };
    queue::check(done, Code::Argument, &what)?;
    group_of(&key.ok_or_else(|| queue::error(Code::NoMemory, &what))?)
}

/// The group that OpenSSL knows by this name.
pub fn named_group(name: &CStr) -> Result<Option<Group>> {
    let generated = of_dh()?.generate("no such group", |ctx| {
        // SAFETY: the context is live, the name NUL-terminated.
        unsafe { evp_sys::EVP_PKEY_CTX_set_group_name(ctx.as_ptr(), name.as_ptr()) }
    });
    match generated {
        Ok(key) => group_of(&key).map(Some),
        Err(error) if error.code == Code::Unsupported => Ok(None),
        Err(error) => Err(error),
    }
}

/// A new public and private key.
pub fn generate_key(group: &Group) -> Result<(Bn, Bn)> {
    let key = PkeyCtx::new(&key(group, None, None)?)?.generate("cannot make a Diffie-Hellman key", |_| 1)?;
    Ok((needed(&key, c"pub")?, needed(&key, c"priv")?))
}

/// The secret shared with `peer`, without its leading zeros.
pub fn derive(group: &Group, public: &Bn, private: &Bn, peer: &Bn) -> Result<Secret> {
    let own = key(group, Some(public), Some(private))?;
    operations::derive(&own, &key(group, Some(peer), None)?)
}
