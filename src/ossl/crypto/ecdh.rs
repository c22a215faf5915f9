//! Keys on elliptic curves for key agreement: the NIST curves, X25519 and X448.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_int, c_long},
    ptr,
};

use crate::ossl::{
    evp_sys,
    pkey::{Pkey, operations::PkeyCtx},
    queue,
    secret::Secret,
};

/// A curve.
#[derive(Clone, Copy)]
pub struct Curve {
    name: &'static CStr,
    kind: c_int,
    /// How many bytes a private key has.
    size: usize,
    /// The curve's object identifier in DER; empty for curves that are a kind of key of their own.
    oid: &'static [u8],
}

const CURVES: [Curve; 5] = [
    Curve {
        name: c"P-256",
        kind: ffi::EVP_PKEY_EC,
        size: 32,
        oid: &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
    },
    Curve { name: c"P-384", kind: ffi::EVP_PKEY_EC, size: 48, oid: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22] },
    Curve { name: c"P-521", kind: ffi::EVP_PKEY_EC, size: 66, oid: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23] },
    Curve { name: c"X25519", kind: ffi::EVP_PKEY_X25519, size: 32, oid: &[] },
    Curve { name: c"X448", kind: ffi::EVP_PKEY_X448, size: 56, oid: &[] },
];

impl Curve {
    /// The curve of this name.
    pub fn by_name(name: &str) -> Result<Curve> {
        let found = CURVES.iter().find(|curve| curve.name.to_bytes().eq_ignore_ascii_case(name.as_bytes()));
        found.copied().ok_or_else(|| {
            Error::argument(format!("no curve \"{name}\": there are P-256, P-384, P-521, X25519 and X448"))
        })
    }

    /// A new private key.
    pub fn generate(&self) -> Result<Pkey> {
        PkeyCtx::of_kind(self.kind)?.generate("cannot make a key", |ctx| match self.kind {
            ffi::EVP_PKEY_EC => ctx.set(c"ec_paramgen_curve", self.name),
            _ => 1,
        })
    }

    /// The private key of these bytes, the most significant first for the NIST curves.
    pub fn private_key(&self, bytes: &[u8]) -> Result<Pkey> {
        if bytes.len() != self.size {
            return Err(Error::argument(format!(
                "a private key for {} has {} bytes, not {}",
                self.name.to_string_lossy(),
                self.size,
                bytes.len()
            )));
        }
        crate::ossl::init()?;
        queue::clear();
        let key = if self.oid.is_empty() {
            // SAFETY: `bytes` is readable for its length.
            unsafe { ffi::EVP_PKEY_new_raw_private_key(self.kind, ptr::null_mut(), bytes.as_ptr(), bytes.len()) }
        } else {
            let der = self.sec1(bytes)?;
            let mut cursor = der.as_ptr();
            // SAFETY: `cursor` points to as many readable bytes.
            unsafe { evp_sys::d2i_PrivateKey(self.kind, ptr::null_mut(), &mut cursor, der.len() as c_long) }
        };
        // SAFETY: a new key, or NULL.
        let key = unsafe { Pkey::from_owned(key) };
        let key = key.ok_or_else(|| queue::error(Code::Config, "no private key for this curve"))?;
        // OpenSSL reads a number that is 0 or too large, too.
        let ctx = PkeyCtx::new(&key)?;
        // SAFETY: the context is live.
        if !self.oid.is_empty() && unsafe { ffi::EVP_PKEY_check(ctx.as_ptr()) } != 1 {
            return Err(queue::error(Code::Config, "no private key for this curve"));
        }
        Ok(key)
    }

    /// SEQUENCE { INTEGER 1, OCTET STRING, [0] OBJECT IDENTIFIER } (RFC 5915): the form from which every OpenSSL
    /// finds the public key by itself.
    fn sec1(&self, bytes: &[u8]) -> Result<Secret> {
        let byte = |len: usize| u8::try_from(len).map_err(|_| Error::new(Code::Internal, "a key too long"));
        let begin = [0x02, 0x01, 0x01, 0x04, byte(bytes.len())?];
        let end = [0xa0, byte(self.oid.len())?];
        let body = begin.len() + bytes.len() + end.len() + self.oid.len();
        // Of this length from the start: no copy stays behind where it grows.
        let mut der = Vec::with_capacity(2 + body);
        der.extend([0x30, byte(body)?]);
        for part in [&begin, bytes, &end, self.oid] {
            der.extend_from_slice(part);
        }
        Ok(Secret::new(der))
    }
}

/// The public part: an uncompressed point, or the bytes of RFC 7748.
pub fn public_bytes(key: &Pkey) -> Result<Vec<u8>> {
    queue::clear();
    let mut bytes = ptr::null_mut();
    // SAFETY: the key is live; OpenSSL stores what it allocates.
    let len = unsafe { evp_sys::EVP_PKEY_get1_encoded_public_key(key.as_ptr(), &mut bytes) };
    if len == 0 {
        return Err(queue::error(Code::Config, "the key has no public part"));
    }
    // SAFETY: the bytes are ours.
    Ok(unsafe { crate::ossl::take_bytes(bytes, c_int::try_from(len).unwrap_or(0)) })
}

/// The public key of these bytes, on the curve of `own`. A point that is not on the curve is refused.
pub fn peer_key(own: &Pkey, bytes: &[u8]) -> Result<Pkey> {
    queue::clear();
    // SAFETY: a new key, or NULL.
    let peer = unsafe { Pkey::from_owned(ffi::EVP_PKEY_new()) };
    let peer = peer.ok_or_else(|| queue::error(Code::NoMemory, "cannot make a key"))?;
    // SAFETY: both are live; `peer` is not shared yet.
    let done = unsafe { ffi::EVP_PKEY_copy_parameters(peer.as_ptr(), own.as_ptr()) };
    queue::check(done, Code::Internal, "cannot copy the curve")?;
    // SAFETY: likewise; `bytes` is readable for its length.
    let done = unsafe { evp_sys::EVP_PKEY_set1_encoded_public_key(peer.as_ptr(), bytes.as_ptr(), bytes.len()) };
    queue::check(done, Code::Config, "no public key on this curve")?;
    Ok(peer)
}
