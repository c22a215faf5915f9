//! Sizes of records, and the order of cipher suites.

use crate::error::{Error, Result};

use crate::ffi::{
    config::{bgl_ssl_config_t, change},
    status::bgl_ssl_status_t,
};

/// The smallest and the largest record that OpenSSL sends.
const RECORD_SIZES: std::ops::RangeInclusive<usize> = 512..=16384;

/// What a client may ask for (RFC 6066, section 4).
const MAX_FRAGMENT_LENGTHS: [u16; 4] = [512, 1024, 2048, 4096];

/// The largest block of padding.
const LARGEST_BLOCK: usize = 16384;

fn invalid<T: std::fmt::Display>(what: &str, value: T, expected: &str) -> Error {
    Error::argument(format!("{what} {value} is not {expected}"))
}

/// Sets whether a server takes the first of its own cipher suites that the client has, and not the first of the
/// client's that it has itself. Clients know whether they have hardware for AES, so the default is theirs, as it is
/// OpenSSL's.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread. See
/// SSL_OP_CIPHER_SERVER_PREFERENCE in SSL_CTX_set_options(3).
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_server_preference(
    config: *mut bgl_ssl_config_t,
    preference: bool,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            config.server_preference = preference;
            Ok(())
        })
    }
}

/// Sets how many bytes of data a record carries at most that this end sends. Smaller ones are read sooner by a peer
/// that can use nothing before the record is complete, and cost more. For datagrams see bgl_ssl_config_set_mtu.
///
/// size: 512 to 16384; 0 for 16384 (the default).
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread. See
/// SSL_CTX_set_max_send_fragment(3).
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_record_size(
    config: *mut bgl_ssl_config_t,
    size: usize,
) -> bgl_ssl_status_t {
    let checked = || match size {
        0 => Ok(None),
        size if RECORD_SIZES.contains(&size) => Ok(Some(size)),
        size => Err(invalid("the record size", size, "between 512 and 16384, or 0")),
    };
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            config.records.size = checked()?;
            Ok(())
        })
    }
}

/// Sets whether the records of a stream begin small and grow: each of the first fits into one packet, so the peer can
/// use it when it comes, and those after 64 kB are full. After a second in which nothing was written they are small
/// again.
///
/// dynamic: the default is false.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_dynamic_records(
    config: *mut bgl_ssl_config_t,
    dynamic: bool,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            config.records.is_dynamic = dynamic;
            Ok(())
        })
    }
}

/// Makes clients ask the server for records of no more than so many bytes of data (max_fragment_length, RFC 6066), for
/// machines with little memory. Both ends keep to it once the server agrees; OpenSSL's servers do.
///
/// length: 512, 1024, 2048 or 4096; 0 to ask for nothing (the default).
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread. See
/// SSL_CTX_set_tlsext_max_fragment_length(3).
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_max_fragment_length(
    config: *mut bgl_ssl_config_t,
    length: i32,
) -> bgl_ssl_status_t {
    let checked = || -> Result<Option<u16>> {
        if length == 0 {
            return Ok(None);
        }
        let known = MAX_FRAGMENT_LENGTHS.iter().copied().find(|known| i32::from(*known) == length);
        known.map(Some).ok_or_else(|| invalid("the fragment length", length, "512, 1024, 2048, 4096 or 0"))
    };
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            config.records.max_fragment_length = checked()?;
            Ok(())
        })
    }
}

/// Pads the records that this end sends with TLS 1.3, so that their lengths reveal less about what is in them. TLS 1.2
/// and DTLS have no padding.
///
/// block: each record is padded to a multiple of this, 2 to 16384; 0 or 1 for none (the default).
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread. See
/// SSL_CTX_set_block_padding(3).
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_padding(
    config: *mut bgl_ssl_config_t,
    block: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            if block > LARGEST_BLOCK {
                return Err(invalid("the padding", block, "between 0 and 16384"));
            }
            config.records.padding = if block == 1 { 0 } else { block };
            Ok(())
        })
    }
}
