//! Certificate revocation lists of a config.

use crate::{
    config::requirements::CrlSource,
    error::Error,
    pki::{crl::Crls, pem::Format},
};
use std::ffi::{c_char, c_void};

use crate::ffi::{
    config::{apply, bgl_ssl_config_t, change},
    convert, guard,
    status::bgl_ssl_status_t,
};

/// Only the peer's own certificate is looked for in the lists.
pub const BGL_SSL_CRL_LEAF: i32 = 1;
/// All certificates of the chain are looked for in the lists: each issuer must have one. The default.
pub const BGL_SSL_CRL_CHAIN: i32 = 2;
/// A certificate passes whose issuer has no list in the config.
pub const BGL_SSL_CRL_TOLERATE_MISSING: i32 = 16;
/// A list counts although it is due to be replaced.
pub const BGL_SSL_CRL_TOLERATE_EXPIRED: i32 = 32;

/// Adds revocation lists. From the first one on, the certificates of the peer's verified chain are looked for in them:
/// one that is listed, that has no list, or whose list is due to be replaced is BGL_SSL_E_VERIFY (see
/// bgl_ssl_config_set_crl_policy), in resumed handshakes as in full ones. The trusted certificate at the end of a chain
/// needs no list where it is not self-signed (RFC 5280, 6.1): its issuer need not be known. A config that has lists and
/// verifies no chain is BGL_SSL_E_CONFIG when it is frozen.
///
/// data: len bytes, with one list or, in PEM, several; copied.
/// format: BGL_SSL_FORMAT_...
///
/// Returns BGL_SSL_OK; BGL_SSL_E_CONFIG if there is no list, or a damaged one: then none is added; BGL_SSL_E_ARGUMENT;
/// BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread. See RFC 5280, section 5.
///
/// Precondition: config is NULL or live; data is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_add_crls(
    config: *mut bgl_ssl_config_t,
    data: *const c_void,
    len: usize,
    format: i32,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    guard::done(|| unsafe {
        let crls = Crls::from_bytes(convert::bytes(data, len, "CRL")?, Format::from_number(format)?)?;
        apply(config, |config| config.requirements.crls.sources.push(CrlSource::Given(crls)))
    })
}

/// Adds a file with revocation lists, or a directory of such files: see bgl_ssl_config_add_crls. They are read when the
/// config is frozen, and again for the first connection after they have changed; for each connection in the three
/// seconds after a change, because a further one may leave the file's times as they are. A file that cannot be read, or
/// that holds no list or a damaged one, makes the freezing and the connections fail, with a message that names it, and
/// so does a link that leads nowhere: replace files by rename(2).
///
/// path: of a PEM or DER file, or of a directory that holds such files and, beside them, other directories only, which
/// are passed over; copied.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_IO (ENOENT) for an empty path, or BGL_SSL_E_STATE if the config is
/// frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; path is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_add_crl_file(
    config: *mut bgl_ssl_config_t,
    path: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and text.
    guard::done(|| unsafe {
        let place = CrlSource::Place(convert::path(path)?.to_owned());
        apply(config, |config| config.requirements.crls.sources.push(place))
    })
}

/// Sets how revocation lists are used.
///
/// policy: BGL_SSL_CRL_LEAF or BGL_SSL_CRL_CHAIN (the default), and to either of them BGL_SSL_CRL_TOLERATE_... may be
/// added.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_crl_policy(
    config: *mut bgl_ssl_config_t,
    policy: i32,
) -> bgl_ssl_status_t {
    const TOLERATIONS: i32 = BGL_SSL_CRL_TOLERATE_MISSING | BGL_SSL_CRL_TOLERATE_EXPIRED;
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            let crls = &mut config.requirements.crls;
            crls.whole_chain = match policy & !TOLERATIONS {
                BGL_SSL_CRL_LEAF => false,
                BGL_SSL_CRL_CHAIN => true,
                _ => return Err(Error::argument(format!("no CRL policy has the number {policy}"))),
            };
            crls.tolerate_missing = policy & BGL_SSL_CRL_TOLERATE_MISSING != 0;
            crls.tolerate_expired = policy & BGL_SSL_CRL_TOLERATE_EXPIRED != 0;
            Ok(())
        })
    }
}
