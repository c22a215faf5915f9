//! Ticket keys, which configs, processes and machines may share.

use crate::{error::Result, session::TicketKeys};
use std::{
    ffi::{c_char, c_void},
    ptr,
    sync::Arc,
};

use crate::ffi::{
    convert, guard,
    handle::{self, Handle},
    status::bgl_ssl_status_t,
};

/// The keys of the tickets that servers give to their clients. They are counted references, may be shared by any number
/// of configs and threads, and survive whatever becomes of those: see bgl_ssl_config_set_ticket_keys.
pub struct bgl_ssl_ticket_keys_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_ticket_keys_t {
    type Rust = Arc<TicketKeys>;
    const TAG: u64 = 0x4247_4c53_544b_4559;
    const NOUN: &'static str = "ticket keys";
}

/// Makes random keys, which exist nowhere else, and a new one for each period. Old ones decrypt as long as tickets of
/// theirs may live (bgl_ssl_config_set_session_lifetime), and are then overwritten.
///
/// period: microseconds, one minute at least; 0 for 12 hours.
///
/// Returns keys, to be freed with bgl_ssl_ticket_keys_free, or NULL: BGL_SSL_E_ARGUMENT, BGL_SSL_E_INTERNAL. Never
/// blocks; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_ticket_keys_new(period: i64) -> *mut bgl_ssl_ticket_keys_t {
    guard::or(ptr::null_mut(), || Ok(handle::give(Arc::new(TicketKeys::random(seconds(period)?)?))))
}

/// Makes keys from a secret: processes and machines that have it, with the same period, resume one another's sessions,
/// with no word between them. There is a key for each period of time since 1970, derived from the secret by HKDF; so
/// the clocks must be right to within a period. Anyone who learns the secret can decrypt all connections that were
/// resumed by TLS 1.2, recorded ones too: keep it as a private key, and replace it at times.
///
/// secret: len bytes, at least 32, of the quality of a key, not a password; copied.
/// period: microseconds, one minute at least; 0 for 12 hours.
///
/// Returns keys, to be freed with bgl_ssl_ticket_keys_free, or NULL: BGL_SSL_E_ARGUMENT. Never blocks; any thread. See
/// RFC 5869.
///
/// Precondition: secret is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ticket_keys_from_secret(
    secret: *const c_void,
    len: usize,
    period: i64,
) -> *mut bgl_ssl_ticket_keys_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the bytes.
        let secret = unsafe { convert::bytes(secret, len, "secret")? };
        TicketKeys::from_secret(secret, seconds(period)?).map(|keys| handle::give(Arc::new(keys)))
    })
}

/// Adds a key, as nginx has it. It encrypts from now on; those before it decrypt. From the first key that
/// is added, none is made at random any more, and replacing it is up to the program. 16 keys are kept, the latest; one
/// that is added again counts as the latest. May be called at any time, also for a config in use.
///
/// key: 48 or 80 bytes; copied. Of 48 the name, the key of AES-128 and that of the HMAC, of 16 bytes each; of 80 the
/// name, 16 bytes, and the keys of the HMAC and of AES-256, of 32 bytes each.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT; BGL_SSL_E_STATE for keys that were made from a secret. Never blocks; any
/// thread.
///
/// Precondition: keys is NULL or live; key is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ticket_keys_add(
    keys: *const bgl_ssl_ticket_keys_t,
    key: *const c_void,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    guard::done(|| unsafe {
        let key = convert::bytes(key, len, "ticket key")?;
        handle::with(keys, |keys| keys.add(key))
    })
}

/// Adds the keys of a file: as bgl_ssl_ticket_keys_add does.
///
/// file: nginx's, with the 48 or 80 bytes of one key (ssl_session_ticket_key); or haproxy's, with a key in base64 on
/// each line, the last but one of which encrypts (tls-ticket-keys), and where the key of AES-256 comes before that of
/// the HMAC.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT; BGL_SSL_E_IO if the file cannot be read; BGL_SSL_E_CONFIG if it is no such
/// file, and then nothing is added; BGL_SSL_E_STATE for keys that were made from a secret. The message names the file.
/// Any thread. Blocks no longer than the disk.
///
/// Precondition: keys is NULL or live; file is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ticket_keys_add_file(
    keys: *const bgl_ssl_ticket_keys_t,
    file: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and text.
    guard::done(|| unsafe {
        let file = convert::path(file)?;
        handle::with(keys, |keys| keys.add_file(file))
    })
}

/// Frees keys; configs that have them keep them. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: keys is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ticket_keys_free(keys: *mut bgl_ssl_ticket_keys_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(keys) }
}

/// A period in seconds; None for 0.
fn seconds(microseconds: i64) -> Result<Option<i64>> {
    let period = convert::limit(microseconds)?;
    Ok(period.map(|period| i64::try_from(period.as_secs()).unwrap_or(i64::MAX)))
}
