//! Keys that both ends of a connection can derive from it, and what binds an authentication inside of the connection
//! to it.

use crate::{
    error::{Code, Error, Result},
    ossl::{bio_backend::BioBackend, queue, secret::Secret, sys, x509::X509},
    types::Role,
};
use openssl_sys as ffi;
use std::{
    ffi::{c_char, c_int, c_void},
    ptr,
};

use super::connection::Ssl;

/// The kinds of channel bindings (RFC 5929, RFC 9266).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// The first Finished message of the handshake.
    Unique,
    /// The digest of the server's certificate.
    ServerEndPoint,
    /// Exported keying material.
    Exporter,
}

/// The label and the length of the keying material that is a channel binding (RFC 9266, section 2).
const EXPORTER_LABEL: &str = "EXPORTER-Channel-Binding";
const EXPORTER_LEN: usize = 32;

impl<B: BioBackend> Ssl<B> {
    /// Fills `out` with keying material (RFC 5705; RFC 8446, section 7.5). In TLS 1.2 and before, no context is not the
    /// same as an empty one.
    pub fn export_keying_material(&mut self, label: &str, context: Option<&[u8]>, out: &mut [u8]) -> Result<()> {
        self.demand_handshake()?;
        let given = context.is_some();
        let context = context.unwrap_or_default();
        queue::clear();
        // SAFETY: the SSL is live; each pointer is valid for the length behind it.
        let done = unsafe {
            ffi::SSL_export_keying_material(
                self.ptr(),
                out.as_mut_ptr(),
                out.len(),
                label.as_ptr().cast::<c_char>(),
                label.len(),
                context.as_ptr(),
                context.len(),
                c_int::from(given),
            )
        };
        queue::check(done, Code::Unsupported, "the connection exports no keying material of this kind")
    }

    /// The channel binding of this kind. An error of code Unsupported where it is not defined, or would not be unique.
    pub fn channel_binding(&mut self, kind: ChannelBinding) -> Result<Secret> {
        self.demand_handshake()?;
        match kind {
            ChannelBinding::Unique => self.first_finished().map(Secret::new),
            ChannelBinding::ServerEndPoint => self.server_end_point().map(Secret::new),
            ChannelBinding::Exporter => {
                if !self.is_tls13() && !self.has_extended_master_secret() {
                    return Err(unsupported("tls-exporter needs TLS 1.3 or the extended master secret (RFC 9266)"));
                }
                let mut binding = vec![0; EXPORTER_LEN];
                self.export_keying_material(EXPORTER_LABEL, Some(&[]), &mut binding)?;
                Ok(Secret::new(binding))
            }
        }
    }

    fn demand_handshake(&self) -> Result<()> {
        if self.is_handshaken() {
            return Ok(());
        }
        Err(Error::new(Code::State, "the handshake has not been completed"))
    }

    /// Without it (RFC 7627) an attacker can make two connections that have the same master secret.
    fn has_extended_master_secret(&self) -> bool {
        // SAFETY: the SSL is live.
        unsafe { ffi::SSL_get_extms_support(self.ptr()) == 1 }
    }

    /// The client's Finished comes first in a full handshake, the server's in a resumed one.
    fn first_finished(&self) -> Result<Vec<u8>> {
        if self.is_tls13() {
            return Err(unsupported("tls-unique is not defined for TLS 1.3: use tls-exporter"));
        }
        if !self.has_extended_master_secret() {
            return Err(unsupported("tls-unique is not unique without the extended master secret (RFC 7627)"));
        }
        let own_is_first = (self.role() == Role::Client) != self.session_reused();
        let mut bytes = [0u8; ffi::EVP_MAX_MD_SIZE as usize];
        let buffer = bytes.as_mut_ptr().cast::<c_void>();
        // SAFETY: the SSL is live; `bytes` is writable for its length.
        let len = unsafe {
            if own_is_first {
                ffi::SSL_get_finished(self.ptr(), buffer, bytes.len())
            } else {
                ffi::SSL_get_peer_finished(self.ptr(), buffer, bytes.len())
            }
        };
        match bytes.get(..len) {
            Some(finished) if len > 0 => Ok(finished.to_vec()),
            _ => Err(Error::new(Code::Internal, "OpenSSL has no Finished message")),
        }
    }

    /// RFC 5929, section 4.1: the digest is that of the certificate's signature; SHA-256 for MD5 and SHA-1.
    fn server_end_point(&self) -> Result<Vec<u8>> {
        let certificate = match self.role() {
            Role::Client => self.peer_certificate(),
            // SAFETY: the SSL is live and lends its own certificate, or NULL.
            Role::Server => unsafe { X509::from_borrowed(ffi::SSL_get_certificate(self.ptr())) },
        };
        let certificate = certificate.ok_or_else(|| {
            unsupported("tls-server-end-point needs a certificate of the server, and there is none")
        })?;
        let mut digest: c_int = 0;
        // SAFETY: the certificate is live; what is not asked for is NULL.
        let known = unsafe {
            sys::X509_get_signature_info(
                certificate.as_ptr(),
                &mut digest,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        queue::clear();
        let name = match (known, digest) {
            (1, ffi::NID_md5 | ffi::NID_sha1) => Some(c"SHA256"),
            // SAFETY: OpenSSL's names are static texts.
            (1, nid) if nid != ffi::NID_undef => unsafe { crate::ossl::static_text(ffi::OBJ_nid2sn(nid)) },
            _ => None,
        };
        let name = name.ok_or_else(|| {
            unsupported(
                "tls-server-end-point is not defined: the certificate's signature uses no digest of its own",
            )
        })?;
        certificate.digest(name)
    }
}

fn unsupported(why: &str) -> Error {
    Error::new(Code::Unsupported, why)
}
